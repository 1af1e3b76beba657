"""Field work: a representative's plan and next steps, and what happens right now."""

from grafana.looks import AMBER, BLUE, GREEN, PALE, TEAL
from grafana.signals.progress import KPI, MONEY, OWN_LIGHT, QUARTER, REP
from grafana.signals.signal import Column, Signal

_REP = "${rep:sqlstring}"
_TODAY = "toDate32(now('{{time_zone}}'))"
#: The last day looked at: today, or the last day of a quarter that is over.
_AS_OF = f"least({_TODAY}, addMonths(toDate32({QUARTER}), 3) - 1)"

CHANNEL = (
    "transform(channel, ['face_to_face', 'video', 'phone', 'message', 'meeting'], "
    "['[[面访|Face to face]]', '[[视频|Video]]', '[[电话|Phone]]', '[[消息|Message]]', '[[会议|Meeting]]'], channel)"
)

#: One row a planned professional: calls planned and made in the month of the day looked at. `gain` is what one more
#: call adds to the plan attainment when a planned call weighs 0.5 (class A), 0.3 (B) or 0.2 (C).
_PLAN = f"""
SELECT
    line.hcp_id AS hcp_id, line.hcp_name AS hcp, line.segment AS segment, institution.name AS institution,
    institution.name_en AS institution_en, line.planned_calls AS planned, line.calls AS calls,
    line.missing_calls AS missing, seen.last_at AS last_at,
    transform(segment, ['A', 'B', 'C'], [0.5, 0.3, 0.2], 0) AS weight,
    weight / sum(weight * planned) OVER () AS gain
FROM
(
    SELECT * FROM call_plan_lines
    WHERE rep_id = {_REP} AND month_start = toStartOfMonth({_AS_OF}) AND planned_calls > 0
) AS line
LEFT JOIN
(
    SELECT ifNull(hcp_id, '') AS hcp_id, toNullable(max(occurred_at)) AS last_at
    FROM visits FINAL WHERE rep_id = {_REP} AND day <= {_AS_OF} GROUP BY hcp_id
) AS seen ON seen.hcp_id = line.hcp_id
LEFT JOIN
(
    SELECT institution_id, name, ifNull(name_en, name) AS name_en FROM institutions_today
) AS institution ON institution.institution_id = line.institution_id
"""

NEXT_STEPS = Signal(
    "rep_next_steps",
    "[[下一步：最值得的拜访|Next step: the visits that count most]]",
    "[[再拜访一次能给按级别加权的计划达成率加多少点（A 0.5、B 0.3、C 0.2）；同分时先看缺得最多、最久未见的。|"
    "Points that one more visit adds to the plan attainment weighted by class (A 0.5, B 0.3, C 0.2); "
    "of equal ones those who miss most and were not seen for longest.]]",
    f"""SELECT hcp, segment, institution[[|_en]] AS institution, missing, gain * 100 AS gain, last_at
FROM ({_PLAN}) AS plan
WHERE missing > 0 AND gain > 0
ORDER BY gain DESC, missing / planned DESC, last_at, hcp_id
LIMIT 8""",
    columns=(
        Column("hcp", "[[医生|Doctor]]", width=84),
        Column("segment", "[[级别|Class]]", width=60),
        Column("institution", "[[机构|Institution]]"),
        Column("missing", "[[还差|Missing]]", "count", width=70),
        Column("gain", "[[每次加分|Gain a visit]]", "points", width=96, cell="coloured", thresholds=((None, TEAL),)),
        Column("last_at", "[[上次拜访|Last visit]]", "time", width=108),
    ),
    empty="[[本月计划已完成|The month's plan is done]]",
)

SLIPS = Signal(
    "rep_slips",
    "[[拜访计划缺口|Call plan: who is missing visits]]",
    "[[本月有效拜访少于计划的医生，A 级在前。|"
    "Doctors with fewer valid visits this month than planned, class A first.]]",
    f"""SELECT segment, hcp, institution[[|_en]] AS institution, planned, calls, missing, calls / planned AS done
FROM ({_PLAN}) AS plan
WHERE missing > 0
ORDER BY segment = '', segment, missing DESC, hcp_id
LIMIT 60""",
    columns=(
        Column("segment", "[[级别|Class]]", width=60),
        Column("hcp", "[[医生|Doctor]]", width=84),
        Column("institution", "[[机构|Institution]]"),
        Column("planned", "[[计划|Planned]]", "count", width=70),
        Column("calls", "[[已访|Made]]", "count", width=62),
        Column("missing", "[[缺|Missing]]", "count", width=70),
        Column("done", "[[完成|Done]]", "percent", width=120, cell="gauge", largest=1.0, thresholds=((None, BLUE),)),
    ),
    empty="[[本月没有缺口|Nothing is missing this month]]",
)

PLAN = Signal(
    "rep_plan",
    "[[本月拜访计划|Call plan of the month]]",
    "[[计划达成率：每位医生最多计到计划数（封顶）；覆盖率：至少见过一次的目标医生占比。|"
    "Plan attainment counts each doctor up to the plan; reach is the share of planned doctors seen at least once.]]",
    f"""SELECT
    sum(least(planned, calls)) / nullIf(sum(planned), 0) AS attainment,
    countIf(calls > 0) / nullIf(count(), 0) AS reach
FROM ({_PLAN}) AS plan""",
    unit="percent",
    columns=(
        Column("attainment", "[[计划达成|Plan attained]]", "percent", colour=BLUE),
        Column("reach", "[[医生覆盖|Doctors reached]]", "percent", colour=TEAL),
    ),
)

BY_SEGMENT = Signal(
    "rep_segments",
    "[[各级别的计划与完成|Planned and made by class]]",
    "[[本月各级别医生的计划拜访数与实际拜访数。|Visits planned and made this month by class of doctor.]]",
    f"""SELECT if(segment = '', '—', segment) AS class, sum(planned) AS planned, sum(calls) AS made
FROM ({_PLAN}) AS plan
GROUP BY class
ORDER BY class""",
    unit="count",
    columns=(
        Column("class", "[[级别|Class]]"),
        Column("planned", "[[计划|Planned]]", "count", colour=PALE),
        Column("made", "[[已访|Made]]", "count", colour=BLUE),
    ),
)

NEEDED = Signal(
    "rep_needed",
    "[[每个工作日还需|Needed a working day]]",
    "[[到季末每个剩余工作日还需的销售额，与至今每个工作日的平均。|"
    "Sales needed on each working day that is left to reach the target, and the average so far.]]",
    f"""SELECT
    greatest(target - ifNull(value, 0), 0) / nullIf(left_days, 0){MONEY} AS needed,
    ifNull(value, 0) / nullIf(past_days, 0){MONEY} AS average
FROM
(
    SELECT
        toInt64(countIf(works AND day > {_AS_OF})) AS left_days,
        toInt64(countIf(works AND day <= {_AS_OF})) AS past_days
    FROM
    (
        SELECT days.day AS day, if(calendar.known, calendar.is_working_day, toDayOfWeek(days.day) < 6) AS works
        FROM
        (
            SELECT toDate32({QUARTER}) + number AS day FROM numbers(92) WHERE day < addMonths(toDate32({QUARTER}), 3)
        ) AS days
        LEFT JOIN (SELECT day, is_working_day, true AS known FROM calendar_days_today) AS calendar
            ON calendar.day = days.day
    )
) AS days
CROSS JOIN (SELECT value, target FROM {OWN_LIGHT} WHERE {KPI} AND product_level = 'all' AND {REP.light}) AS light""",
    unit="money",
    columns=(
        Column("needed", "[[还需|Needed]]", "money", colour=AMBER),
        Column("average", "[[至今平均|Average so far]]", "money", colour=PALE),
    ),
)

REP_VISITS = Signal(
    "rep_visits",
    "[[每日拜访|Visits a day]]",
    "[[按拜访方式。|By way of contact.]]",
    f"""SELECT toDateTime(day, '{{{{time_zone}}}}') AS time, {CHANNEL} AS way, count() AS visits
FROM visits FINAL
WHERE rep_id = {_REP} AND day >= toDate32({QUARTER}) AND day < addMonths(toDate32({QUARTER}), 3)
GROUP BY time, way
ORDER BY time, way""",
    unit="count",
    time_series=True,
    series="way",
)

_KIND = (
    "transform(kind, ['visit', 'sale', 'payment', 'activity', 'survey', 'market'], "
    "['[[拜访|Visits]]', '[[销售|Sales]]', '[[回款|Payments]]', '[[活动|Activities]]', '[[问卷|Surveys]]', "
    "'[[市场|Market]]'], kind)"
)
_TABLES = {
    "visit": "visits", "sale": "sales", "payment": "payments", "activity": "activities", "survey": "surveys",
    "market": "market",
}  # fmt: skip


def _all_kinds(columns: str, where: str = "$__timeFilter(occurred_at)") -> str:
    parts = (f"SELECT '{kind}' AS kind, {columns} FROM {table} FINAL WHERE {where}" for kind, table in _TABLES.items())
    return "\n    UNION ALL ".join(parts)


EVENT_RATE = Signal(
    "live_rate",
    "[[每分钟事件数|Events a minute]]",
    "[[按发生时间，各类事件每分钟的数量。|By the time they happened, events of each kind per minute.]]",
    f"""SELECT $__timeInterval(occurred_at) AS time, {_KIND} AS name, count() * 60 / $__interval_s AS events
FROM
(
    {_all_kinds("occurred_at")}
)
GROUP BY time, kind
ORDER BY time, name""",
    unit="rate",
    time_series=True,
    series="name",
)

EVENT_COUNTS = Signal(
    "live_counts",
    "[[时段内事件|Events in the range]]",
    "[[所选时段内各类事件数。|Events of each kind in the range shown.]]",
    "SELECT "
    + ", ".join(
        f"(SELECT count() FROM {table} FINAL WHERE $__timeFilter(occurred_at)) AS {kind}"
        for kind, table in _TABLES.items()
        if kind in {"visit", "sale", "payment"}
    ),
    unit="count",
    columns=(
        Column("visit", "[[拜访|Visits]]", "count", colour=BLUE),
        Column("sale", "[[销售行|Sales lines]]", "count", colour=GREEN),
        Column("payment", "[[回款|Payments]]", "count", colour=TEAL),
    ),
)

ACTIVE = Signal(
    "live_active",
    "[[在场人数与拜访质量|People in the field]]",
    "[[时段内有拜访的代表数，与拜访时长的中位数。|Reps with a visit in the range, and the median length of a visit.]]",
    """SELECT
    uniqExact(rep_id) AS reps,
    quantileExactIf(0.5)(dateDiff('second', check_in_at, check_out_at) / 60, check_out_at IS NOT NULL) AS median
FROM visits FINAL
WHERE $__timeFilter(occurred_at)
HAVING reps > 0""",
    unit="count",
    columns=(
        Column("reps", "[[活跃代表|Active reps]]", "count", colour=BLUE),
        Column("median", "[[拜访中位时长|Median visit]]", "minutes", colour=PALE),
    ),
)

SALES_NOW = Signal(
    "live_sales",
    "[[时段内销售额|Sales in the range]]",
    "[[所选时段内的销售额（已扣退货）与回款额。|Sales, returns netted, and money received in the range shown.]]",
    f"""SELECT
    (SELECT sum(amount) FROM sales FINAL WHERE $__timeFilter(occurred_at)){MONEY} AS sold,
    (SELECT sum(amount) FROM payments FINAL WHERE $__timeFilter(occurred_at)){MONEY} AS paid""",
    unit="money",
    columns=(
        Column("sold", "[[销售额|Sales]]", "money", colour=BLUE),
        Column("paid", "[[回款|Received]]", "money", colour=TEAL),
    ),
)

VISIT_MAP = Signal(
    "live_map",
    "[[拜访地图|Visits on the map]]",
    "[[时段内现场拜访的机构位置，最近 1000 次。|Institutions visited in person in the range, the latest 1000 visits.]]",
    """SELECT
    institution.latitude AS latitude, institution.longitude AS longitude, institution.city AS city,
    rep.name AS rep, institution.name AS institution, visit.check_in_at AS at
FROM
(
    SELECT rep_id, institution_id, check_in_at FROM visits FINAL
    WHERE $__timeFilter(check_in_at) AND channel = 'face_to_face'
    ORDER BY check_in_at DESC LIMIT 1000
) AS visit
LEFT JOIN (SELECT rep_id, [[name|ifNull(name_en, name)]] AS name FROM reps_today) AS rep ON rep.rep_id = visit.rep_id
INNER JOIN
(
    SELECT
        institution_id, [[name|ifNull(name_en, name)]] AS name, ifNull(city, '') AS city, latitude, longitude
    FROM institutions_today
    WHERE latitude IS NOT NULL AND longitude IS NOT NULL
) AS institution ON institution.institution_id = visit.institution_id
ORDER BY at DESC""",
    columns=(
        Column("latitude", hidden=True),
        Column("longitude", hidden=True),
        Column("city", "[[城市|City]]"),
        Column("rep", "[[代表|Rep]]"),
        Column("institution", "[[机构|Institution]]"),
        Column("at", "[[签到|Check-in]]", "time"),
    ),
)

_LATEST = f"""SELECT kind AS raw_kind, occurred_at, rep_id, institution_id, note FROM
(
    SELECT 'visit' AS kind, occurred_at, rep_id, institution_id, {CHANNEL} AS note FROM visits FINAL
    WHERE $__timeFilter(occurred_at)
    UNION ALL
    SELECT 'sale' AS kind, occurred_at, rep_id, institution_id,
        concat(toString(round(amount, 0)), ' ', currency) AS note
    FROM sales FINAL WHERE $__timeFilter(occurred_at)
    UNION ALL
    SELECT 'payment' AS kind, occurred_at, rep_id, institution_id,
        concat(toString(round(amount, 0)), ' ', currency) AS note
    FROM payments FINAL WHERE $__timeFilter(occurred_at)
    UNION ALL
    SELECT 'activity' AS kind, occurred_at, rep_id, ifNull(institution_id, '') AS institution_id,
        ifNull(topic_text, '') AS note
    FROM activities FINAL WHERE $__timeFilter(occurred_at)
    UNION ALL
    SELECT 'survey' AS kind, occurred_at, rep_id, ifNull(institution_id, '') AS institution_id,
        concat(toString(round(score, 0)), '[[ 分| pts]]') AS note
    FROM surveys FINAL WHERE $__timeFilter(occurred_at)
)
ORDER BY occurred_at DESC, rep_id, institution_id, note
LIMIT 40"""

LATEST = Signal(
    "live_latest",
    "[[最近事件|Latest events]]",
    "[[时段内最近的 40 条，按发生时间。|The latest 40 in the range, by the time they happened.]]",
    f"""SELECT
    event.occurred_at AS at, {_KIND.replace("kind", "raw_kind")} AS what,
    rep.name AS rep, institution.name AS institution, event.note AS note
FROM ({_LATEST}) AS event
LEFT JOIN (SELECT rep_id, [[name|ifNull(name_en, name)]] AS name FROM reps_today) AS rep ON rep.rep_id = event.rep_id
LEFT JOIN
(
    SELECT institution_id, [[name|ifNull(name_en, name)]] AS name FROM institutions_today
) AS institution ON institution.institution_id = event.institution_id
ORDER BY at DESC, rep, institution, note""",
    columns=(
        Column("at", "[[时间|When]]", "time", width=108),
        Column("what", "[[类别|Kind]]", width=74),
        Column("rep", "[[代表|Rep]]", width=96),
        Column("institution", "[[机构|Institution]]"),
        Column("note", "[[内容|What]]", width=150),
    ),
)

CHANNELS = Signal(
    "live_channels",
    "[[拜访方式|Ways of contact]]",
    "[[时段内拜访按方式的占比。|Visits in the range by way of contact.]]",
    f"""SELECT {CHANNEL} AS way, count() AS visits
FROM visits FINAL
WHERE $__timeFilter(occurred_at)
GROUP BY way
ORDER BY visits DESC""",
    unit="count",
    columns=(Column("way", "[[方式|Way]]"), Column("visits", "[[拜访|Visits]]", "count")),
)
