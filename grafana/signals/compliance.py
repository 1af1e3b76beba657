"""Alerts and cases: by rule and region, over time, waiting, and the newest."""

from grafana.looks import AMBER, GREEN, RED, YELLOW
from grafana.signals.signal import Column, Signal

_NODE = "${node:sqlstring}"
IN_NODE = (
    f"({_NODE} IN (team_id, region_id) OR {_NODE} IN "
    "(SELECT node_id FROM organisation_nodes_today WHERE level = 'company'))"
)
HERE = f"$__timeFilter(occurred_at) AND {IN_NODE}"
LEVEL = (
    "concat(colour, ' ', transform(colour, ['red', 'amber', 'yellow'], "
    "['[[禁止|Prohibited]]', '[[回避|Avoid]]', '[[关注|Monitor]]'], colour))"
)
CASE_STATE = (
    "transform(state, ['open', 'in_review', 'needs_more', 'closed'], "
    "['[[待处理|Open]]', '[[审核中|In review]]', '[[待补充|Needs more]]', '[[已结案|Closed]]'], state)"
)
VERDICT = (
    "transform(verdict, ['valid', 'false_alarm', 'tolerated'], "
    "['[[属实|Valid]]', '[[误报|False alarm]]', '[[可容忍|Tolerated]]'], '')"
)
REP_NAMES = "(SELECT rep_id, [[name|ifNull(name_en, name)]] AS name FROM reps_today)"
INSTITUTION_NAMES = "(SELECT institution_id, [[name|ifNull(name_en, name)]] AS name FROM institutions_today)"
LEVEL_COLUMN = Column("level", "[[级别|Level]]", cell="light", width=92)
TO_CASE = (Column("case_id", hidden=True),)
_COLOURS = (
    Column("red", "[[禁止|Prohibited]]", "count", colour=RED),
    Column("amber", "[[回避|Avoid]]", "count", colour=AMBER),
    Column("yellow", "[[关注|Monitor]]", "count", colour=YELLOW),
)
_BY_COLOUR = "countIf(colour = 'red') AS red, countIf(colour = 'amber') AS amber, countIf(colour = 'yellow') AS yellow"

ALERTS = Signal(
    "compliance_alerts",
    "[[预警|Alerts]]",
    "[[时段内发生的违规，按级别。|Breaches that happened in the range, by level.]]",
    f"SELECT {_BY_COLOUR} FROM alert_log WHERE {HERE}",
    unit="count",
    columns=_COLOURS,
)

OPEN = Signal(
    "compliance_open",
    "[[未结案件|Open cases]]",
    "[[尚未结案，不限时段，按级别。|Not closed yet, of any time, by level.]]",
    f"SELECT {_BY_COLOUR} FROM case_log WHERE state != 'closed' AND {IN_NODE}",
    unit="count",
    columns=_COLOURS,
)

UNSEEN = Signal(
    "compliance_unseen",
    "[[无人确认的禁止级案件|Red cases nobody has seen]]",
    "[[未结且无人确认的禁止级案件数，及最久的等待小时。|"
    "Red cases that are open and not acknowledged, and hours the oldest has been waiting.]]",
    f"""SELECT count() AS cases, ifNull(max(dateDiff('minute', raised_at, now64(3))) / 60, 0) AS longest
FROM case_log
WHERE colour = 'red' AND state != 'closed' AND acknowledged_at IS NULL AND {IN_NODE}""",
    columns=(
        Column("cases", "[[案件|Cases]]", "count", thresholds=((None, GREEN), (1, RED))),
        Column("longest", "[[最久|Longest]]", "hours", thresholds=((None, GREEN), (1, AMBER), (24, RED))),
    ),
)

MATRIX = Signal(
    "compliance_lights",
    "[[规则 × 大区|Rule × region]]",
    "[[时段内的预警中尚未结案的件数，颜色是规则的级别；全部结案为绿，没有预警则空白。合计含不属于任何大区的。|"
    "Alerts of the range whose cases are not closed, in the colour of the rule; green when all are closed, "
    "blank when there was none. The total counts those of no region, too.]]",
    f"""SELECT
    rule_id, any(level) AS level, any(title) AS title, any(everywhere) AS all_alerts,
    toJSONString(CAST(arrayMap(one -> (one.2, one.3), arraySort(groupArray((region_id, region, cell)))),
        'Map(String, String)')) AS regions
FROM
(
    SELECT
        rule.rule_id AS rule_id, rule.level AS level, rule.title AS title, region.region_id AS region_id,
        region.name AS region, rule.everywhere AS everywhere,
        multiIf(counted.waiting > 0, concat(rule.colour, ' ', toString(counted.waiting)),
            counted.alerts > 0, 'green 0', '') AS cell
    FROM
    (
        SELECT rule_id, colour, {LEVEL} AS level, title_[[zh|en]] AS title,
            count() OVER (PARTITION BY rule_id) AS everywhere
        FROM case_log WHERE {HERE}
        ORDER BY raised_at DESC LIMIT 1 BY rule_id
    ) AS rule
    CROSS JOIN
    (
        SELECT node_id AS region_id, [[name|ifNull(name_en, name)]] AS name FROM organisation_nodes_today
        WHERE level = 'region'
    ) AS region
    LEFT JOIN
    (
        SELECT rule_id, region_id, count() AS alerts, countIf(state != 'closed') AS waiting
        FROM case_log WHERE {HERE} GROUP BY rule_id, region_id
    ) AS counted ON counted.rule_id = rule.rule_id AND counted.region_id = region.region_id
)
GROUP BY rule_id
ORDER BY indexOf(['red', 'amber', 'yellow'], splitByChar(' ', level)[1]), all_alerts DESC, rule_id""",
    unit="text",
    states=True,
    expand="regions",
    columns=(
        Column("rule_id", "[[规则|Rule]]", width=104),
        LEVEL_COLUMN,
        Column("title", "[[名称|Title]]", width=230),
        Column("all_alerts", "[[合计|Total]]", "count", width=64),
    ),
    empty="[[时段内没有预警|No alert in the range]]",
)

TREND = Signal(
    "compliance_trend",
    "[[预警走势|Alerts over time]]",
    "[[按违规发生的时间和级别。|By the time of the breach and level.]]",
    f"""SELECT $__timeInterval(occurred_at) AS time, {_BY_COLOUR}
FROM alert_log
WHERE {HERE}
GROUP BY time
ORDER BY time""",
    unit="count",
    time_series=True,
    columns=_COLOURS,
    empty="[[时段内没有预警|No alert in the range]]",
)

AGES = Signal(
    "compliance_ages",
    "[[未结案件的等待时间|Open cases by age]]",
    "[[从预警到现在，按级别。|From the alert until now, by level.]]",
    f"""SELECT
    ['[[1 小时内|up to 1 h]]', '[[1 天内|up to 1 day]]', '[[3 天内|up to 3 days]]', '[[7 天内|up to 7 days]]',
        '[[更久|longer]]'][bucket] AS age, {_BY_COLOUR}
FROM
(
    SELECT colour, multiIf(hours < 1, 1, hours < 24, 2, hours < 72, 3, hours < 168, 4, 5) AS bucket FROM
    (
        SELECT colour, dateDiff('second', raised_at, now64(3)) / 3600 AS hours
        FROM case_log WHERE state != 'closed' AND {IN_NODE}
    )
    UNION ALL
    SELECT '' AS colour, arrayJoin([1, 2, 3, 4, 5]) AS bucket
)
GROUP BY bucket
ORDER BY bucket""",
    unit="count",
    columns=_COLOURS,
)

RESPONSE = Signal(
    "compliance_response",
    "[[处理时效|Response times]]",
    "[[时段内的案件：从预警到首次确认、到结案的分钟数，中位数与 95 分位。|"
    "Cases of the range: minutes from the alert until somebody saw it and until it was closed, median and 95th "
    "percentile.]]",
    f"""SELECT
    {LEVEL} AS level, count() AS cases, countIf(acknowledged_at IS NOT NULL) / count() AS seen,
    quantileExactInclusiveOrNull(0.5)(dateDiff('second', raised_at, acknowledged_at) / 60) AS seen_p50,
    quantileExactInclusiveOrNull(0.95)(dateDiff('second', raised_at, acknowledged_at) / 60) AS seen_p95,
    countIf(state = 'closed') / count() AS done,
    quantileExactInclusiveOrNull(0.5)(dateDiff('second', raised_at, closed_at) / 60) AS done_p50,
    quantileExactInclusiveOrNull(0.95)(dateDiff('second', raised_at, closed_at) / 60) AS done_p95
FROM case_log
WHERE {HERE}
GROUP BY colour
ORDER BY indexOf(['red', 'amber', 'yellow'], colour)""",
    columns=(
        LEVEL_COLUMN,
        Column("cases", "[[案件|Cases]]", "count", width=64),
        Column("seen", "[[已确认|Seen]]", "percent", width=78),
        Column("seen_p50", "[[确认中位数|Median to see]]", "minutes"),
        Column("seen_p95", "[[确认 95 分位|95 % seen within]]", "minutes"),
        Column("done", "[[已结案|Closed]]", "percent", width=78),
        Column("done_p50", "[[结案中位数|Median to close]]", "minutes"),
        Column("done_p95", "[[结案 95 分位|95 % closed within]]", "minutes"),
    ),
    empty="[[时段内没有案件|No case in the range]]",
)


def latest(name: str, where: str, about: str) -> Signal:
    """The newest alerts of somebody, each leading to its case."""
    return Signal(
        name,
        "[[最新预警|Newest alerts]]",
        about,
        f"""SELECT
    one.case_id AS case_id, one.occurred_at AS at, one.level AS level, one.rule_id AS rule_id,
    one.message AS message, if(rep.name = '', one.rep_id, rep.name) AS rep, one.standing AS standing
FROM
(
    SELECT
        case_id, rep_id, occurred_at, {LEVEL} AS level, rule_id, message_[[zh|en]] AS message,
        if(state = 'closed', concat({CASE_STATE}, ' · ', {VERDICT}), {CASE_STATE}) AS standing
    FROM case_log
    WHERE {where}
    ORDER BY occurred_at DESC, case_id
    LIMIT 40
) AS one
LEFT JOIN {REP_NAMES} AS rep ON rep.rep_id = one.rep_id
ORDER BY at DESC, case_id""",
        columns=(
            Column("at", "[[时间|When]]", "time", width=108),
            LEVEL_COLUMN,
            Column("rule_id", "[[规则|Rule]]", width=96),
            Column("message", "[[发生了什么|What happened]]", link="case"),
            Column("rep", "[[代表|Rep]]", width=132),
            Column("standing", "[[状态|State]]", width=160),
            *TO_CASE,
        ),
        empty="[[时段内没有预警|No alert in the range]]",
    )


LATEST = latest(
    "compliance_latest",
    HERE,
    "[[时段内最近发生的 40 条；点行看案件。|The latest 40 breaches of the range; click a row for the case.]]",
)
OF_REP = latest(
    "compliance_of_rep",
    "$__timeFilter(occurred_at) AND rep_id = ${rep:sqlstring}",
    "[[该代表在时段内的违规，最近 40 条；点行看案件。|"
    "The representative's breaches of the range, the latest 40; click a row for the case.]]",
)
BY_REGION = Signal(
    "compliance_by_region",
    "[[合规预警|Compliance alerts]]",
    "[[各大区时段内的预警与未结案件；点行看合规看板。|"
    "Alerts of the range and open cases by region; click a row for the compliance board.]]",
    """SELECT
    node.node_id AS owner_id, 'pulse-compliance' AS board, 'node' AS variable, node.name AS owner,
    countIf(one.colour = 'red') AS red, countIf(one.colour = 'amber') AS amber,
    countIf(one.colour = 'yellow') AS yellow,
    countIf(one.colour != '' AND one.state != 'closed') AS waiting
FROM
(
    SELECT node_id, [[name|ifNull(name_en, name)]] AS name FROM organisation_nodes_today WHERE level = 'region'
) AS node
LEFT JOIN (SELECT region_id, colour, state FROM case_log WHERE $__timeFilter(occurred_at)) AS one
    ON one.region_id = node.node_id
GROUP BY owner_id, owner
ORDER BY red DESC, amber DESC, owner_id""",
    columns=(
        Column("owner", "[[大区|Region]]", link="owner"),
        Column("red", "[[禁止|Prohibited]]", "count", width=88, cell="coloured", thresholds=((None, GREEN), (1, RED))),
        Column("amber", "[[回避|Avoid]]", "count", width=76, cell="coloured", thresholds=((None, GREEN), (1, AMBER))),
        Column(
            "yellow", "[[关注|Monitor]]", "count", width=76, cell="coloured", thresholds=((None, GREEN), (1, YELLOW))
        ),
        Column("waiting", "[[未结|Open]]", "count", width=70),
        Column("owner_id", hidden=True),
        Column("board", hidden=True),
        Column("variable", hidden=True),
    ),
)

#: Statements of alert rules: no variables.
UNSEEN_RED_MINUTES = 30
UNSEEN_RED_SQL = (
    "SELECT count() AS cases FROM case_log WHERE colour = 'red' AND state != 'closed' AND acknowledged_at IS NULL "
    f"AND raised_at < now64(3) - INTERVAL {UNSEEN_RED_MINUTES} MINUTE"
)
