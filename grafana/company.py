"""What boards know of the company: its time zone, and what its KPI policy calls the KPIs."""

from dataclasses import dataclass
from pathlib import Path

from grafana.texts import Language, localised
from streams import policies

#: What the committed boards are for: the example company.
TIME_ZONE = "Asia/Shanghai"
POLICIES = Path(__file__).parents[1] / "policies"


@dataclass(frozen=True)
class Kpi:
    """A KPI as boards show it: id, title in both languages, unit of the policy."""

    kpi_id: str
    title: str
    unit: str


@dataclass(frozen=True)
class Company:
    """Whose boards are built.

    Attributes:
        time_zone: in which days and quarters begin.
        kpis: in the order of the policy.
    """

    time_zone: str
    kpis: tuple[Kpi, ...]

    def fill(self, sql: str, language: Language) -> str:
        """A statement in one language, with the time zone and the KPIs filled in."""
        for name, text in (
            ("time_zone", self.time_zone),
            ("kpi_title", self._chosen([kpi.title for kpi in self.kpis])),
            ("kpi_unit", self._chosen([kpi.unit for kpi in self.kpis])),
            ("kpi_ids", _list([kpi.kpi_id for kpi in self.kpis])),
        ):
            sql = sql.replace(f"{{{{{name}}}}}", text)
        return localised(sql, language)

    def _chosen(self, values: list[str]) -> str:
        return f"transform(kpi_id, {_list([kpi.kpi_id for kpi in self.kpis])}, {_list(values)}, kpi_id)"


def _list(values: list[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def company(time_zone: str = TIME_ZONE, folder: Path = POLICIES) -> Company:
    """The company of a folder with policies.

    Raises:
        UsageError: the KPI policy cannot be read.
    """
    policy = policies.load(folder)
    kpis = (Kpi(kpi.id, f"[[{_plain(kpi.title.zh)}|{_plain(kpi.title.en)}]]", kpi.unit) for kpi in policy.kpis)
    return Company(time_zone, tuple(kpis))


def _plain(title: str) -> str:
    """A title without the signs that separate languages, and without backslashes."""
    return title.translate(dict.fromkeys(map(ord, "[]|\\"), " "))
