CREATE OR REPLACE VIEW registrations_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Representatives registered at institutions, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    rep_id,
    institution_id,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY rep_id, institution_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM registrations
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY rep_id, institution_id, effective_from
);

CREATE OR REPLACE VIEW registrations_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    institution_id String COMMENT 'Hospital, clinic or pharmacy.'
)
COMMENT 'Representatives registered at institutions, as in force on the company''s today.'
AS
SELECT
    effective_from,
    rep_id,
    institution_id
FROM registrations_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
