"""Data folders that a run makes once, in whichever process needs one first, and copies for whoever starts from there.

Making one takes seconds of processor time, copying it a few hundredths. What is about the first start itself begins
with an empty folder.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import pulse
from pydantic import SecretStr

from streams import local
from streams.migrate import migrate_database

_shared: list[Path] = []


def share(factory: pytest.TempPathFactory) -> None:
    """Keep the folders where all processes of the run see them."""
    base = factory.getbasetemp()
    _shared[:] = [base.parent if "PYTEST_XDIST_WORKER" in os.environ else base]


def migrated(to: Path) -> Path:
    """`to` with the database of a company that has no rows."""
    return _copy("migrated", _migrate, to)


def started(to: Path) -> Path:
    """`to` as a `pulse up` with the example policies left it that had nothing to process."""
    return _copy("started", _start, to)


def _migrate(folder: Path) -> None:
    with local.start(folder, ["clickhouse"], clickhouse_port=0) as services:
        migrate_database(SecretStr(services.urls["clickhouse_url"]))


def _start(folder: Path) -> None:
    done = pulse("up", "--json", "--data", folder, "--clickhouse-port", 0, "--no-simulate", "--exit-when-drained")
    assert done.code == 0, done.err


def _copy(name: str, make: Callable[[Path], None], to: Path) -> Path:
    made = _shared[0] / f"data-{name}"
    with (_shared[0] / f"data-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            draft = made.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            make(draft)
            draft.rename(made)
    shutil.copytree(made, to, symlinks=True, dirs_exist_ok=True)
    return to
