CREATE OR REPLACE VIEW market_reports
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    day Date32 COMMENT 'Company day it happened on.',
    month_start Date32 COMMENT 'First day of the month.',
    quarter_start Date32 COMMENT 'First day of the quarter.',
    year UInt16 COMMENT 'Calendar year.',
    product_id String COMMENT 'Product.',
    product_name String COMMENT 'Name of the product, in the company''s language; empty when unknown.',
    product_name_en String COMMENT 'Name of the product, in English where given, else as product_name.',
    line_id String COMMENT 'Product line in force on the day; empty when unknown.',
    line_name String COMMENT 'Name of the product line, in the company''s language; empty when unknown.',
    line_name_en String COMMENT 'Name of the product line, in English where given, else as line_name.',
    territory_id String COMMENT 'Region or other node the report is about; the message key.',
    kind LowCardinality(String) COMMENT 'volume, competitor_price or tender.',
    period_from Nullable(Date32) COMMENT 'First day reported.',
    period_to Nullable(Date32) COMMENT 'Last day reported.',
    own_volume Nullable(Decimal(38, 6)) COMMENT 'Units of the own product.',
    market_volume Nullable(Decimal(38, 6)) COMMENT 'Units sold by all suppliers together.',
    competitor Nullable(String) COMMENT 'Competing product or company.',
    price Nullable(Decimal(38, 6)) COMMENT 'Price of the competing product.',
    tender_id Nullable(String) COMMENT 'Tender (集采) notice.',
    text Nullable(String) COMMENT 'Text of the notice.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.'
)
COMMENT 'Market reports, each event once, with the product names in force on the day.'
AS
SELECT
    line.event_id AS event_id,
    line.occurred_at AS occurred_at,
    line.day AS day,
    makeDate32(toYear(line.day), toMonth(line.day), 1) AS month_start,
    makeDate32(toYear(line.day), toQuarter(line.day) * 3 - 2, 1) AS quarter_start,
    toYear(line.day) AS year,
    ifNull(line.product_id, '') AS product_id,
    product.name AS product_name,
    ifNull(product.name_en, product.name) AS product_name_en,
    ifNull(product.line_id, '') AS line_id,
    ifNull(product.line_name, '') AS line_name,
    coalesce(product.line_name_en, product.line_name, '') AS line_name_en,
    line.territory_id AS territory_id,
    line.kind AS kind,
    line.period_from AS period_from,
    line.period_to AS period_to,
    line.own_volume AS own_volume,
    line.market_volume AS market_volume,
    line.competitor AS competitor,
    line.price AS price,
    line.tender_id AS tender_id,
    line.text AS text,
    line.recorded_at AS recorded_at,
    line.source AS source
FROM (SELECT * FROM market FINAL) AS line
ASOF LEFT JOIN products_history AS product
    ON product.product_id = line.product_id AND line.day >= product.effective_from
SETTINGS join_use_nulls = 0;
