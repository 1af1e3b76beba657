"""Visits that were stored with coordinates lose them, and keep what they were good for."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from streams.migrate import SQL_FOLDER, migrate

#: Visit, institution, day, latitude of the check-in, its accuracy: I1 lies at 31 north, since April at 31.01.
VISITS = [
    ("at the door", "I1", "2024-03-01", 31.0, None, True),
    ("199.9 m away", "I1", "2024-03-01", 31.001798, None, True),
    ("200.1 m away", "I1", "2024-03-01", 31.0018, None, False),
    ("200.1 m away by a poor fix", "I1", "2024-03-01", 31.0018, 1.0, True),
    ("at the old door", "I1", "2024-04-01", 31.0, None, False),
    ("a corrected place", "I3", "2024-04-01", 31.0, None, True),
    ("nobody knows where", "I2", "2024-03-01", 31.0, None, None),
    ("no position", "I1", "2024-03-01", None, None, None),
]
_INSERT_VISIT = (
    "INSERT INTO visits (event_id, rep_id, institution_id, occurred_at, check_in_at, day, content_hash,"
    " check_in_latitude, check_in_longitude, check_in_accuracy_m) VALUES"
)
_INSERT_SITE = (
    "INSERT INTO institutions (institution_id, effective_from, latitude, longitude, fence_radius_m, published_version)"
    " VALUES ('I1', '1970-01-01', 31, 121.5, 200, 1), ('I1', '2024-04-01', 31.01, 121.5, 200, 1),"
    " ('I2', '1970-01-01', NULL, NULL, 200, 1), ('I3', '1970-01-01', 40, 121.5, 200, 1),"
    " ('I3', '1970-01-01', 31, 121.5, 200, 2)"
)


def older(folder: Path) -> Path:
    """The migrations before coordinates went."""
    (folder / "migrations").mkdir()
    for path in (SQL_FOLDER / "migrations").glob("*.sql"):
        if path.name < "0018":
            (folder / "migrations" / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


@pytest.fixture
def upgraded(empty: Client, tmp_path: Path) -> "list[tuple[str, bool | None, float | None, int]]":
    def value(number: float | None) -> str:
        return "NULL" if number is None else str(number)

    migrate(empty, folder=older(tmp_path))
    rows = ", ".join(
        f"('{case}', 'R1', '{site}', '{day} 03:00:00', '{day} 03:00:00', '{day}', {number}, {value(latitude)},"
        f" {'NULL' if latitude is None else 121.5}, {value(accuracy)})"
        for number, (case, site, day, latitude, accuracy, _) in enumerate(VISITS)
    )
    empty.command(_INSERT_SITE)
    empty.command(f"{_INSERT_VISIT} {rows}")
    migrate(empty)
    assert columns(empty) & {"check_in_latitude", "check_out_longitude", "check_in_accuracy_m"} == set()
    return empty.query(
        "SELECT event_id, in_fence, accuracy_m, content_hash FROM visits FINAL ORDER BY content_hash"
    ).result_rows  # type: ignore[no-any-return]


def columns(client: Client) -> set[str]:
    found = client.query("SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'visits'")
    return {name for (name,) in found.result_rows}


def test_coordinates_go_and_the_fence_stays(upgraded: list[tuple[str, bool | None, float | None, int]]) -> None:
    assert upgraded == [
        (case, in_fence, accuracy, number) for number, (case, _, _, _, accuracy, in_fence) in enumerate(VISITS)
    ]
