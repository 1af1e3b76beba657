-- Inputs that could not be used, with everything needed to understand and replay them.
CREATE TABLE IF NOT EXISTS dead_letters
(
    dead_letter_id String COMMENT 'Hash of where it came from and what it held.',
    at DateTime64(6, 'UTC') COMMENT 'When it was set aside.',
    origin LowCardinality(String) COMMENT 'stream or import.',
    topic LowCardinality(String) COMMENT 'Topic it arrived on, or was meant for.',
    stream_partition Nullable(UInt16) COMMENT 'Kafka partition it was read from; NULL for an import.',
    stream_offset Nullable(UInt64) COMMENT 'Kafka offset it was read at; NULL for an import.',
    file Nullable(String) COMMENT 'Imported file; NULL for the stream.',
    line Nullable(UInt64) COMMENT 'Line or row number in the file, the header being line 1.',
    key Nullable(String) COMMENT 'Message key, as it came: any bytes.',
    raw String COMMENT 'The message or line, as it came: any bytes.',
    raw_size UInt64 COMMENT 'Size of the message as it came, bytes.',
    step LowCardinality(String) COMMENT 'Step that refused it: decode, time, known, dedupe, cells, …',
    error_class LowCardinality(String) COMMENT 'Class of the error.',
    message String COMMENT 'What is wrong and what to do.',
    status LowCardinality(String) COMMENT 'open or replayed.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a dead letter counts.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (dead_letter_id)
COMMENT 'Inputs that could not be used, all versions. To ask questions, read dead_letters_open.';
