"""Wrong input at the command line: one line that says what to do, the right exit status, nothing left behind."""

import gzip
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import data_folders
import pytest
from commands import MAPPING, ROOT, pulse, pulse_here, pulse_inside

from streams import local

SALES = b"event_id,occurred_at,source,rep_id,institution_id,product_id,quantity,amount"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with empty tables whose ClickHouse runs."""
    data = data_folders.migrated(tmp_path_factory.mktemp("served"))
    with local.start(data, ["clickhouse"], clickhouse_port=0):
        yield data


def test_the_tables_of_an_empty_database_are_empty(migrated: Path) -> None:
    result = pulse("sql", "SELECT count() AS lines, sum(amount) AS money FROM sales_lines", "--data", migrated)
    assert (result.code, result.err) == (0, "")
    assert [line.split() for line in result.text.splitlines()][::2] == [["lines", "money"], ["0", "0"]]


def test_json_and_csv(migrated: Path) -> None:
    statement = "SELECT '华东' AS team, toDecimal64(1.5, 2) AS money, NULL AS nothing, 7 AS n;"
    result = pulse("sql", "-", "--format", "json", "--data", migrated, stdin=statement)
    assert result.json == [{"team": "华东", "money": "1.5", "nothing": None, "n": 7}]
    result = pulse("sql", statement, "--format", "csv", "--data", migrated)
    assert result.text == "team,money,nothing,n\n华东,1.5,,7\n"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT nope", "pulse: ClickHouse refused: Unknown expression identifier `nope`"),
        ("SELECT 1 FRM x WHERE", "pulse: ClickHouse refused: Syntax error"),
        ("SELECT * FROM nowhere", "pulse: ClickHouse refused: Unknown table"),
        ("DROP TABLE sales", "pulse: ClickHouse refused: "),
        ("INSERT INTO sales (event_id) VALUES ('x')", "pulse: ClickHouse refused: "),
    ],
)
def test_what_clickhouse_refuses(served: Path, statement: str, message: str) -> None:
    assert pulse_inside("sql", statement, "--data", served).complaint(1).startswith(message)


def test_a_folder_without_data(tmp_path: Path) -> None:
    missing = pulse_inside("sql", "SELECT 1", "--data", tmp_path / "x").complaint(2)
    assert missing == f"pulse: {tmp_path / 'x'} is no folder: name the one `pulse up` used with --data"
    strange = pulse_inside("sql", "SELECT 1", "--data", tmp_path).complaint(2)
    assert "holds no data of sfe-pulse: run `pulse up --data" in strange
    assert list(tmp_path.iterdir()) == []


def test_a_clickhouse_that_does_not_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://u:p@127.0.0.1:{taken.getsockname()[1]}/pulse"
        message = pulse_inside("sql", "SELECT 1", PULSE_CLICKHOUSE_READER_URL=url).complaint(1)
    assert message.startswith("pulse: ClickHouse does not answer: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "--import", "sails=x.csv"), "there is no kind 'sails' to import: did you mean sale?"),
        (("up", "--import", "sales"), "write KIND=FILE or KIND=FILE:MAPPING"),
        (("up", "--import", "sales=/nowhere/x.csv"), "/nowhere/x.csv is no file"),
        (("up", "--workers", "0"), "`pulse up --help` shows how"),
        (("up", "--workres", "2"), "no such option: --workres"),
        (("sql",), "missing argument"),
        (("sql", " ; "), "the statement is empty"),
        (("sql", "SELECT 1 FORMAT JSON"), "take --format table, json or csv"),
        (("sql", "SELECT 1", "--format", "xml"), "`pulse sql --help` shows how"),
        (("dead-letters", "replay"), "name the dead letters, or take --all"),
        (("dead-letters", "list", "--status", "shut"), "there is no status 'shut'"),
        (("nonsense",), "no such command 'nonsense'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in pulse_inside(*arguments, PULSE_DATA=str(tmp_path / "data")).complaint(2)
    assert not (tmp_path / "data").exists()


def test_an_unknown_setting_is_told_and_nothing_else_changes() -> None:
    result = pulse_inside("sql", " ; ", PULSE_PARTITONS="3")
    assert "the statement is empty" in result.complaint(2)
    assert "note: PULSE_PARTITONS is no setting and has no effect: did you mean PULSE_PARTITIONS?\n" in result.err


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("f.csv", b"", 1, "is empty: nothing to import"),
        ("f.csv", SALES + b"\n", 1, "has no rows below its header: nothing to import"),
        ("f.csv.gz", gzip.compress(SALES * 9)[:-9], 1, "is a damaged gzip file"),
        ("f.xlsx", b"no workbook", 1, "is not an Excel workbook"),
        ("f.parquet", b"no parquet", 1, "is not a Parquet file"),
        ("f.pdf", b"x", 2, "is of no format that can be imported"),
        ("f.csv", b"event_id,source\n1,2\n", 2, "has no column occurred_at"),
        ("f.csv", None, 2, "does not exist: check the path"),
    ],
)
def test_files_that_cannot_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, code: int, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for more in ((), ("--dry-run",)):
        assert message in pulse_here(capsys, "import", "sale", tmp_path / name, *more).complaint(code)


def test_all_rows_wrong_is_a_failure_and_some_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = b"e%d,2024-01-01T00:00:00Z,s,r,i,p,1,%s\n"
    (tmp_path / "f.csv").write_bytes(SALES + b"\n" + row % (1, b"x") + row % (2, b"1"))
    result = pulse_here(capsys, "import", "sale", tmp_path / "f.csv", "--dry-run")
    assert (result.code, "1 of 2 rows would be sent as sale" in result.text) == (0, True)
    assert "to mend wrong rows: import once more with --rejected FILE" in result.text
    (tmp_path / "f.csv").write_bytes(SALES + b"\n" + row % (1, b"x"))
    assert pulse_here(capsys, "import", "sale", tmp_path / "f.csv", "--dry-run").code == 1


@pytest.mark.parametrize("command", [("import", "sale", "x.csv"), ("simulate",), ("dead-letters", "replay", "ab")])
def test_a_data_folder_on_which_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    missing = pulse_here(capsys, *command, "--data", tmp_path / "x").complaint(2)
    assert missing == f"pulse: {tmp_path / 'x'} is no folder: name the one a running `pulse up` uses with --data"
    idle = pulse_here(capsys, *command, "--data", tmp_path).complaint(2)
    assert idle == f"pulse: no `pulse up` runs on {tmp_path}: start `pulse up --data {tmp_path}` first"


def test_a_wrong_setting() -> None:
    assert "PULSE_PARTITIONS is wrong" in pulse_inside("sql", "SELECT 1", PULSE_PARTITIONS="many").complaint(2)


def test_help_lists_every_command() -> None:
    result = pulse("--help")
    assert result.code == 0
    for name in ("up", "import", "sql", "dead-letters", "worker", "migrate"):
        assert f"\n  {name} " in result.text


@pytest.mark.parametrize(
    "group", [(), ("alerts",), ("audit",), ("cases",), ("dead-letters",), ("policy",), ("targets",), ("topics",)]
)
def test_lists_of_commands_hold_whole_sentences(capsys: pytest.CaptureFixture[str], group: tuple[str, ...]) -> None:
    listed = pulse_here(capsys, *group, "--help").text.split("Commands:\n")[1].splitlines()
    assert listed
    assert [line for line in listed if not line.endswith(".") or line.endswith("..")] == []


def test_a_column_the_mapping_does_not_find(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("Customer Name,City\nA,B\n")
    message = pulse("up", "--data", tmp_path / "data", "--import", f"sales={file}:{MAPPING}").complaint(2)
    assert str(MAPPING) in message
    assert "column" in message
    assert not (tmp_path / "data").exists()


def test_a_mistake_in_the_kpis(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "kpis.yaml").read_text().replace("    aggregate: sum", "    aggregate: sam", 1)
    (tmp_path / "kpis.yaml").write_text(text)
    line = 1 + text[: text.index("aggregate: sam")].count("\n")
    result = pulse("up", "--data", tmp_path / "data", PULSE_POLICIES=str(tmp_path))
    assert f"{tmp_path / 'kpis.yaml'}:{line}:16: kpis.sales_amount.aggregate" in result.complaint(2)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = pulse("up", "--data", tmp_path, "--clickhouse-port", port)
    message = result.complaint(2)
    assert "lives in memory" not in result.err  # nothing started that could
    assert f"port {port}" in message
    assert "--clickhouse-port" in message


def test_a_file_where_the_data_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    message = pulse("up", "--data", tmp_path / "data", "--clickhouse-port", 0).complaint(2)
    assert "is a file, not a folder: choose another with --data" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    message = pulse("up", "--data", tmp_path / "data", "--clickhouse-port", 0).complaint(2)
    tmp_path.chmod(0o700)
    assert "cannot be written" in message


def test_a_data_folder_held_by_another_process(tmp_path: Path) -> None:
    with local.start(tmp_path, ["redis"]) as holder:
        message = pulse("up", "--data", tmp_path, "--clickhouse-port", 0).complaint(2)
    assert f"is in use by process {holder.pid}" in message
    assert "choose another folder with --data" in message
