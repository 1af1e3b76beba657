CREATE OR REPLACE VIEW target_attainment_history
(
    kpi_id String COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Who is to reach it: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    owner_name String COMMENT 'Name at the end of the period, or today while it runs, in the company''s language; empty when unknown.',
    owner_name_en String COMMENT 'The same in English where given.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    target Decimal(38, 6) COMMENT 'What is to be reached in the whole period, in the unit of the KPI.',
    value Nullable(Decimal(38, 6)) COMMENT 'Newest figure of the owner in the whole period; NULL while there is none.',
    attainment Nullable(Decimal(76, 4)) COMMENT 'value ÷ target, rounded half to even; NULL without a figure and for a target of zero.',
    effective_from Date32 COMMENT 'First day the target is in force.',
    effective_to Nullable(Date32) COMMENT 'Last day the target is in force; NULL while none follows.',
    published_at DateTime64(3, 'UTC') COMMENT 'When the target was published.',
    author String COMMENT 'Who published the target.',
    updated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the figure was computed; NULL while there is none.'
)
COMMENT 'Every target with the days it is in force, beside the newest figure of its whole period; corrected texts are left out.'
AS
WITH
    -- in whole numbers: a division of decimals cuts off what the rounding has to see
    toInt256(value * toDecimal256(1000000, 0)) AS above,
    nullIf(toInt256(target * toDecimal256(1000000, 0)), 0) AS below,
    intDiv(abs(above) * 10000, below) AS quotient,
    2 * (abs(above) * 10000 - quotient * below) AS twice_the_rest,
    quotient + (twice_the_rest > below OR (twice_the_rest = below AND quotient % 2 = 1)) AS rounded
SELECT
    kpi_id,
    period,
    period_start,
    period_end,
    owner_level,
    owner_id,
    owner_name,
    owner_name_en,
    product_level,
    product_key,
    product_name,
    product_name_en,
    target,
    value,
    toDecimal256(sign(above) * rounded, 0) * toDecimal256('0.0001', 4) AS attainment,
    effective_from,
    effective_to,
    published_at,
    author,
    updated_at
FROM
(
    SELECT
        goal.kpi_id AS kpi_id,
        goal.period AS period,
        goal.period_start AS period_start,
        goal.period_end AS period_end,
        goal.owner_level AS owner_level,
        goal.owner_id AS owner_id,
        if(goal.owner_level = 'rep', rep.name, node.name) AS owner_name,
        if(goal.owner_level = 'rep', ifNull(rep.name_en, rep.name), ifNull(node.name_en, node.name)) AS owner_name_en,
        goal.product_level AS product_level,
        goal.product_key AS product_key,
        product.name AS product_name,
        product.name_en AS product_name_en,
        goal.value AS target,
        if(figure.is_there, figure.value, NULL) AS value,
        goal.effective_from AS effective_from,
        goal.effective_to AS effective_to,
        goal.published_at AS published_at,
        goal.author AS author,
        if(figure.is_there, toNullable(figure.updated_at), NULL) AS updated_at
    FROM
    (
        SELECT
            *,
            addMonths(period_start, multiIf(period = 'month', 1, period = 'quarter', 3, 12)) - 1 AS period_end,
            -- names as on the last day of the period, or today while it runs
            least(period_end, toDate32(now('{{time_zone}}'))) AS named_on
        FROM targets_history
    ) AS goal
    LEFT JOIN
    (
        SELECT
            kpi_id, period, period_start, node_level AS owner_level, node_id AS owner_id,
            product_level, product_key, value, updated_at, true AS is_there
        FROM node_totals FINAL
        UNION ALL
        SELECT
            kpi_id, period, period_start, 'rep' AS owner_level, rep_id AS owner_id,
            product_level, product_key, value, updated_at, true AS is_there
        FROM kpi_cells FINAL
    ) AS figure
        ON figure.kpi_id = goal.kpi_id AND figure.period = goal.period AND figure.period_start = goal.period_start
        AND figure.owner_level = goal.owner_level AND figure.owner_id = goal.owner_id
        AND figure.product_level = goal.product_level AND figure.product_key = goal.product_key
    ASOF LEFT JOIN organisation_nodes_history AS node
        ON node.node_id = goal.owner_id AND goal.named_on >= node.effective_from
    ASOF LEFT JOIN reps_history AS rep
        ON rep.rep_id = goal.owner_id AND goal.named_on >= rep.effective_from
    LEFT JOIN product_names AS product
        ON product.product_level = goal.product_level AND product.product_key = goal.product_key
)
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW target_attainment
(
    kpi_id String COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Who is to reach it: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    owner_name String COMMENT 'Name at the end of the period, or today while it runs, in the company''s language; empty when unknown.',
    owner_name_en String COMMENT 'The same in English where given.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    target Decimal(38, 6) COMMENT 'What is to be reached in the whole period, in the unit of the KPI.',
    value Nullable(Decimal(38, 6)) COMMENT 'Newest figure of the owner in the whole period; NULL while there is none.',
    attainment Nullable(Decimal(76, 4)) COMMENT 'value ÷ target, rounded half to even; NULL without a figure and for a target of zero.',
    effective_from Date32 COMMENT 'First day the target is in force.',
    effective_to Nullable(Date32) COMMENT 'Last day the target is in force; NULL while none follows.',
    published_at DateTime64(3, 'UTC') COMMENT 'When the target was published.',
    author String COMMENT 'Who published the target.',
    updated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the figure was computed; NULL while there is none.'
)
COMMENT 'Targets in force on the company''s today, one row a target, beside the newest figure of the whole period.'
AS
SELECT
    kpi_id,
    period,
    period_start,
    period_end,
    owner_level,
    owner_id,
    owner_name,
    owner_name_en,
    product_level,
    product_key,
    product_name,
    product_name_en,
    target,
    value,
    attainment,
    effective_from,
    effective_to,
    published_at,
    author,
    updated_at
FROM target_attainment_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
