"""Colours, units and the words of the lights: what all panels share."""

from dataclasses import dataclass
from typing import Literal

from grafana.texts import Language, localised

GREEN, AMBER, RED, GREY, YELLOW = "#4C9F70", "#E0A030", "#D9484F", "#5B6472", "#B7A22F"
BLUE, PALE, VIOLET, DIM, TEAL = "#5B8FF9", "#8A94A6", "#9A7FD1", "#5E5280", "#3FA7A0"

State = Literal["green", "amber", "red", "grey", "over", "yellow"]
COLOURS: dict[State, str] = {"green": GREEN, "amber": AMBER, "red": RED, "grey": GREY, "over": TEAL, "yellow": YELLOW}
WORDS: dict[State, str] = {
    "green": "[[正常|On track]]",
    "amber": "[[预警|Watch]]",
    "red": "[[落后|Behind]]",
    "grey": "[[无数据|No data]]",
    "over": "[[超前|Ahead]]",
    "yellow": "[[关注|Monitor]]",
}

Unit = Literal[
    "money", "price", "percent", "count", "packs", "number", "rate", "speed", "minutes", "seconds", "points", "bytes",
    "time", "text", "day", "hours", "yuan",
]  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How Grafana writes a number: its unit and decimals."""

    unit: str
    decimals: int | None = None


#: Money is shown in 万元 in Chinese (the statements divide by 10 000), with k and M in English.
_FORMATS: dict[Unit, tuple[Format, Format]] = {
    "money": (Format("suffix:万元", 1), Format("currencyCNY", 1)),
    "percent": (Format("percentunit", 1), Format("percentunit", 1)),
    "count": (Format("locale", 0), Format("locale", 0)),
    "price": (Format("suffix:元", 2), Format("prefix:¥", 2)),
    "packs": (Format("suffix:盒", 0), Format("suffix:packs", 0)),
    "rate": (Format("suffix:条/分", 1), Format("suffix:/min", 1)),
    "speed": (Format("suffix:条/秒", 0), Format("suffix:/s", 0)),
    "number": (Format("locale", 2), Format("locale", 2)),
    "minutes": (Format("suffix:分钟", 0), Format("suffix:min", 0)),
    "seconds": (Format("suffix:秒", 1), Format("suffix:s", 1)),
    "hours": (Format("suffix:小时", 1), Format("suffix:h", 1)),
    "yuan": (Format("suffix:元", 0), Format("currencyCNY", 1)),
    "points": (Format("suffix:点", 1), Format("suffix:pts", 1)),
    "bytes": (Format("bytes", 1), Format("bytes", 1)),
    "time": (Format("time:MM-DD HH:mm"), Format("time:MM-DD HH:mm")),
    "day": (Format("string"), Format("string")),
    "text": (Format("string"), Format("string")),
}


def format_of(unit: Unit, language: Language) -> Format:
    """Grafana's unit for one of ours."""
    return _FORMATS[unit][0 if language == "zh-CN" else 1]


def word(state: State, language: Language) -> str:
    """What a state is called."""
    return localised(WORDS[state], language)
