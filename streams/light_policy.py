"""The policy of lights in a folder: read beside the KPIs it speaks of."""

from pathlib import Path

from clickhouse_connect.driver.client import Client

from schemas.lights import LightPolicy
from streams import policies
from streams.errors import UsageError
from streams.policies import LIGHT_FILE, LIGHTS, PolicyError


def check(text: str, path: Path) -> LightPolicy:
    """The policy of lights in `text`, held against the KPIs in the folder of `path`.

    Raises:
        PolicyError: with every mistake and its place; so is a KPI that does not exist.
    """
    policy = policies.parse_lights(text, str(path))
    known = _known_kpis(path.parent)
    unknown = [kpi_id for kpi_id in policy.kpis if known is not None and kpi_id not in known]
    if unknown:
        offered = ", ".join(sorted(known or ()))
        what = f"is no KPI of {policies.KPI_FILE}: it has {offered}"
        raise PolicyError([policies.mistake_at(text, str(path), ("kpis", kpi_id), what) for kpi_id in unknown])
    return policy


def _known_kpis(folder: Path) -> frozenset[str] | None:
    """Ids of the KPIs in a folder; None where they cannot be read, which is told elsewhere."""
    try:
        return frozenset(kpi.id for kpi in policies.load(folder).kpis)
    except UsageError:
        return None


def load(folder: Path) -> LightPolicy | None:
    """The policy of lights in a folder; None when it has none and the built-in one holds.

    Raises:
        UsageError: it cannot be read, or is wrong; the message names file, line and column.
    """
    path = folder / LIGHT_FILE
    return check(policies.read(folder, LIGHT_FILE), path) if path.exists() else None


def publish(client: Client, folder: Path) -> int:
    """Publish the policy of lights of a folder that has one, when it differs; returns the version in force.

    Raises:
        UsageError: it cannot be read, or is wrong.
        UnavailableError: ClickHouse does not answer.
    """
    if not (folder / LIGHT_FILE).exists():
        return policies.newest_version(client, LIGHTS)
    return policies.publish(client, policies.read(folder, LIGHT_FILE), policy=LIGHTS)
