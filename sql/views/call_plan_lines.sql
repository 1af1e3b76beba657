CREATE OR REPLACE VIEW call_plan_lines
(
    month_start Date32 COMMENT 'First day of the month.',
    month_end Date32 COMMENT 'Last day of the month.',
    rep_id String COMMENT 'Representative.',
    rep_name String COMMENT 'Name of the representative, in the company''s language; empty when unknown.',
    rep_name_en String COMMENT 'Name of the representative, in English where given, else as rep_name.',
    team_id String COMMENT 'Team at the end of the month, or today while it runs; empty when there is none.',
    team_name String COMMENT 'Name of the team, in the company''s language; empty when unknown.',
    team_name_en String COMMENT 'Name of the team, in English where given, else as team_name.',
    region_id String COMMENT 'Region at the end of the month, or today while it runs; empty when there is none.',
    region_name String COMMENT 'Name of the region, in the company''s language; empty when unknown.',
    region_name_en String COMMENT 'Name of the region, in English where given, else as region_name.',
    hcp_id String COMMENT 'Health-care professional.',
    hcp_name String COMMENT 'Name of the health-care professional; empty when unknown.',
    specialty String COMMENT 'Specialty of the health-care professional; empty when unknown.',
    segment String COMMENT 'Value class on the first day of the month: A, B, C or D; empty when there is none.',
    institution_id String COMMENT 'Institution of the health-care professional; empty when unknown.',
    planned_calls UInt64 COMMENT 'Calls planned in the month; 0 for a professional who is not in the plan.',
    calls UInt64 COMMENT 'Visits in the month that count as calls.',
    missing_calls UInt64 COMMENT 'Planned calls that are not made.',
    over_calls UInt64 COMMENT 'Calls on a planned professional above the plan.'
)
COMMENT 'Planned and made calls of a representative on a professional in a month, as the KPIs of the call plan count them.'
AS
SELECT
    line.month_start AS month_start,
    line.month_end AS month_end,
    line.rep_id AS rep_id,
    rep.name AS rep_name,
    ifNull(rep.name_en, rep.name) AS rep_name_en,
    path.team_id AS team_id,
    path.team_name AS team_name,
    path.team_name_en AS team_name_en,
    path.region_id AS region_id,
    path.region_name AS region_name,
    path.region_name_en AS region_name_en,
    line.hcp_id AS hcp_id,
    hcp.name AS hcp_name,
    ifNull(hcp.specialty, '') AS specialty,
    ifNull(hcp.segment, '') AS segment,
    ifNull(hcp.institution_id, '') AS institution_id,
    line.planned AS planned_calls,
    line.made AS calls,
    if(line.planned > line.made, line.planned - line.made, 0) AS missing_calls,
    if(line.planned > 0 AND line.made > line.planned, line.made - line.planned, 0) AS over_calls
FROM
(
    SELECT
        month_start,
        toDate32(addMonths(month_start, 1) - 1) AS month_end,
        -- names and organisation as on the last day of the month, or today while it runs
        least(month_end, toDate32(now('{{time_zone}}'))) AS named_on,
        rep_id,
        hcp_id,
        sum(planned_calls) AS planned,
        sum(calls) AS made
    FROM
    (
        SELECT month_start, rep_id, hcp_id, planned_calls, 0 AS calls
        FROM
        (
            SELECT *, makeDate32(toYear(effective_from), toMonth(effective_from), 1) AS month_start
            FROM call_plans_history
            ORDER BY effective_from DESC
            LIMIT 1 BY rep_id, hcp_id, month_start
        )
        UNION ALL
        SELECT month_start, rep_id, hcp_id, 0 AS planned_calls, calls FROM call_counts FINAL
    )
    GROUP BY month_start, rep_id, hcp_id
    HAVING planned > 0 OR made > 0
) AS line
ASOF LEFT JOIN reps_history AS rep
    ON rep.rep_id = line.rep_id AND line.named_on >= rep.effective_from
ASOF LEFT JOIN organisation_paths AS path
    ON path.node_id = rep.team_id AND line.named_on >= path.effective_from
ASOF LEFT JOIN hcps_history AS hcp
    ON hcp.hcp_id = line.hcp_id AND line.month_start >= hcp.effective_from
SETTINGS join_use_nulls = 0;
