CREATE OR REPLACE VIEW case_log
(
    case_id String COMMENT 'Case, with the identity of its alert.',
    rule_id String COMMENT 'Rule, as named in policies/compliance.',
    severity String COMMENT 'prohibited (禁止), avoid (回避) or monitor (关注).',
    colour String COMMENT 'red, amber or yellow.',
    title_zh String COMMENT 'Title of the rule, Chinese.',
    title_en String COMMENT 'Title of the rule, English.',
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
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule was judged.',
    owner String COMMENT 'Who answers for the rule.',
    state String COMMENT 'open, in_review, needs_more or closed.',
    verdict String COMMENT 'valid, false_alarm or tolerated; empty while the case is not closed.',
    assignee String COMMENT 'Who works on it; empty while nobody does.',
    acknowledged_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When somebody first acknowledged, reviewed, asked for more or closed; NULL while nobody has.',
    acknowledged_by String COMMENT 'Who that was; empty while nobody has.',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was closed; NULL while it is not.',
    closed_by String COMMENT 'Who closed it; empty while it is not closed.',
    remark String COMMENT 'Last remark; empty when there is none.',
    reopened UInt32 COMMENT 'How many times it was opened again.',
    linked Array(String) COMMENT 'Cases it is linked to, from either side.',
    changed_at DateTime64(6, 'UTC') COMMENT 'When the last command was done; when the alert was raised, before the first.'
)
COMMENT 'Cases as they stand, one row an alert.'
AS
WITH
    done AS
    (
        SELECT * FROM case_audit FINAL WHERE outcome = 'done'
    ),
    trail AS
    (
        SELECT
            case_id,
            argMax(state, (recorded_at, number)) AS state,
            argMax(ifNull(verdict, ''), (recorded_at, number)) AS verdict,
            argMax(ifNull(assignee, ''), (recorded_at, number)) AS assignee,
            minIf(recorded_at, action IN ('acknowledge', 'review', 'need_more', 'close')) AS first_seen_at,
            argMinIf(ifNull(by_id, ''), (recorded_at, number), action IN ('acknowledge', 'review', 'need_more', 'close')) AS first_seen_by,
            countIf(action IN ('acknowledge', 'review', 'need_more', 'close')) AS seen,
            maxIf(recorded_at, action = 'close') AS last_closed_at,
            argMaxIf(ifNull(by_id, ''), (recorded_at, number), action = 'close') AS last_closed_by,
            argMaxIf(ifNull(remark, ''), (recorded_at, number), ifNull(remark, '') != '') AS last_remark,
            toUInt32(countIf(action = 'reopen')) AS reopened,
            max(recorded_at) AS last_changed_at
        FROM done
        GROUP BY case_id
    ),
    links AS
    (
        SELECT pair.1 AS one, arraySort(groupUniqArray(pair.2)) AS others
        FROM
        (
            SELECT arrayJoin([(case_id, assumeNotNull(other_case_id)), (assumeNotNull(other_case_id), case_id)]) AS pair
            FROM done
            WHERE action = 'link' AND other_case_id IS NOT NULL
        )
        GROUP BY one
    )
SELECT
    alert.alert_id AS case_id,
    alert.rule_id AS rule_id,
    alert.severity AS severity,
    alert.colour AS colour,
    alert.title_zh AS title_zh,
    alert.title_en AS title_en,
    alert.message_zh AS message_zh,
    alert.message_en AS message_en,
    alert.subject_kind AS subject_kind,
    alert.subject_id AS subject_id,
    alert.rep_id AS rep_id,
    alert.institution_id AS institution_id,
    alert.hcp_id AS hcp_id,
    alert.team_id AS team_id,
    alert.region_id AS region_id,
    alert.event_kind AS event_kind,
    alert.event_id AS event_id,
    alert.occurred_at AS occurred_at,
    alert.raised_at AS raised_at,
    alert.owner AS owner,
    if(trail.state = '', 'open', trail.state) AS state,
    trail.verdict AS verdict,
    trail.assignee AS assignee,
    if(trail.seen > 0, toNullable(trail.first_seen_at), NULL) AS acknowledged_at,
    trail.first_seen_by AS acknowledged_by,
    if(trail.state = 'closed', toNullable(trail.last_closed_at), NULL) AS closed_at,
    if(trail.state = 'closed', trail.last_closed_by, '') AS closed_by,
    trail.last_remark AS remark,
    trail.reopened AS reopened,
    links.others AS linked,
    if(trail.state = '', toDateTime64(alert.raised_at, 6, 'UTC'), trail.last_changed_at) AS changed_at
FROM alert_log AS alert
LEFT JOIN trail ON trail.case_id = alert.alert_id
LEFT JOIN links ON links.one = alert.alert_id
SETTINGS join_use_nulls = 0;
