CREATE OR REPLACE VIEW rule_hit_log
(
    rule_set String COMMENT 'live, or the name of a version on trial.',
    rule_id String COMMENT 'Rule that hit.',
    rule_version UInt64 COMMENT 'Published version of the rule set.',
    subject_kind String COMMENT 'Whom it is about: rep, hcp or institution.',
    subject_id String COMMENT 'Its id.',
    rep_id String COMMENT 'Representative of the event.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    event_kind String COMMENT 'Kind of the event.',
    event_id String COMMENT 'The event.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    occurred_on Date32 COMMENT 'Company day of the event.',
    status String COMMENT 'raised: it made the alert; repeated: the subject had one in the period; snoozed; trial: of a version on trial.',
    alert_id String COMMENT 'Identity the alert has, or would have.',
    judged_at DateTime64(3, 'UTC') COMMENT 'When the rule was judged.'
)
COMMENT 'Every hit of every rule, those on trial included, each once.'
AS SELECT
    rule_set, rule_id, rule_version, subject_kind, subject_id, rep_id, team_id, region_id, event_kind, event_id,
    occurred_at, toDate32(toTimeZone(occurred_at, '{{time_zone}}')) AS occurred_on, status,
    toString(alert_id) AS alert_id, judged_at
FROM rule_hits FINAL;
