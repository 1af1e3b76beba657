"""`pulse up` with real workers on real sales lines, compared with a plain loop over the file."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import data_folders
import pytest
from commands import PHARMA, Result, Up, gone, pulse, until
from pharma import TOTAL, drained, figures, import_of, plain_loop, rows

from streams.settings import Settings
from streams.shards_view import ShardsView


def accepted_so_far(data: Path) -> int:
    """Events in checkpoints of the `pulse up` that runs on `data`."""
    from streams.supervisor import reach  # noqa: PLC0415

    settings = reach.announced(Settings(_env_file=None), data)
    with closing(ShardsView(settings)) as view:
        return view.read().total_accepted


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> tuple[Path, Result]:
    data = tmp_path_factory.mktemp("imported")
    return data, drained(data, sample)


def test_the_summary(imported: tuple[Path, Result], sample: Path) -> None:
    _data, result = imported
    summary = result.events["summary"]
    lines = sample.read_bytes().count(b"\n") - 1
    assert summary["accepted"] == {"sale": lines}
    assert (summary["duplicates"], summary["conflicts"], summary["dead_letters"], summary["held"]) == (0, 0, 0, 0)
    assert summary["reference_rows"] > 0
    assert summary["events_per_s"] > 0
    assert 0 < summary["workers_peak_bytes"] < summary["total_peak_bytes"]
    assert summary["worker_restarts"] == 0


def test_figures_equal_a_plain_loop(imported: tuple[Path, Result], sample: Path) -> None:
    data, _result = imported
    expected = plain_loop(sample)
    assert expected["total"][0][2] > 0
    found = figures(data)
    for name, table in expected.items():
        assert found[name] == table, name


def test_the_same_import_again_changes_nothing(imported: tuple[Path, Result], sample: Path) -> None:
    data, _result = imported
    before = figures(data)
    drained(data, sample)
    assert figures(data) == before


def test_two_workers_give_the_figures_of_one_though_one_is_killed(
    imported: tuple[Path, Result], sample: Path, tmp_path: Path, up: Callable[..., Up]
) -> None:
    data = data_folders.started(tmp_path / "data")
    drained_by_two = (*import_of(sample), "--exit-when-drained", "--workers", 2)
    running = up("--data", data, *drained_by_two, PULSE_SESSION_TIMEOUT_S="4")  # the dead one is missed sooner
    running.wait_until_started()
    one, _other = running.children("streams.cli worker")
    os.kill(one, signal.SIGKILL)
    result = running.wait()
    assert result.code == 0, result.err
    assert result.events["summary"]["worker_restarts"] == 1
    assert "worker crashed, starting it again" in result.err
    assert figures(data) == figures(imported[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_in_order(number: signal.Signals, tmp_path: Path, up: Callable[..., Up]) -> None:
    running = up("--data", data_folders.started(tmp_path / "data"), "--workers", 2)
    running.wait_until_started()
    children = running.children()
    assert len(children) == 4
    assert rows(tmp_path / "data", TOTAL) == [(0, "0", 0)]
    running.signal(number)
    result = running.wait(30)
    assert result.code == 0, result.err
    assert all(map(gone, children))
    assert "Traceback" not in result.err
    for log in (tmp_path / "data" / "logs").iterdir():
        assert "Traceback" not in log.read_text()


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path, up: Callable[..., Up]) -> None:
    running = up("--data", data_folders.started(tmp_path / "data"))
    running.wait_until_started()
    children = running.children()
    assert len(children) == 3
    running.signal(signal.SIGKILL)
    until(lambda: all(map(gone, children)), "the children to end", 15)
    assert rows(tmp_path / "data", TOTAL) == [(0, "0", 0)]


def test_a_broken_file_ends_the_run(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("")
    result = pulse("up", "--data", tmp_path / "data", "--clickhouse-port", 0, *import_of(file), "--exit-when-drained")
    assert str(file) in result.complaint(1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    if not PHARMA.exists():
        pytest.skip(f"{PHARMA} is not there")
    data = tmp_path_factory.mktemp("whole")
    return data, drained(data, PHARMA, timeout_s=600)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_whole_file(whole: tuple[Path, Result]) -> None:
    data, result = whole
    assert result.events["summary"]["accepted"] == {"sale": 254_082}
    found = figures(data)
    assert found["total"] == [(254_082, "11798987642.195417", 2_633)]
    for name, table in plain_loop(PHARMA).items():
        assert found[name] == table, name


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_whole_file_with_two_workers_and_kills(
    whole: tuple[Path, Result], tmp_path: Path, up: Callable[..., Up]
) -> None:
    data = tmp_path / "data"
    running = up("--data", data, *import_of(PHARMA), "--exit-when-drained", "--workers", 2)
    running.wait_until_started()
    for share in (0.2, 0.5, 0.8):
        until(lambda share=share: accepted_so_far(data) > share * 254_082, f"{share:.0%} of the events", 300)  # type: ignore[misc]
        before = set(running.children("streams.cli worker"))
        os.kill(min(before), signal.SIGKILL)
        until(lambda before=before: set(running.children("streams.cli worker")) - before != set(), "a restart")  # type: ignore[misc]
    result = running.wait(600)
    assert result.code == 0, result.err
    assert result.events["summary"]["worker_restarts"] == 3
    assert figures(data) == figures(whole[0])


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_whole_file_again_changes_nothing(whole: tuple[Path, Result]) -> None:
    before = figures(whole[0])
    drained(whole[0], PHARMA, timeout_s=600)
    assert figures(whole[0]) == before
