"""Write the boards' JSON and the alert rules: `python -m grafana.build [--check]`."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from grafana import alerts
from grafana.boards import BOARDS, Board, Row
from grafana.company import Company
from grafana.company import company as company_of
from grafana.links import uid_in
from grafana.panels import panel
from grafana.texts import LANGUAGES, Language, localised
from grafana.variables import variable

FOLDER = Path(__file__).parent / "dashboards"
ALERTS = Path(__file__).parent / "provisioning" / "alerting" / "sfe-pulse.yaml"
TAG: dict[Language, str] = {"zh-CN": "sfe-pulse", "en": "sfe-pulse-en"}


#: Time ranges to choose from: title, begin, end.
RANGES = (
    ("[[本季度|This quarter]]", "now/fQ", "now/fQ"),
    ("[[上季度|Last quarter]]", "now-1Q/fQ", "now-1Q/fQ"),
    ("[[最近 1 小时|Last hour]]", "now-1h", "now"),
    ("[[最近 24 小时|Last 24 hours]]", "now-24h", "now"),
    ("[[最近 7 天|Last 7 days]]", "now-7d", "now"),
    ("[[最近 30 天|Last 30 days]]", "now-30d", "now"),
)


def dashboard(board: Board, language: Language, company: Company) -> model.Dashboard:
    """A board as Grafana's model."""
    return model.Dashboard(
        uid=uid_in(board.uid, language),
        title=localised(board.title, language),
        description=localised(board.description, language),
        tags=[TAG[language]],
        timezone=company.time_zone,
        editable=False,
        graph_tooltip=model.DashboardCursorSync.CROSSHAIR,
        time=model.DashboardDashboardTime(from_val=board.start, to=board.end),
        timepicker=model.TimePickerConfig(
            refresh_intervals=["5s", "10s", "30s", "1m", "5m"], quick_ranges=_ranges(language)
        ),
        refresh=board.refresh,
        panels=list(_panels(board.rows, language, company)),
        templating=model.DashboardDashboardTemplating(
            list_val=[variable(each, language, company) for each in board.variables]
        ),
        annotations=model.AnnotationContainer(list_val=[]),
        links=[_tabs(language)],
    )


def _panels(rows: tuple[Row, ...], language: Language, company: Company) -> Iterator[model.Panel]:
    number, top = 0, 0
    for row in rows:
        left = 0
        for place in row.places:
            number += 1
            made = panel(place.kind, place.signal, language, company)
            made.id_val = number
            made.grid_pos = model.GridPos(h=row.height, w=place.width, x=left, y=top)
            left += place.width
            yield made
        top += row.height


def _ranges(language: Language) -> list[model.TimeOption]:
    return [
        model.TimeOption(display=localised(title, language), from_val=start, to=end) for title, start, end in RANGES
    ]


def _tabs(language: Language) -> model.DashboardLink:
    """The other boards of the language, with variables and time range carried along."""
    return model.DashboardLink(
        title=localised("[[看板|Boards]]", language),
        type_val=model.DashboardLinkType.DASHBOARDS,
        tags=[TAG[language]],
        as_dropdown=False,
        include_vars=True,
        keep_time=False,
    )


def text_of(made: model.Dashboard) -> str:
    """A board as the file holds it."""
    return json.dumps(made, cls=JSONEncoder, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def files(company: Company | None = None) -> dict[str, str]:
    """Path below the folder -> text, of every board in every language; of the example company when none is given."""
    whose = company or company_of()
    return {
        f"{language}/{board.uid}.json": text_of(dashboard(board, language, whose))
        for language in LANGUAGES
        for board in BOARDS
    }


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Files that are missing, different, or not ours to have."""
    there = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.json")}
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def write(folder: Path, wanted: dict[str, str]) -> None:
    """Write the boards, and remove what is no board any more."""
    for name in differences(folder, wanted):
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()


def main() -> int:
    """Write the boards, or with `--check` say whether they are in step: 0 yes, 1 no."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 when a file is out of step")
    if not parser.parse_args().check:
        write(FOLDER, files())
        ALERTS.write_text(alerts.text(), encoding="utf-8")
        return 0
    found = differences(FOLDER, files())
    if not ALERTS.exists() or ALERTS.read_text("utf-8") != alerts.text():
        found.append(ALERTS.name)
    if found:
        sys.stderr.write(f"grafana/ is out of step ({', '.join(found)}): run `make boards`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
