CREATE OR REPLACE VIEW case_timeline
(
    case_id String COMMENT 'Case, with the identity of its alert.',
    number UInt64 COMMENT 'Order of the rows of a case, from 1.',
    action String COMMENT 'open, acknowledge, assign, review, need_more, close, reopen, link or note.',
    outcome String COMMENT 'done or refused.',
    reason String COMMENT 'Why a command was refused; empty when it was done.',
    by_id String COMMENT 'Who gave the command; empty where the system did it.',
    by_role String COMMENT 'Role in which it was given; empty where the system did it.',
    by_name String COMMENT 'Name of who gave it; empty where the sender did not say it.',
    remark String COMMENT 'What the person wrote; empty when nothing.',
    other_case_id String COMMENT 'Case it was linked to; empty otherwise.',
    at DateTime64(6, 'UTC') COMMENT 'When the person gave the command; of the first row when the alert was raised.',
    recorded_at DateTime64(6, 'UTC') COMMENT 'When it was written down.',
    state String COMMENT 'State of the case afterwards.',
    verdict String COMMENT 'Verdict afterwards; empty while the case is not closed.',
    assignee String COMMENT 'Who works on it afterwards; empty while nobody does.',
    command_id String COMMENT 'Command; open: and the alert for the first row of a case.',
    rule_id String COMMENT 'Rule of the alert.',
    chain UInt32 COMMENT 'Chain of the audit trail that holds the row.',
    chain_number UInt64 COMMENT 'Its place in that chain.'
)
COMMENT 'What happened to each case, in order, refused commands included.'
AS SELECT
    case_id,
    row_number() OVER (PARTITION BY case_id ORDER BY recorded_at, case_audit.number) AS number,
    action,
    outcome,
    ifNull(reason, '') AS reason,
    ifNull(by_id, '') AS by_id,
    ifNull(by_role, '') AS by_role,
    ifNull(by_name, '') AS by_name,
    ifNull(remark, '') AS remark,
    ifNull(other_case_id, '') AS other_case_id,
    at,
    recorded_at,
    state,
    ifNull(verdict, '') AS verdict,
    ifNull(assignee, '') AS assignee,
    command_id,
    rule_id,
    chain,
    case_audit.number AS chain_number
FROM case_audit FINAL;
