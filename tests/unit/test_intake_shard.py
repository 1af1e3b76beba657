"""The one pass: what enters, what waits, what is set aside, and why."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.intake.directory import Directory
from agents.intake.placement import Placement
from agents.intake.shard import Limits, Record, Shard
from agents.progress.calendar import CompanyTime
from agents.progress.outputs import RollingWindows
from agents.progress.plan import Plan
from agents.progress.state import ProgressState
from schemas.reference import CallPlan, Institution, OrganisationNode, Product, Reference, Rep
from streams import policies
from streams.engine.checkpoint import OwnedShard, take_snapshot
from streams.engine.letters import letter_message
from streams.engine.sink import event_table
from streams.topics import shard_of

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
GRACE = timedelta(seconds=30)
PLAN = Plan(policies.load(Path(__file__).parents[2] / "policies"))


def directory(*more: Reference) -> Directory:
    rows: dict[str, list[Reference]] = {
        "rep": [Rep(rep_id="R1", name="一", team_id="T"), Rep(rep_id="R2", name="二", team_id="T")],
        "node": [OrganisationNode(node_id="T", name="T", level="team")],
        "institution": [Institution(institution_id="H1", name="H")],
        "product": [Product(product_id="P1", name="P", line_id="L")],
    }
    for row in more:
        rows.setdefault(row.kind_name, []).append(row)
    return Directory(rows, 1)


def shard(partitions: int = 1) -> Shard:
    progress = ProgressState(PLAN, directory(), CompanyTime("Asia/Shanghai"))
    return Shard(Placement(0, partitions, shard_of), progress, Limits(1_000_000, timedelta(days=1), GRACE))


def sale(event_id: str = "E1", **changes: Any) -> bytes:
    values = {
        "event_id": event_id,
        "occurred_at": "2026-03-01T09:30:00+08:00",
        "source": "erp",
        "rep_id": "R1",
        "institution_id": "H1",
        "product_id": "P1",
        "quantity": "2",
        "amount": "10.50",
    }
    return json.dumps(values | changes).encode()


def take(target: Shard, *values: bytes, key: bytes | None = b"R1", start: int = 0) -> None:
    target.take("sales", [Record(key, value, start + at) for at, value in enumerate(values)], NOW)


def steps(target: Shard) -> list[tuple[str, str]]:
    return [(letter.step, letter.error_class) for letter in target.output.letters]


def test_a_new_event_makes_a_row_with_its_place_and_company_day() -> None:
    one = shard()
    take(one, sale(occurred_at="2026-03-01T16:30:00+00:00"), start=7)
    (row,) = one.output.rows["sale"]
    assert row[-5] == datetime(2026, 3, 2, tzinfo=UTC).toordinal()  # half past midnight in Shanghai
    assert row[-3:] == (0, 7, [])
    assert one.offsets == {"sales": 8}
    assert one.counts == {"accepted:sale": 1}


def test_the_same_event_again_changes_nothing() -> None:
    one = shard()
    take(one, sale(), sale(recorded_at="2026-03-02T00:00:00Z"))
    take(one, sale(amount="10.5"), start=2)
    assert (one.counts["accepted:sale"], one.counts["duplicates"], one.output.letters) == (1, 2, [])


def test_another_content_under_the_same_id_is_a_conflict_and_the_first_counts() -> None:
    one = shard()
    take(one, sale(), sale(amount="11"))
    assert steps(one) == [("dedupe", "ConflictError")]
    assert one.counts["conflicts"] == 1
    assert one.output.letters[0].record.value == sale(amount="11")


@pytest.mark.parametrize(
    ("value", "key", "step"),
    [
        (sale(), None, "key"),
        (sale(), b"R2", "key"),
        (b"{", b"R1", "decode"),
        (sale(occurred_at="2027-03-01T00:00:00Z"), b"R1", "time"),
    ],
)
def test_a_bad_message_is_set_aside_and_the_others_go_on(value: bytes, key: bytes | None, step: str) -> None:
    one = shard()
    one.take("sales", [Record(key, value, 0), Record(b"R1", sale("E2"), 1)], NOW)
    assert [found for found, _ in steps(one)] == [step]
    assert one.counts == {"dead_letters": 1, "accepted:sale": 1}


def test_a_key_that_lies_in_the_wrong_partition_is_set_aside() -> None:
    wrong = shard(partitions=64)
    assert shard_of("R1", 64) != 0
    take(wrong, sale())
    assert "use the murmur2 partitioner" in wrong.output.letters[0].message


def test_a_call_plan_counts_in_the_shard_of_its_rep_as_soon_as_it_is_adopted() -> None:
    one = shard()
    plan = [CallPlan(rep_id="R1", hcp_id=hcp, planned_calls=3, effective_from=date(2026, 3, 1)) for hcp in "AB"]
    one.adopt(directory(*plan), NOW)
    planned = [cell for slot in one.progress.changed_slots for cell in slot.cells.values()]
    assert [cell[0] for cell in planned] == [2]
    one.progress.settle()
    one.adopt(directory(*plan, Institution(institution_id="H9", name="九")), NOW)  # says nothing about plans
    assert "H9" in one.progress.directory.institutions
    assert not one.progress.changed_slots
    one.adopt(directory(*plan[:1]), NOW)
    assert [cell[0] for slot in one.progress.changed_slots for cell in slot.cells.values()] == [1]
    one.progress.settle()
    elsewhere = Shard(Placement(0, 64, lambda _key, _partitions: 5), one.progress, one.limits)
    elsewhere.adopt(directory(*plan), NOW)
    assert not one.progress.changed_slots


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        ({"name": "新名"}, True),
        ({"is_target": True}, False),
        ({"latitude": 31.0}, True),  # where visits took place was found out when they came
        ({"is_target": True, "effective_from": date(2026, 3, 1)}, False),
        ({"name": "新名", "effective_from": date(2026, 3, 1)}, True),
    ],
)
def test_only_what_filters_read_of_an_institution_computes_the_past_anew(change: dict[str, Any], alike: bool) -> None:
    row = Institution(institution_id="H1", name="H")
    changed = [row.model_copy(update=change), *([row] if "effective_from" in change else [])]
    before, after = Directory({"institution": [row]}), Directory({"institution": changed})
    assert before.places_alike(after, PLAN.reads) is alike


def test_an_unknown_institution_waits_and_enters_when_it_is_published() -> None:
    one = shard()
    take(one, sale(institution_id="H2"))
    assert (len(one.held), one.output.size) == (1, 0)
    one.release(NOW + GRACE / 2)
    assert len(one.held) == 1
    one.progress.directory = directory(Institution(institution_id="H2", name="late"))
    one.release(NOW + GRACE / 2)
    assert (one.held, one.counts["accepted:sale"]) == ([], 1)


def test_an_unknown_rep_is_set_aside_when_its_time_is_over() -> None:
    one = shard()
    take(one, sale(rep_id="R9", product_id="P9"), key=b"R9")
    one.release(NOW + GRACE)
    assert steps(one) == [("known", "UnknownReferenceError")]
    assert "nobody published rep R9, product P9" in one.output.letters[0].message


def test_a_step_that_raises_concerns_its_own_event_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one = shard()
    real = one.progress.add_event

    def fails_on_e2(kind: str, event: Any, buckets: Any) -> None:
        if event.event_id == "E2":
            msg = "no such thing"
            raise ZeroDivisionError(msg)
        real(kind, event, buckets)

    monkeypatch.setattr(one.progress, "add_event", fails_on_e2)
    take(one, sale("E1"), sale("E2"), sale("E3"))
    assert steps(one) == [("cells", "ZeroDivisionError")]
    assert one.counts["accepted:sale"] == 2


def test_held_events_are_tried_again_only_when_that_could_change_anything() -> None:
    one = shard()
    take(one, sale(institution_id="H2"))
    assert one.must_release(NOW)
    one.release(NOW)
    assert not one.must_release(NOW + GRACE / 2)
    assert one.must_release(NOW + GRACE)
    one.progress.directory = directory()
    assert one.must_release(NOW)


def test_a_held_event_that_breaks_a_new_limit_is_set_aside() -> None:
    one = shard()
    take(one, sale(institution_id="H2", invoice_id="x" * 100))
    one.limits = Limits(200, timedelta(days=1), GRACE)
    one.release(NOW)
    assert (one.held, steps(one)) == ([], [("size", "InvalidError")])


NODE = {"h": 0, "f": 0, "l": "team", "p": "T", "c": "rep|R1", "u": [["company", "C"]], "b": "m739676", "s": 1}
GROUP = PLAN.groups["sale"][0].id
CELL = f"{GROUP}|a"
VECTOR = [1] * PLAN.widths[GROUP]
MEMBER = {**NODE, "l": "member", "p": "@new_accounts|H1", "c": "R1"}


def node(base: dict[str, Any] = NODE, **changes: Any) -> bytes:
    message = {"x": {CELL: VECTOR}, **base, **changes}
    return json.dumps({name: value for name, value in message.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "value",
    [b"{", b"[]", b'{"h": 0}', b"null"]
    + [node(**{name: ...}) for name in ("h", "f", "l", "p", "c", "u", "b", "s", "x")]
    + [node(b=bucket) for bucket in ("", "m", "Z5", "mx", "m-1", 5, None)]
    + [node(b=bucket) for bucket in ("m999999999", "m0", "m3652059", "m739677", "q739676", "D999999999", "H9999999")]
    + [node(x={CELL: [count, *VECTOR[1:]]}) for count in (-5, 2**63, True)]
    + [node(u=path) for path in ("T", [["company"]], [["company", 5]], [[[], "C"]])]
    + [node(s=stamp) for stamp in ("1", 1.5, None)]
    + [node(x=cells) for cells in ([], {"a": [1]}, {CELL: [1]}, {CELL: ["1"] * len(VECTOR)}, {f"{GROUP}|z:1": VECTOR})]
    + [node(x={CELL: [None, *VECTOR[1:]]}), node(x={"other.group|a": [{}]}), node(l=5), node(c=5)]
    + [node(MEMBER, p="new_accounts"), node(MEMBER, x={"a": []}), node(MEMBER, x={"a": 5})],
)
def test_a_broken_node_message_is_set_aside_and_changes_nothing(value: bytes) -> None:
    one = shard()
    one.take_messages("nodes", [Record(b"T", value, 0), Record(b"T", node(), 1)], NOW)
    assert [step for step, _ in steps(one)] == ["roll-up"]
    assert one.offsets == {"nodes": 2}
    (entity,) = one.progress.entities.values()
    assert entity.total(["m739676"], CELL, len(VECTOR), ()) == VECTOR
    take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, NOW)


def test_of_a_bundle_every_sound_word_is_taken_and_a_broken_one_set_aside_once() -> None:
    one = shard()
    words = [node(), b"null", node(b="m739677"), node(c="rep|R2")]
    one.take_messages("nodes", [Record(b"T", b"[%b]" % b",".join(words), 0)], NOW)
    assert [step for step, _ in steps(one)] == ["roll-up"]
    (entity,) = one.progress.entities.values()
    assert entity.total(["m739676"], CELL, len(VECTOR), ()) == [2 * value for value in VECTOR]


def literal(name: str, text: str) -> bytes:
    fields = json.loads(sale())
    fields.pop(name, None)
    return (json.dumps(fields)[:-1] + f', "{name}": {text}}}').encode()


HOSTILE = [
    *(literal("amount", text) for text in ("1" * 5000, "1e400", "NaN", "-Infinity", "1E+25", "true", "[" * 3000)),
    *(
        literal("amount", f'"{text}"')
        for text in ("1E+25", "0E+40", "-0E+40", "0E-100", "-0", "1E-6", "1_000", " 12 ", "１２")
    ),
    *(literal("amount", f'"{text}"') for text in ("9" * 26 + "." + "9" * 6, "0." + "1" * 5000)),
    *(literal("event_id", text) for text in ("1" * 5000, '"\\ud800"', '"a\\u0000b"')),
    *(literal("due_on", text) for text in ("9" * 4200, '"2299-12-31"', '"1900-01-01"', '"9999-12-31"', "0", "1e300")),
    *(sale(occurred_at=f"2026-02-01T10:00:00{zone}") for zone in ("+23:59", "-23:59", ".123456789Z", "Z", "")),
    *(
        sale(occurred_at=at)
        for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-02T00:00:00Z")
    ),
    *(b"\xff\xfe", b"[]", b"1", b"null", b'"x"', b"{}", b"[" * 100_000),
    *(sale(**{"x" * 100_000: 1}), sale(invoice_id="\x7f"), sale(invoice_id="a" * 129), sale(kind={"a": 1})),
]
"""Ways to write a message that break naive code: numbers, times, text and nesting at and beyond every limit."""


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_whatever_a_message_holds_it_is_taken_or_set_aside(number: int) -> None:
    one = shard()
    take(one, HOSTILE[number])
    snapshot = take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, NOW)
    for kind, rows in snapshot.block.events.items():
        event_table(kind, rows)
    assert all(len(letter_message(letter)) < 1_000_000 for letter in snapshot.block.letters)
    assert one.counts["accepted:sale"] + len(snapshot.block.letters) == 1


def test_a_letter_tells_no_value_from_an_empty_one_and_one_broker_from_another() -> None:
    one = shard()
    one.take("sales", [Record(b"R1", None, 0), Record(b"R1", b"", 1)], NOW)
    letters = take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, NOW).block.letters
    assert [(letter.raw, letter.has_value) for letter in letters] == [(b"", False), (b"", True)]
    one.take("sales", [Record(b"R1", None, 0)], NOW)
    elsewhere = OwnedShard(one, "token", RollingWindows(one.progress), labels={"cluster": "another"})
    (again,) = take_snapshot(elsewhere, 2, NOW).block.letters
    assert again.dead_letter_id not in {letter.dead_letter_id for letter in letters}


def test_a_letter_with_a_huge_key_fits_into_its_topic() -> None:
    one = shard()
    take(one, b"x" * 700_000, key=b"k" * 700_000)
    (letter,) = take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, NOW).block.letters
    assert len(letter_message(letter)) < 10_000
    assert (len(letter.raw), len(letter.key or b"")) == (700_000, 700_000)
