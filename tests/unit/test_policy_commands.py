"""`pulse policy` as far as it needs no service: checking, moments, every mistake."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams import policies, references
from streams.cli import run
from streams.cli.policy import moment_of
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.supervisor import reach

GOOD = """\
kpis:
  - id: money
    title: {zh: 钱, en: Money}
    source: sale
    aggregate: sum
    value: amount
    unit: currency
"""
WRONG = GOOD.replace("aggregate: sum", "aggregate: sam").replace("unit: currency", "unit: money\n    unit: money")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def folder(path: Path, text: str) -> Path:
    (path / "kpis.yaml").write_text(text, "utf-8")
    return path


class Published:
    """A ClickHouse that holds one table of policies."""

    def __init__(self, *rows: tuple[Any, ...], rival: bool = False) -> None:
        self.rows = list(rows)
        self.rival = rival

    def query(self, statement: str, parameters: dict[str, Any]) -> SimpleNamespace:
        rows = sorted((row for row in self.rows if row[0] == parameters["policy"]), key=lambda row: -row[1])
        if "uniqExact" in statement:
            return SimpleNamespace(first_row=[1 + self.rival])
        if "max(version)" in statement:
            return SimpleNamespace(first_row=[max((row[1] for row in rows), default=0)])
        return SimpleNamespace(result_rows=rows[:1] if "LIMIT 1" in statement else rows)

    def insert(self, _table: str, rows: list[tuple[Any, ...]], **_columns: Any) -> None:
        self.rows += rows


def test_check_says_that_all_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "--policies", str(folder(tmp_path, GOOD))]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'kpis.yaml'} is right: 1 KPI\n"


def test_check_says_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path, WRONG) / "kpis.yaml"
    assert run(["policy", "check", "--policies", str(tmp_path)]) == 1
    written = capsys.readouterr()
    lines = written.out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{path}:8:5", f"{path}:5:16", f"{path}:7:11"]
    assert lines[0].endswith("unit stands twice: remove one")
    assert "kpis.money.aggregate: Input should be" in lines[1]
    assert written.err == f"pulse: {path} has 3 mistakes: mend what is listed and check again\n"


def test_check_names_more_than_a_message_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = GOOD + "".join(GOOD.removeprefix("kpis:\n").replace("money", f"money_{n}") for n in range(8))
    folder(tmp_path, entries.replace("value: amount", "value: amout"))
    assert run(["policy", "check", "--policies", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(item["line"], item["column"]) for item in found["mistakes"]] == [(2 + 6 * n, 5) for n in range(9)]
    with pytest.raises(UsageError, match=r"and 4 more$"):
        policies.load(tmp_path)


def test_check_of_an_unreadable_character(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, GOOD.replace("Money", "Mo\x01ney"))
    assert run(["policy", "check", "--policies", str(tmp_path)]) == 1
    assert "kpis.yaml:3:26: no valid YAML: the character '\\x01' may not stand here" in capsys.readouterr().out


def test_check_of_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "--policies", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_moment_without_offset_is_company_time() -> None:
    assert moment_of("2024-04-01", SHANGHAI) == datetime(2024, 3, 31, 16, tzinfo=UTC)
    assert moment_of("2024-04-01T09:00+02:00", SHANGHAI) == datetime(2024, 4, 1, 7, tzinfo=UTC)
    with pytest.raises(UsageError, match="'tomorrow' is no moment: write 2024-04-01"):
        moment_of("tomorrow", SHANGHAI)


def test_publishing_counts_versions_and_keeps_the_same_text() -> None:
    client: Any = Published()
    assert policies.publish(client, GOOD, author="ann") == 1
    assert policies.publish(client, GOOD, author="bob") == 1
    moment = datetime(2024, 4, 1, tzinfo=SHANGHAI)
    assert policies.publish(client, GOOD + "# more\n", author="bob", effective_from=moment) == 2
    found = policies.history(client)
    assert [(item.version, item.author) for item in found] == [(2, "bob"), (1, "ann")]
    assert found[0].effective_from == moment
    assert found[0].hash == policies.digest_of(found[0].text)
    assert policies.newest(client) == found[0]
    assert policies.current(client)[0] == policies.newest_version(client) == 2


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (datetime.now(UTC) + timedelta(hours=1), "lies ahead, and workers adopt a policy as soon as it is published"),
        (datetime(1, 1, 1, tzinfo=SHANGHAI), "is too early: take a moment after 1900"),
    ],
)
def test_a_moment_that_cannot_be_kept_is_refused(moment: datetime, message: str) -> None:
    client: Any = Published()
    with pytest.raises(UsageError, match=message):
        policies.publish(client, GOOD, effective_from=moment)
    assert client.rows == []


def test_a_wrong_text_is_not_published() -> None:
    client: Any = Published()
    with pytest.raises(UsageError, match="unit stands twice"):
        policies.publish(client, WRONG)
    assert client.rows == []


def test_two_who_publish_at_once_are_told() -> None:
    client: Any = Published(rival=True)
    with pytest.raises(InvalidError, match="somebody else published another version 1 at the same moment"):
        policies.publish(client, GOOD)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Published:
    """The commands reach this ClickHouse; the policies folder is `tmp_path`."""
    client = Published()
    monkeypatch.setattr(reach, "clickhouse", lambda *_place, **_role: nullcontext(client))
    monkeypatch.setenv("PULSE_POLICIES", str(folder(tmp_path, GOOD)))
    monkeypatch.setenv("PULSE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return client


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["policy", *arguments]) == code
    written = capsys.readouterr()
    return written.err if code else written.out


@pytest.mark.usefixtures("reached")
def test_from_nothing_to_a_second_version_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "history") == "nothing is published yet\n"
    assert said(capsys, "diff").splitlines() == [
        "+ money",
        "nothing is published yet: `pulse policy publish` makes this version 1",
    ]
    digest = policies.digest_of(GOOD)
    assert said(capsys, "publish", "--author", "ann") == f"published version 1, hash {digest}\n"
    assert said(capsys, "publish") == f"version 1 is this text already, hash {digest}\n"
    assert said(capsys, "diff") == "version 1 is this text\n"

    folder(tmp_path, GOOD.replace("en: Money", "en: Cash"))
    assert said(capsys, "diff").splitlines() == [
        "~ money",
        '    title.en: "Money" → "Cash"',
        "publishing replaces version 1: no figure hangs on what differs, nothing is computed anew",
    ]
    changed = json.loads(said(capsys, "diff", "--json"))["changed"]
    assert changed == {"money": {"title.en": {"old": "Money", "new": "Cash"}}}
    folder(tmp_path, GOOD + "# more\n")
    assert said(capsys, "diff").startswith("publishing replaces version 1: no figure hangs on what differs")
    published = json.loads(said(capsys, "publish", "--effective-from", "2024-04-01", "--json"))
    assert (published["version"], published["new"], published["announced"]) == (2, True, False)

    second, first = json.loads(said(capsys, "history", "--json"))
    assert (first["version"], first["author"], first["hash"]) == (1, "ann", digest)
    assert (second["version"], second["effective_from"]) == (2, "2024-03-31T16:00:00+00:00")
    assert digest[:12] in said(capsys, "history")
    assert json.loads(said(capsys, "history", "--show", "1", "--json"))["text"] == GOOD
    assert said(capsys, "history", "--show", "3", code=2) == (
        "pulse: there is no version 3: `pulse policy history` lists them\n"
    )


@pytest.mark.usefixtures("reached")
def test_the_text_of_a_version_is_printed_as_it_was(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["policy", "publish"]) == 0
    capfdbinary.readouterr()
    assert run(["policy", "history", "--show", "1"]) == 0
    assert capfdbinary.readouterr().out == GOOD.encode()


def test_the_future_is_refused(reached: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lies ahead" in said(capsys, "publish", "--effective-from", "2999-01-01", code=2)
    assert reached.rows == []


@pytest.mark.usefixtures("reached")
def test_a_publication_that_cannot_be_announced_is_published_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_call: object) -> None:
        msg = "Redis does not answer: refused"
        raise UnavailableError(msg)

    monkeypatch.setenv("PULSE_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setattr(references, "announce", away)
    assert run(["policy", "publish", "--json"]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["announced"] is False
    assert written.err.startswith("not announced, workers find it by themselves within seconds: Redis does not answer")


def test_nothing_published_is_told() -> None:
    client: Any = Published()
    with pytest.raises(UsageError, match="no KPI policy is published: run `pulse policy publish`"):
        policies.current(client)
