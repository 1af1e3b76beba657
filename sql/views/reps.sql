CREATE OR REPLACE VIEW reps_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    role LowCardinality(String) COMMENT 'Filed academic representative, sales staff, contract sales organisation, or manager.',
    team_id Nullable(String) COMMENT 'Organisation node the rep reports to; empty once the rep has left.',
    hired_on Nullable(Date32) COMMENT 'First day of employment.',
    left_on Nullable(Date32) COMMENT 'Last day of employment.',
    location_consent Nullable(Bool) COMMENT 'Whether the representative agreed, apart from anything else, to positions being used; empty: not asked.',
    filings Array(Tuple(filed_from Date32, filed_to Nullable(Date32), filing_number Nullable(String))) COMMENT 'Statutory filings (备案) of the representative.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Field representatives, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    rep_id,
    name,
    name_en,
    role,
    team_id,
    hired_on,
    left_on,
    location_consent,
    filings,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY rep_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM reps
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY rep_id, effective_from
);

CREATE OR REPLACE VIEW reps_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    rep_id String COMMENT 'Representative.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    role LowCardinality(String) COMMENT 'Filed academic representative, sales staff, contract sales organisation, or manager.',
    team_id Nullable(String) COMMENT 'Organisation node the rep reports to; empty once the rep has left.',
    hired_on Nullable(Date32) COMMENT 'First day of employment.',
    left_on Nullable(Date32) COMMENT 'Last day of employment.',
    location_consent Nullable(Bool) COMMENT 'Whether the representative agreed, apart from anything else, to positions being used; empty: not asked.',
    filings Array(Tuple(filed_from Date32, filed_to Nullable(Date32), filing_number Nullable(String))) COMMENT 'Statutory filings (备案) of the representative.'
)
COMMENT 'Field representatives, as in force on the company''s today.'
AS
SELECT
    effective_from,
    rep_id,
    name,
    name_en,
    role,
    team_id,
    hired_on,
    left_on,
    location_consent,
    filings
FROM reps_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
