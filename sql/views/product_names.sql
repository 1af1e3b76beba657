CREATE OR REPLACE VIEW product_names
(
    product_level LowCardinality(String) COMMENT 'all, line or product.',
    product_key String COMMENT 'Product line or product; empty at level all.',
    name String COMMENT 'Newest name, in the company''s language.',
    name_en String COMMENT 'Newest name, in English where given.'
)
COMMENT 'Newest names of products and product lines, as KPI figures refer to them.'
AS
SELECT
    'product' AS product_level,
    row.product_id AS product_key,
    argMax(row.name, row.effective_from) AS name,
    argMax(ifNull(row.name_en, row.name), row.effective_from) AS name_en
FROM products_history AS row
GROUP BY row.product_id
UNION ALL
SELECT
    'line' AS product_level,
    assumeNotNull(row.line_id) AS product_key,
    argMax(coalesce(row.line_name, row.line_id, ''), (row.effective_from, row.product_id)) AS name,
    argMax(coalesce(row.line_name_en, row.line_name, row.line_id, ''), (row.effective_from, row.product_id)) AS name_en
FROM products_history AS row
WHERE row.line_id IS NOT NULL
GROUP BY product_key;
