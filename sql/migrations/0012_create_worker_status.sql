-- Heartbeats of the workers, so that boards and alert rules that read ClickHouse alone see lag and late checkpoints.
CREATE TABLE IF NOT EXISTS worker_status
(
    at DateTime64(3, 'UTC') COMMENT 'When the worker said so.',
    worker LowCardinality(String) COMMENT 'Host of the worker and the port of its metrics, or its process number where no port is set.',
    shards UInt32 COMMENT 'Shards it holds.',
    lag UInt64 COMMENT 'Messages of its shards that it has not read yet.',
    messages UInt64 COMMENT 'Messages it has read since it started.',
    held UInt64 COMMENT 'Events that wait for reference data.',
    waiting_rows UInt64 COMMENT 'Rows that are not in ClickHouse yet.',
    dead_letters UInt64 COMMENT 'Messages it has set aside since it started.',
    seconds_since_round Float64 COMMENT 'Seconds since its last round of checkpoints ended; above 60 it is not well.',
    last_checkpoint Nullable(DateTime64(3, 'UTC')) COMMENT 'When it last wrote a checkpoint; NULL before the first.',
    stopped Bool COMMENT 'Whether it said goodbye with this row.'
)
ENGINE = MergeTree
ORDER BY (worker, at)
TTL toDateTime(at) + INTERVAL 14 DAY
COMMENT 'Heartbeats of workers, one row each about every five seconds; kept for 14 days.';
