-- Whoever opens content that was set aside leaves a row here first.
CREATE TABLE IF NOT EXISTS quarantine_openings
(
    quarantine_id String COMMENT 'What was opened: identity of the event in the topic quarantine.',
    hash String COMMENT 'SHA-256 of its content.',
    topic LowCardinality(String) COMMENT 'Topic the content had arrived on.',
    stream_partition UInt16 COMMENT 'Kafka partition it had been read from.',
    stream_offset UInt64 COMMENT 'Kafka offset it had been read at.',
    author String COMMENT 'Who opened it.',
    reason String COMMENT 'Why.',
    opened_at DateTime64(6, 'UTC') COMMENT 'When.'
)
ENGINE = MergeTree
ORDER BY (quarantine_id, opened_at)
COMMENT 'Openings of quarantined content: who, what, when and why. The content is in no table.';
