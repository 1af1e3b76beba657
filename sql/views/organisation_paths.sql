CREATE OR REPLACE VIEW organisation_paths
(
    node_id String COMMENT 'Organisation node.',
    effective_from Date32 COMMENT 'First day of the path; it ends where the next row of the node begins.',
    team_id String COMMENT 'Team in force on the day; empty when there is none.',
    team_name String COMMENT 'Name of the team, in the company''s language; empty when unknown.',
    team_name_en String COMMENT 'Name of the team, in English where given, else as team_name.',
    region_id String COMMENT 'Region in force on the day; empty when there is none.',
    region_name String COMMENT 'Name of the region, in the company''s language; empty when unknown.',
    region_name_en String COMMENT 'Name of the region, in English where given, else as region_name.',
    company_id String COMMENT 'Company in force on the day; empty when there is none.',
    company_name String COMMENT 'Name of the company, in the company''s language; empty when unknown.',
    company_name_en String COMMENT 'Name of the company, in English where given, else as company_name.'
)
COMMENT 'Team, region and company above (or at) each organisation node, from each day on which the tree changed.'
AS
WITH
    ['team', 'region', 'company'] AS levels,
    indexOf(levels, two.level) > indexOf(levels, one.level) AS has_two,
    has_two AND indexOf(levels, three.level) > indexOf(levels, two.level) AS has_three,
    -- (level, id, name, English name) from the node upward; a parent that is not above its child ends the path
    arrayConcat(
        [(one.level, one.node_id, one.name, ifNull(one.name_en, one.name))],
        if(has_two, [(two.level, two.node_id, two.name, ifNull(two.name_en, two.name))], []),
        if(has_three, [(three.level, three.node_id, three.name, ifNull(three.name_en, three.name))], [])
    ) AS nodes,
    arrayFirst(node -> node.1 = 'team', nodes) AS team,
    arrayFirst(node -> node.1 = 'region', nodes) AS region,
    arrayFirst(node -> node.1 = 'company', nodes) AS company
SELECT
    point.node_id AS node_id,
    point.effective_from AS effective_from,
    team.2 AS team_id,
    team.3 AS team_name,
    team.4 AS team_name_en,
    region.2 AS region_id,
    region.3 AS region_name,
    region.4 AS region_name_en,
    company.2 AS company_id,
    company.3 AS company_name,
    company.4 AS company_name_en
FROM
(
    SELECT node.node_id AS node_id, change.effective_from AS effective_from
    FROM (SELECT DISTINCT node_id FROM organisation_nodes) AS node
    CROSS JOIN (SELECT DISTINCT effective_from FROM organisation_nodes) AS change
) AS point
ASOF INNER JOIN organisation_nodes_history AS one
    ON one.node_id = point.node_id AND point.effective_from >= one.effective_from
ASOF LEFT JOIN organisation_nodes_history AS two
    ON two.node_id = one.parent_id AND point.effective_from >= two.effective_from
ASOF LEFT JOIN organisation_nodes_history AS three
    ON three.node_id = two.parent_id AND point.effective_from >= three.effective_from
SETTINGS join_use_nulls = 0;
