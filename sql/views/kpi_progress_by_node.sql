CREATE OR REPLACE VIEW kpi_progress_by_node
(
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter, year, or a rolling window such as rolling_28_days.',
    period_start Nullable(Date32) COMMENT 'First day of the period; NULL for rolling windows.',
    period_end Nullable(Date32) COMMENT 'Last day of the period; NULL for rolling windows.',
    node_id String COMMENT 'Organisation node.',
    node_level LowCardinality(String) COMMENT 'team, region or company.',
    node_name String COMMENT 'Name of the node, in the company''s language; empty when unknown.',
    node_name_en String COMMENT 'Name of the node, in English where given, else as node_name.',
    parent_id String COMMENT 'Node above, at the end of the period, or today while it runs; empty for the company.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    value Nullable(Decimal(38, 6)) COMMENT 'The figure; NULL for a ratio or mean whose denominator is zero.',
    numerator Decimal(38, 6) COMMENT 'What was added up, or the upper part of a ratio or mean.',
    denominator Nullable(Decimal(38, 6)) COMMENT 'Lower part of a ratio or mean; NULL for other figures.',
    events UInt64 COMMENT 'Events that entered the figure.',
    updated_at DateTime64(3, 'UTC') COMMENT 'When the figure was computed.'
)
COMMENT 'Newest KPI figures of teams, regions and the company, with the names at the end of the period.'
AS
SELECT
    cell.kpi_id AS kpi_id,
    cell.period AS period,
    if(cell.period_end IS NULL, NULL, cell.period_start) AS period_start,
    cell.period_end AS period_end,
    cell.node_id AS node_id,
    cell.node_level AS node_level,
    node.name AS node_name,
    ifNull(node.name_en, node.name) AS node_name_en,
    ifNull(node.parent_id, '') AS parent_id,
    cell.product_level AS product_level,
    cell.product_key AS product_key,
    product.name AS product_name,
    product.name_en AS product_name_en,
    if(cell.is_over, if(cell.denominator IS NULL, toDecimal128(0, 6), NULL), cell.value) AS value,
    if(cell.is_over, toDecimal128(0, 6), cell.numerator) AS numerator,
    if(cell.is_over AND cell.denominator IS NOT NULL, toDecimal128(0, 6), cell.denominator) AS denominator,
    if(cell.is_over, 0, cell.events) AS events,
    cell.updated_at AS updated_at
FROM
(
    SELECT
        *,
        multiIf(
            period = 'month', toNullable(addMonths(period_start, 1) - 1),
            period = 'quarter', addMonths(period_start, 3) - 1,
            period = 'year', addMonths(period_start, 12) - 1,
            NULL
        ) AS period_end,
        -- a rolling figure nobody renewed for as long as its window is has nothing left in it
        ifNull(expires_at <= now64(3), false) AS is_over,
        -- names and organisation as on the last day of the period, or today while it runs
        least(ifNull(period_end, toDate32('2299-12-31')), toDate32(now('{{time_zone}}'))) AS named_on
    FROM node_totals FINAL
) AS cell
ASOF LEFT JOIN organisation_nodes_history AS node
    ON node.node_id = cell.node_id AND cell.named_on >= node.effective_from
LEFT JOIN product_names AS product
    ON product.product_level = cell.product_level AND product.product_key = cell.product_key
SETTINGS join_use_nulls = 0;
