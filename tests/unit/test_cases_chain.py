"""The hash chain: sealed as documented, and any change of any field is found."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.cases.chain import FIRST, Checker, Head, hash_of, head_after, sealed
from schemas.cases import CaseEvent, Person

NOW = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)
CASE = "a" * 32


def content(number: int, **more: Any) -> dict[str, Any]:
    return {
        "case_id": CASE,
        "command_id": f"c{number}",
        "action": "note",
        "state": "open",
        "state_before": "open",
        "at": NOW,
        "rule_id": "R01",
        "rep_id": "R1",
        "remark": f"第{number}条",
        "by": Person(person_id="ann", role="compliance", name="Ann"),
        **more,
    }


def chain_of(length: int, chain: int = 3) -> list[CaseEvent]:
    events, head = [], Head()
    for number in range(1, length + 1):
        events.append(sealed(content(number), chain, head, NOW + timedelta(seconds=number)))
        head = head_after(events[-1])
    return events


def check(events: list[CaseEvent], *wanted: str) -> Checker:
    checker = Checker(wanted)
    for event in events:
        checker.add(event)
    return checker


def resealed(event: CaseEvent, **more: Any) -> CaseEvent:
    """Changed by somebody who knows how the hash is made."""
    changed = event.model_copy(update=more)
    return changed.model_copy(update={"hash": hash_of(changed)})


def test_the_hash_is_the_documented_one() -> None:
    event = sealed(content(1), 3, Head(), NOW)
    text = (
        '{"action":"note","at":"2026-03-02T09:00:00.250000Z",'
        '"by":{"name":"Ann","person_id":"ann","role":"compliance"},'
        f'"case_id":"{CASE}","chain":3,"command_id":"c1","number":1,"outcome":"done",'
        f'"previous_hash":"{"0" * 64}","recorded_at":"2026-03-02T09:00:00.250000Z","remark":"第1条",'
        '"rep_id":"R1","rule_id":"R01","state":"open","state_before":"open"}'
    )
    assert event.hash == hashlib.sha256(text.encode()).hexdigest()
    assert event.previous_hash == FIRST


def test_time_never_runs_backwards_in_a_chain() -> None:
    first = sealed(content(1), 3, Head(), NOW)
    assert sealed(content(2), 3, head_after(first), NOW - timedelta(hours=1)).recorded_at == NOW


def test_a_whole_chain_holds_and_an_export_of_it_too() -> None:
    events = chain_of(5) + chain_of(2, chain=0)
    found = check([CaseEvent.model_validate_json(event.model_dump_json()) for event in events]).chains
    assert {number: (one.rows, one.broken_at, one.head.number) for number, one in found.items()} == {
        3: (5, None, 5),
        0: (2, None, 2),
    }
    assert found[3].head.hash == events[4].hash


OTHER_VALUES: dict[str, Any] = {
    "number": 7,
    "previous_hash": "1" * 64,
    "hash": "2" * 64,
    "case_id": "b" * 32,
    "command_id": "c9",
    "action": "close",
    "outcome": "refused",
    "reason": "made up",
    "state_before": "closed",
    "state": "closed",
    "verdict": "false_alarm",
    "assignee": "eve",
    "by": Person(person_id="eve", role="compliance", name="Ann"),
    "other_case_id": "c" * 32,
    "remark": "never mind",
    "at": NOW + timedelta(microseconds=1),
    "recorded_at": NOW + timedelta(days=1),
    "rule_id": "R02",
    "rep_id": None,
}


@pytest.mark.parametrize("field", sorted(CaseEvent.model_fields))
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_change_of_any_field_of_any_row_is_found(field: str, place: int) -> None:
    events = chain_of(5)
    events[place] = events[place].model_copy(update={field: {"chain": 9, **OTHER_VALUES}[field]})
    broken = [one for one in check(events, chain_of(5)[-1].hash).chains.values() if one.broken_at is not None]
    if field == "chain" and place in {0, 4}:
        assert [one.chain for one in broken] == [9] if place == 4 else [3, 9]
    else:
        assert broken[0].broken_at == place + 1


@pytest.mark.parametrize("part", ["person_id", "role", "name"])
def test_a_change_of_who_did_it_is_found(part: str) -> None:
    events = chain_of(3)
    assert events[1].by is not None
    person = events[1].by.model_copy(update={part: "auditor"})
    events[1] = events[1].model_copy(update={"by": person})
    assert check(events).chains[3].broken_at == 2


@pytest.mark.parametrize(
    ("change", "row", "fault"),
    [
        (lambda rows: rows[:2] + rows[3:], 3, "missing: row 3 is not there"),
        (lambda rows: rows[:1] + rows[4:], 2, "missing: row 2 to 4 is not there"),
        (lambda rows: rows[1:], 1, "missing: row 1 is not there"),
        (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], 2, "reordered: row 2 stands behind later ones"),
        (lambda rows: [*rows[:3], rows[1], *rows[3:]], 2, "inserted: there is another row 2"),
        (
            lambda rows: [*rows[:2], resealed(rows[2], remark="!"), *rows[3:]],
            4,
            "inserted: row 4 does not follow the row before it",
        ),
        (
            lambda rows: [*rows[:2], rows[2].model_copy(update={"remark": "!"}), *rows[3:]],
            3,
            "changed: row 3 does not have the hash it says",
        ),
        (
            lambda rows: [*rows[:3], resealed(rows[2], remark="!", command_id="x"), *rows[3:]],
            3,
            "inserted: there is another row 3",
        ),
    ],
)
def test_the_first_broken_row_is_named(
    change: Callable[[list[CaseEvent]], list[CaseEvent]], row: int, fault: str
) -> None:
    found = check(change(chain_of(5))).chains[3]
    assert (found.broken_at, found.fault) == (row, fault)


def test_rows_cut_off_the_end_are_noticed_by_a_noted_head() -> None:
    events = chain_of(5)
    assert check(events, events[4].hash, events[2].hash).unmet() == set()
    shorter = check(events[:4], events[4].hash)
    assert shorter.chains[3].broken_at is None
    assert shorter.unmet() == {events[4].hash}


def test_a_chain_written_anew_is_noticed_by_a_noted_head() -> None:
    noted, head = chain_of(3)[-1].hash, Head()
    forged = []
    for number in range(1, 4):
        forged.append(sealed(content(number, remark="all is well"), 3, head, NOW))
        head = head_after(forged[-1])
    checker = check(forged, noted)
    assert (checker.chains[3].broken_at, checker.unmet()) == (None, {noted})
