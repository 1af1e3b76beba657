CREATE OR REPLACE VIEW targets_history
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
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Targets, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    kpi_id,
    period,
    period_start,
    owner_level,
    owner_id,
    product_level,
    product_key,
    value,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY kpi_id, period, period_start, owner_level, owner_id, product_level, product_key
        ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM targets
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY kpi_id, period, period_start, owner_level, owner_id, product_level, product_key, effective_from
);

CREATE OR REPLACE VIEW targets_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    kpi_id String COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    owner_level LowCardinality(String) COMMENT 'Who is to reach it: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    value Decimal(38, 6) COMMENT 'What is to be reached, in the unit of the KPI.'
)
COMMENT 'Targets, as in force on the company''s today.'
AS
SELECT
    effective_from,
    kpi_id,
    period,
    period_start,
    owner_level,
    owner_id,
    product_level,
    product_key,
    value
FROM targets_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
