CREATE OR REPLACE VIEW rule_precision
(
    rule_id String COMMENT 'Rule, as named in policies/compliance.',
    alerts UInt64 COMMENT 'Alerts it raised.',
    open UInt64 COMMENT 'Cases that are not closed.',
    closed UInt64 COMMENT 'Cases that are closed.',
    valid UInt64 COMMENT 'Closed as valid.',
    false_alarms UInt64 COMMENT 'Closed as false alarms.',
    tolerated UInt64 COMMENT 'Closed as tolerated: the rule was right, and nothing follows.',
    precision Nullable(Decimal(9, 6)) COMMENT 'valid ÷ (valid + false alarms); NULL while no case is closed as either.'
)
COMMENT 'How often people found each rule right.'
AS SELECT
    rule_id,
    count() AS alerts,
    countIf(state != 'closed') AS open,
    countIf(state = 'closed') AS closed,
    countIf(verdict = 'valid') AS valid,
    countIf(verdict = 'false_alarm') AS false_alarms,
    countIf(verdict = 'tolerated') AS tolerated,
    if(valid + false_alarms = 0, NULL, toDecimal64(round(valid / (valid + false_alarms), 6), 6)) AS precision
FROM case_log
GROUP BY rule_id;
