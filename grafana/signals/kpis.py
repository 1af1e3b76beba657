"""All KPIs of the policy side by side: this month, this quarter, and the light where there is a target."""

from grafana.looks import BLUE
from grafana.signals.progress import OWN_LIGHT, QUARTER, STATE, Owner
from grafana.signals.signal import Column, Signal

_AS_OF = f"least(toDate32(now('{{{{time_zone}}}}')), addMonths(toDate32({QUARTER}), 3) - 1)"
_TEXT = """multiIf(
        value IS NULL, '—',
        unit = 'ratio', concat(toDecimalString(round(value * 100, 1), 1), '%'),
        unit = 'currency' AND abs(value) >= [[100000000|1000000]],
        concat('[[|¥]]', toDecimalString(round(value / [[100000000|1000000]], 2), 2), '[[亿元|M]]'),
        unit = 'currency', concat('[[|¥]]', toDecimalString(round(value / [[10000|1000]], 1), 1), '[[万元|k]]'),
        unit IN ('count', 'units') AND abs(value) >= 100000,
        concat(toDecimalString(round(value / [[10000|1000]], 1), 1), '[[万|k]]'),
        unit IN ('count', 'units'), toString(round(value, 1)),
        unit = 'minutes', concat(toString(round(value, 0)), '[[分钟| min]]'),
        unit = 'days', concat(toString(round(value, 1)), '[[天| days]]'),
        toString(round(value, 2))
    )"""


def kpis(owner: Owner) -> Signal:
    """The KPIs of an owner."""
    return Signal(
        f"{owner.prefix}_kpis",
        "[[全部指标|All KPIs]]",
        "[[KPI 政策中的全部指标：本月（季度已结束时为末月）与本季度；有目标时显示灯与达成率。|"
        "Every KPI of the policy: this month (of a quarter that is over the last one) and the quarter; "
        "light and attainment where there is a target.]]",
        f"""SELECT
    figure.kpi AS kpi, figure.month AS month, figure.quarter AS quarter,
    light.state AS state, light.attainment AS attainment
FROM
(
    SELECT
        kpi_id, {{{{kpi_title}}}} AS kpi, maxIf(text, period = 'month') AS month,
        maxIf(text, period = 'quarter') AS quarter
    FROM
    (
        SELECT kpi_id, period, {{{{kpi_unit}}}} AS unit, {_TEXT} AS text
        FROM {owner.figures} AND product_level = 'all' AND has({{{{kpi_ids}}}}, kpi_id)
            AND (
                (period = 'quarter' AND period_start = {QUARTER})
                OR (period = 'month' AND period_start = toStartOfMonth({_AS_OF}))
            )
    )
    GROUP BY kpi_id
) AS figure
LEFT JOIN
(
    SELECT kpi_id, state, attainment FROM {OWN_LIGHT}
    WHERE period = 'quarter' AND period_start = {QUARTER} AND product_level = 'all' AND {owner.light}
) AS light ON light.kpi_id = figure.kpi_id
ORDER BY indexOf({{{{kpi_ids}}}}, figure.kpi_id)""",
        columns=(
            Column("kpi", "[[指标|KPI]]"),
            Column("month", "[[本月|Month]]", width=100, right=True),
            Column("quarter", "[[本季度|Quarter]]", width=100, right=True),
            STATE,
            Column(
                "attainment",
                "[[达成率|Attainment]]",
                "percent",
                width=150,
                cell="gauge",
                largest=1.2,
                thresholds=((None, BLUE),),
            ),
        ),
        empty="[[还没有指标数字|No figure yet]]",
    )
