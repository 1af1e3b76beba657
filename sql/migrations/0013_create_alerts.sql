-- Alerts of the compliance rules, and every hit of every rule, those on trial included.
CREATE TABLE IF NOT EXISTS alerts
(
    alert_id FixedString(32) COMMENT 'Identity: hash of rule, subject and evidence, or of rule, subject and period.',
    rule_id LowCardinality(String) COMMENT 'Rule, as named in policies/compliance.',
    rule_version UInt64 COMMENT 'Version of the published rules it was judged with.',
    title_zh String COMMENT 'Title of the rule, Chinese.',
    title_en String COMMENT 'Title of the rule, English.',
    severity LowCardinality(String) COMMENT 'prohibited (禁止), avoid (回避) or monitor (关注).',
    colour LowCardinality(String) COMMENT 'red, amber or yellow.',
    message_zh String COMMENT 'What happened, Chinese.',
    message_en String COMMENT 'What happened, English.',
    subject_kind LowCardinality(String) COMMENT 'Whom the alert is about: rep, hcp or institution.',
    subject_id String COMMENT 'Its id.',
    rep_id String COMMENT 'Representative of the event.',
    institution_id String COMMENT 'Institution of the event; empty when it names none.',
    hcp_id String COMMENT 'Professional of the event; empty when it names none.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    event_kind LowCardinality(String) COMMENT 'Kind of the event that hit.',
    event_id String COMMENT 'Event that hit; with event_kind and rep_id the evidence.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    period_start Nullable(Date32) COMMENT 'First day of the period a rule alerts once in; NULL where every event counts.',
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule was judged.',
    owner String COMMENT 'Who answers for the rule.',
    basis String COMMENT 'Articles and sources the rule rests on, as JSON.',
    explanation String COMMENT 'Tree of the expression with its values, as JSON.',
    version UInt64 COMMENT 'Higher is newer; the highest version of an alert counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY alert_id
COMMENT 'Alerts, all versions. To ask questions, read alert_log.';

CREATE TABLE IF NOT EXISTS rule_hits
(
    rule_set LowCardinality(String) COMMENT 'live, or the name of a version on trial.',
    rule_id LowCardinality(String) COMMENT 'Rule that hit.',
    rule_version UInt64 COMMENT 'Published version of the rule set.',
    subject_kind LowCardinality(String) COMMENT 'Whom it is about: rep, hcp or institution.',
    subject_id String COMMENT 'Its id.',
    rep_id String COMMENT 'Representative of the event.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    event_kind LowCardinality(String) COMMENT 'Kind of the event.',
    event_id String COMMENT 'The event.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    status LowCardinality(String) COMMENT 'raised: it made the alert; repeated: the subject had one in the period; snoozed; trial: of a version on trial.',
    alert_id FixedString(32) COMMENT 'Identity the alert has, or would have.',
    judged_at DateTime64(3, 'UTC') COMMENT 'When the rule was judged.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a hit counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (rule_set, rule_id, event_kind, rep_id, event_id, subject_kind, subject_id)
COMMENT 'Every hit of every rule, all versions. To ask questions, read rule_hit_log.';

CREATE TABLE IF NOT EXISTS rule_counts
(
    rule_set LowCardinality(String) COMMENT 'live, or the name of a version on trial.',
    rule_id LowCardinality(String) COMMENT 'Rule.',
    shard UInt32 COMMENT 'Shard that counted.',
    hits UInt64 COMMENT 'Events it hit since the shard was made.',
    not_applicable UInt64 COMMENT 'Events it could not be applied to: a field or reference row was missing, a division by zero, too much to look at.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a shard counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (rule_set, rule_id, shard)
COMMENT 'How often each rule hit and could not be applied, by shard.';
