-- Absolute figures, never increments: writing one again changes nothing.

CREATE TABLE IF NOT EXISTS kpi_cells
(
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter, year, or a rolling window such as rolling_28_days.',
    period_start Date32 COMMENT 'First day of the period; 1970-01-01 for rolling windows.',
    rep_id String COMMENT 'Representative.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    value Nullable(Decimal(38, 6)) COMMENT 'The figure; NULL for a ratio or mean whose denominator is zero.',
    numerator Decimal(38, 6) COMMENT 'What was added up, or the upper part of a ratio or mean.',
    denominator Nullable(Decimal(38, 6)) COMMENT 'Lower part of a ratio or mean; NULL for other figures.',
    events UInt64 COMMENT 'Events that entered the figure.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a cell counts.',
    updated_at DateTime64(3, 'UTC') COMMENT 'When the figure was computed.',
    expires_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When a rolling figure has fallen to nothing without further word; NULL for calendar periods.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kpi_id, period, period_start, rep_id, product_level, product_key)
COMMENT 'Figures of representatives, all versions. To ask questions, read kpi_progress_by_rep.';

CREATE TABLE IF NOT EXISTS node_totals
(
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter, year, or a rolling window such as rolling_28_days.',
    period_start Date32 COMMENT 'First day of the period; 1970-01-01 for rolling windows.',
    node_id String COMMENT 'Organisation node.',
    node_level LowCardinality(String) COMMENT 'team, region or company.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    value Nullable(Decimal(38, 6)) COMMENT 'The figure; NULL for a ratio or mean whose denominator is zero.',
    numerator Decimal(38, 6) COMMENT 'What was added up, or the upper part of a ratio or mean.',
    denominator Nullable(Decimal(38, 6)) COMMENT 'Lower part of a ratio or mean; NULL for other figures.',
    events UInt64 COMMENT 'Events that entered the figure.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a cell counts.',
    updated_at DateTime64(3, 'UTC') COMMENT 'When the figure was computed.',
    expires_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When a rolling figure has fallen to nothing without further word; NULL for calendar periods.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kpi_id, period, period_start, node_id, product_level, product_key)
COMMENT 'Figures of teams, regions and the company, all versions. To ask questions, read kpi_progress_by_node.';
