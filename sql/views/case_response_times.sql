CREATE OR REPLACE VIEW case_response_times
(
    rule_id String COMMENT 'Rule, as named in policies/compliance.',
    colour String COMMENT 'red, amber or yellow.',
    cases UInt64 COMMENT 'Cases of the rule.',
    acknowledged UInt64 COMMENT 'Of these, those somebody has seen.',
    minutes_to_acknowledge_p50 Nullable(Float64) COMMENT 'Median of the minutes from the alert until somebody saw it; NULL while nobody saw any.',
    minutes_to_acknowledge_p95 Nullable(Float64) COMMENT '95th percentile of the same.',
    closed UInt64 COMMENT 'Cases that are closed.',
    minutes_to_close_p50 Nullable(Float64) COMMENT 'Median of the minutes from the alert until the case was closed; NULL while none is.',
    minutes_to_close_p95 Nullable(Float64) COMMENT '95th percentile of the same.'
)
COMMENT 'How long people take with the cases of each rule; percentiles are interpolated.'
AS
WITH
    (dateDiff('microsecond', raised_at, acknowledged_at) / 60e6) AS to_acknowledge,
    (dateDiff('microsecond', raised_at, closed_at) / 60e6) AS to_close
SELECT
    rule_id,
    colour,
    count() AS cases,
    countIf(acknowledged_at IS NOT NULL) AS acknowledged,
    quantileExactInclusiveOrNull(0.5)(to_acknowledge) AS minutes_to_acknowledge_p50,
    quantileExactInclusiveOrNull(0.95)(to_acknowledge) AS minutes_to_acknowledge_p95,
    countIf(closed_at IS NOT NULL) AS closed,
    quantileExactInclusiveOrNull(0.5)(to_close) AS minutes_to_close_p50,
    quantileExactInclusiveOrNull(0.95)(to_close) AS minutes_to_close_p95
FROM case_log
GROUP BY rule_id, colour;
