-- Absolute counts, never increments: writing one again changes nothing.

CREATE TABLE IF NOT EXISTS call_counts
(
    month_start Date32 COMMENT 'First day of the month.',
    rep_id String COMMENT 'Representative.',
    hcp_id String COMMENT 'Health-care professional.',
    calls UInt64 COMMENT 'Visits in the month that count as calls, by `calls` of policies/kpis.yaml.',
    version UInt64 COMMENT 'Higher is newer; the highest version of a line counts.',
    updated_at DateTime64(3, 'UTC') COMMENT 'When the calls were counted.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (month_start, rep_id, hcp_id)
COMMENT 'Calls of representatives on professionals by month, all versions. To ask questions, read call_plan_lines.';
