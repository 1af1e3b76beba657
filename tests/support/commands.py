"""Runs the `pulse` command as a person does: in a process of its own, from the outside."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from streams import cli

ROOT = Path(__file__).parents[2]
PHARMA = ROOT.parent / "shared" / "data" / "pharma-data.csv.gz"
MAPPING = ROOT / "policies" / "mappings" / "foresight-sales.yaml"
SAMPLE_EVERY = 100


def environment(**extra: str) -> dict[str, str]:
    """The environment without settings of this machine."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}, **extra}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "streams.cli", *map(str, arguments)]


def until(condition: Callable[[], bool], what: str, timeout_s: float = 120.0) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(0.02)


@dataclass
class Result:
    """What one command did."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """JSON lines by their `event`."""
        return {line["event"]: line for line in map(json.loads, self.text.splitlines())}

    def complaint(self, code: int) -> str:
        """The one line of an error.

        Raises:
            AssertionError: another exit status, a traceback, or no or several complaints.
        """
        assert self.code == code, (self.code, self.text, self.err)
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("pulse: ")]
        assert len(lines) == 1, self.err
        return lines[0]


def pulse(*arguments: object, stdin: str | None = None, timeout_s: float = 200, **settings: str) -> Result:
    """Run `pulse` to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(**settings),
        input=stdin.encode() if stdin is not None else b"",
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def pulse_here(capsys: pytest.CaptureFixture[str], *arguments: object) -> Result:
    """Run `pulse` in this process, which starts no Python anew; for commands that talk to services."""
    code = cli.run([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Result(code, said.out.encode(), said.err)


def pulse_inside(*arguments: object, stdin: str = "", **settings: str) -> Result:
    """Run `pulse` in this process with the settings given and no others.

    It starts no Python anew, which takes most of the time of a command that only asks or complains. What is about the
    process itself (signals, exit, what it loads) runs as `pulse`.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment(**settings), clear=True),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = cli.run([str(argument) for argument in arguments])
    return Result(code, out.buffer.getvalue(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]


def children_of(pid: int) -> dict[int, str]:
    """Command lines of the direct children, by pid (Linux)."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Up:
    """A `pulse up` that runs in the background."""

    process: "subprocess.Popen[bytes]"
    out: Path
    err: Path
    seen: set[int] = field(default_factory=set)

    def children(self, part: str = "") -> list[int]:
        found = [pid for pid, line in children_of(self.process.pid).items() if part in line]
        self.seen.update(found)
        return found

    def wait_until_started(self) -> None:
        until(lambda: self.process.poll() is not None or b'"started"' in self.out.read_bytes(), "pulse up to start")
        assert self.process.poll() is None, self.err.read_text()

    def wait(self, timeout_s: float = 200) -> Result:
        code = self.process.wait(timeout_s)
        return Result(code, self.out.read_bytes(), self.err.read_text())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def background(folder: Path) -> Iterator[Callable[..., Up]]:
    """Gives what starts `pulse up --json` in the background; ends all of them afterwards."""
    started: list[Up] = []

    def start(*arguments: object, **settings: str) -> Up:
        if "--simulate" not in arguments:
            arguments = ("--no-simulate", *arguments)
        if "--boards" not in arguments:
            arguments = ("--no-boards", *arguments)
        if "--gateway" not in arguments:
            arguments = ("--no-gateway", *arguments)
        out, err = folder / f"out-{len(started)}", folder / f"err-{len(started)}"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command("up", "--json", "--clickhouse-port", 0, *arguments),
                cwd=ROOT,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        started.append(Up(process, out, err))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.process.kill()
            one.process.wait(10)


def write_sample(path: Path) -> Path:
    """Every hundredth line of the pharma data: all years, teams and products. Skips the test without the data."""
    if not PHARMA.exists():
        pytest.skip(f"{PHARMA} is not there")
    with gzip.open(PHARMA, "rb") as source, path.open("wb") as target:
        target.writelines(line for number, line in enumerate(source) if number % SAMPLE_EVERY == 0)
    return path
