"""`pulse up` on a real Kafka: the same figures as the plain loop, whatever is repeated, shared out or killed."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import real_kafka
from commands import PHARMA, Up, background, until, write_sample
from pharma import drained, figures, import_of, plain_loop

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[str]:
    """Bootstrap address of a real Kafka without topics."""
    if reason := real_kafka.available():
        pytest.skip(reason)
    with real_kafka.running(tmp_path / "kafka") as broker:
        yield broker.bootstrap


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    with background(tmp_path) as start:
        yield start


def kill_one(running: Up) -> None:
    """SIGKILL to a worker; returns once another one has taken its place."""
    before = set(running.children("streams.cli worker"))
    os.kill(min(before), signal.SIGKILL)
    until(lambda: bool(set(running.children("streams.cli worker")) - before), "a restart")


def test_a_sample_imported_twice_by_two_workers_and_a_kill(kafka: str, tmp_path: Path, up: Callable[..., Up]) -> None:
    sample, data = write_sample(tmp_path / "sales.csv"), tmp_path / "data"
    settings = {"PULSE_KAFKA_URL": kafka, "PULSE_GROUP": "sample"}
    drained(data, sample, **settings)
    expected = plain_loop(sample)
    assert figures(data) == expected
    drained(data, sample, **settings)
    assert figures(data) == expected
    running = up("--data", data, *import_of(sample), "--exit-when-drained", "--workers", 2, **settings)
    running.wait_until_started()
    kill_one(running)
    assert running.wait().code == 0
    assert figures(data) == expected


@pytest.mark.full
def test_the_whole_file_by_two_workers_and_kills(kafka: str, tmp_path: Path, up: Callable[..., Up]) -> None:
    if not PHARMA.exists():
        pytest.skip(f"{PHARMA} is not there")
    data = tmp_path / "data"
    settings = {"PULSE_KAFKA_URL": kafka, "PULSE_GROUP": "whole"}
    running = up("--data", data, *import_of(PHARMA), "--exit-when-drained", "--workers", 2, **settings)
    running.wait_until_started()
    for _ in range(3):
        kill_one(running)
    assert running.wait(600).code == 0
    found = figures(data)
    assert found["total"] == [(254_082, "11798987642.195417", 2_633)]
    assert found == plain_loop(PHARMA)
