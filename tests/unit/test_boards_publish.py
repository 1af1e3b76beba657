"""Publishing to Grafana: once or ten times, the same outcome; what is in the way is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_grafana import TOKEN, State, fake_grafana
from pydantic import SecretStr

from grafana.boards import BOARDS
from grafana.client import Grafana
from grafana.company import POLICIES
from grafana.publish import data_source_body, publish_all, target_of
from streams.errors import InvalidError, PulseError, UnavailableError, UsageError
from streams.settings import Settings

pytestmark = pytest.mark.usefixtures("network")
READER = "http://reader:s3cret@clickhouse.example.org:8443/pulse"


@pytest.fixture
def server() -> Iterator[tuple[str, State]]:
    with fake_grafana() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(clickhouse_reader_url=SecretStr(READER), time_zone="Asia/Tokyo", policies=POLICIES)


def publish(server: tuple[str, State], settings: Settings, *, dry_run: bool = False, token: str = TOKEN) -> list[str]:
    return list(publish_all(Grafana(server[0], token), settings, dry_run=dry_run))


def test_everything_is_made_and_a_second_time_left_alone(server: tuple[str, State], settings: Settings) -> None:
    state = server[1]
    first = publish(server, settings)

    assert {line.rpartition(": ")[2] for line in first} == {"created"}
    assert set(state.folders) == {"sfe-pulse", "sfe-pulse-en"}
    assert len(state.boards) == 2 * len(BOARDS)
    assert {state.places[uid] for uid in state.boards if uid.endswith("-en")} == {"sfe-pulse-en"}
    assert {board["timezone"] for board in state.boards.values()} == {"Asia/Tokyo"}
    assert "Asia/Tokyo" in state.boards["pulse-team"]["panels"][0]["targets"][0]["rawSql"]

    state.changes.clear()
    second = publish(server, settings)
    assert [line for line in second if not line.endswith(": unchanged")] == [
        "data source sfe-pulse: unchanged, password sent again"
    ]
    assert state.changes == ["PUT /grafana/api/datasources/uid/sfe-pulse"]
    assert {board["version"] for board in state.boards.values()} == {1}


def test_the_data_source_is_that_of_the_official_plugin(server: tuple[str, State], settings: Settings) -> None:
    publish(server, settings)
    source = server[1].sources["sfe-pulse"]

    assert source["type"] == "grafana-clickhouse-datasource"
    assert source["jsonData"] == {
        "host": "clickhouse.example.org",
        "port": 8443,
        "protocol": "http",
        "secure": False,
        "username": "reader",
        "defaultDatabase": "pulse",
    }
    assert source["secureJsonFields"] == {"password": True}
    assert data_source_body(settings)["secureJsonData"] == {"password": "s3cret"}


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(server: tuple[str, State], settings: Settings) -> None:
    lines = publish(server, settings, dry_run=True)

    assert {line.rpartition(": ")[2] for line in lines} == {"would create"}
    assert server[1].changes == []


def test_what_was_edited_in_grafana_is_brought_back(server: tuple[str, State], settings: Settings) -> None:
    state = server[1]
    publish(server, settings)
    state.boards["pulse-rep"] = state.boards["pulse-rep"] | {"title": "mine", "version": 7}
    state.places["pulse-live"] = "sfe-pulse-en"
    state.folders["sfe-pulse"]["title"] = "other"

    assert [line for line in publish(server, settings, dry_run=True) if "would" in line] == [
        "folder sfe-pulse: would rename",
        "board pulse-rep: would update",
        "board pulse-live: would update",
    ]
    publish(server, settings)
    assert (state.boards["pulse-rep"]["version"], state.boards["pulse-live"]["version"]) == (8, 2)
    assert state.places["pulse-live"] == "sfe-pulse"
    assert state.folders["sfe-pulse"]["title"] == "sfe-pulse"


def test_an_empty_answer_is_a_good_one(server: tuple[str, State], settings: Settings) -> None:
    publish(server, settings)
    server[1].silent = True

    assert "data source sfe-pulse: unchanged, password sent again" in publish(server, settings)


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"role": "Viewer"}, UsageError, "give its service account the role Admin"),
        ({"broken": True}, UnavailableError, "Grafana is not well: .*database is locked"),
        ({"provisioned": {"pulse-company"}}, InvalidError, "refused .*Cannot save provisioned dashboard"),
        (
            {"sources": {"x": {"name": "sfe-pulse"}}},
            InvalidError,
            "holds another thing of this name .*rename or delete",
        ),
        (
            {"boards": {"x": {"title": "公司总览"}}, "places": {"x": "sfe-pulse"}},
            InvalidError,
            "holds another thing of this name .*same name in the folder",
        ),
    ],
)
def test_what_is_in_the_way_is_named(
    server: tuple[str, State], settings: Settings, change: dict[str, object], error: type[PulseError], complaint: str
) -> None:
    for name, value in change.items():
        setattr(server[1], name, value)

    with pytest.raises(error, match=complaint):
        publish(server, settings)


def test_a_wrong_token_is_named(server: tuple[str, State], settings: Settings) -> None:
    with pytest.raises(UsageError, match="does not know the token: set PULSE_GRAFANA_TOKEN"):
        publish(server, settings, token="wrong")


def test_a_grafana_that_is_not_there_is_unavailable(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match="Grafana does not answer: ConnectionError"):
        list(publish_all(Grafana("http://127.0.0.1:9/", TOKEN), settings))


@pytest.mark.parametrize("address", ["grafana.example.org", "ftp://grafana", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"Grafana's address looks like https://"):
        Grafana(address, TOKEN)


def test_without_settings_the_variables_are_named(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"set PULSE_GRAFANA_URL .* and PULSE_GRAFANA_TOKEN"):
        target_of(settings, None)
    with pytest.raises(UsageError, match="set PULSE_CLICKHOUSE_READER_URL"):
        data_source_body(settings.model_copy(update={"clickhouse_reader_url": None}))
