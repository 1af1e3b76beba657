CREATE OR REPLACE VIEW products_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    product_id String COMMENT 'Product.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    line_id Nullable(String) COMMENT 'Product line its figures roll up to.',
    line_name Nullable(String) COMMENT 'Product line, in the company''s language.',
    line_name_en Nullable(String) COMMENT 'Product line, in English.',
    is_new_drug Bool COMMENT 'Whether the product counts as a new drug.',
    launched_on Nullable(Date32) COMMENT 'First day on the market.',
    labels Array(Tuple(indication String, valid_from Date32, valid_to Nullable(Date32))) COMMENT 'Approved indications and the days they are valid.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Products and their lines, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    product_id,
    name,
    name_en,
    line_id,
    line_name,
    line_name_en,
    is_new_drug,
    launched_on,
    labels,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY product_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM products
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY product_id, effective_from
);

CREATE OR REPLACE VIEW products_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    product_id String COMMENT 'Product.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    line_id Nullable(String) COMMENT 'Product line its figures roll up to.',
    line_name Nullable(String) COMMENT 'Product line, in the company''s language.',
    line_name_en Nullable(String) COMMENT 'Product line, in English.',
    is_new_drug Bool COMMENT 'Whether the product counts as a new drug.',
    launched_on Nullable(Date32) COMMENT 'First day on the market.',
    labels Array(Tuple(indication String, valid_from Date32, valid_to Nullable(Date32))) COMMENT 'Approved indications and the days they are valid.'
)
COMMENT 'Products and their lines, as in force on the company''s today.'
AS
SELECT
    effective_from,
    product_id,
    name,
    name_en,
    line_id,
    line_name,
    line_name_en,
    is_new_drug,
    launched_on,
    labels
FROM products_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
