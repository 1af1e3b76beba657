CREATE OR REPLACE VIEW lights_now
(
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Whose light it is: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    owner_name String COMMENT 'Name at the end of the period, or today while it runs, in the company''s language; empty when unknown.',
    owner_name_en String COMMENT 'The same in English where given.',
    parent_level LowCardinality(String) COMMENT 'Level of the node above, at the end of the period, or today while it runs; empty for the company.',
    parent_id String COMMENT 'Node above; empty for the company.',
    team_id String COMMENT 'Team the owner belongs to or is; empty when there is none.',
    region_id String COMMENT 'Region the owner belongs to or is; empty when there is none.',
    company_id String COMMENT 'Company the owner belongs to or is; empty when there is none.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    state LowCardinality(String) COMMENT 'green, amber, red, or grey: nothing to judge.',
    cause LowCardinality(String) COMMENT 'Test that decides: pace, period, forecast, or no_data.',
    since DateTime64(3, 'UTC') COMMENT 'When the state began.',
    pending_state LowCardinality(String) COMMENT 'State it turns to once the pending time of the policy is over; the same as state when none waits.',
    value Nullable(Decimal(38, 6)) COMMENT 'Newest figure of the whole period, in the unit of the KPI; NULL while there is none.',
    target Decimal(38, 6) COMMENT 'Target in force: what is to be reached in the whole period.',
    attainment Nullable(Decimal(38, 6)) COMMENT 'value ÷ target; NULL without a figure and for a target of zero.',
    elapsed Decimal(38, 6) COMMENT 'Share of the period that has passed, 0 to 1: by working days, or seasonal where there is history.',
    expected Decimal(38, 6) COMMENT 'What is due by now: target × elapsed; for a KPI that does not accumulate the target itself.',
    pace Nullable(Decimal(38, 6)) COMMENT 'value ÷ expected; NULL without a figure and while nothing is due.',
    forecast Nullable(Decimal(38, 6)) COMMENT 'value at the end of the period at the present pace; NULL without a figure or before the first day is over.',
    forecast_low Nullable(Decimal(38, 6)) COMMENT 'Lower end of the interval that holds the final value in 80 of 100 cases.',
    forecast_high Nullable(Decimal(38, 6)) COMMENT 'Upper end of that interval.',
    pace_state LowCardinality(String) COMMENT 'What the pace says alone: green, amber, red, over (ahead of the target''s band), or grey: silent.',
    period_state LowCardinality(String) COMMENT 'What the period rule says alone: green, amber, red, or grey: silent.',
    forecast_state LowCardinality(String) COMMENT 'What the forecast says alone: green, amber, red, or grey: silent.',
    changes UInt32 COMMENT 'How many times the light has changed its state.',
    policy_version UInt64 COMMENT 'Version of the policy lights it was judged with; 0 for the built-in defaults.',
    judged_at DateTime64(3, 'UTC') COMMENT 'When it was judged.'
)
COMMENT 'The newest reading of every alert light, with names; one row a target.'
AS
SELECT
    light.kpi_id AS kpi_id,
    light.period AS period,
    light.period_start AS period_start,
    light.period_end AS period_end,
    light.owner_level AS owner_level,
    light.owner_id AS owner_id,
    if(light.owner_level = 'rep', light.rep_name, node.name) AS owner_name,
    if(light.owner_level = 'rep', light.rep_name_en, ifNull(node.name_en, node.name)) AS owner_name_en,
    if(light.owner_level = 'rep', node.level, ifNull(parent.level, '')) AS parent_level,
    if(light.owner_level = 'rep', light.node_id, ifNull(node.parent_id, '')) AS parent_id,
    path.team_id AS team_id,
    path.region_id AS region_id,
    path.company_id AS company_id,
    light.product_level AS product_level,
    light.product_key AS product_key,
    product.name AS product_name,
    product.name_en AS product_name_en,
    light.state AS state,
    light.cause AS cause,
    light.since AS since,
    light.pending_state AS pending_state,
    light.value AS value,
    light.target AS target,
    light.attainment AS attainment,
    light.elapsed AS elapsed,
    light.expected AS expected,
    light.pace AS pace,
    light.forecast AS forecast,
    light.forecast_low AS forecast_low,
    light.forecast_high AS forecast_high,
    light.pace_state AS pace_state,
    light.period_state AS period_state,
    light.forecast_state AS forecast_state,
    light.changes AS changes,
    light.policy_version AS policy_version,
    light.judged_at AS judged_at
FROM
(
    SELECT
        reading.*,
        rep.name AS rep_name,
        ifNull(rep.name_en, rep.name) AS rep_name_en,
        -- the node that is the owner, or the team of the representative
        if(reading.owner_level = 'rep', ifNull(rep.team_id, ''), reading.owner_id) AS node_id
    FROM
    (
        -- names and organisation as on the last day of the period, or today while it runs
        SELECT *, least(period_end, toDate32(now('{{time_zone}}'))) AS named_on
        FROM lights FINAL
    ) AS reading
    ASOF LEFT JOIN reps_history AS rep
        ON rep.rep_id = reading.owner_id AND reading.named_on >= rep.effective_from
) AS light
ASOF LEFT JOIN organisation_nodes_history AS node
    ON node.node_id = light.node_id AND light.named_on >= node.effective_from
ASOF LEFT JOIN organisation_nodes_history AS parent
    ON parent.node_id = node.parent_id AND light.named_on >= parent.effective_from
ASOF LEFT JOIN organisation_paths AS path
    ON path.node_id = light.node_id AND light.named_on >= path.effective_from
LEFT JOIN product_names AS product
    ON product.product_level = light.product_level AND product.product_key = light.product_key
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW light_history
(
    light_id String COMMENT 'Identity of the change: hash of the light and the number of the change; the same change told twice has the same.',
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Whose light it is: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    owner_name String COMMENT 'Name at the end of the period, or today while it runs, in the company''s language; empty when unknown.',
    owner_name_en String COMMENT 'The same in English where given.',
    parent_level LowCardinality(String) COMMENT 'Level of the node above, at the end of the period, or today while it runs; empty for the company.',
    parent_id String COMMENT 'Node above; empty for the company.',
    team_id String COMMENT 'Team the owner belongs to or is; empty when there is none.',
    region_id String COMMENT 'Region the owner belongs to or is; empty when there is none.',
    company_id String COMMENT 'Company the owner belongs to or is; empty when there is none.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    product_name String COMMENT 'Newest name of the product or line; empty at level all or when unknown.',
    product_name_en String COMMENT 'The same in English where given.',
    previous_state LowCardinality(String) COMMENT 'State before: green, amber, red or grey.',
    changed_at DateTime64(3, 'UTC') COMMENT 'When the state changed.',
    state LowCardinality(String) COMMENT 'green, amber, red, or grey: nothing to judge.',
    cause LowCardinality(String) COMMENT 'Test that decides: pace, period, forecast, or no_data.',
    since DateTime64(3, 'UTC') COMMENT 'When the state began.',
    pending_state LowCardinality(String) COMMENT 'State it turns to once the pending time of the policy is over; the same as state when none waits.',
    value Nullable(Decimal(38, 6)) COMMENT 'Newest figure of the whole period, in the unit of the KPI; NULL while there is none.',
    target Decimal(38, 6) COMMENT 'Target in force: what is to be reached in the whole period.',
    attainment Nullable(Decimal(38, 6)) COMMENT 'value ÷ target; NULL without a figure and for a target of zero.',
    elapsed Decimal(38, 6) COMMENT 'Share of the period that has passed, 0 to 1: by working days, or seasonal where there is history.',
    expected Decimal(38, 6) COMMENT 'What is due by now: target × elapsed; for a KPI that does not accumulate the target itself.',
    pace Nullable(Decimal(38, 6)) COMMENT 'value ÷ expected; NULL without a figure and while nothing is due.',
    forecast Nullable(Decimal(38, 6)) COMMENT 'value at the end of the period at the present pace; NULL without a figure or before the first day is over.',
    forecast_low Nullable(Decimal(38, 6)) COMMENT 'Lower end of the interval that holds the final value in 80 of 100 cases.',
    forecast_high Nullable(Decimal(38, 6)) COMMENT 'Upper end of that interval.',
    pace_state LowCardinality(String) COMMENT 'What the pace says alone: green, amber, red, over (ahead of the target''s band), or grey: silent.',
    period_state LowCardinality(String) COMMENT 'What the period rule says alone: green, amber, red, or grey: silent.',
    forecast_state LowCardinality(String) COMMENT 'What the forecast says alone: green, amber, red, or grey: silent.',
    changes UInt32 COMMENT 'How many times the light has changed its state.',
    policy_version UInt64 COMMENT 'Version of the policy lights it was judged with; 0 for the built-in defaults.',
    judged_at DateTime64(3, 'UTC') COMMENT 'When it was judged.'
)
COMMENT 'Every change of an alert light with the reading that caused it, with names.'
AS
SELECT
    light.light_id AS light_id,
    light.kpi_id AS kpi_id,
    light.period AS period,
    light.period_start AS period_start,
    light.period_end AS period_end,
    light.owner_level AS owner_level,
    light.owner_id AS owner_id,
    if(light.owner_level = 'rep', light.rep_name, node.name) AS owner_name,
    if(light.owner_level = 'rep', light.rep_name_en, ifNull(node.name_en, node.name)) AS owner_name_en,
    if(light.owner_level = 'rep', node.level, ifNull(parent.level, '')) AS parent_level,
    if(light.owner_level = 'rep', light.node_id, ifNull(node.parent_id, '')) AS parent_id,
    path.team_id AS team_id,
    path.region_id AS region_id,
    path.company_id AS company_id,
    light.product_level AS product_level,
    light.product_key AS product_key,
    product.name AS product_name,
    product.name_en AS product_name_en,
    light.previous_state AS previous_state,
    light.changed_at AS changed_at,
    light.state AS state,
    light.cause AS cause,
    light.since AS since,
    light.pending_state AS pending_state,
    light.value AS value,
    light.target AS target,
    light.attainment AS attainment,
    light.elapsed AS elapsed,
    light.expected AS expected,
    light.pace AS pace,
    light.forecast AS forecast,
    light.forecast_low AS forecast_low,
    light.forecast_high AS forecast_high,
    light.pace_state AS pace_state,
    light.period_state AS period_state,
    light.forecast_state AS forecast_state,
    light.changes AS changes,
    light.policy_version AS policy_version,
    light.judged_at AS judged_at
FROM
(
    SELECT
        reading.*,
        rep.name AS rep_name,
        ifNull(rep.name_en, rep.name) AS rep_name_en,
        -- the node that is the owner, or the team of the representative
        if(reading.owner_level = 'rep', ifNull(rep.team_id, ''), reading.owner_id) AS node_id
    FROM
    (
        -- names and organisation as on the last day of the period, or today while it runs
        SELECT *, least(period_end, toDate32(now('{{time_zone}}'))) AS named_on
        FROM light_changes FINAL
    ) AS reading
    ASOF LEFT JOIN reps_history AS rep
        ON rep.rep_id = reading.owner_id AND reading.named_on >= rep.effective_from
) AS light
ASOF LEFT JOIN organisation_nodes_history AS node
    ON node.node_id = light.node_id AND light.named_on >= node.effective_from
ASOF LEFT JOIN organisation_nodes_history AS parent
    ON parent.node_id = node.parent_id AND light.named_on >= parent.effective_from
ASOF LEFT JOIN organisation_paths AS path
    ON path.node_id = light.node_id AND light.named_on >= path.effective_from
LEFT JOIN product_names AS product
    ON product.product_level = light.product_level AND product.product_key = light.product_key
SETTINGS join_use_nulls = 0;
