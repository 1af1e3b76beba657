"""`pulse boards build` and what the other commands say when something is missing."""

import json
from pathlib import Path

from commands import pulse


def test_boards_are_built_for_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    done = pulse("boards", "build", "--out", tmp_path / "boards", PULSE_TIME_ZONE="Asia/Tokyo")

    assert done.code == 0, done.err
    assert done.text == f"12 boards written to {tmp_path / 'boards'}\n"
    texts = [path.read_text("utf-8") for path in (tmp_path / "boards").rglob("*.json")]
    assert {json.loads(text)["timezone"] for text in texts} == {"Asia/Tokyo"}
    assert not any("Asia/Shanghai" in text for text in texts)


def test_publishing_without_a_grafana_says_what_to_set() -> None:
    assert pulse("boards", "publish").complaint(2).startswith("pulse: no Grafana is set: set PULSE_GRAFANA_URL")


def test_a_preview_without_data_says_what_to_do(tmp_path: Path) -> None:
    done = pulse("boards", "preview", "--data", tmp_path)

    assert "holds no data of sfe-pulse: run `pulse up --data" in done.complaint(2)
