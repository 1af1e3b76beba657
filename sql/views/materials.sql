CREATE OR REPLACE VIEW materials_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    material_id String COMMENT 'Promotional or medical material.',
    version String COMMENT 'Version of the material.',
    title String COMMENT 'Title.',
    audience LowCardinality(String) COMMENT 'Whom the material may be shown to.',
    product_id Nullable(String) COMMENT 'Product.',
    approved_on Nullable(Date32) COMMENT 'Day of internal approval.',
    expires_on Nullable(Date32) COMMENT 'Last day the material may be used.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Versions of promotional and medical materials, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    material_id,
    version,
    title,
    audience,
    product_id,
    approved_on,
    expires_on,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY material_id, version ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM materials
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY material_id, version, effective_from
);

CREATE OR REPLACE VIEW materials_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    material_id String COMMENT 'Promotional or medical material.',
    version String COMMENT 'Version of the material.',
    title String COMMENT 'Title.',
    audience LowCardinality(String) COMMENT 'Whom the material may be shown to.',
    product_id Nullable(String) COMMENT 'Product.',
    approved_on Nullable(Date32) COMMENT 'Day of internal approval.',
    expires_on Nullable(Date32) COMMENT 'Last day the material may be used.'
)
COMMENT 'Versions of promotional and medical materials, as in force on the company''s today.'
AS
SELECT
    effective_from,
    material_id,
    version,
    title,
    audience,
    product_id,
    approved_on,
    expires_on
FROM materials_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
