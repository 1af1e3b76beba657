"""Progress against targets: of a node of the organisation, or of one representative."""

from dataclasses import dataclass

from grafana.looks import AMBER, BLUE, DIM, GREEN, GREY, PALE, RED, VIOLET, WORDS
from grafana.signals.signal import Column, Signal, Thresholds

#: Scale of figures against what is due: red below 80 %, green from 100 % on. Lights are judged by their own policy.
PACE: Thresholds = ((None, RED), (0.8, AMBER), (1.0, GREEN))
MONEY = "[[ / 10000|]]"
#: First day of the quarter in which the time range ends, in company time.
QUARTER = "toStartOfQuarter(toDate($__toTime, '{{time_zone}}'))"

KPI = "kpi_id = 'sales_amount' AND period = 'quarter' AND period_start = " + QUARTER
#: Readings without names, for an owner that is known: a tenth of the work of `lights_now`.
OWN_LIGHT = "lights FINAL"
STATE = Column("state", "[[灯|Light]]", cell="light", width=86)
CAUSE = Column("cause", "[[依据|Because of]]", width=84)


@dataclass(frozen=True)
class Owner:
    """Whose progress it is: the board's variable, and how rows of the owner are found.

    Attributes:
        prefix: of the names of the signals.
        light: condition on `lights`.
        below: condition on `lights_now`: owners further down.
        sales: condition on `sales_lines`.
        figures: view of the figures, with the condition.
    """

    prefix: str
    light: str
    below: str
    sales: str
    figures: str


_NODE = "${node:sqlstring}"
NODE = Owner(
    "node",
    f"owner_id = {_NODE} AND owner_level != 'rep'",
    f"{_NODE} IN (team_id, region_id, company_id) AND owner_id != {_NODE}",
    f"{_NODE} IN (team_id, region_id, company_id)",
    f"kpi_progress_by_node WHERE node_id = {_NODE}",
)
_REP = "${rep:sqlstring}"
REP = Owner(
    "rep",
    f"owner_id = {_REP} AND owner_level = 'rep'",
    "false",
    f"rep_id = {_REP}",
    f"kpi_progress_by_rep WHERE rep_id = {_REP}",
)


STATE_WORD = (
    "transform(state, ['green', 'amber', 'red', 'grey'], "
    + "["
    + ", ".join(f"'{WORDS[state]}'" for state in ("green", "amber", "red", "grey"))
    + "], state)"
)
CAUSE_WORD = (
    "transform(cause, ['pace', 'period', 'forecast', 'no_data'], "
    "['[[节奏|pace]]', '[[期间|period]]', '[[预测|forecast]]', '[[无数据|no data]]'], cause)"
)


def _light(owner: Owner, columns: str) -> str:
    return f"SELECT {columns}\nFROM {OWN_LIGHT}\nWHERE {KPI} AND product_level = 'all' AND {owner.light}"


def share_text(value: str, state: str) -> str:
    """A state with a share behind it, as the mappings of states read it."""
    text = f"if(isNull({value}), '—', concat(toDecimalString(round({value} * 100, 1), 1), '%'))"
    return f"concat({state}, ' ', {text})"


def light(owner: Owner) -> Signal:
    """The owner's own light."""
    return Signal(
        f"{owner.prefix}_light",
        "[[总体状态|Overall]]",
        "[[销售额目标的红黄绿灯，后面是起决定作用的检验：节奏、期间规则或预测。|"
        "Light of the sales target, and the test that decides: pace, period rule or forecast.]]",
        _light(owner, f"concat(state, ' ', {STATE_WORD}, ' · ', {CAUSE_WORD}) AS state"),
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
        f"""SELECT figure.value{MONEY} AS sold, light.target{MONEY} AS goal
FROM (SELECT 1 AS one, value FROM {owner.figures} AND {KPI} AND product_level = 'all') AS figure
FULL OUTER JOIN (SELECT 1 AS one, toNullable(target) AS target FROM ({_light(owner, "target")})) AS light
    ON light.one = figure.one""",
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


def _outlook(name: str) -> str:
    """From today's figure along the working days to what is forecast for the last day."""
    ahead = f"light.value + (light.{name} - light.value) * onward"
    return f"if(day >= today AND worked_today < worked_all, {ahead}, NULL){MONEY}"


def trend(owner: Owner) -> Signal:
    """Cumulative sales against what is due day by day, and where they are heading."""
    return Signal(
        f"{owner.prefix}_trend",
        "[[累计销售额、应达与预测|Cumulative sales, what is due, and the forecast]]",
        "[[每天累计销售额；应达按工作日从零走到今天的应达值，再走到目标；预测及其 80% 区间走到季末。|"
        "Sales added up day by day; what is due runs by working days through today's due value to the target; "
        "the forecast with its 80 % interval runs to the end of the quarter.]]",
        f"""SELECT
    toDateTime(day, '{{{{time_zone}}}}') AS time,
    if(day <= today, sum(amount) OVER (ORDER BY day), NULL){MONEY} AS actual,
    multiIf(
        light.target = 0, NULL,
        day <= today, light.expected * toDecimal64(worked, 6) / nullIf(worked_today, 0),
        light.expected + (light.target - light.expected) * onward
    ){MONEY} AS due,
    {_outlook("forecast")} AS outlook,
    {_outlook("forecast_low")} AS low,
    {_outlook("forecast_high")} AS high,
    nullIf(light.target, 0){MONEY} AS goal
FROM
(
    SELECT
        *,
        sum(works) OVER (ORDER BY day) AS worked,
        sum(works * (day <= today)) OVER () AS worked_today,
        sum(works) OVER () AS worked_all,
        toDecimal64(worked - worked_today, 6) / nullIf(worked_all - worked_today, 0) AS onward
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
    SELECT
        max(lights.expected) AS expected, max(lights.target) AS target, max(lights.value) AS value,
        max(lights.forecast) AS forecast, max(lights.forecast_low) AS forecast_low,
        max(lights.forecast_high) AS forecast_high
    FROM {OWN_LIGHT}
    WHERE {KPI} AND product_level = 'all' AND {owner.light}
) AS light
ORDER BY time""",
        unit="money",
        time_series=True,
        columns=(
            Column("actual", "[[实际|Actual]]", "money", colour=BLUE),
            Column("due", "[[应达|Due]]", "money", colour=AMBER, dashed=True),
            Column("outlook", "[[预测|Forecast]]", "money", colour=VIOLET, dashed=True),
            Column("low", "[[预测下限|Forecast, low]]", "money", colour=DIM, dashed=True),
            Column("high", "[[预测上限|Forecast, high]]", "money", colour=DIM, dashed=True),
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
        "[[本季度各产品的销售额；九个最大的产品，其余合为一项。|"
        "Sales of the quarter by product: the nine largest, and the others together.]]",
        f"""SELECT if(place <= 9, product, '[[其他|Others]]') AS name, sum(sold){MONEY} AS sales
FROM
(
    SELECT product, sold, row_number() OVER (ORDER BY sold DESC, product) AS place
    FROM
    (
        SELECT product_name[[|_en]] AS product, sum(amount) AS sold FROM sales_lines
        WHERE quarter_start = {QUARTER} AND {owner.sales} GROUP BY product
    )
)
GROUP BY name
ORDER BY min(place)""",
        unit="money",
        columns=(Column("name", "[[产品|Product]]"), Column("sales", "[[销售额|Sales]]", "money")),
    )
