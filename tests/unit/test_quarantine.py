"""What is not let in: nothing of it remains but a sealed box, its hash and an alert."""

import json
import stat
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from guarded_shard import NOW, ROOT, SECRET, WHEN, shard, snapshot, visit

from agents.intake.quarantine import Stopped
from agents.intake.shard import Record, StoredEvent
from agents.progress.outputs import RollingWindows
from schemas.outputs import DeadLetter
from schemas.rows import EVENT_TABLES
from streams import quarantine
from streams import settings as settings_module
from streams.cli import run
from streams.engine.checkpoint import OwnedShard, take_snapshot
from streams.engine.setting_aside import sealed_message
from streams.errors import InvalidError, UsageError
from streams.importing.guarding import LetterGuard
from streams.quarantine import Sealer
from streams.settings import Settings
from streams.topics import ALERTS, QUARANTINE

STOPPED = {
    "an event that is right": visit("S1", feedback_text=SECRET),
    "an unknown field": visit("S2", prescription_count=120, note=SECRET),
    "another shard's key": visit("S3", rep_id="R2", feedback_text=SECRET),
    "dated ahead": visit("S4", occurred_at="2030-03-04T10:00:00+08:00", feedback_text=SECRET),
    "an unknown institution": visit("S5", institution_id="I9", feedback_text=SECRET),
    "no JSON": SECRET.encode(),
    "too large": visit("S7", feedback_text=SECRET + "。" * 50_000),
    "a name that is content": visit("S8", hcp_id=SECRET),
}


@pytest.mark.parametrize("value", STOPPED.values(), ids=STOPPED)
def test_nothing_of_it_remains_in_the_open(value: bytes) -> None:
    one = shard()
    found = snapshot(one, visit("E1", feedback_text="认可疗效"), value)

    assert [row[0] for row in found.block.events["visit"]] == ["E1"]
    assert (found.block.letters, one.held, one.counts["quarantined"]) == ([], [], 1)
    whole = repr((found.block, found.messages, found.told, found.commit))
    for piece in ("盒", SECRET, SECRET.encode().hex(), json.dumps(SECRET)[1:-1]):
        assert piece not in whole
    (halted,) = found.halted
    assert halted.raw == value


def test_a_conflict_that_counts_is_no_dead_letter() -> None:
    """The second copy is refused by the dedupe, long after it was read."""
    one = shard()
    snapshot(one, visit("E1", feedback_text="认可疗效"))
    found = snapshot(one, visit("E1", feedback_text=SECRET))
    assert (found.block.letters, len(found.halted)) == ([], 1)


def test_the_alert_says_where_and_not_what() -> None:
    found = snapshot(shard(), visit("S1", feedback_text=SECRET))
    (alert,) = found.block.alerts
    (halted,) = found.halted

    assert (alert.rule_id, alert.severity, alert.colour, alert.subject_kind) == ("R06", "prohibited", "red", "rep")
    assert (alert.subject_id, alert.rep_id, alert.team_id, alert.region_id) == ("R1", "R1", "T", "N")
    assert (alert.event_kind, alert.event_id, alert.occurred_at) == ("visit", "S1", NOW)
    assert alert.explanation is not None
    evidence = {part.text: part.value for part in alert.explanation.parts}
    assert evidence == {
        "quarantine": halted.quarantine_id,
        "sha256": halted.found.hash,
        "topic": "visits",
        "partition": "0",
        "offset": "7",
        "source": "crm",
        "found in": "text",
    }
    assert [message.key for message in found.messages if message.topic == ALERTS] == [alert.alert_id]


def test_the_same_event_is_one_alert_however_often_and_wherever_it_is_read() -> None:
    first = snapshot(shard(), visit("S1", feedback_text=SECRET))
    again = snapshot(shard(), visit("S1", feedback_text=SECRET), at=NOW + timedelta(hours=1))
    sent_again = snapshot(shard(), visit("E0"), visit("S1", feedback_text=SECRET))
    ids = [found.block.alerts[0].alert_id for found in (first, again, sent_again)]
    places = [found.halted[0].quarantine_id for found in (first, again, sent_again)]
    assert (len(set(ids)), places[0] == places[1], places[0] == places[2]) == (1, True, False)


def test_a_market_report_is_stopped_too() -> None:
    one = shard()
    report = {"event_id": "M1", "occurred_at": WHEN, "source": "crm", "territory_id": "N", "product_id": "P1"}
    body = json.dumps(report | {"kind": "tender", "tender_id": "1", "text": SECRET}).encode()
    one.take("market", [Record(b"N", body, 3)], NOW)
    found = take_snapshot(OwnedShard(one, "token", RollingWindows(one.progress)), 1, NOW)
    assert [(alert.event_kind, alert.rep_id) for alert in found.block.alerts] == [("market", "N")]


def test_without_the_policy_everything_goes_its_usual_way() -> None:
    one = shard()
    one.judging.guard = None
    found = snapshot(one, visit("S1", feedback_text=SECRET))
    assert (len(found.block.events["visit"]), found.block.alerts) == (1, [])


# --- R26 -------------------------------------------------------------------------------------------------------------


def test_positions_outside_hours_are_told_once_a_day() -> None:
    fix = {"check_in": {"latitude": 31.3, "longitude": 121.4}}
    days: Sequence[tuple[str, str]] = [
        ("E1", "2026-03-04T08:00:00+08:00"),
        ("E2", "2026-03-04T19:00:00+08:00"),
        ("E3", "2026-03-04T10:00:00+08:00"),
        ("E4", "2026-03-08T10:00:00+08:00"),
    ]
    one = shard()
    found = snapshot(one, *(visit(name, occurred_at=at, check_in_at=at, **fix) for name, at in days))

    assert [(alert.rule_id, alert.event_id, alert.period_start) for alert in found.block.alerts] == [
        ("R26", "E1", date(2026, 3, 4)),
        ("R26", "E4", date(2026, 3, 8)),
    ]
    assert found.block.alerts[0].message.en == (
        "A position of Min Wang came in from outside working hours or without consent: it was neither used nor kept"
    )
    assert "王敏" in found.block.alerts[0].message.zh
    names = [row[:1] + row[14:18] for row in found.block.events["visit"]]
    assert names == [
        ("E1", None, None, None, None),
        ("E2", None, None, None, None),
        ("E3", False, "5000-20000 m", None, None),
        ("E4", None, None, None, None),
    ]
    assert "31.3" not in repr((found.block, found.messages))
    later = snapshot(one, visit("E5", occurred_at=days[1][1], check_in_at=days[1][1], **fix))
    assert later.block.alerts == []


# --- keys and boxes --------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    private, public = quarantine.make_keys(tmp_path)
    return private, public.read_text().strip()


def halted(raw: bytes = SECRET.encode()) -> Stopped:
    (one,) = snapshot(shard(), visit("S1", feedback_text=SECRET)).halted
    return one._replace(raw=raw)


def test_what_is_sealed_opens_with_the_private_key_alone(keys: tuple[Path, str], tmp_path: Path) -> None:
    private, public = keys
    sent = sealed_message(halted(), Sealer(public))
    event = quarantine.QuarantinedEvent.model_validate_json(sent.value)

    assert (sent.topic, sent.key) == (QUARANTINE, event.quarantine_id)
    assert SECRET.encode() not in sent.value
    assert quarantine.opened(event, private) == SECRET.encode()
    other, _ = quarantine.make_keys(tmp_path / "other")
    for wrong in (event, event.model_copy(update={"sealed": "AAAA" + str(event.sealed)[4:]})):
        with pytest.raises(InvalidError, match="sealed for another key"):
            quarantine.opened(wrong, other)


def test_two_boxes_of_one_content_are_different(keys: tuple[Path, str]) -> None:
    sealer = Sealer(keys[1])
    assert sealer.seal(b"x") != sealer.seal(b"x")


def test_without_a_key_the_hash_alone_is_kept(keys: tuple[Path, str]) -> None:
    event = Sealer(None).message(halted())
    assert (event.sealed, len(event.hash)) == (None, 64)
    with pytest.raises(InvalidError, match="was not kept"):
        quarantine.opened(event, keys[0])


def test_what_no_message_holds_is_dropped(keys: tuple[Path, str]) -> None:
    noise = b"".join(index.to_bytes(4, "big") + bytes([index * 7919 % 251]) for index in range(300_000))
    sealed = Sealer(keys[1]).message(halted(noise)).sealed
    assert sealed is None or len(sealed) <= 900_000
    assert Sealer(keys[1]).message(halted(b"a" * 5_000_000)).sealed is not None


def test_the_private_key_is_its_owners_alone_and_never_replaced(keys: tuple[Path, str], tmp_path: Path) -> None:
    private, _ = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="is there already"):
        quarantine.make_keys(tmp_path)
    with pytest.raises(UsageError, match=r"quarantine\.pub is a file: name a folder"):
        quarantine.make_keys(tmp_path / "quarantine.pub")
    assert quarantine.local_keys(tmp_path) == tmp_path / "quarantine.pub"


@pytest.mark.parametrize("key", ["", "x", "AAAA", "é" * 44])
def test_a_wrong_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="PULSE_QUARANTINE_KEY holds no key"):
        Sealer(key)


def test_the_key_may_stand_in_a_file(keys: tuple[Path, str], tmp_path: Path) -> None:
    def of(**values: Any) -> str | None:
        return quarantine.public_key(Settings(_env_file=None, **values))  # type: ignore[call-arg]

    assert of(quarantine_key_file=tmp_path / "quarantine.pub") == keys[1]
    assert (of(quarantine_key="k", quarantine_key_file=tmp_path / "none"), of()) == ("k", None)
    with pytest.raises(UsageError, match="cannot be read"):
        of(quarantine_key_file=tmp_path / "none")
    with pytest.raises(UsageError, match=r"is the private key: name quarantine\.pub"):
        of(quarantine_key_file=tmp_path / "quarantine.key")


# --- commands --------------------------------------------------------------------------------------------------------


class Openings:
    """A ClickHouse that only takes openings."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.is_away = False

    def insert(self, table: str, rows: list[list[Any]], column_names: list[str]) -> None:
        assert (table, len(column_names)) == ("quarantine_openings", len(rows[0]))
        if self.is_away:
            msg = "away"
            raise UsageError(msg)
        self.rows += rows

    def close(self) -> None:
        pass


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, str]) -> Openings:
    found = Openings()
    event = Sealer(keys[1]).message(halted())
    monkeypatch.setenv("PULSE_KAFKA_URL", "127.0.0.1:9")
    monkeypatch.setenv("PULSE_CLICKHOUSE_URL", "http://a:b@127.0.0.1:9/x")
    monkeypatch.setattr(quarantine, "read", lambda _url: iter([event]))
    monkeypatch.setattr("streams.supervisor.reach.connect", lambda _url: found)
    assert settings_module.load().kafka_url == "127.0.0.1:9"
    return found


def test_list_shows_no_content(openings: Openings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quarantine", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["topic"], row["offset"], row["kept"], row["event_id"], "sealed" in row) == (
        "visits",
        7,
        True,
        "S1",
        False,
    )
    assert run(["quarantine", "list"]) == 0
    assert "visits[0]@7" in capsys.readouterr().out
    assert openings.rows == []


def test_an_opening_is_on_record_before_it_is_shown(
    openings: Openings, keys: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = halted().quarantine_id[:8]
    command = ["quarantine", "open", wanted, "--private-key", str(keys[0]), "--author", "lin", "--reason", "case 7"]
    assert run(command) == 0
    assert SECRET in capsys.readouterr().out
    assert [row[5:7] for row in openings.rows] == [["lin", "case 7"]]

    openings.is_away = True
    assert run(command) == 2
    assert SECRET not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"--author": " "}, "an opening needs an author and a reason"),
        ({"id": "ffff"}, "nothing in quarantine has the id ffff"),
        ({"--private-key": "/nonexistent"}, "--private-key: /nonexistent cannot be read"),
    ],
)
def test_openings_that_are_refused(
    openings: Openings, keys: tuple[Path, str], capsys: pytest.CaptureFixture[str], changes: dict[str, str], says: str
) -> None:
    given = {"id": halted().quarantine_id, "--private-key": str(keys[0]), "--author": "lin", "--reason": "x"} | changes
    command = ["quarantine", "open", given.pop("id")]
    assert run([*command, *(word for pair in given.items() for word in pair)]) == 2
    assert says in capsys.readouterr().err
    assert openings.rows == []


# --- imports ---------------------------------------------------------------------------------------------------------


def test_a_wrong_row_that_counts_leaves_no_content_among_the_dead_letters() -> None:
    known: dict[str, Any] = {"at": NOW, "origin": "import", "step": "import", "error_class": "InvalidError"}
    rows = [("visits", visit("S1", feedback_text=SECRET)), ("visits", b'{"a": 1}'), ("rep", SECRET.encode())]
    letters = [
        DeadLetter(dead_letter_id=str(number), topic=topic, raw=raw, message=f"got {raw!r}", **known)
        for number, (topic, raw) in enumerate(rows)
    ]
    kept, stopped = LetterGuard(ROOT / "policies").divide(letters)
    assert [letter.raw for letter in kept] == [b"", b'{"a": 1}', b""]
    assert [letter.message[:26] for letter in kept] == [
        "the row counts a professio",
        "got b'{\"a\": 1}'",
        "the row counts a professio",
    ]
    assert stopped == letters[:1]


def test_without_a_policy_letters_are_stored_as_they_are(tmp_path: Path) -> None:
    assert LetterGuard(tmp_path).divide([]) == ([], [])


def test_rebuilt_from_rows_without_coordinates_the_figures_are_those_of_the_day() -> None:
    near, far = ({"check_in": {"latitude": 31.2 + away, "longitude": 121.4}} for away in (0.001, 0.003))
    lived = snapshot(shard(), visit("E1", **near), visit("E2", **far), visit("E3"))
    table = EVENT_TABLES["visit"]
    names = (*table.names, *(column.name for column in table.technical))
    rows = [dict(zip(names, row, strict=True)) for row in lived.block.events["visit"]]

    again = shard()
    again.replay([StoredEvent("visit", table.to_event(row), row["content_hash"]) for row in rows], NOW)
    rebuilt = take_snapshot(OwnedShard(again, "token", RollingWindows(again.progress)), 1, NOW)

    assert set(rebuilt.block.cells) == set(lived.block.cells)
    rates = {
        (cell.value, cell.numerator, cell.denominator)
        for cell in lived.block.cells
        if cell.kpi_id == "valid_visit_rate"
    }
    assert rates == {
        (666_667, 2_000_000, 3_000_000)
    }  # 334 m from the door is one of three; unknown is held against nobody
