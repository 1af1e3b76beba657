"""What a simulation gives: the same bytes for the same seed, files that import, events in step with the clock."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.reference import Reference
from streams.cli import run as pulse
from streams.cli.simulate import not_ahead, plan_of
from streams.errors import UnavailableError, UsageError
from streams.importing import ImportJob, run_import
from streams.settings import Settings
from streams.simulator import run
from streams.simulator.files import write
from streams.simulator.made import Made, money
from streams.simulator.run import LiveRun, StopSimulationError, Told
from streams.simulator.sender import Sender
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation
from streams.supervisor.simulating import LABELS, Ongoing, Simulating, ongoing

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)  # a Tuesday, half past two in the afternoon
TEN_DAYS = Plan(date(2026, 8, 20), datetime(2026, 8, 30, tzinfo=COMPANY_ZONE), 5, 8)
WRITTEN = ("simulate", "--seed", "5", "--reps", "8", "--from", "2026-08-20", "--to", "2026-08-29", "--out")


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def other_process(folder: Path, hash_seed: str) -> dict[str, str]:
    """The same simulation in a process that hashes differently."""
    subprocess.run(
        [sys.executable, "-m", "streams.cli", *WRITTEN, str(folder)],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed, "TZ": "America/New_York"},
        check=True,
        capture_output=True,
    )
    return digests(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("simulated") / "out"
    write(Simulation(TEN_DAYS), found, lambda _count, _at: None)
    return found


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    wanted = digests(folder)
    assert {"visit.jsonl", "sale.jsonl", "rep.jsonl", "call_plan.jsonl", "labels.json"} <= set(wanted)
    assert other_process(tmp_path / "one", "1") == other_process(tmp_path / "two", "2") == wanted


def test_another_seed_gives_other_events(folder: Path, tmp_path: Path) -> None:
    write(Simulation(Plan(TEN_DAYS.start, TEN_DAYS.end, 6, 8)), tmp_path, lambda _count, _at: None)
    assert digests(tmp_path)["visit.jsonl"] != digests(folder)["visit.jsonl"]


def test_days_are_the_same_whenever_a_run_begins_or_ends() -> None:
    """A second run over the same days, begun earlier and ended later, contradicts nothing that was sent before."""
    first = {made.event_id: made for made in Simulation(TEN_DAYS).events()}
    start, end = TEN_DAYS.start - timedelta(days=40), TEN_DAYS.end + timedelta(days=7)
    longer = {made.event_id: made for made in Simulation(Plan(start, end, 5, 8)).events()}
    assert len(first) > 500
    assert {name: longer[name] for name in first} == first


def test_a_run_until_noon_is_the_beginning_of_a_run_until_midnight() -> None:
    whole = list(Simulation(TEN_DAYS).events())
    part = list(Simulation(Plan(TEN_DAYS.start, TEN_DAYS.end - timedelta(hours=34), 5, 8)).events())
    assert 0 < len(part) < len(whole)
    assert part == whole[: len(part)]


def test_the_files_import_without_a_mapping(folder: Path) -> None:
    settings = Settings(_env_file=None)
    for file in sorted(folder.glob("*.jsonl")):
        summary = run_import(ImportJob(file.stem, file), settings, dry_run=True)
        assert (summary.accepted, summary.dead_lettered) == (len(file.read_bytes().splitlines()), 0), file.name


def test_the_command_tells_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pulse([*WRITTEN, str(tmp_path), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["rep"] == 8 + 9
    assert counts["visit"] == len((tmp_path / "visit.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "yesterday"], "--from 'yesterday' is no day: write it like 2026-10-01"),
        (["--out", "x", "--speed", "2"], "files are written at once"),
        (["--reps", "3"], "a company of 3 reps cannot be simulated: give 6 to 20000 with --reps"),
        (["--to", "2150-01-01"], "2150-01-01 lies ahead, and events of the future are refused"),
        (["--to", "2026-01-01"], "no `pulse up` runs on"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert pulse(["simulate", "--data", str(tmp_path), *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert pulse([*WRITTEN, str(tmp_path / "file")]) == 2
    assert "name another folder with --out" in capsys.readouterr().err


def test_the_plan_runs_from_the_quarter_until_now() -> None:
    assert plan_of(None, None, seed=1, reps=60, now=NOW) == Plan(date(2026, 10, 1), NOW, 1, 60)
    past = plan_of(None, "2026-06-30", seed=1, reps=60, now=NOW)
    assert past == Plan(date(2026, 4, 1), datetime(2026, 7, 1, tzinfo=COMPANY_ZONE), 1, 60)
    assert past.last_day == date(2026, 6, 30)


def test_a_plan_that_is_sent_ends_now() -> None:
    today = plan_of(None, "2026-11-24", seed=1, reps=60, now=NOW)
    assert not_ahead(today, NOW).end == NOW
    with pytest.raises(UsageError, match="2026-11-25 lies ahead"):
        not_ahead(plan_of(None, "2026-11-25", seed=1, reps=60, now=NOW), NOW)


def test_up_simulates_until_now_and_with_a_speed_from_this_morning() -> None:
    assert ongoing(seed=1, reps=60, speed=None, now=NOW) == Ongoing(Plan(date(2026, 10, 1), NOW, 1, 60, 1))
    morning = datetime(2026, 11, 24, 8, 30, tzinfo=COMPANY_ZONE)
    assert ongoing(seed=1, reps=60, speed=30, now=NOW) == Ongoing(Plan(date(2026, 10, 1), morning, 1, 60, 1), 30)
    early = datetime(2026, 11, 24, 7, tzinfo=COMPANY_ZONE)
    assert ongoing(seed=1, reps=60, speed=30, now=early).plan.end == early


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (123_456, "1234.56"), (-105, "-1.05")])
def test_money(cents: int, text: str) -> None:
    assert money(cents) == text


# --- sending ----------------------------------------------------------------------------------------------------------


class Recorder:
    """Takes the place of the sender and notes what it was told."""

    def __init__(self, _settings: Settings, _waiting: Callable[[str | None], None]) -> None:
        self.sent: list[Made] = []
        self.published: list[int] = []
        self.flushed: list[int] = []
        self.closed = False
        Recorder.last = self

    last: "Recorder"

    def publish(self, rows: Sequence[Reference]) -> int:
        self.published.append(len(rows))
        return len(self.published)

    def send(self, made: Made) -> None:
        self.sent.append(made)

    def check(self) -> None:
        """Nothing is lost here."""

    def flush(self) -> None:
        self.flushed.append(len(self.sent))

    def close(self) -> None:
        self.closed = True


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds * 100

    def now(self, zone: Any) -> datetime:
        return (self.start + timedelta(seconds=self.passed_s)).astimezone(zone)

    def fromtimestamp(self, seconds: float, zone: Any) -> datetime:
        return datetime.fromtimestamp(seconds, zone)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data=tmp_path)


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Real time stands at nine in the morning after the ten days."""
    found = Clock(TEN_DAYS.end + timedelta(days=1, hours=9))
    monkeypatch.setattr(run, "Sender", Recorder)
    monkeypatch.setattr(run, "time", found)
    monkeypatch.setattr(run, "datetime", found)
    return found


def test_without_a_speed_a_run_ends_with_the_past(clocked: Clock, settings: Settings, tmp_path: Path) -> None:
    told = LiveRun(TEN_DAYS, settings, lambda _told: None, labels=tmp_path / "labels.json").run()
    assert Recorder.last.sent == list(Simulation(TEN_DAYS).events())
    assert Recorder.last.flushed == [told.sent.total()] == [len(Recorder.last.sent)]
    assert Recorder.last.closed
    assert clocked.passed_s == 0
    assert told.is_live
    assert json.loads((tmp_path / "labels.json").read_text())["reps"] == 8


def test_with_a_speed_it_catches_up_and_then_keeps_step(clocked: Clock, settings: Settings) -> None:
    """A hundred times faster through the missed day and a half, never ahead of the real clock."""
    ends, seen = clocked.start + timedelta(hours=6), []

    def tell(told: Told) -> None:
        seen.append((told.moment(), clocked.now(UTC)))
        if clocked.now(UTC) > ends:
            raise StopSimulationError

    with pytest.raises(StopSimulationError):
        LiveRun(TEN_DAYS, settings, tell, speed=100).run()
    assert all(moment <= now for moment, now in seen)
    assert (seen[-1][1] - seen[-1][0]).total_seconds() < 60
    live = Recorder.last.sent[Recorder.last.flushed[0] :]
    assert live
    assert Recorder.last.sent == list(Simulation(Plan(TEN_DAYS.start, ends, 5, 8)).events())[: len(Recorder.last.sent)]
    assert len(Recorder.last.published) == 1


def test_call_plans_of_later_months_are_published_in_time(clocked: Clock, settings: Settings) -> None:
    clocked.start = datetime(2026, 9, 2, tzinfo=COMPANY_ZONE)

    def tell(told: Told) -> None:
        if told.moment() > datetime(2026, 9, 1, 12, tzinfo=COMPANY_ZONE):
            raise StopSimulationError

    with pytest.raises(StopSimulationError):
        LiveRun(TEN_DAYS, settings, tell, speed=1000).run()
    first, second = Recorder.last.published
    assert second - first == 8 * 30  # one more month of every doctor, in the same quarter


@pytest.mark.usefixtures("clocked")
def test_the_supervisor_sends_the_past_and_ends(settings: Settings) -> None:
    thread = Simulating(Ongoing(TEN_DAYS), settings, go_on=False)
    thread.start()
    thread.join(60)
    assert (thread.error, thread.is_busy, thread.status) == (None, False, "")
    assert thread.reference_rows == Recorder.last.published[0]
    assert (settings.data / LABELS).is_file()


def test_the_supervisor_may_have_nothing_to_simulate(settings: Settings) -> None:
    thread = Simulating(None, settings, go_on=True)
    thread.start()
    thread.join(10)
    assert (thread.error, thread.is_busy, thread.reference_rows) == (None, False, 0)


@pytest.mark.usefixtures("clocked")
def test_the_supervisor_is_told_what_went_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Recorder, _rows: Sequence[Reference]) -> int:
        msg = "ClickHouse does not answer"
        raise UnavailableError(msg)

    monkeypatch.setattr(Recorder, "publish", refuse)
    thread = Simulating(Ongoing(TEN_DAYS), settings, go_on=True)
    thread.start()
    thread.join(10)
    assert isinstance(thread.error, UnavailableError)
    assert Recorder.last.closed


def test_a_sender_needs_every_service() -> None:
    settings = Settings(_env_file=None, kafka_url="127.0.0.1:1", clickhouse_url=SecretStr("http://x@127.0.0.1:1/x"))
    with pytest.raises(UsageError, match="no services are set"):
        Sender(settings, lambda _note: None)
