CREATE OR REPLACE VIEW hcps_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    hcp_id String COMMENT 'Health-care professional.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    institution_id Nullable(String) COMMENT 'Institution the professional works at.',
    department Nullable(String) COMMENT 'Department within the institution.',
    specialty Nullable(String) COMMENT 'Medical specialty.',
    segment LowCardinality(Nullable(String)) COMMENT 'Value class; A is visited most.',
    owner_rep_id Nullable(String) COMMENT 'Representative who looks after the professional.',
    is_state_employee Bool COMMENT 'Whether the professional works for a public institution.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Health-care professionals, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    hcp_id,
    name,
    name_en,
    institution_id,
    department,
    specialty,
    segment,
    owner_rep_id,
    is_state_employee,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY hcp_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM hcps
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY hcp_id, effective_from
);

CREATE OR REPLACE VIEW hcps_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    hcp_id String COMMENT 'Health-care professional.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    institution_id Nullable(String) COMMENT 'Institution the professional works at.',
    department Nullable(String) COMMENT 'Department within the institution.',
    specialty Nullable(String) COMMENT 'Medical specialty.',
    segment LowCardinality(Nullable(String)) COMMENT 'Value class; A is visited most.',
    owner_rep_id Nullable(String) COMMENT 'Representative who looks after the professional.',
    is_state_employee Bool COMMENT 'Whether the professional works for a public institution.'
)
COMMENT 'Health-care professionals, as in force on the company''s today.'
AS
SELECT
    effective_from,
    hcp_id,
    name,
    name_en,
    institution_id,
    department,
    specialty,
    segment,
    owner_rep_id,
    is_state_employee
FROM hcps_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
