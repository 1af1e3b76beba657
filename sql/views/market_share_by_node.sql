CREATE OR REPLACE VIEW market_share_by_node
(
    period LowCardinality(String) COMMENT 'month, quarter or year.',
    period_start Date32 COMMENT 'First day of the period.',
    node_id String COMMENT 'Organisation node.',
    node_level LowCardinality(String) COMMENT 'team, region or company.',
    node_name String COMMENT 'Name of the node, in the company''s language; empty when unknown.',
    node_name_en String COMMENT 'Name of the node, in English where given, else as node_name.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    own_volume Decimal(38, 6) COMMENT 'Units of the own products.',
    market_volume Decimal(38, 6) COMMENT 'Units sold by all suppliers together.',
    market_share Nullable(Decimal(38, 6)) COMMENT 'own_volume ÷ market_volume.',
    own_volume_before Nullable(Decimal(38, 6)) COMMENT 'Units of the own products in the period before; NULL where nothing was reported.',
    market_volume_before Nullable(Decimal(38, 6)) COMMENT 'Units sold by all suppliers in the period before; NULL where nothing was reported.',
    market_share_change Nullable(Decimal(38, 6)) COMMENT 'market_share less that of the period before, for example 0.02 for two points.',
    own_growth Nullable(Decimal(76, 6)) COMMENT 'Growth of the own volume over the period before, for example 0.12.',
    market_growth Nullable(Decimal(76, 6)) COMMENT 'Growth of the market over the period before.',
    evolution_index Nullable(Decimal(76, 6)) COMMENT '100 × (1 + own_growth) ÷ (1 + market_growth): above 100 the own products grow faster than the market.'
)
COMMENT 'Market share of teams, regions and the company with its change over the period before and the evolution index.'
AS
WITH
    -- quotients in whole millionths, rounded half up
    toInt256(own_volume * toDecimal256(1000000, 0)) AS own,
    nullIf(toInt256(market_volume * toDecimal256(1000000, 0)), 0) AS total,
    nullIf(toInt256(own_volume_before * toDecimal256(1000000, 0)), 0) AS own_then,
    nullIf(toInt256(market_volume_before * toDecimal256(1000000, 0)), 0) AS total_then
SELECT
    now_.period AS period,
    now_.period_start AS period_start,
    now_.node_id AS node_id,
    now_.node_level AS node_level,
    now_.node_name AS node_name,
    now_.node_name_en AS node_name_en,
    now_.product_level AS product_level,
    now_.product_key AS product_key,
    now_.product_name AS product_name,
    now_.product_name_en AS product_name_en,
    now_.numerator AS own_volume,
    assumeNotNull(now_.denominator) AS market_volume,
    now_.value AS market_share,
    if(before_.node_id = '', NULL, before_.numerator) AS own_volume_before,
    if(before_.node_id = '', NULL, before_.denominator) AS market_volume_before,
    now_.value - before_.value AS market_share_change,
    toDecimal256(intDiv(2 * own * 1000000 + own_then, 2 * own_then) - 1000000, 0) * toDecimal256('0.000001', 6) AS own_growth,
    toDecimal256(intDiv(2 * total * 1000000 + total_then, 2 * total_then) - 1000000, 0) * toDecimal256('0.000001', 6) AS market_growth,
    toDecimal256(intDiv(2 * 100000000 * own * total_then + own_then * total, 2 * own_then * total), 0)
        * toDecimal256('0.000001', 6) AS evolution_index
FROM (SELECT * REPLACE (assumeNotNull(period_start) AS period_start) FROM kpi_progress_by_node WHERE kpi_id = 'market_share' AND period IN ('month', 'quarter', 'year')) AS now_
LEFT JOIN
(
    SELECT
        *,
        addMonths(assumeNotNull(period_start), multiIf(period = 'month', 1, period = 'quarter', 3, 12)) AS next_start
    FROM kpi_progress_by_node WHERE kpi_id = 'market_share' AND period IN ('month', 'quarter', 'year')
) AS before_
    ON before_.period = now_.period AND before_.next_start = now_.period_start AND before_.node_id = now_.node_id
    AND before_.product_level = now_.product_level AND before_.product_key = now_.product_key
SETTINGS join_use_nulls = 0;
