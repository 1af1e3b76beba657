CREATE OR REPLACE VIEW compliance_points
(
    case_id String COMMENT 'Case, with the identity of its alert.',
    rule_id String COMMENT 'Rule of the alert.',
    rep_id String COMMENT 'Representative of the event.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened: from then on the points fade, by half in 90 days.',
    points UInt8 COMMENT 'What it takes off the score of 100 at first: prohibited 20, avoid 5, monitor 1.'
)
COMMENT 'What each breach takes off the compliance score; cases closed as false alarms take nothing and are left out.'
AS SELECT
    case_id, rule_id, rep_id, team_id, region_id, occurred_at,
    toUInt8(transform(severity, ['prohibited', 'avoid', 'monitor'], [20, 5, 1], 0)) AS points
FROM case_log
WHERE verdict != 'false_alarm';

CREATE OR REPLACE VIEW compliance_scores
(
    rep_id String COMMENT 'Representative.',
    score Decimal(9, 6) COMMENT 'KPI K21 now: 100 minus the points of the breaches, each halved every 90 days since it happened; 0 at least.',
    breaches UInt64 COMMENT 'Breaches that count.',
    red_open UInt64 COMMENT 'Red cases that are not closed.'
)
COMMENT 'Compliance score of each representative as of now; false alarms are left out.'
AS
WITH
    fading AS
    (
        SELECT
            rep_id,
            sum(points * exp2(-greatest(0, dateDiff('microsecond', occurred_at, now64(6, 'UTC')) / 86400e6) / 90)) AS off,
            count() AS breaches
        FROM compliance_points
        GROUP BY rep_id
    ),
    red AS
    (
        SELECT rep_id, count() AS red_open FROM case_log WHERE colour = 'red' AND state != 'closed' GROUP BY rep_id
    ),
    everybody AS
    (
        SELECT rep_id FROM reps_today UNION DISTINCT SELECT rep_id FROM alert_log
    )
SELECT
    everybody.rep_id AS rep_id,
    toDecimal64(round(greatest(0, 100 - fading.off), 6), 6) AS score,
    fading.breaches AS breaches,
    red.red_open AS red_open
FROM everybody
LEFT JOIN fading ON fading.rep_id = everybody.rep_id
LEFT JOIN red ON red.rep_id = everybody.rep_id
SETTINGS join_use_nulls = 0;
