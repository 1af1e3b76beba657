"""Settings: `.env.example` lists all of them, and a wrong one is named."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from streams.errors import UsageError
from streams.settings import Settings, load, names_set, unknown_names

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _entry(name: str, field: FieldInfo) -> str:
    return f"# {field.description}\n#PULSE_{name.upper()}={_as_text(field.default)}"


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def test_env_example_lists_every_setting_with_its_description_and_default() -> None:
    entries = [entry for entry in EXAMPLE.read_text(encoding="utf-8").split("\n\n") if "#PULSE_" in entry]

    assert [entry.strip() for entry in entries] == [_entry(*item) for item in Settings.model_fields.items()]


def test_env_example_is_a_valid_env_file_that_changes_nothing(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(text.replace("#PULSE_", "PULSE_"), encoding="utf-8")

    assert load() == Settings(_env_file=None)


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_KAFKA_URL", "broker:9092")
    monkeypatch.setenv("PULSE_REDIS_URL", "redis://u:secret@r/0")
    monkeypatch.setenv("PULSE_PARTITIONS", "12")
    monkeypatch.setenv("PULSE_DATA", "/srv/pulse")

    settings = load()

    assert settings.kafka_url == "broker:9092"
    assert settings.redis_url == SecretStr("redis://u:secret@r/0")
    assert settings.partitions == 12
    assert settings.data == Path("/srv/pulse")


def test_environment_goes_before_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PULSE_GROUP=file\nPULSE_PARTITIONS=4\n", encoding="utf-8")
    monkeypatch.setenv("PULSE_GROUP", "environment")

    settings = load()

    assert (settings.group, settings.partitions) == ("environment", 4)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_KAFKA_URL", "")
    monkeypatch.setenv("PULSE_PARTITIONS", "")

    assert (load().kafka_url, load().partitions) == (None, 8)


def test_passwords_do_not_show() -> None:
    settings = Settings(redis_url=SecretStr("redis://u:hidden@r/0"), clickhouse_url=SecretStr("http://u:hidden@c/p"))

    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PULSE_PARTITIONS", "many", "PULSE_PARTITIONS is wrong: Input should be a valid integer"),
        ("PULSE_PARTITIONS", "0", "PULSE_PARTITIONS is wrong: Input should be greater than or equal to 1"),
        ("PULSE_METRICS_PORT", "70000", "PULSE_METRICS_PORT is wrong: Input should be less than or equal to 65535"),
        ("PULSE_LOG_JSON", "perhaps", "PULSE_LOG_JSON is wrong: Input should be a valid boolean"),
        ("PULSE_LOG_LEVEL", "loud", "PULSE_LOG_LEVEL is wrong: Input should be 'debug', 'info', 'warning' or 'error'"),
        ("PULSE_TIME_ZONE", "Mars/Base", "PULSE_TIME_ZONE is wrong: no zone is called Mars/Base: take one such as"),
        ("PULSE_TIME_ZONE", "../etc", "PULSE_TIME_ZONE is wrong: no zone is called ../etc"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageError) as caught:
        load()

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().group = "other"  # type: ignore[misc]


def test_unknown_names_are_told_with_the_nearest_known_one() -> None:
    told = list(unknown_names(["PULSE_ZZZ", "PULSE_KAFKA_ULR", "PULSE_KAFKA_URL", "pulse_data", "PATH"]))

    assert told == [
        "note: PULSE_KAFKA_ULR is no setting and has no effect: did you mean PULSE_KAFKA_URL?",
        "note: PULSE_ZZZ is no setting and has no effect: `.env.example` lists all settings",
    ]


def test_what_compose_reads_is_no_unknown_setting() -> None:
    compose = (EXAMPLE.parent / "docker-compose.yml").read_text(encoding="utf-8")
    named = re.findall(r"PULSE_[A-Z_]+", compose)

    assert len(set(named)) > 5
    assert list(unknown_names(named)) == []


def test_names_are_found_in_the_env_file_too(tmp_path: Path) -> None:
    assert "PULSE_GRUOP" not in names_set()
    (tmp_path / ".env").write_text("#PULSE_A=1\nexport PULSE_GRUOP=x\n PULSE_B = 2\n", encoding="utf-8")

    assert {name for name in names_set() if name.startswith("PULSE_")} == {"PULSE_GRUOP", "PULSE_B"}
