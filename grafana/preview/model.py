"""The boards of the page: their JSON, and the statements that nobody but the server sees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from grafana.boards import BOARDS
from grafana.build import files
from grafana.company import Company
from grafana.links import uid_in
from grafana.texts import LANGUAGES, Language

#: Time range of the boards of a quarter.
_THIS_QUARTER = {"from": "now/fQ", "to": "now/fQ"}


@dataclass(frozen=True)
class Shown:
    """A board in a language.

    Attributes:
        language: of all its words.
        board: uid without the language's suffix.
        json: as Grafana would get it.
    """

    language: Language
    board: str
    json: dict[str, Any]

    def panel(self, number: int) -> dict[str, Any] | None:
        """The panel with this id."""
        return next((panel for panel in self.json["panels"] if panel["id"] == number), None)

    @property
    def variables(self) -> list[dict[str, Any]]:
        """Variables in the order in which they depend on each other."""
        return list(self.json["templating"]["list"])

    def public(self) -> dict[str, Any]:
        """The board without statements: the browser asks by panel."""
        panels = [{name: value for name, value in panel.items() if name != "targets"} for panel in self.json["panels"]]
        series = {panel["id"]: panel["targets"][0]["format"] == 0 for panel in self.json["panels"]}
        for panel in panels:
            panel["isTimeSeries"] = series[panel["id"]]
        return {
            "uid": self.json["uid"],
            "language": self.language,
            "title": self.json["title"],
            "description": self.json["description"],
            "timezone": self.json["timezone"],
            "time": self.json["time"],
            "ranges": list(self.json["timepicker"]["quick_ranges"]),
            "refresh": self.json["refresh"],
            "panels": panels,
            "variables": [{"name": each["name"], "label": each["label"]} for each in self.variables],
            "tabs": [],
            "other": {},
        }


def shown_boards(company: Company | None = None) -> dict[str, Shown]:
    """Every board in every language by uid, of a company, or of the example company when none is given."""
    texts = files(company)
    return {
        uid_in(board.uid, language): Shown(language, board.uid, json.loads(texts[f"{language}/{board.uid}.json"]))
        for language in LANGUAGES
        for board in BOARDS
    }


def page_of(boards: dict[str, Shown], shown: Shown, quarters: Sequence[date], zone: ZoneInfo) -> dict[str, Any]:
    """A board for the browser, with its tabs and itself in the other languages.

    Args:
        boards: all of them.
        shown: the one that is wanted.
        quarters: with sales, the newest first. A board of a quarter offers them besides its own ranges, and shows the
            newest at first when the running one has none.
        zone: company time.
    """
    page = shown.public()
    if shown.json["time"] == _THIS_QUARTER and quarters:
        past = [_range_of(first, shown.language, zone) for first in quarters]
        page["ranges"] += past
        if quarters[0] != _quarter_of(datetime.now(zone).date()):
            page["time"] = {"from": past[0]["from"], "to": past[0]["to"]}
    page["tabs"] = [
        {"uid": uid, "title": other.json["title"]} for uid, other in boards.items() if other.language == shown.language
    ]
    page["other"] = {language: uid_in(shown.board, language) for language in LANGUAGES}
    return page


def _range_of(first: date, language: Language, zone: ZoneInfo) -> dict[str, str]:
    """A quarter as a time range to choose, in milliseconds."""
    begin = datetime(first.year, first.month, 1, tzinfo=zone)
    year, month = divmod(first.year * 12 + first.month - 1 + 3, 12)
    end = datetime(year, month + 1, 1, tzinfo=zone)
    number = (first.month + 2) // 3
    display = f"{first.year}年第{number}季度" if language == "zh-CN" else f"{first.year} Q{number}"
    start_ms, end_ms = (int(moment.timestamp() * 1_000) for moment in (begin, end))
    return {"display": display, "from": str(start_ms), "to": str(end_ms - 1)}


def _quarter_of(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
