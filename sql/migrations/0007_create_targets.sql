-- Targets with their whole history: rows are only ever added.

CREATE TABLE IF NOT EXISTS targets
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    kpi_id String COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    owner_level LowCardinality(String) COMMENT 'Who is to reach it: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    value Decimal(38, 6) COMMENT 'What is to be reached, in the unit of the KPI.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
ENGINE = MergeTree
ORDER BY (kpi_id, period, period_start, owner_level, owner_id, product_level, product_key, effective_from, published_version)
COMMENT 'Targets: every text ever published. To ask questions, read targets_today, targets_history or target_attainment.';
