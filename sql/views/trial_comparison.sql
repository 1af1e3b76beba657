-- A trial is compared from ten seconds after it began, when every worker knows it, until its end.
CREATE OR REPLACE VIEW trial_comparison
(
    trial String COMMENT 'Name of the version on trial.',
    rule_id String COMMENT 'Rule that hit; only those the trial has.',
    hit_by String COMMENT 'both, only_live or only_trial.',
    subject_kind String COMMENT 'Whom it is about: rep, hcp or institution.',
    subject_id String COMMENT 'Its id.',
    rep_id String COMMENT 'Representative of the event.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    event_kind String COMMENT 'Kind of the event.',
    event_id String COMMENT 'The event.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    occurred_on Date32 COMMENT 'Company day of the event.',
    message_zh String COMMENT 'What happened, Chinese; of hits that raised an alert.',
    message_en String COMMENT 'What happened, English; of hits that raised an alert.'
)
COMMENT 'Hits of every version on trial beside those of the rules in force, since it began and until it ended.'
AS WITH
    trials AS
    (
        SELECT started.name AS trial, started.at AS started_at, ended.at AS ended_at, started.rules AS rules
        FROM
        (
            SELECT name, min(at) AS at, argMin(rules, version) AS rules FROM rule_changes WHERE kind = 'tried' GROUP BY name
        ) AS started
        LEFT JOIN
        (
            SELECT name, toNullable(min(at)) AS at FROM rule_changes WHERE kind = 'trial_stopped' GROUP BY name
        ) AS ended USING (name)
    ),
    judged AS
    (
        SELECT
            trial, hits.rule_set = 'live' AS is_live, hits.rule_id AS rule_id, hits.subject_kind AS subject_kind,
            hits.subject_id AS subject_id, hits.rep_id AS rep_id, hits.team_id AS team_id, hits.region_id AS region_id,
            hits.event_kind AS event_kind, hits.event_id AS event_id, hits.occurred_at AS occurred_at,
            hits.alert_id AS alert_id
        FROM rule_hit_log AS hits
        CROSS JOIN trials
        WHERE hits.rule_set IN ('live', trial) AND has(rules, hits.rule_id)
            AND hits.judged_at >= started_at + INTERVAL 10 SECOND
            AND hits.judged_at <= ifNull(ended_at, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))
    ),
    compared AS
    (
        SELECT
            trial, rule_id, multiIf(uniqExact(is_live) = 2, 'both', any(is_live), 'only_live', 'only_trial') AS hit_by,
            subject_kind, subject_id, rep_id, any(judged.team_id) AS team_id, any(judged.region_id) AS region_id, event_kind,
            event_id, any(judged.occurred_at) AS occurred_at, any(judged.alert_id) AS alert_id
        FROM judged
        GROUP BY trial, rule_id, subject_kind, subject_id, rep_id, event_kind, event_id
    )
SELECT
    trial, rule_id, hit_by, subject_kind, subject_id, rep_id, team_id, region_id, event_kind, event_id, occurred_at,
    toDate32(toTimeZone(occurred_at, '{{time_zone}}')) AS occurred_on, alert_log.message_zh AS message_zh,
    alert_log.message_en AS message_en
FROM compared
LEFT JOIN alert_log ON compared.alert_id = alert_log.alert_id;
