"""The supervisor's parts: children, restarts, orphans, the status line, the environment handed on."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.errors import UsageError
from streams.settings import Settings
from streams.supervisor import kafka_topics, memory, services
from streams.supervisor.orphans import PARENT_VARIABLE
from streams.supervisor.run import metrics_ports
from streams.supervisor.screen import Screen
from streams.supervisor.stop_signal import StopSignal
from streams.supervisor.workers import LogFile, Restarts, Worker, WorkerFailedError, WorkerPool, level_of

WARNING = "2024-05-01T03:04:05.000000Z [warning  ] lag grows  lag=7"
WAITS_FOR_TERM = f"""
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print({WARNING!r}, "2024-05-01T03:04:05.000000Z [info     ] ready", sep="\\n", file=sys.stderr, flush=True)
while True: signal.pause()
"""


def child(folder: Path, code: str, loud: io.StringIO | None = None) -> Worker:
    return Worker(0, dict(os.environ), folder, loud or io.StringIO(), (sys.executable, "-c", code))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_restarts_back_off_and_end() -> None:
    restarts = Restarts()
    assert [restarts.delay_s(float(now)) for now in range(5)] == [0.5, 1.0, 2.0, 4.0, None]


def test_old_crashes_are_forgotten() -> None:
    restarts = Restarts()
    assert [restarts.delay_s(now) for now in (0.0, 100.0, 200.0, 300.0, 400.0, 500.0)] == [0.5] * 6


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (WARNING, "warning"),
        ("2024-05-01T03:04:05Z [error    ] x", "error"),
        ('{"level": "error", "message": "x"}', "error"),
        ('{"message":"x","level":"info"}', "info"),
        ("Traceback (most recent call last):", None),
        ("  File x", None),
    ],
)
def test_the_level_of_a_line_is_found(line: str, level: str | None) -> None:
    assert level_of(line) == level


def test_a_worker_logs_into_its_file_and_warns_aloud(tmp_path: Path) -> None:
    loud = io.StringIO()
    worker = child(tmp_path, WAITS_FOR_TERM, loud)
    worker.start()
    until(lambda: worker.log.exists() and "ready" in worker.log.read_text())
    assert WorkerPool([worker]).stop(lambda: False) == []
    assert worker.pid is None
    assert loud.getvalue() == WARNING + "\n"


def test_a_crashed_worker_starts_again(tmp_path: Path) -> None:
    worker = child(tmp_path, "raise SystemExit(1)")
    worker.start()
    until(lambda: worker.pid is None)
    worker.look(100.0)
    worker.look(100.4)
    assert worker.restarts == 0
    worker.look(100.5)
    assert worker.restarts == 1
    worker.ended(20)


def test_a_worker_that_crashes_on_and_on_is_given_up(tmp_path: Path) -> None:
    worker = child(tmp_path, "import sys; sys.exit('the disk is full')")
    worker.start()
    for crash in range(4):
        until(lambda: worker.pid is None)
        worker.look(crash * 10.0)
        worker.look(crash * 10.0 + 5)
    assert worker.restarts == 4
    until(lambda: worker.pid is None)
    with pytest.raises(WorkerFailedError, match=r"crashed too often \(exit 1\)(?s:.*)the disk is full"):
        worker.look(40.0)


def test_a_worker_that_is_set_up_wrongly_is_not_started_again(tmp_path: Path) -> None:
    worker = child(tmp_path, "import sys; print('pulse: topics differ', file=sys.stderr); sys.exit(2)")
    worker.start()
    until(lambda: worker.pid is None)
    with pytest.raises(WorkerFailedError, match=r"cannot run(?s:.*)topics differ"):
        worker.look(0.0)


def test_a_worker_that_does_not_leave_is_killed(tmp_path: Path) -> None:
    code = f"""
import pathlib, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(tmp_path / "up")!r}).touch()
while True: signal.pause()
"""
    worker = child(tmp_path, code)
    worker.start()
    until((tmp_path / "up").exists)
    assert WorkerPool([worker]).stop(lambda: False, timeout_s=0.2) == ["worker-0"]
    assert worker.ended(0) == -signal.SIGKILL


def test_a_child_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    child_code = "from streams.supervisor.orphans import die_with_parent as d; d(); print(flush=True); input()"
    code = f"""
import os, subprocess, sys
env = {{**os.environ, {PARENT_VARIABLE!r}: str(os.getpid())}}
p = subprocess.Popen([sys.executable, "-c", {child_code!r}], env=env, stdin=sys.stdin, stdout=subprocess.PIPE)
p.stdout.readline()
print(p.pid, flush=True)
input()
"""
    read, write = os.pipe()
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], stdin=read, stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text())
    os.close(read)
    os.close(write)


def test_the_environment_holds_exactly_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CLICKHOUSE_READER_URL", "http://old")
    monkeypatch.setenv("OTHER", "kept")
    settings = Settings(
        kafka_url="k:1", redis_url=SecretStr("redis://r"), log_json=True, data=Path("d"), _env_file=None
    )
    settings = settings.model_copy(update={"clickhouse_reader_url": None})
    variables = services.environment(settings, {"PULSE_METRICS_PORT": "7"})
    assert variables["PULSE_KAFKA_URL"] == "k:1"
    assert variables["PULSE_REDIS_URL"] == "redis://r"
    assert variables["PULSE_LOG_JSON"] == "true"
    assert variables["PULSE_DATA"] == str(Path("d").resolve())
    assert variables["PULSE_METRICS_PORT"] == "7"
    assert variables["OTHER"] == "kept"
    assert "PULSE_CLICKHOUSE_READER_URL" not in variables
    assert "PULSE_CLICKHOUSE_URL" not in variables


def test_what_local_services_announce_completes_the_settings() -> None:
    settings = Settings(kafka_url="set:1", _env_file=None)
    assert services.missing(settings) == ("redis", "clickhouse")
    urls = {"redis_url": "redis://r", "broker_partition_bytes": 3, "clickhouse_url": "http://c", "new": 1}
    full = services.with_urls(settings, urls)
    assert full.redis_url == SecretStr("redis://r")
    assert full.broker_partition_bytes == 3
    assert full.kafka_url == "set:1"
    assert services.missing(full) == ()


def test_topics_with_different_partition_counts_are_refused() -> None:
    assert kafka_topics.common_count({}, 8) == 8
    assert kafka_topics.common_count({"sales": 6, "visits": 6}, 8) == 6
    with pytest.raises(UsageError, match="sales has 6, visits has 8"):
        kafka_topics.common_count({"visits": 8, "sales": 6}, 8)


def test_metrics_ports() -> None:
    assert metrics_ports(9000, 3) == (9000, 9001, 9002)
    free = metrics_ports(0, 3)
    assert len(set(free)) == 3
    assert all(free)


def test_peak_memory_adds_up_by_name() -> None:
    peaks = memory.PeakMemory()
    peaks.sample({"worker-0": os.getpid(), "services": os.getppid()})
    assert 0 < peaks.total("worker") < peaks.total()
    assert memory.peak_bytes(2**22 + 1) == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_status_line_stays_below_the_log() -> None:
    terminal = Terminal()
    with Screen(terminal) as screen:
        screen.show("7 events/s")
        screen.write("a warning\n")
    assert terminal.getvalue() == "\r\x1b[2K7 events/s\r\x1b[2Ka warning\n7 events/s\r\x1b[2K"


def test_without_a_terminal_there_is_no_status_line() -> None:
    out = io.StringIO()
    with Screen(out) as screen:
        screen.show("7 events/s")
        screen.write("a line\n")
    assert out.getvalue() == "a line\n"


def test_a_stop_signal_ends_the_wait() -> None:
    with StopSignal() as stop:
        assert not stop.wait(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(60)
        assert stop.count == 2


def test_a_long_log_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.log"
    with LogFile(path, limit=10) as log:
        for line in (b"first one\n", b"second one\n", b"third\n"):
            log.write(line)
    assert path.read_text() == "third\n"
    assert path.with_name("worker-0.log.1").read_text() == "second one\n"


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with LogFile(tmp_path / "missing" / "worker-0.log") as log:
        log.write(b"lost\n")
