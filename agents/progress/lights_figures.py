"""Reads the figure of a light off the cells of a shard."""

from agents.progress.groups import cell_key
from agents.progress.lights_book import LightKey
from agents.progress.outputs import CellRow, calendar_row
from agents.progress.state import ProgressState


def row_of(state: ProgressState, key: LightKey) -> CellRow | None:
    """The KPI row of a light as it stands; None when its owner has no cell or the KPI keeps no such figure."""
    entity = state.entities.get((key.owner_level, key.owner_id))
    output = state.plan.by_id.get(key.kpi_id)
    if entity is None or output is None or key.period not in output.periods or key.product_level not in output.levels:
        return None
    product_key = cell_key(key.product_level, key.product_key)
    return calendar_row(state.plan, entity, output, key.period, key.period_start, product_key)
