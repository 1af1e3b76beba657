CREATE OR REPLACE VIEW calendar_days_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    day Date32 COMMENT 'The day meant.',
    is_working_day Bool COMMENT 'Whether people work on the day.',
    name Nullable(String) COMMENT 'Name, in the company''s language.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Days that differ from the usual week, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    day,
    is_working_day,
    name,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY day ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM calendar_days
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY day, effective_from
);

CREATE OR REPLACE VIEW calendar_days_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    day Date32 COMMENT 'The day meant.',
    is_working_day Bool COMMENT 'Whether people work on the day.',
    name Nullable(String) COMMENT 'Name, in the company''s language.'
)
COMMENT 'Days that differ from the usual week, as in force on the company''s today.'
AS
SELECT
    effective_from,
    day,
    is_working_day,
    name
FROM calendar_days_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
