"""Progress against targets: of a node of the organisation, or of one representative."""

from dataclasses import dataclass

from grafana.looks import AMBER, BLUE, GREEN, GREY, PALE, RED
from grafana.signals.signal import Column, Signal, Thresholds

#: Scale of figures against what is due: red below 80 %, green from 100 % on. Lights are judged by their own policy.
PACE: Thresholds = ((None, RED), (0.8, AMBER), (1.0, GREEN))
MONEY = "[[ / 10000|]]"
#: First day of the quarter in which the time range ends, in company time.
QUARTER = "toStartOfQuarter(toDate($__toTime, '{{time_zone}}'))"

KPI = "kpi_id = 'sales_amount' AND period = 'quarter' AND period_start = " + QUARTER
STATE = Column("state", "[[灯|Light]]", cell="light", width=86)


@dataclass(frozen=True)
class Owner:
    """Whose progress it is: the board's variable, and how rows of the owner are found.

    Attributes:
        prefix: of the names of the signals.
        light: condition on `lights_now`.
        below: condition on `lights_now`: owners further down.
        sales: condition on `sales_lines`.
    """

    prefix: str
    light: str
    below: str
    sales: str


_NODE = "${node:sqlstring}"
NODE = Owner(
    "node",
    f"owner_id = {_NODE} AND owner_level != 'rep'",
    f"{_NODE} IN (team_id, region_id, company_id) AND owner_id != {_NODE}",
    f"{_NODE} IN (team_id, region_id, company_id)",
)
_REP = "${rep:sqlstring}"
REP = Owner("rep", f"owner_id = {_REP} AND owner_level = 'rep'", "false", f"rep_id = {_REP}")


def _light(owner: Owner, columns: str) -> str:
    return f"SELECT {columns}\nFROM lights_now\nWHERE {KPI} AND product_level = 'all' AND {owner.light}"


def share_text(value: str, state: str) -> str:
    """A state with a share behind it, as the mappings of states read it."""
    text = f"if(isNull({value}), '—', concat(toDecimalString(round({value} * 100, 1), 1), '%'))"
    return f"concat({state}, ' ', {text})"


def light(owner: Owner) -> Signal:
    """The owner's own light."""
    return Signal(
        f"{owner.prefix}_light",
        "[[总体状态|Overall]]",
        "[[销售额目标的红黄绿灯：节奏、期间规则与预测三项检验中最严的一项决定。|"
        "Light of the sales target: the strictest of pace, period rule and forecast decides.]]",
        _light(owner, "state"),
        unit="text",
        states=True,
    )


def sales(owner: Owner) -> Signal:
    """Sales beside the target."""
    return Signal(
        f"{owner.prefix}_sales",
        "[[销售额与目标|Sales and target]]",
        "[[本季度至今的销售额（已扣退货），与整季目标。|"
        "Sales of the quarter so far, returns netted, and the whole target.]]",
        _light(owner, f"value{MONEY} AS sold, target{MONEY} AS goal"),
        unit="money",
        columns=(
            Column("sold", "[[销售额|Sales]]", "money", colour=BLUE),
            Column("goal", "[[目标|Target]]", "money", colour=PALE),
        ),
    )


def attainment(owner: Owner) -> Signal:
    """Attainment beside the share of the period that has passed."""
    return Signal(
        f"{owner.prefix}_attainment",
        "[[达成率与时间进度|Attainment and time]]",
        "[[销售额 ÷ 整季目标；时间进度按工作日（有历史时按季节）计。|"
        "Sales ÷ target of the quarter; time counts working days, or the season where there is history.]]",
        _light(owner, "attainment, elapsed"),
        unit="percent",
        columns=(
            Column("attainment", "[[达成率|Attainment]]", "percent", colour=BLUE),
            Column("elapsed", "[[时间进度|Time passed]]", "percent", colour=PALE),
        ),
    )


def pace(owner: Owner) -> Signal:
    """What is there against what is due by now."""
    return Signal(
        f"{owner.prefix}_pace",
        "[[节奏（实际 ÷ 应达）|Pace (actual ÷ due)]]",
        "[[实际销售额 ÷ 到今天应达的销售额；低于 80% 为红，达到 100% 为绿。|"
        "Sales ÷ what is due by today; red below 80 %, green from 100 % on.]]",
        _light(owner, "pace"),
        unit="percent",
        thresholds=PACE,
    )


def forecast(owner: Owner) -> Signal:
    """Where the period will end."""
    band = (
        "if(isNull(forecast) OR target = 0, '—', concat(toString(round(forecast_low / target * 100, 0)), '–', "
        "toString(round(forecast_high / target * 100, 0)), '%'))"
    )
    share = share_text("if(target = 0, NULL, forecast / nullIf(target, 0))", "forecast_state")
    return Signal(
        f"{owner.prefix}_forecast",
        "[[季末预测达成|Forecast at quarter end]]",
        "[[按目前走势到季末的销售额 ÷ 目标；区间在 80% 的情形下包含结果。|"
        "Sales at the end of the quarter ÷ target; the interval holds the outcome in 80 of 100 cases.]]",
        _light(owner, f"{share} AS outlook, {band} AS band"),
        unit="text",
        states=True,
        columns=(
            Column("outlook", "[[预测|Forecast]]"),
            Column("band", "[[80% 区间|80% interval]]", colour=PALE),
        ),
    )


def below(owner: Owner) -> Signal:
    """Lights of everybody further down, counted by colour."""
    counts = ", ".join(f"countIf(state = '{state}') AS {state}" for state in ("red", "amber", "green"))
    return Signal(
        f"{owner.prefix}_below",
        "[[下级灯数|Lights below]]",
        "[[下属大区、团队与代表的灯（全部产品合计）。|"
        "Lights of the regions, teams and reps below, all products together.]]",
        f"SELECT {counts}\nFROM lights_now\nWHERE {KPI} AND product_level = 'all' AND {owner.below}",
        unit="count",
        columns=(
            Column("red", "[[落后|Behind]]", "count", colour=RED),
            Column("amber", "[[预警|Watch]]", "count", colour=AMBER),
            Column("green", "[[正常|On track]]", "count", colour=GREEN),
        ),
    )


def trend(owner: Owner) -> Signal:
    """Cumulative sales against what is due day by day."""
    return Signal(
        f"{owner.prefix}_trend",
        "[[累计销售额与应达|Cumulative sales and what is due]]",
        "[[每天累计销售额；应达按工作日从零走到今天的应达值，再走到目标。|"
        "Sales added up day by day; what is due runs by working days through today's due value to the target.]]",
        f"""SELECT
    toDateTime(day, '{{{{time_zone}}}}') AS time,
    if(day <= today, sum(amount) OVER (ORDER BY day), NULL){MONEY} AS actual,
    if(
        day <= today,
        light.expected * toDecimal64(worked, 6) / nullIf(worked_today, 0),
        light.expected
            + (light.target - light.expected) * toDecimal64(worked - worked_today, 6)
            / nullIf(worked_all - worked_today, 0)
    ){MONEY} AS due,
    nullIf(light.target, 0){MONEY} AS goal
FROM
(
    SELECT
        *,
        sum(works) OVER (ORDER BY day) AS worked,
        sum(works * (day <= today)) OVER () AS worked_today,
        sum(works) OVER () AS worked_all
    FROM
    (
        SELECT
            days.day AS day,
            least(toDate32(now('{{{{time_zone}}}}')), addMonths(toDate32({QUARTER}), 3) - 1) AS today,
            toInt64(if(calendar.known, calendar.is_working_day, toDayOfWeek(days.day) < 6)) AS works,
            sold.amount AS amount
        FROM
        (
            SELECT toDate32({QUARTER}) + number AS day FROM numbers(92)
            WHERE day < addMonths(toDate32({QUARTER}), 3)
        ) AS days
        LEFT JOIN (SELECT day, is_working_day, true AS known FROM calendar_days_today) AS calendar
            ON calendar.day = days.day
        LEFT JOIN
        (
            SELECT day, sum(amount) AS amount FROM sales_lines
            WHERE quarter_start = {QUARTER} AND {owner.sales} GROUP BY day
        ) AS sold ON sold.day = days.day
    )
) AS plan
CROSS JOIN
(
    SELECT max(expected) AS expected, max(target) AS target FROM lights_now
    WHERE {KPI} AND product_level = 'all' AND {owner.light}
) AS light
ORDER BY time""",
        unit="money",
        time_series=True,
        columns=(
            Column("actual", "[[实际|Actual]]", "money", colour=BLUE),
            Column("due", "[[应达|Due]]", "money", colour=AMBER, dashed=True),
            Column("goal", "[[目标|Target]]", "money", colour=GREY, dashed=True),
        ),
    )


def daily(owner: Owner) -> Signal:
    """Sales a day by product line."""
    return Signal(
        f"{owner.prefix}_daily",
        "[[每日销售额（按产品线）|Sales a day by product line]]",
        "[[发生日的销售额，已扣退货。|Sales by the day they happened, returns netted.]]",
        f"""SELECT toDateTime(day, '{{{{time_zone}}}}') AS time, line_name[[|_en]] AS line, sum(amount){MONEY} AS sales
FROM sales_lines
WHERE quarter_start = {QUARTER} AND {owner.sales}
GROUP BY time, line
ORDER BY time, line""",
        unit="money",
        time_series=True,
        series="line",
    )


def by_product(owner: Owner) -> Signal:
    """Share of the products in the sales."""
    return Signal(
        f"{owner.prefix}_products",
        "[[产品构成|Sales by product]]",
        "[[本季度各产品的销售额。|Sales of the quarter by product.]]",
        f"""SELECT product_name[[|_en]] AS name, sum(amount){MONEY} AS sales
FROM sales_lines
WHERE quarter_start = {QUARTER} AND {owner.sales}
GROUP BY name
ORDER BY sales DESC""",
        unit="money",
        columns=(Column("name", "[[产品|Product]]"), Column("sales", "[[销售额|Sales]]", "money")),
    )


LINKS_TO_OWNER = (
    Column("owner_id", hidden=True),
    Column("board", hidden=True),
    Column("variable", hidden=True),
)
TO_OWNER = (
    "owner_id, if(owner_level = 'rep', 'pulse-rep', 'pulse-team') AS board, "
    "if(owner_level = 'rep', 'rep', 'node') AS variable"
)

MATRIX = Signal(
    "region_line_lights",
    "[[大区 × 产品线|Region × product line]]",
    "[[数字是整季目标的达成率，颜色是灯。点大区看团队。|"
    "The number is the attainment of the whole quarter, the colour is the light. Click a region for its teams.]]",
    f"""SELECT
    owner_id, 'pulse-team' AS board, 'node' AS variable, name,
    toJSONString(CAST(arrayMap(one -> (one.2, one.3), arraySort(groupArray((product_key, product, cell)))),
        'Map(String, String)')) AS lines
FROM
(
    SELECT
        owner_id, owner_name[[|_en]] AS name, product_key,
        if(product_level = 'all', '[[合计|Total]]', product_name[[|_en]]) AS product,
        {share_text("attainment", "state")} AS cell
    FROM lights_now
    WHERE {KPI} AND owner_level = 'region' AND product_level IN ('all', 'line') AND {NODE.below}
)
GROUP BY owner_id, name
ORDER BY owner_id""",
    unit="text",
    states=True,
    expand="lines",
    columns=(Column("name", "[[大区|Region]]", link="owner", width=110), *LINKS_TO_OWNER),
)

BURNING = Signal(
    "burning",
    "[[哪里着火：离应达最远的|Where it burns: furthest from what is due]]",
    "[[团队 × 产品的红灯与黄灯，按离应达的差额排序。点行看团队。|"
    "Red and amber lights of teams and products by the gap to what is due. Click a row for the team.]]",
    f"""SELECT
    state, {TO_OWNER}, owner_name[[|_en]] AS owner, product_name[[|_en]] AS product,
    (ifNull(value, 0) - expected){MONEY} AS gap, pace, forecast / nullIf(target, 0) AS outlook, since
FROM lights_now
WHERE {KPI} AND owner_level = 'team' AND product_level = 'product' AND state IN ('red', 'amber') AND {NODE.below}
ORDER BY gap
LIMIT 12""",
    columns=(
        STATE,
        Column("owner", "[[团队|Team]]", link="owner"),
        Column("product", "[[产品|Product]]"),
        Column("gap", "[[差额|Gap]]", "money", width=110),
        Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
        Column("outlook", "[[预测|Forecast]]", "percent", width=84),
        Column("since", "[[自|Since]]", "time", width=108),
        *LINKS_TO_OWNER,
    ),
    empty="[[没有红灯或黄灯|No red or amber light]]",
)

TEAM_PACE = Signal(
    "team_pace",
    "[[团队节奏（最落后的在前）|Pace of teams, furthest behind first]]",
    "[[实际 ÷ 到今天应达；低于 80% 为红，达到 100% 为绿。|"
    "Actual ÷ due by today; red below 80 %, green from 100 % on.]]",
    f"""SELECT owner_name[[|_en]] AS name, pace
FROM lights_now
WHERE {KPI} AND owner_level = 'team' AND product_level = 'all' AND {NODE.below}
ORDER BY pace""",
    unit="percent",
    thresholds=PACE,
    columns=(Column("pace", "[[节奏|Pace]]", "percent", largest=1.3),),
)

_MEMBERS = f"""SELECT
    state, {TO_OWNER}, owner_name[[|_en]] AS owner, attainment, pace,
    (ifNull(value, 0) - expected){MONEY} AS gap, forecast / nullIf(target, 0) AS outlook, since
FROM lights_now
WHERE {KPI} AND product_level = 'all' AND %s
ORDER BY pace
LIMIT 60"""

_MEMBER_COLUMNS = (
    STATE,
    Column("owner", "[[名称|Name]]", link="owner"),
    Column("attainment", "[[达成率|Attainment]]", "percent", cell="gauge", largest=1.2, thresholds=((None, BLUE),)),
    Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
    Column("gap", "[[差额|Gap]]", "money", width=104),
    Column("outlook", "[[预测|Forecast]]", "percent", width=84),
    Column("since", "[[自|Since]]", "time", width=108),
    *LINKS_TO_OWNER,
)

RANKING = Signal(
    "rep_ranking",
    "[[代表排行（最落后的在前）|Ranking of reps, furthest behind first]]",
    "[[按节奏排序；点行看代表。|By pace; click a row for the rep.]]",
    _MEMBERS % f"owner_level = 'rep' AND {NODE.below}",
    columns=_MEMBER_COLUMNS,
)

MEMBERS = Signal(
    "members",
    "[[下级成员|Members]]",
    "[[紧接其下的团队或代表，最落后的在前；点行往下看。|"
    "The teams or reps right below, furthest behind first; click a row to go down.]]",
    _MEMBERS % "parent_id = ${node:sqlstring}",
    columns=_MEMBER_COLUMNS,
)

PRODUCT_LIGHTS = Signal(
    "product_lights",
    "[[产品与产品线的灯|Lights of products and lines]]",
    "[[该节点各产品线与产品的灯，最落后的在前。|"
    "Lights of the node by product line and product, furthest behind first.]]",
    f"""SELECT
    state, if(product_level = 'line', '[[产品线|Line]]', '[[产品|Product]]') AS level, product_name[[|_en]] AS product,
    attainment, pace, (ifNull(value, 0) - expected){MONEY} AS gap
FROM lights_now
WHERE {KPI} AND product_level != 'all' AND {NODE.light}
ORDER BY pace""",
    columns=(
        STATE,
        Column("level", "[[层级|Level]]", width=76),
        Column("product", "[[名称|Name]]"),
        Column("attainment", "[[达成率|Attainment]]", "percent", width=88),
        Column("pace", "[[节奏|Pace]]", "percent", width=80, cell="coloured", thresholds=PACE),
        Column("gap", "[[差额|Gap]]", "money", width=104),
    ),
)

CHANGES = Signal(
    "light_changes",
    "[[最近的灯变化|Latest changes of lights]]",
    "[[每次变化及之前的状态。|Every change with the state before.]]",
    f"""SELECT
    changed_at, state, previous_state, {TO_OWNER}, owner_name[[|_en]] AS owner,
    if(product_level = 'all', '[[合计|Total]]', product_name[[|_en]]) AS product
FROM light_history
WHERE {KPI} AND ${{node:sqlstring}} IN (team_id, region_id, company_id)
ORDER BY changed_at DESC, owner_level, owner_id, product_level, product_key
LIMIT 40""",
    columns=(
        Column("changed_at", "[[时间|When]]", "time", width=108),
        STATE,
        Column("previous_state", "[[之前|Before]]", cell="light", width=86),
        Column("owner", "[[名称|Name]]", link="owner"),
        Column("product", "[[产品|Product]]"),
        *LINKS_TO_OWNER,
    ),
    empty="[[本季度还没有变化|No change in this quarter]]",
)
