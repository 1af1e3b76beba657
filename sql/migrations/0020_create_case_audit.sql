-- What people did with alerts: the hash-chained audit trail of the cases.
CREATE TABLE IF NOT EXISTS case_audit
(
    chain UInt32 COMMENT 'Chain the row belongs to: the partition of its case.',
    number UInt64 COMMENT 'Place in the chain, from 1 without gaps.',
    previous_hash FixedString(64) COMMENT 'Hash of the row before; of the first one 64 zeros.',
    hash FixedString(64) COMMENT 'SHA-256 of the canonical JSON of this row without this field.',
    case_id String COMMENT 'Case, with the identity of its alert.',
    command_id String COMMENT 'Command; open: and the alert for the first row of a case.',
    action LowCardinality(String) COMMENT 'open, acknowledge, assign, review, need_more, close, reopen, link or note.',
    outcome LowCardinality(String) COMMENT 'done or refused.',
    reason Nullable(String) COMMENT 'Why a command was refused.',
    state_before LowCardinality(Nullable(String)) COMMENT 'State of the case before; NULL where there was no case.',
    state LowCardinality(String) COMMENT 'State of the case after: open, in_review, needs_more or closed.',
    verdict LowCardinality(Nullable(String)) COMMENT 'valid, false_alarm or tolerated, while the case is closed.',
    assignee Nullable(String) COMMENT 'Who works on the case after this row.',
    by_id Nullable(String) COMMENT 'Who gave the command; NULL where the system did it.',
    by_role LowCardinality(Nullable(String)) COMMENT 'Role in which it was given.',
    by_name Nullable(String) COMMENT 'Name of who gave it, where the sender said it.',
    other_case_id Nullable(String) COMMENT 'Case it was linked to.',
    remark Nullable(String) COMMENT 'What the person wrote.',
    at DateTime64(6, 'UTC') COMMENT 'When the person gave the command; of the first row when the alert was raised.',
    recorded_at DateTime64(6, 'UTC') COMMENT 'When it was written down; never runs backwards within a chain.',
    rule_id LowCardinality(String) COMMENT 'Rule of the alert; - where a command named a case that does not exist.',
    rep_id Nullable(String) COMMENT 'Representative of the alert.',
    INDEX of_case case_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (chain, number)
COMMENT 'Audit trail of the cases, append-only: each row holds the hash of the one before it. A row written again is the same row.';
