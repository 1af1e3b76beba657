"""The rules as people see them, and the words of the privacy guard (R06): those in force, as workers have them."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from clickhouse_connect.driver.client import Client

from agents.intake.guard import Guard
from schemas.compliance import Rule, RuleFile
from schemas.intake_policy import IntakePolicy, IntakeRule
from streams import compliance_policy, policies, rule_books
from streams.compliance_policy import INTAKE_FILE, LIST_FILE
from streams.errors import PulseError

#: What is approved is followed within this time.
_FRESH_S = 2.0

_log = structlog.get_logger("gateway")


class _Held(NamedTuple):
    """The rules of one version."""

    version: int | None
    """Number of the newest change; None: ClickHouse was away, and the folder was read."""
    rules: tuple[Rule | IntakeRule, ...]
    guard: Guard | None


class RulesInForce:
    """The rules of the version in force; those of the policies folder while none was ever approved.

    While ClickHouse is away the last ones hold, at the start those of the folder.

    Args:
        folder: of the policies.
        client: gives a client of ClickHouse, and may raise UnavailableError; without it the folder is all there is.
        fresh_s: time between two looks.
    """

    def __init__(self, folder: Path, client: Callable[[], Client] | None = None, fresh_s: float = _FRESH_S) -> None:
        self._folder = folder
        self._client = client
        self._fresh_s = fresh_s
        self._held: _Held | None = None
        self._is_troubled = False

    def listed(self) -> list[dict[str, Any]]:
        """Every version of every rule, by id.

        Raises:
            UsageError: a file cannot be read.
        """
        return [_shown(rule) for rule in self._now().rules]

    def suspicious(self, raw: bytes) -> bool:
        """Whether bytes may hold what must not be repeated to anybody; the stream sets such events aside.

        Raises:
            UsageError: a file cannot be read.
        """
        guard = self._now().guard
        return guard is not None and guard.suspicious(raw) is not None

    def look(self) -> None:
        """Take what is in force now. Reads from ClickHouse: not for the event loop.

        Raises:
            UsageError: there is nothing else than the folder, and a file in it cannot be read.
        """
        try:
            self._held = self._published()
            self._is_troubled = False
        except PulseError as error:
            if not self._is_troubled:
                _log.warning("the rules in force cannot be read; going on with those at hand", why=str(error))
            self._is_troubled = True
            if self._held is None:
                self._held = self._of_folder(None)

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(self._fresh_s)
            await asyncio.to_thread(self.look)

    def _now(self) -> _Held:
        if self._held is None:
            self.look()
        return self._held or _Held(None, (), None)

    def _published(self) -> _Held:
        if self._client is None:
            return self._held or self._of_folder(None)
        client = self._client()
        version = rule_books.newest_version(client)  # before the texts: newer ones are read again
        if self._held is not None and self._held.version == version:
            return self._held
        texts = rule_books.read(client)
        if texts.state.live is None:
            return self._of_folder(version)
        return _held(version, texts.files, texts.place, rule_books.intake_in_force(texts))

    def _of_folder(self, version: int | None) -> _Held:
        folder = self._folder / compliance_policy.FOLDER
        texts = {path.name: policies.read(folder, path.name) for path in sorted(folder.glob("*.yaml"))}
        return _held(version, texts, f"{folder}/", compliance_policy.load_intake(self._folder))


def _held(version: int | None, texts: Mapping[str, str], place: str, intake: IntakePolicy | None) -> _Held:
    found: list[Rule | IntakeRule] = []
    if intake is not None:
        found += [intake.prescription_counting, intake.location]
    for name, text in texts.items():
        if name not in {LIST_FILE, INTAKE_FILE}:
            found += policies.parse_as(RuleFile, text, f"{place}{name}", "it needs a list `rules`").rules
    rules = sorted(found, key=lambda rule: (rule.id, rule.effective_from))
    return _Held(version, tuple(rules), None if intake is None else Guard(intake.prescription_counting))


def _shown(rule: Rule | IntakeRule) -> dict[str, Any]:
    return {
        "rule_id": rule.id,
        "title_zh": rule.title.zh,
        "title_en": rule.title.en,
        "severity": rule.severity,
        "colour": rule.colour,
        "effective_from": rule.effective_from,
        "effective_to": rule.effective_to if isinstance(rule, Rule) else None,
    }
