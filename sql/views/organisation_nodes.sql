CREATE OR REPLACE VIEW organisation_nodes_history
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    node_id String COMMENT 'Organisation node.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    level LowCardinality(String) COMMENT 'Level in the tree: team, region or company.',
    parent_id Nullable(String) COMMENT 'Node one or more levels up; empty for the company.',
    manager_id Nullable(String) COMMENT 'Person who leads the node.',
    effective_to Nullable(Date32) COMMENT 'Last day the row is in force; NULL while none follows.',
    published_version UInt64 COMMENT 'Publication that brought this text; higher is newer.',
    published_at DateTime64(3, 'UTC') COMMENT 'When it was published.',
    author String COMMENT 'Who published it.'
)
COMMENT 'Organisation tree: teams, regions, company, with the days each row is in force; corrected texts are left out.'
AS
SELECT
    effective_from,
    node_id,
    name,
    name_en,
    level,
    parent_id,
    manager_id,
    leadInFrame(toNullable(effective_from - 1)) OVER (
        PARTITION BY node_id ORDER BY effective_from
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS effective_to,
    published_version,
    published_at,
    author
FROM
(
    SELECT * FROM organisation_nodes
    ORDER BY published_version DESC, published_at DESC
    LIMIT 1 BY node_id, effective_from
);

CREATE OR REPLACE VIEW organisation_nodes_today
(
    effective_from Date32 COMMENT 'First day the row is in force.',
    node_id String COMMENT 'Organisation node.',
    name String COMMENT 'Name, in the company''s language.',
    name_en Nullable(String) COMMENT 'Name, in English.',
    level LowCardinality(String) COMMENT 'Level in the tree: team, region or company.',
    parent_id Nullable(String) COMMENT 'Node one or more levels up; empty for the company.',
    manager_id Nullable(String) COMMENT 'Person who leads the node.'
)
COMMENT 'Organisation tree: teams, regions, company, as in force on the company''s today.'
AS
SELECT
    effective_from,
    node_id,
    name,
    name_en,
    level,
    parent_id,
    manager_id
FROM organisation_nodes_history
WHERE effective_from <= toDate(now('{{time_zone}}'))
    AND (effective_to IS NULL OR effective_to >= toDate(now('{{time_zone}}')));
