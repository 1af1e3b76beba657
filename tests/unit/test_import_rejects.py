"""Rejects: wrong rows go into a file of their own, are mended there, and count as if they had been right at once."""

import gzip
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_import_mapping import SALE, Kept

from streams.errors import InvalidError, UsageError
from streams.importing import ImportJob, ImportSummary, run_import
from streams.importing.rejects import OWN_COLUMNS, Origin
from streams.settings import Settings

NAMES = ("When", "Rep", "Customer", "Product", "Units", "Money")
RIGHT = [(f"2024-01-0{1 + n % 9}", f"r{n % 3}", f"医院 {n}", "p", str(n + 1), f"{n}.25") for n in range(20)]
WRONG = {3: ("Units", "drei"), 7: ("When", "gestern"), 12: ("Product", "")}
Row = tuple[str, ...]


def spoilt() -> list[Row]:
    """The right rows with three mistakes."""
    return [
        tuple(
            WRONG[n][1] if n in WRONG and name == WRONG[n][0] else value for name, value in zip(NAMES, row, strict=True)
        )
        for n, row in enumerate(RIGHT)
    ]


def csv_text(rows: list[Row], delimiter: str = ",", end: str = "\n") -> str:
    return "".join(delimiter.join(row) + end for row in (NAMES, *rows))


class Place:
    """A folder with a mapping, and a sink that keeps what every import into it brought."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder, self.kept = folder, Kept()
        (folder / "m.yaml").write_text(SALE + more, "utf-8")

    def send(self, name: str, rejected: str | None = None, *, as_new: bool = False) -> ImportSummary:
        job = ImportJob("sale", self.folder / name, self.folder / "m.yaml", "me")
        target = None if rejected is None else self.folder / rejected
        return run_import(job, Settings(), as_new=as_new, rejected=target, sink=self.kept)

    def totals(self) -> tuple[int, Decimal, Decimal]:
        """Events, units and money as the engine counts them: each id once."""
        events = {event.event_id: event for event in self.kept.events}
        return len(events), sum(e.quantity for e in events.values()), sum(e.amount for e in events.values())  # type: ignore[return-value]


EXPECTED = (20, Decimal(210), Decimal(195))  # 1 + … + 20 units, 0.25 × 20 + 0 + … + 19 money


def write_csv(path: Path, rows: list[Row]) -> None:
    path.write_text(csv_text(rows), "utf-8")


def mend_text(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> None:
    """As a person with an editor: put the right values where the wrong ones stand."""
    text = path.read_bytes().decode(encoding)
    for n, (_name, _wrong) in WRONG.items():
        bad, good = (delimiter.join(rows[n]) for rows in (spoilt(), RIGHT))
        assert text.count(bad) == 1, text
        text = text.replace(bad, good)
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("name", "rejected", "encoding", "delimiter", "more"),
    [
        ("f.csv", "r.csv", "utf-8", ",", ""),
        ("f.csv", "r.csv", "utf-8-sig", ",", ""),
        ("f.csv.gz", "r.csv", "utf-8", ",", ""),
        ("f.tsv", "r.tsv", "utf-8", "\t", ""),
        ("f.csv", "r.csv", "gb18030", ";", 'reader: {delimiter: ";", encoding: gb18030}\n'),
        ("f.csv", "r.csv", "utf-16", ",", "reader: {encoding: utf-16}\n"),
    ],
)
def test_text_mended_and_sent_equals_a_right_file(
    tmp_path: Path, name: str, rejected: str, encoding: str, delimiter: str, more: str
) -> None:
    place = Place(tmp_path, more)
    content = csv_text(spoilt(), delimiter, "\r\n").encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    summary = place.send(name, rejected)
    assert (summary.accepted, summary.dead_lettered, summary.rejected) == (17, 3, tmp_path / rejected)
    mend_text(tmp_path / rejected, "utf-8-sig" if encoding.startswith("utf-8") else encoding, delimiter)
    mended = place.send(rejected)
    assert (mended.accepted, mended.dead_lettered, mended.rows) == (3, 0, 3)
    assert place.totals() == EXPECTED
    assert sorted(place.kept.settled) == sorted(letter.dead_letter_id for letter in place.kept.letters)
    digest = hashlib.sha256(content).hexdigest()[:16]
    assert [event.event_id for event in place.kept.events[17:]] == [f"t-{digest}-{n + 2}" for n in sorted(WRONG)]
    with (tmp_path / rejected).open("ab") as file:  # another content, the same rows
        file.write("\n".encode("utf-16-le" if encoding == "utf-16" else encoding.removesuffix("-sig")))
    assert place.send(rejected).accepted == 3
    assert place.totals() == EXPECTED


def test_without_a_header_and_with_lines_above_it(tmp_path: Path) -> None:
    place = Place(tmp_path, f"reader: {{columns: [{', '.join(NAMES)}], skip_rows: 2}}\n")
    (tmp_path / "f.csv").write_text("from\nsomebody\n" + csv_text(spoilt()).split("\n", 1)[1], "utf-8")
    assert place.send("f.csv", "r.csv").dead_lettered == 3
    mend_text(tmp_path / "r.csv")
    assert place.send("r.csv").accepted == 3
    assert place.totals() == EXPECTED


def test_json_lines(tmp_path: Path) -> None:
    place = Place(tmp_path)
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=False) for row in RIGHT]
    lines[5] = lines[5][:-1]
    lines[6] = lines[6].replace('"7"', '"seven"')
    (tmp_path / "f.jsonl").write_text("\n".join(lines), "utf-8")
    place.send("f.jsonl", "r.jsonl")
    text = (tmp_path / "r.jsonl").read_text("utf-8")
    assert [list(json.loads(line)) for line in text.splitlines()[1:]] == [[*OWN_COLUMNS, *NAMES]]
    first, second = text.splitlines()
    (tmp_path / "r.jsonl").write_text(first + "}\n" + second.replace('"seven"', '"7"') + "\n", "utf-8")
    assert place.send("r.jsonl").accepted == 2
    assert place.totals() == EXPECTED
    assert len(place.kept.settled) == 2


def test_json_lines_that_name_the_fields_themselves(tmp_path: Path) -> None:
    event = {"event_id": "e1", "occurred_at": "2024-01-01T00:00:00Z", "source": "s", "rep_id": "r"}
    event |= {"institution_id": "i", "product_id": "p", "quantity": "x", "amount": 1}
    (tmp_path / "f.jsonl").write_text(json.dumps(event))
    kept = Kept()
    run_import(ImportJob("sale", tmp_path / "f.jsonl"), Settings(), rejected=tmp_path / "r.jsonl", sink=kept)
    text = (tmp_path / "r.jsonl").read_text().replace('"quantity": "x"', '"quantity": "2"')
    (tmp_path / "r.jsonl").write_text(text)
    run_import(ImportJob("sale", tmp_path / "r.jsonl"), Settings(), sink=kept)
    assert [(one.event_id, one.quantity) for one in kept.events] == [("e1", 2)]
    assert kept.settled == [letter.dead_letter_id for letter in kept.letters]


def test_excel(tmp_path: Path) -> None:
    place = Place(tmp_path, "reader: {sheet: January}\n")
    book = openpyxl.Workbook()
    book.active.title = "January"
    book.active.append(NAMES)
    for n, row in enumerate(RIGHT):
        cells = [datetime.fromisoformat(row[0]), *row[1:4], int(row[4]), float(row[5])]
        if n == 4:
            cells[4], cells[2] = "=five", "=A customer"
        if n == 9:
            cells.append("too much")
        book.active.append(cells)
    for place_of_text in ("C6", "E6"):
        book.active[place_of_text].data_type = "s"
    book.save(tmp_path / "f.xlsx")
    assert place.send("f.xlsx", "r.xlsx").dead_lettered == 2
    mended = openpyxl.load_workbook(tmp_path / "r.xlsx")
    sheet = mended["January"]
    assert [cell.value for cell in sheet[1]][:8] == [*OWN_COLUMNS, *NAMES]
    assert [cell.value for cell in sheet[2]][2:6] == [datetime.fromisoformat("2024-01-05"), "r1", "=A customer", "p"]
    assert sheet["E2"].data_type == "s"
    sheet["G2"] = 5
    sheet["I3"] = None
    mended.save(tmp_path / "r.xlsx")
    assert place.send("r.xlsx").accepted == 2
    assert place.totals() == EXPECTED
    assert {e.institution_id for e in place.kept.events if e.quantity == 5} == {"=A customer"}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    place = Place(tmp_path)
    columns: dict[str, list[object]] = {
        name: list(values) for name, values in zip(NAMES, zip(*RIGHT, strict=True), strict=True)
    }
    table = pa.table(
        {
            **columns,
            "When": pa.array([datetime.fromisoformat(row[0]) for row in RIGHT], pa.timestamp("ns")),
            "Product": pa.array([None if n == 2 else "p" for n in range(20)]).dictionary_encode(),
            "Units": pa.array([Decimal(row[4]) for row in RIGHT], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    assert place.send("f.parquet", "r.parquet").dead_lettered == 1
    rejected = pq.read_table(tmp_path / "r.parquet")
    assert rejected.drop_columns(list(OWN_COLUMNS)).schema.types == table.schema.types
    filled = rejected.set_column(rejected.column_names.index("Product"), "Product", pa.array(["p"]))
    pq.write_table(filled, tmp_path / "r.parquet")
    assert place.send("r.parquet").accepted == 1
    assert place.totals() == EXPECTED


def test_lines_that_cannot_be_taken_apart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    lines = csv_text(RIGHT).splitlines(keepends=True)
    lines[2] = lines[2].replace("\n", ",x\n")
    lines[5] = lines[5].replace("医院 4", '"医院 4')
    (tmp_path / "f.csv").write_text("".join(lines), "utf-8")
    place.send("f.csv", "r.csv")
    place.send("r.csv", "again.csv")
    assert [letter.line for letter in place.kept.letters] == [3, 6, 2, 3]
    assert place.kept.settled == [letter.dead_letter_id for letter in place.kept.letters[:2]]
    text = (tmp_path / "again.csv").read_text("utf-8-sig").replace(",x\n", "\n").replace('"医院 4', "医院 4")
    (tmp_path / "again.csv").write_text(text, "utf-8")
    assert place.send("again.csv").accepted == 2
    assert place.totals() == EXPECTED
    assert place.kept.settled[2:] == [letter.dead_letter_id for letter in place.kept.letters[2:]]


def test_a_row_that_is_wrong_again_keeps_its_identity(tmp_path: Path) -> None:
    place = Place(tmp_path)
    write_csv(tmp_path / "f.csv", spoilt())
    place.send("f.csv", "one.csv")
    text = (tmp_path / "one.csv").read_text("utf-8-sig").replace("gestern", "2024-01-08").replace("drei", "vier")
    (tmp_path / "one.csv").write_text(text, "utf-8")
    second = place.send("one.csv", "two.csv")
    assert (second.accepted, second.dead_lettered) == (1, 2)
    text = (tmp_path / "two.csv").read_text("utf-8-sig")
    assert "not a number written like 1234.5 (got 'vier')" in text
    assert "drei" not in text
    text = text.replace(",vier,", ",4,").replace("医院 12,,", "医院 12,p,")
    (tmp_path / "two.csv").write_text(text, "utf-8")
    assert place.send("two.csv").dead_lettered == 0
    assert place.totals() == EXPECTED
    assert sorted(place.kept.settled) == sorted(letter.dead_letter_id for letter in place.kept.letters)


def test_a_row_without_its_origin_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    write_csv(tmp_path / "f.csv", spoilt())
    place.send("f.csv", "r.csv")
    mend_text(tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_text("utf-8-sig").splitlines()
    lines[1] = lines[1].replace("row-5-", "row-")
    (tmp_path / "r.csv").write_text("\n".join([*lines, ",,2024-01-01,r,c,p,1,2"]), "utf-8")
    summary = place.send("r.csv", "again.csv")
    assert (summary.accepted, summary.dead_lettered) == (2, 2)
    assert "leave this column as it was; new rows go into a file without it" in place.kept.letters[-1].message
    assert (tmp_path / "again.csv").read_text("utf-8-sig").count("2024-01-01,r,c,p,1,2") == 1


def test_a_row_with_a_wrong_reference_row_is_one_reject_with_both_letters(tmp_path: Path) -> None:
    more = "reference:\n  - kind: institution\n    fields: {institution_id: Customer, name: Customer, city: Units}\n"
    place = Place(tmp_path, more)
    rows = [RIGHT[0], (*RIGHT[1][:2], RIGHT[0][2], "p", "2", "x"), RIGHT[2]]
    write_csv(tmp_path / "f.csv", rows)
    place.send("f.csv", "r.csv")
    assert [letter.topic for letter in place.kept.letters] == ["institution", "sales"]
    header, line = (tmp_path / "r.csv").read_text("utf-8-sig").splitlines()
    assert header.startswith("pulse_row,pulse_reason,When")
    assert set(Origin.parse(line.split(",")[0]).letters) == {one.dead_letter_id for one in place.kept.letters}
    assert "contradicts line 2" in line
    assert "not a number" in line


def test_a_dry_run_writes_them_too(tmp_path: Path) -> None:
    place = Place(tmp_path)
    write_csv(tmp_path / "f.csv", spoilt())
    job = ImportJob("sale", tmp_path / "f.csv", tmp_path / "m.yaml", "me")
    summary = run_import(job, Settings(), dry_run=True, rejected=tmp_path / "dry.csv")
    assert summary.rejected == tmp_path / "dry.csv"
    place.send("f.csv", "real.csv")
    assert (tmp_path / "dry.csv").read_bytes() == (tmp_path / "real.csv").read_bytes()


def test_nothing_is_written_when_nothing_is_wrong(tmp_path: Path) -> None:
    place = Place(tmp_path)
    write_csv(tmp_path / "f.csv", RIGHT)
    assert place.send("f.csv", "r.csv").rejected is None
    assert not (tmp_path / "r.csv").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("r.jsonl", "go into a file of its format: end the name in .csv"),
        ("f.csv", "exists: name another file"),
        ("no/r.csv", "does not exist"),
    ],
)
def test_places_where_they_cannot_go(tmp_path: Path, target: str, message: str) -> None:
    place = Place(tmp_path)
    write_csv(tmp_path / "f.csv", spoilt())
    with pytest.raises(UsageError, match=message):
        place.send("f.csv", target)
    assert not place.kept.events


@pytest.mark.parametrize("text", [None, "", 7, "row-1", "row-x-9f86d081884c7d65", "row-1-9f86d081884c7d65-ab"])
def test_an_origin_that_was_changed(text: object) -> None:
    with pytest.raises(InvalidError, match="pulse_row is blank or changed"):
        Origin.parse(text)


def test_an_origin_comes_back() -> None:
    origin = Origin(17, "9f86d081884c7d65", ("ab" * 16, "cd" * 16))
    assert Origin.parse(str(origin)) == origin
    assert Origin.found_in(f"x;{origin};y".encode("utf-16-le")) == origin
    assert Origin.found_in(b"nothing") is None
