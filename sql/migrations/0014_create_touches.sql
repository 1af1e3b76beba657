-- What an event broke stands beside it, and events stand beside the professionals and institutions they concern.
ALTER TABLE visits ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';
ALTER TABLE sales ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';
ALTER TABLE payments ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';
ALTER TABLE activities ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';
ALTER TABLE surveys ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';
ALTER TABLE market ADD COLUMN IF NOT EXISTS breaches Array(String) COMMENT 'Rules of compliance on the representative''s own conduct that the event hit, by id.';

CREATE TABLE IF NOT EXISTS touches
(
    subject_kind LowCardinality(String) COMMENT 'Whom the event concerns: hcp or institution.',
    subject_id String COMMENT 'Its id.',
    event_kind LowCardinality(String) COMMENT 'Kind of the event.',
    rep_id String COMMENT 'Representative of the event.',
    event_id String COMMENT 'The event; with event_kind and rep_id its identity.',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened.',
    activity_kind LowCardinality(String) COMMENT 'Of an activity: meeting, speaker_fee, meal, gift, donation, …; else empty.',
    amount Nullable(Decimal(38, 6)) COMMENT 'Money of the event in currency; NULL where it has none.',
    currency LowCardinality(String) COMMENT 'Currency of amount; empty where there is none.',
    event String COMMENT 'What was found out about the event, a line, and the event as JSON, without positions.',
    stream_partition UInt16 COMMENT 'Kafka partition of the topic touches it was read from.',
    stream_offset UInt64 COMMENT 'Kafka offset it was read at.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(occurred_at)
ORDER BY (subject_kind, subject_id, event_kind, rep_id, event_id)
COMMENT 'Visits and value by the professional or institution they concern, as far as rules of compliance look back on them; copies merge in time. To ask questions, read touch_log.';
