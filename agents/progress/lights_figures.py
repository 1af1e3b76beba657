"""Reads the figure of a light off the cells of a shard."""

from agents.progress.lights_book import LightKey
from agents.progress.outputs import CellRow, calendar_row
from agents.progress.plan import ALL, KpiOutput, Plan
from agents.progress.state import ProgressState
from schemas.policy import CalendarPeriod

_PREFIXES = {"line": "l:", "product": "p:"}


def row_of(state: ProgressState, key: LightKey) -> CellRow | None:
    """The KPI row of a light as it stands; None when its owner has no cell or the KPI keeps no such figure."""
    entity = state.entities.get((key.owner_level, key.owner_id))
    output = _output_of(state.plan, key.kpi_id)
    period = _period(key.period)
    if entity is None or output is None or period not in output.periods or key.product_level not in output.levels:
        return None
    product_key = ALL if key.product_level == "all" else f"{_PREFIXES[key.product_level]}{key.product_key}"
    return calendar_row(state.plan, entity, output, period, key.period_start, product_key)


def _output_of(plan: Plan, kpi_id: str) -> KpiOutput | None:
    return next((output for outputs in plan.outputs.values() for output in outputs if output.kpi == kpi_id), None)


def _period(name: str) -> CalendarPeriod:
    return "month" if name == "month" else "quarter" if name == "quarter" else "year"
