"""`pulse boards build` and what the other commands say when something is missing."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import data_folders
from commands import Up, gone, pulse, until


def test_boards_are_built_for_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    done = pulse("boards", "build", "--out", tmp_path / "boards", PULSE_TIME_ZONE="Asia/Tokyo")

    assert done.code == 0, done.err
    assert done.text == f"16 boards written to {tmp_path / 'boards'}\n"
    texts = [path.read_text("utf-8") for path in (tmp_path / "boards").rglob("*.json")]
    assert {json.loads(text)["timezone"] for text in texts} == {"Asia/Tokyo"}
    assert not any("Asia/Shanghai" in text for text in texts)


def test_publishing_without_a_grafana_says_what_to_set() -> None:
    assert pulse("boards", "publish").complaint(2).startswith("pulse: no Grafana is set: set PULSE_GRAFANA_URL")


def test_a_preview_never_reads_with_the_writer() -> None:
    done = pulse("boards", "preview", PULSE_CLICKHOUSE_URL="http://pulse:secret@127.0.0.1:9/pulse")

    assert done.complaint(2) == "pulse: the page reads with a read-only user alone: set PULSE_CLICKHOUSE_READER_URL"


def test_a_preview_without_data_says_what_to_do(tmp_path: Path) -> None:
    done = pulse("boards", "preview", "--data", tmp_path)

    assert "holds no data of sfe-pulse: run `pulse up --data" in done.complaint(2)


def answers(url: str) -> bool:
    try:
        with urlopen(f"{url}health", timeout=5) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except OSError:
        return False


def test_up_serves_the_boards_starts_them_again_and_takes_them_along(up: Callable[..., Up], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = up("--boards", "--data", data_folders.started(tmp_path / "data"), PULSE_BOARDS_PORT=str(port))
        running.wait_until_started()
    started = json.loads(running.out.read_text().splitlines()[0])
    url = started["boards_url"]
    assert not url.endswith(f":{port}/")
    until(lambda: answers(url), "the page")

    (first,) = running.children("boards preview")
    os.kill(first, signal.SIGKILL)
    until(lambda: running.children("boards preview") not in ([], [first]) and answers(url), "the page to come back")
    (second,) = running.children("boards preview")
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0
    assert gone(second)


def test_the_page_does_not_outlive_a_killed_supervisor(up: Callable[..., Up], tmp_path: Path) -> None:
    running = up("--boards", "--data", data_folders.started(tmp_path / "data"), PULSE_BOARDS_PORT="0")
    running.wait_until_started()
    until(lambda: bool(running.children("boards preview")), "the page")
    (page,) = running.children("boards preview")
    running.signal(signal.SIGKILL)

    until(lambda: gone(page), "the page to end")
