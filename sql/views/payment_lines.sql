CREATE OR REPLACE VIEW payment_lines
(
    event_id String COMMENT 'Stable identity in the source system; the same event sent twice carries the same id.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When it happened, with offset.',
    day Date32 COMMENT 'Company day it happened on.',
    month_start Date32 COMMENT 'First day of the month.',
    quarter_start Date32 COMMENT 'First day of the quarter.',
    year UInt16 COMMENT 'Calendar year.',
    rep_id String COMMENT 'Representative.',
    rep_name String COMMENT 'Name of the representative, in the company''s language; empty when unknown.',
    rep_name_en String COMMENT 'Name of the representative, in English where given, else as rep_name.',
    team_id String COMMENT 'Team in force on the day; empty when there is none.',
    team_name String COMMENT 'Name of the team, in the company''s language; empty when unknown.',
    team_name_en String COMMENT 'Name of the team, in English where given, else as team_name.',
    region_id String COMMENT 'Region in force on the day; empty when there is none.',
    region_name String COMMENT 'Name of the region, in the company''s language; empty when unknown.',
    region_name_en String COMMENT 'Name of the region, in English where given, else as region_name.',
    company_id String COMMENT 'Company in force on the day; empty when there is none.',
    company_name String COMMENT 'Name of the company, in the company''s language; empty when unknown.',
    company_name_en String COMMENT 'Name of the company, in English where given, else as company_name.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    institution_name String COMMENT 'Name of the institution, in the company''s language; empty when unknown.',
    institution_name_en String COMMENT 'Name of the institution, in English where given, else as institution_name.',
    channel String COMMENT 'Channel of the institution: hospital, pharmacy, …; empty when unknown.',
    sub_channel String COMMENT 'Finer channel; empty when unknown.',
    country String COMMENT 'Country of the institution; empty when unknown.',
    province String COMMENT 'Province of the institution; empty when unknown.',
    city String COMMENT 'City of the institution; empty when unknown.',
    product_id String COMMENT 'Product.',
    product_name String COMMENT 'Name of the product, in the company''s language; empty when unknown.',
    product_name_en String COMMENT 'Name of the product, in English where given, else as product_name.',
    line_id String COMMENT 'Product line in force on the day; empty when unknown.',
    line_name String COMMENT 'Name of the product line, in the company''s language; empty when unknown.',
    line_name_en String COMMENT 'Name of the product line, in English where given, else as line_name.',
    invoice_id String COMMENT 'Invoice the line belongs to.',
    amount Decimal(38, 6) COMMENT 'Money in `currency`; negative when paid back.',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the money.',
    due_on Date32 COMMENT 'Day the paid invoice was due; decides the period of the collection rate.',
    recorded_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the source system wrote it down; not part of the content that tells duplicates from conflicts.',
    source LowCardinality(String) COMMENT 'Name of the system that sent it.'
)
COMMENT 'Payments, each event once, with the names and the organisation in force on the day of the payment.'
AS
SELECT
    line.event_id AS event_id,
    line.occurred_at AS occurred_at,
    line.day AS day,
    makeDate32(toYear(line.day), toMonth(line.day), 1) AS month_start,
    makeDate32(toYear(line.day), toQuarter(line.day) * 3 - 2, 1) AS quarter_start,
    toYear(line.day) AS year,
    line.rep_id AS rep_id,
    rep.name AS rep_name,
    ifNull(rep.name_en, rep.name) AS rep_name_en,
    path.team_id AS team_id,
    path.team_name AS team_name,
    path.team_name_en AS team_name_en,
    path.region_id AS region_id,
    path.region_name AS region_name,
    path.region_name_en AS region_name_en,
    path.company_id AS company_id,
    path.company_name AS company_name,
    path.company_name_en AS company_name_en,
    ifNull(line.institution_id, '') AS institution_id,
    institution.name AS institution_name,
    ifNull(institution.name_en, institution.name) AS institution_name_en,
    ifNull(institution.channel, '') AS channel,
    ifNull(institution.sub_channel, '') AS sub_channel,
    ifNull(institution.country, '') AS country,
    ifNull(institution.province, '') AS province,
    ifNull(institution.city, '') AS city,
    ifNull(line.product_id, '') AS product_id,
    product.name AS product_name,
    ifNull(product.name_en, product.name) AS product_name_en,
    ifNull(product.line_id, '') AS line_id,
    ifNull(product.line_name, '') AS line_name,
    coalesce(product.line_name_en, product.line_name, '') AS line_name_en,
    line.invoice_id AS invoice_id,
    line.amount AS amount,
    line.currency AS currency,
    line.due_on AS due_on,
    line.recorded_at AS recorded_at,
    line.source AS source
FROM (SELECT * FROM payments FINAL) AS line
ASOF LEFT JOIN reps_history AS rep
    ON rep.rep_id = line.rep_id AND line.day >= rep.effective_from
ASOF LEFT JOIN organisation_paths AS path
    ON path.node_id = rep.team_id AND line.day >= path.effective_from
ASOF LEFT JOIN institutions_history AS institution
    ON institution.institution_id = line.institution_id AND line.day >= institution.effective_from
ASOF LEFT JOIN products_history AS product
    ON product.product_id = line.product_id AND line.day >= product.effective_from
SETTINGS join_use_nulls = 0;
