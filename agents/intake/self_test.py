"""The rules of the intake held against the test payloads they bring along."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from agents.compliance.patterns import PatternError, parse
from agents.intake.directory import Directory
from agents.intake.guard import Guard
from agents.intake.locating import Locator
from agents.progress.calendar import CompanyTime
from schemas.events import Visit
from schemas.intake_policy import CountingRule, IntakePolicy, IntakeTest, LocationRule
from schemas.reference import CalendarDay, Institution, Rep


class TestError(ValueError):
    """A test payload cannot be made.

    Attributes:
        path: within the test.
    """

    __test__ = False

    def __init__(self, what: str, path: tuple[int | str, ...]) -> None:
        super().__init__(what)
        self.path = path


class TriedPayload(NamedTuple):
    """One test payload and what became of it."""

    test: IntakeTest
    is_hit: bool

    @property
    def is_right(self) -> bool:
        """Whether it is what the test expects."""
        return self.is_hit == (self.test.expect == "hit")


def try_counting(rule: CountingRule) -> Iterator[TriedPayload]:
    """Hold every test payload of R06 against the guard."""
    guard = Guard(rule)
    for test in rule.tests:
        yield TriedPayload(test, guard.check(_bytes(rule.example, test)) is not None)


def try_location(rule: LocationRule, time: CompanyTime) -> Iterator[TriedPayload]:
    """Hold every test visit of R26 against the locator.

    Raises:
        TestError: one is no visit; its path begins with the number of the test.
    """
    locator = Locator(time, rule)
    for number, test in enumerate(rule.tests):
        try:
            visit = Visit.model_validate(rule.example | test.event)
            rep = Rep.model_validate({"rep_id": visit.rep_id, "name": visit.rep_id} | test.rep)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"{where}: {first['msg'].removeprefix('Value error, ')}"
            raise TestError(what, (number, "event")) from None
        location = locator.locate(visit, _directory(rep, visit.institution_id, test.calendar))
        yield TriedPayload(test, location.withheld is not None)


def flaws(policy: IntakePolicy) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Patterns that are wrong: where they stand, and what is wrong."""
    rule = policy.prescription_counting
    for part, holder in (("words", rule.words), ("keys", rule.keys)):
        for name, values in holder:
            if part == "words" and not name.endswith("patterns"):
                continue
            for number, pattern in enumerate(values):
                try:
                    parse(pattern)
                except PatternError as error:
                    yield ("prescription_counting", part, name, number), f"{name}: {error}"


def _bytes(example: Mapping[str, Any], test: IntakeTest) -> bytes:
    if test.raw is not None:
        return test.raw.encode()
    fields = {name: value for name, value in {**example, **test.event}.items() if value is not None}
    return orjson.dumps(fields, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _directory(rep: Rep, institution_id: str, calendar: Mapping[date, bool]) -> Directory:
    days = [CalendarDay(day=day, is_working_day=is_working) for day, is_working in calendar.items()]
    site = Institution(institution_id=institution_id, name=institution_id, latitude=31.2, longitude=121.4)
    return Directory({"rep": [rep], "institution": [site], "calendar_day": days})
