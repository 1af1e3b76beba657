CREATE OR REPLACE VIEW alert_log
(
    alert_id String COMMENT 'Identity of the alert, and of its case.',
    rule_id String COMMENT 'Rule, as named in policies/compliance.',
    rule_version UInt64 COMMENT 'Version of the published rules it was judged with.',
    title_zh String COMMENT 'Title of the rule, Chinese.',
    title_en String COMMENT 'Title of the rule, English.',
    severity String COMMENT 'prohibited (禁止), avoid (回避) or monitor (关注).',
    colour String COMMENT 'red, amber or yellow.',
    message_zh String COMMENT 'What happened, Chinese.',
    message_en String COMMENT 'What happened, English.',
    subject_kind String COMMENT 'Whom the alert is about: rep, hcp or institution.',
    subject_id String COMMENT 'Its id.',
    rep_id String COMMENT 'Representative of the event.',
    institution_id String COMMENT 'Institution of the event; empty when it names none.',
    hcp_id String COMMENT 'Professional of the event; empty when it names none.',
    team_id String COMMENT 'Team of the representative on the day of the event; empty when there was none.',
    region_id String COMMENT 'Region of the representative on the day of the event; empty when there was none.',
    event_kind String COMMENT 'Kind of the event that hit.',
    event_id String COMMENT 'Event that hit; with event_kind and rep_id the evidence.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    occurred_on Date32 COMMENT 'Company day of the event.',
    period_start Nullable(Date32) COMMENT 'First day of the period a rule alerts once in; NULL where every event counts.',
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule was judged.',
    owner String COMMENT 'Who answers for the rule.',
    basis String COMMENT 'Articles and sources the rule rests on, as JSON.',
    explanation String COMMENT 'Tree of the expression with its values, as JSON.'
)
COMMENT 'Alerts of the compliance rules, each once.'
AS SELECT
    toString(alert_id) AS alert_id, rule_id, rule_version, title_zh, title_en, severity, colour, message_zh, message_en,
    subject_kind, subject_id, rep_id, institution_id, hcp_id, team_id, region_id, event_kind, event_id, occurred_at,
    toDate32(toTimeZone(occurred_at, '{{time_zone}}')) AS occurred_on, period_start, raised_at, owner, basis, explanation
FROM alerts FINAL;
