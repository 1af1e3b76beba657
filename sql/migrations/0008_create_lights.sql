-- The newest reading of every alert light, and every change of its state.

CREATE TABLE IF NOT EXISTS lights
(
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Whose light it is: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
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
    judged_at DateTime64(3, 'UTC') COMMENT 'When it was judged.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a light counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kpi_id, period, period_start, owner_level, owner_id, product_level, product_key)
COMMENT 'Readings of alert lights, one a target, all versions. To ask questions, read lights_now.';

CREATE TABLE IF NOT EXISTS light_changes
(
    light_id String COMMENT 'Identity of the change: hash of the light and the number of the change; the same change told twice has the same.',
    kpi_id LowCardinality(String) COMMENT 'KPI, as named in policies/kpis.yaml.',
    period LowCardinality(String) COMMENT 'month, quarter or year, in company time.',
    period_start Date32 COMMENT 'First day of the period.',
    period_end Date32 COMMENT 'Last day of the period.',
    owner_level LowCardinality(String) COMMENT 'Whose light it is: rep, team, region or company.',
    owner_id String COMMENT 'Representative or organisation node.',
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
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
    judged_at DateTime64(3, 'UTC') COMMENT 'When it was judged.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a light counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kpi_id, period, period_start, owner_level, owner_id, product_level, product_key, light_id)
COMMENT 'Changes of alert lights with the reading that caused them, all versions. To ask questions, read light_history.';
