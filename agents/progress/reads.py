"""Which reference data the figures of a policy hang on."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.measures import Filter
from schemas.policy import KpiPolicy
from schemas.sources import STANDING


def reference_fields(policy: KpiPolicy) -> Iterator[str]:
    """Fields of reference rows that filters on events look into, for example `institution.country`.

    Filters on what follows from reference data alone are left out: that is worked out anew without the events.
    """
    distinct = [kpi for kpi in policy.kpis if kpi.aggregate == "distinct"]
    wheres: list[Mapping[str, Any]] = [kpi.where for kpi in distinct]
    filters: list[Filter | None] = [policy.calls, *(kpi.only for kpi in distinct)]
    for measure in (measure for kpi in policy.kpis for measure in kpi.measures()):
        if measure.source not in STANDING:
            wheres.append(measure.where)
            filters.append(measure.only)
    for one in filters:
        wheres += [one.where, *one.unless] if one is not None else []
    names = [name for where in wheres for name in where]
    names += [kpi.value for kpi in policy.kpis if kpi.value]
    yield from (name for name in names if "." in name)
