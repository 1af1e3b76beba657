CREATE OR REPLACE VIEW call_plan_slips
(
    month_start Date32 COMMENT 'First day of the running month.',
    rep_id String COMMENT 'Representative.',
    rep_name String COMMENT 'Name of the representative, in the company''s language; empty when unknown.',
    rep_name_en String COMMENT 'Name of the representative, in English where given, else as rep_name.',
    team_id String COMMENT 'Team today; empty when there is none.',
    team_name String COMMENT 'Name of the team, in the company''s language; empty when unknown.',
    team_name_en String COMMENT 'Name of the team, in English where given, else as team_name.',
    region_id String COMMENT 'Region today; empty when there is none.',
    region_name String COMMENT 'Name of the region, in the company''s language; empty when unknown.',
    region_name_en String COMMENT 'Name of the region, in English where given, else as region_name.',
    hcp_id String COMMENT 'Health-care professional.',
    hcp_name String COMMENT 'Name of the health-care professional; empty when unknown.',
    specialty String COMMENT 'Specialty of the health-care professional; empty when unknown.',
    segment String COMMENT 'Value class on the first day of the month: A, B, C or D; empty when there is none.',
    institution_id String COMMENT 'Institution of the health-care professional; empty when unknown.',
    institution_name String COMMENT 'Name of the institution, in the company''s language; empty when unknown.',
    institution_name_en String COMMENT 'Name of the institution, in English where given, else as institution_name.',
    planned_calls UInt64 COMMENT 'Calls planned in the month.',
    calls UInt64 COMMENT 'Calls made in the month so far.',
    missing_calls UInt64 COMMENT 'Planned calls that are not made.',
    working_days_left UInt64 COMMENT 'Working days of the representative in the month from today on, today included.',
    calls_per_field_day Nullable(Decimal(38, 6)) COMMENT 'Calls per field day of the representative this month, else last month; NULL without any.',
    institution_sales Decimal(38, 6) COMMENT 'Sales of the institution in the 90 days up to today, of all representatives: what the professional is ranked by.',
    rank_of_rep UInt64 COMMENT 'Place among the slips of the representative, the most valuable first.',
    calls_up_to_here UInt64 COMMENT 'Missing calls of the representative on this professional and all more valuable ones.',
    can_be_reached Nullable(Bool) COMMENT 'Whether these calls fit into the working days left at the representative''s pace, at most one a day on one professional; NULL without a pace.'
)
COMMENT 'Planned professionals who still miss calls in the running month, and whether there is time left for them.'
AS
WITH
    toDate32(now('{{time_zone}}')) AS today,
    makeDate32(toYear(today), toMonth(today), 1) AS this_month,
    (
        SELECT groupArray(possible.day)
        FROM
        (
            SELECT toDate32(now('{{time_zone}}')) + number AS day FROM numbers(31)
            WHERE toMonth(day) = toMonth(toDate32(now('{{time_zone}}')))
        ) AS possible
        LEFT JOIN
        (
            SELECT day, argMax(is_working_day, effective_from) AS is_working_day FROM calendar_days_history GROUP BY day
        ) AS special ON special.day = possible.day
        WHERE if(special.day = possible.day, special.is_working_day, toDayOfWeek(possible.day) < 6)
    ) AS days_left
SELECT
    line.month_start AS month_start,
    line.rep_id AS rep_id,
    line.rep_name AS rep_name,
    line.rep_name_en AS rep_name_en,
    line.team_id AS team_id,
    line.team_name AS team_name,
    line.team_name_en AS team_name_en,
    line.region_id AS region_id,
    line.region_name AS region_name,
    line.region_name_en AS region_name_en,
    line.hcp_id AS hcp_id,
    line.hcp_name AS hcp_name,
    line.specialty AS specialty,
    line.segment AS segment,
    line.institution_id AS institution_id,
    institution.name AS institution_name,
    ifNull(institution.name_en, institution.name) AS institution_name_en,
    line.planned_calls AS planned_calls,
    line.calls AS calls,
    line.missing_calls AS missing_calls,
    arrayCount(day -> day >= ifNull(rep.hired_on, day) AND day <= ifNull(rep.left_on, day), days_left) AS working_days_left,
    if(pace.rep_id = '', NULL, pace.newest) AS calls_per_field_day,
    sold.amount AS institution_sales,
    row_number() OVER (PARTITION BY line.rep_id ORDER BY sold.amount DESC, line.segment = '', line.segment, line.hcp_id) AS rank_of_rep,
    sum(line.missing_calls) OVER (
        PARTITION BY line.rep_id ORDER BY sold.amount DESC, line.segment = '', line.segment, line.hcp_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS calls_up_to_here,
    if(
        calls_per_field_day IS NULL,
        NULL,
        toBool(calls_up_to_here <= calls_per_field_day * working_days_left AND missing_calls <= working_days_left)
    ) AS can_be_reached
FROM (SELECT * FROM call_plan_lines WHERE missing_calls > 0 AND month_start = this_month) AS line
LEFT JOIN reps_today AS rep ON rep.rep_id = line.rep_id
LEFT JOIN institutions_today AS institution ON institution.institution_id = line.institution_id
LEFT JOIN
(
    SELECT rep_id, argMax(assumeNotNull(value), period_start) AS newest
    FROM kpi_cells FINAL
    WHERE kpi_id = 'calls_per_field_day' AND period = 'month' AND product_level = 'all' AND value IS NOT NULL
        AND period_start BETWEEN addMonths(this_month, -1) AND this_month
    GROUP BY rep_id
) AS pace ON pace.rep_id = line.rep_id
LEFT JOIN
(
    SELECT institution_id, sum(amount) AS amount FROM sales FINAL
    WHERE day > today - 90 AND day <= today
    GROUP BY institution_id
) AS sold ON sold.institution_id = line.institution_id
SETTINGS join_use_nulls = 0;
