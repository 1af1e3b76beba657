"""What was taken wrongly goes back: on record, past the guard and nothing else, and counts once."""

from pathlib import Path
from typing import Any

import pytest
from guarded_shard import POLICY, SECRET, shard, snapshot, visit

from agents.intake.guard import Guard
from schemas.cases import CaseCommand
from schemas.intake_policy import IntakePolicy
from schemas.quarantine import QuarantinedEvent
from streams import quarantine
from streams.cli import run
from streams.quarantine import Sealer


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    private, public = quarantine.make_keys(tmp_path)
    return private, public.read_text().strip()


#: A harmless sentence that the shipped words stop: a trademark that contains the name of a package.
WRONGLY = "陈医生处方经验：本品20盒装更方便"
FEW_WORDS = POLICY.model_copy(
    update={
        "prescription_counting": POLICY.prescription_counting.model_copy(
            update={
                "words": POLICY.prescription_counting.words.model_copy(
                    update={"ignored": (*POLICY.prescription_counting.words.ignored, "20盒装")}
                )
            }
        )
    }
)


class Desk:
    """A ClickHouse with openings and the state of one case, a topic of events, and a desk that takes commands."""

    def __init__(self, held: list[QuarantinedEvent]) -> None:
        self.held = held
        self.state: str | None = "open"
        self.intake: IntakePolicy | None = FEW_WORDS
        self.openings: list[tuple[str, str, str]] = []
        self.asked_for: list[str] = []
        self.sent: list[tuple[str, str, bytes | None, dict[str, str]]] = []
        self.commands: list[CaseCommand] = []

    def send(self, topic: str, key: str, value: bytes | None, headers: dict[str, str]) -> None:
        assert self.openings, "sent before it was put on record"
        self.sent.append((topic, key, value, headers))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def state_of(self, _client: Any, case_id: str) -> str | None:
        self.asked_for.append(case_id)
        return self.state


def held_visit(raw: bytes, public: str) -> QuarantinedEvent:
    (one,) = snapshot(shard(), raw).halted
    return Sealer(public).message(one)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, str]) -> Desk:
    found = Desk([held_visit(visit("S1", feedback_text=WRONGLY), keys[1])])
    monkeypatch.setenv("PULSE_KAFKA_URL", "127.0.0.1:9")
    monkeypatch.setenv("PULSE_CLICKHOUSE_URL", "http://a:b@127.0.0.1:9/x")
    monkeypatch.setattr(quarantine, "read", lambda _url: iter(found.held))
    monkeypatch.setattr("streams.supervisor.reach.connect", lambda _url: found)
    monkeypatch.setattr("streams.rule_books.read", lambda _client: None)
    monkeypatch.setattr("streams.rule_books.intake_in_force", lambda _texts: found.intake)
    monkeypatch.setattr("streams.cases_view.state_of", found.state_of)
    monkeypatch.setattr("streams.releasing.BulkProducer", lambda _url, _name: found)
    monkeypatch.setattr("streams.desk.asking.send", lambda _settings, command: found.commands.append(command))
    monkeypatch.setattr(
        quarantine,
        "record_opening",
        lambda _client, event, author, reason, _at: found.openings.append((event.quarantine_id, author, reason)),
    )
    return found


def release(desk: Desk, private: Path, **changes: str) -> int:
    given = {"--private-key": str(private), "--by": "lin", "--reason": "a size of pack"} | changes
    ids = [one.quarantine_id for one in desk.held]
    return run(["quarantine", "release", *ids, *(word for pair in given.items() for word in pair)])


def test_what_the_mended_words_let_through_goes_back_to_its_topic_on_record(
    desk: Desk, keys: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (held,) = desk.held
    assert release(desk, keys[0]) == 0

    assert desk.sent == [("visits", "R1", visit("S1", feedback_text=WRONGLY), {"replay": held.quarantine_id})]
    assert desk.openings == [(held.quarantine_id, "lin", "release: a size of pack")]
    (alert,) = snapshot(shard(), visit("S1", feedback_text=WRONGLY)).block.alerts
    (command,) = desk.commands
    assert (desk.asked_for, command.case_id, command.command_id) == (
        [alert.alert_id],
        alert.alert_id,
        f"release:{held.quarantine_id}",
    )
    assert (command.action, command.verdict, command.by.person_id) == ("close", "false_alarm", "lin")
    assert command.remark == f"released from the quarantine ({held.quarantine_id}): a size of pack"
    told = "".join(capsys.readouterr())
    assert f"sent to visits; case {alert.alert_id[:12]} is to be closed as a false alarm" in told
    assert "20盒" not in told


def test_what_is_released_twice_counts_once_and_like_an_event_that_was_never_stopped(
    desk: Desk, keys: tuple[Path, str]
) -> None:
    assert [release(desk, keys[0]), release(desk, keys[0])] == [0, 0]
    sent = [value for _, _, value, _ in desk.sent]
    mended, free = shard(FEW_WORDS), shard()
    free.judging.guard = None
    found = snapshot(mended, visit("E1"), *sent)
    never_stopped = snapshot(free, visit("E1"), visit("S1", feedback_text=WRONGLY))

    assert (mended.counts["accepted:visit"], mended.counts["duplicates"], found.halted) == (2, 1, [])
    assert found.block.events == never_stopped.block.events
    assert set(found.block.cells) == set(never_stopped.block.cells)
    assert len({command.command_id for command in desk.commands}) == 1


@pytest.mark.parametrize(
    ("raw", "intake", "says"),
    [
        (
            visit("S1", feedback_text=WRONGLY),
            POLICY,
            "words.professionals '医生', words.prescribing '处方', words.units '盒'",
        ),
        (visit("S2", rx_count=120), FEW_WORDS, "it is no visit that could count (step decode)"),
        (WRONGLY.encode(), FEW_WORDS, "it is no visit that could count (step decode)"),
        (
            visit("S4", occurred_at="2099-03-04T10:00:00+08:00", feedback_text=WRONGLY),
            FEW_WORDS,
            "it is no visit that could count (step time)",
        ),
    ],
    ids=["stopped still", "an unknown field", "no JSON", "dated ahead"],
)
def test_what_would_not_count_stays_and_nothing_of_it_is_told(
    desk: Desk,
    keys: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
    raw: bytes,
    intake: IntakePolicy,
    says: str,
) -> None:
    desk.held, desk.intake = [held_visit(raw, keys[1])], intake
    assert release(desk, keys[0]) == 1
    told = "".join(capsys.readouterr())
    assert says in told
    assert "20盒" not in told
    assert "120" not in told
    assert (desk.sent, desk.commands, len(desk.openings)) == ([], [], 1)


def test_of_several_those_that_pass_are_released(desk: Desk, keys: tuple[Path, str]) -> None:
    desk.held.append(held_visit(visit("S2", feedback_text=SECRET), keys[1]))
    assert release(desk, keys[0]) == 1
    assert [value for _, _, value, _ in desk.sent] == [visit("S1", feedback_text=WRONGLY)]
    assert len(desk.openings) == 2


def test_another_content_than_what_was_set_aside_is_not_sent(desk: Desk, keys: tuple[Path, str]) -> None:
    """Whoever has the public key can seal something."""
    forged = Sealer(keys[1]).seal(visit("S1", feedback_text="认可疗效"))
    desk.held = [desk.held[0].model_copy(update={"sealed": forged})]
    assert (release(desk, keys[0]), desk.sent) == (1, [])
    desk.held = [desk.held[0].model_copy(update={"topic": "commands"})]
    assert (release(desk, keys[0]), desk.sent) == (1, [])


@pytest.mark.parametrize(
    ("state", "says"), [("closed", "was closed before"), (None, "no case tells of it")], ids=["closed", "unknown"]
)
def test_a_case_that_is_closed_stays_as_it_is(
    desk: Desk, keys: tuple[Path, str], capsys: pytest.CaptureFixture[str], state: str | None, says: str
) -> None:
    desk.state = state
    assert release(desk, keys[0]) == 0
    assert (len(desk.sent), desk.commands) == (1, [])
    assert says in capsys.readouterr().out


def test_releases_that_are_refused_at_once(
    desk: Desk, keys: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, _ = quarantine.make_keys(tmp_path / "other")
    assert [release(desk, keys[0], **{"--reason": " "}), release(desk, other)] == [2, 1]
    desk.intake = None
    assert release(desk, keys[0]) == 2
    told = capsys.readouterr().err
    assert "a release needs an author and a reason" in told
    assert "sealed for another key" in told
    assert "no guard is in force" in told
    assert (desk.openings, desk.sent) == ([], [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (visit("S1", rx_count=120), ["keys.professionals '(^|_)hcp'"]),
        (visit("S1", feedback_text="认可疗效"), []),
        (b"", []),
    ],
    ids=["fields", "harmless", "nothing"],
)
def test_the_guard_names_its_own_words(raw: bytes, expected: list[str]) -> None:
    found = Guard(POLICY.prescription_counting).reasons(raw)
    assert found[: len(expected)] == expected
    assert bool(found) == bool(expected)
    assert all(one.startswith(("keys.", "words.")) for one in found)
