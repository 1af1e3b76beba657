CREATE OR REPLACE VIEW dead_letters_open
(
    dead_letter_id String COMMENT 'Hash of where it came from and what it held.',
    at DateTime64(6, 'UTC') COMMENT 'When it was set aside.',
    origin LowCardinality(String) COMMENT 'stream or import.',
    topic LowCardinality(String) COMMENT 'Topic it arrived on, or was meant for.',
    stream_partition Nullable(UInt16) COMMENT 'Kafka partition it was read from; NULL for an import.',
    stream_offset Nullable(UInt64) COMMENT 'Kafka offset it was read at; NULL for an import.',
    file Nullable(String) COMMENT 'Imported file; NULL for the stream.',
    line Nullable(UInt64) COMMENT 'Line or row number in the file, the header being line 1.',
    step LowCardinality(String) COMMENT 'Step that refused it.',
    error_class LowCardinality(String) COMMENT 'Class of the error.',
    message String COMMENT 'What is wrong and what to do.',
    beginning String COMMENT 'First 200 bytes of the input, made readable.',
    raw_size UInt64 COMMENT 'Size of the message as it came, bytes.'
)
COMMENT 'Inputs that could not be used and wait for someone to look at them.'
AS
SELECT
    dead_letter_id,
    at,
    origin,
    topic,
    stream_partition,
    stream_offset,
    file,
    line,
    step,
    error_class,
    message,
    toValidUTF8(substring(raw, 1, 200)) AS beginning,
    raw_size
FROM dead_letters FINAL
WHERE status = 'open';
