"""Asks ClickHouse for panels and variables: bounded, shared between viewers, never with SQL from a browser."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from grafana.macros import TimeRange, expand
from grafana.preview.answers import as_json
from grafana.preview.model import Shown
from grafana.times import moment
from streams.clickhouse import translated
from streams.errors import InvalidError

#: Statements at a time; the engine needs the cores, too.
_AT_ONCE = 2
#: Several viewers of a board share an answer this young.
_FRESH_S = 2.0
_VARIABLE_FRESH_S = 10.0
_KEPT = 500
_QUARTERS_SHOWN = 12
#: A value of an open variable, which need not be among its options: an identity, nothing that means anything in SQL.
_CUSTOM = re.compile(r"[0-9a-f]{32}")
_QUARTERS = """SELECT DISTINCT period_start AS first FROM node_totals
WHERE kpi_id = 'sales_amount' AND period = 'quarter' ORDER BY first DESC LIMIT 100"""


@dataclass(frozen=True)
class Asked:
    """What a browser chose: variables and time range, as its address line has them."""

    variables: Mapping[str, str]
    start: str
    end: str


class Questions:
    """Answers questions about boards.

    Args:
        client: of the read-only user.
        zone: company time.

    Attributes:
        zone: the same.
    """

    def __init__(self, client: Client, zone: ZoneInfo) -> None:
        self._client = client
        self.zone = zone
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._answers: dict[str, tuple[float, asyncio.Task[dict[str, Any]]]] = {}

    async def panel(self, shown: Shown, panel: dict[str, Any], asked: Asked) -> dict[str, Any]:
        """The answer to a panel's statement.

        Raises:
            InvalidError: a variable or the time range makes no sense, or ClickHouse refused.
            UnavailableError: ClickHouse does not answer.
        """
        chosen = {name: one["value"] for name, one in (await self.chosen(shown, asked)).items()}
        shown_range = self._range(asked)
        answer = await self._ask(expand(panel["targets"][0]["rawSql"], shown_range, chosen), _FRESH_S)
        return {**answer, "range": [shown_range.start_ms, shown_range.end_ms]}

    async def chosen(self, shown: Shown, asked: Asked) -> dict[str, dict[str, Any]]:
        """Every variable of a board with its options and the one that is chosen.

        A value that is no option, for instance of another board's address, gives way to the first option.
        """
        found: dict[str, dict[str, Any]] = {}
        for variable in shown.variables:
            values = {name: one["value"] for name, one in found.items()}
            answer = await self._ask(expand(variable["query"], self._range(asked), values), _VARIABLE_FRESH_S)
            options = [{"value": str(row[0]), "text": str(row[1])} for row in answer["rows"]]
            wanted = asked.variables.get(variable["name"])
            known = any(option["value"] == wanted for option in options)
            if wanted and not known and variable["allowCustomValue"] and _CUSTOM.fullmatch(wanted):
                options.append({"value": wanted, "text": wanted})
                known = True
            first = options[0]["value"] if options else ""
            found[variable["name"]] = {"value": wanted if known else first, "options": options}
        return found

    async def quarters(self) -> list[date]:
        """First days of the quarters that have sales, the running one at the latest, the newest first."""
        answer = await self._ask(_QUARTERS, _VARIABLE_FRESH_S)
        today = datetime.now(self.zone).date()
        found = (date.fromisoformat(row[0]) for row in answer["rows"])
        return [first for first in found if first <= today][:_QUARTERS_SHOWN]

    def _range(self, asked: Asked) -> TimeRange:
        now = datetime.now(UTC)
        start, end = moment(asked.start, now, self.zone), moment(asked.end, now, self.zone, ends=True)
        if start >= end:
            msg = "the time range ends before it begins: choose another"
            raise InvalidError(msg)
        return TimeRange.between(start, end)

    async def _ask(self, sql: str, fresh_s: float) -> dict[str, Any]:
        """The answer, or one that is young enough; questions that come together are asked once."""
        now = time.monotonic()
        held = self._answers.get(sql)
        if held is None or (held[1].done() and now - held[0] > fresh_s) or _failed(held[1]):
            self._answers = {key: one for key, one in self._answers.items() if now - one[0] <= _VARIABLE_FRESH_S}
            held = (now, asyncio.create_task(self._answer(sql)))
            if len(self._answers) < _KEPT:
                self._answers[sql] = held
        return await asyncio.shield(held[1])

    async def _answer(self, sql: str) -> dict[str, Any]:
        async with self._slots:
            return await asyncio.to_thread(self._query, sql)

    def _query(self, sql: str) -> dict[str, Any]:
        with translated():
            result = self._client.query(sql)
        return as_json(result.column_names, [kind.name for kind in result.column_types], result.result_rows)


def _failed(task: asyncio.Task[dict[str, Any]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
