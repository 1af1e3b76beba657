"""A rule held against the test events it brings along."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.compliance.folding import fold
from agents.compliance.nodes import Frame
from agents.compliance.rules import CompiledRule, Verdict
from agents.compliance.world import MemoryHistory, References, World
from agents.intake.directory import Directory
from agents.intake.locating import CheckIns, Locator
from agents.progress.calendar import CompanyTime
from schemas.compliance import Examples, NamedList, Rule, TestCase
from schemas.events import EVENT_MODELS, Event
from schemas.reference import REFERENCE_MODELS, Reference

#: Events one entry of a test's past may stand for.
_MOST_TIMES = 1_000


class CaseError(ValueError):
    """A test event cannot be made.

    Attributes:
        path: within the test, for example `("event", "amount")`.
    """

    def __init__(self, what: str, path: tuple[int | str, ...]) -> None:
        super().__init__(what)
        self.path = path


class Tried(NamedTuple):
    """One test event and what came of it."""

    test: TestCase
    verdict: Verdict

    @property
    def is_right(self) -> bool:
        """Whether the rule says what the test expects."""
        return self.verdict.outcome == self.test.expect


def folded_lists(lists: Sequence[NamedList]) -> dict[str, frozenset[str]]:
    """Named lists as rules look into them."""
    return {one.id: frozenset(fold(value) for value in one.values) for one in lists}


def try_rule(
    compiled: CompiledRule, examples: Examples, lists: Mapping[str, frozenset[str]], time: CompanyTime
) -> Iterator[Tried]:
    """Judge every test event of a rule.

    Raises:
        CaseError: one cannot be made; its path begins with the number of the test.
    """
    for number, test in enumerate(compiled.rule.tests):
        try:
            frame = frame_of(compiled.rule, test, examples, lists, time)
        except CaseError as error:
            raise CaseError(str(error), (number, *error.path)) from None
        yield Tried(test, compiled.verdict(frame))


def frame_of(
    rule: Rule, test: TestCase, examples: Examples, lists: Mapping[str, frozenset[str]], time: CompanyTime
) -> Frame:
    """The event of a test, in its world.

    Raises:
        CaseError: a field is wrong.
    """
    event = _event(test.of or rule.scope.events[0], test.event, examples, "test", ("event",))
    past = [
        _event(_kind(fields, event), _own(fields), examples, f"past-{number}{suffix}", ("past", number))
        for number, fields in enumerate(test.past)
        for suffix in _suffixes(fields.get("times", 1), number)
    ]
    rows = _rows(test, examples)
    directory = Directory(rows)
    _locate(sorted(past, key=lambda one: one.occurred_at), event, directory, time)
    references = References(rows, directory)
    return Frame(event, World(references, MemoryHistory(past), time, lists))


def _locate(past: Sequence[Any], event: Event, directory: Directory, time: CompanyTime) -> None:
    """Note beside the events what the intake would have found, with its built-in hours."""
    locator, check_ins = Locator(time), CheckIns()
    for one in (*past, event):
        rep_id = getattr(one, "rep_id", "")
        moment = time.microseconds(getattr(one, "check_in_at", one.occurred_at))
        before = check_ins.check_in_before(rep_id, moment, one.event_id)
        check_ins.add(rep_id, one.event_id, locator.note(one, directory, before).check_in)


def _kind(fields: Mapping[str, Any], event: Event) -> str:
    """Kind of an event of the past: the judged one's when it is left out."""
    return str(fields.get("of", event.kind_name))


def _own(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is written of an event of the past, without what is written about it."""
    return {name: value for name, value in fields.items() if name not in {"of", "times"}}


def _suffixes(times: object, number: int) -> list[str]:
    """What tells events apart that one entry stands for."""
    if times == 1:
        return [""]
    if not isinstance(times, int) or not 1 <= times <= _MOST_TIMES:
        msg = f"times: {times!r} is no number of events from 1 to {_MOST_TIMES}"
        raise CaseError(msg, ("past", number, "times"))
    return [f"-{index}" for index in range(times)]


def _event(
    kind: str, fields: Mapping[str, Any], examples: Examples, event_id: str, path: tuple[int | str, ...]
) -> Event:
    model = EVENT_MODELS.get(kind)
    if model is None:
        msg = f"there is no event of kind {kind!r}: there is {', '.join(EVENT_MODELS)}"
        raise CaseError(msg, path)
    whole = {"event_id": event_id, **examples.events.get(kind, {}), **fields}  # type: ignore[call-overload]
    try:
        return model.model_validate(whole)
    except ValidationError as error:
        raise _case_error(error, path) from None


def _rows(test: TestCase, examples: Examples) -> dict[str, list[Reference]]:
    found: dict[str, list[Reference]] = {}
    for where, source in (("examples", examples.references), ("references", test.references)):
        for kind, rows in source.items():
            model = REFERENCE_MODELS.get(kind)
            if model is None:
                msg = f"there is no reference data {kind!r}: there is {', '.join(REFERENCE_MODELS)}"
                raise CaseError(msg, (where, kind))
            for number, row in enumerate(rows):
                try:
                    found.setdefault(kind, []).append(model.model_validate(row))
                except ValidationError as error:
                    raise _case_error(error, (where, kind, number)) from None
    return found


def _case_error(error: ValidationError, path: tuple[int | str, ...]) -> CaseError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return CaseError(f"{field}: {first['msg'].removeprefix('Value error, ')}", (*path, *first["loc"]))
