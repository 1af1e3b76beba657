"""Bad input of an import: a clear message each time, and nothing lost."""

import gzip

import pytest
from test_import_mapping import HEADER, SALE, Kept, run
from test_import_readers import GOOD, OWN, ROW, messages

from streams.errors import InvalidError, UsageError
from streams.importing import ImportJob, run_import
from streams.settings import Settings


def test_bad_rows_are_set_aside_and_the_rest_goes_on(tmp_path):
    content = HEADER.encode() + b"".join(
        [
            GOOD.encode(),
            b"2024-01-01,r,c,p,1\n",
            b"2024-01-01,r,c,p,1,2,3\n",
            b"2024-01-01,r,c,p,12x,2\n",
            b"2024-01-01,r,c\xff\xe4,p,1,2\n",
            b"2024-01-01,r,c,p\0,1,2\n",
            b"\n",
            b",,,,,\n",
            b'2024-01-01,r,"c\nd",p,1,2\n',
            b'2024-01-01,r,"c, d",p,1,-2\n',
            b"gestern,r,c,p,1,2\n",
            "2024-01-01,r,Löwe,p,1,2".encode(),
        ]
    )
    kept = run(tmp_path, content, SALE)
    assert [event.institution_id for event in kept.events] == ["c", "Löwe"]
    found = dict(messages(kept))
    assert found[3].startswith("the row has 5 columns where the header has 6")
    assert found[4].startswith("the row has 7 columns")
    assert found[5] == "not a valid sale: quantity (column 'Units'): not a number written like 1234.5 (got '12x')"
    assert found[6].startswith("the row is not utf-8: name the file's encoding")
    assert found[7].startswith("the row contains a NUL byte")
    assert found[10].startswith(
        "not a valid sale: institution_id (column 'Customer'): must not begin or end with a blank"
    )
    assert found[12].startswith("not a valid sale: a sale has quantity and amount >= 0")
    assert found[13].startswith("not a valid sale: occurred_at (column 'When'): not a date like")
    raw = {letter.line: letter.raw for letter in kept.letters}
    assert raw[6] == b"2024-01-01,r,c\xff\xe4,p,1,2\n"
    assert raw[10] == b'2024-01-01,r,"c\nd",p,1,2\n'
    assert {letter.topic for letter in kept.letters} == {"sales"}
    assert {letter.origin for letter in kept.letters} == {"import"}
    assert kept.summary.dead_lettered == 8
    assert kept.summary.rows == 10
    again = run(tmp_path, content, SALE)
    assert [a.dead_letter_id for a in again.letters] == [b.dead_letter_id for b in kept.letters]


def test_a_stray_quote_costs_its_own_line_only(tmp_path):
    lines = [GOOD] * 300
    lines[10] = '2024-01-01,r,"c,p,1,2\n'
    lines[200] = '2024-01-01,r,"c"x,p,1,2\n'
    lines[299] = '2024-01-01,r,"c,p,1,2\n'
    kept = run(tmp_path, HEADER + "".join(lines), SALE)
    assert [letter.line for letter in kept.letters] == [12, 202, 301]
    assert [letter.raw.decode() for letter in kept.letters] == [lines[10], lines[200], lines[299]]
    assert "quotes" in kept.letters[0].message
    assert len(kept.events) == 297


def test_named_encodings(tmp_path):
    for encoding, name in (("gb18030", "上海医院"), ("cp1252", "Löwe"), ("utf-16-le", "上海"), ("big5", "上海")):
        content = (HEADER + f"2024-01-01,r,{name},p,1,2\n").encode(encoding)
        kept = run(tmp_path, content, SALE + f"reader: {{encoding: {encoding}}}\n")
        assert [event.institution_id for event in kept.events] == [name], messages(kept)


def test_a_file_of_another_encoding(tmp_path):
    content = (HEADER + "".join(f"2024-01-01,r,上海医院{i},p,1,2\n" for i in range(5))).encode("gb18030")
    kept = run(tmp_path, content, SALE)
    assert not kept.events
    assert not kept.summary.ok
    assert b"".join(letter.raw for letter in kept.letters) == content.split(b"\n", 1)[1]
    (reason,) = kept.summary.as_dict()["reasons"]
    assert reason["count"] == 5
    assert [example["line"] for example in reason["examples"]] == [2, 3, 4, 5, 6]


def test_stops_when_all_of_the_first_rows_are_wrong(tmp_path):
    content = HEADER + "gestern,r,c,p,1,2\n" * 2500
    kept = Kept()
    (tmp_path / "f.csv").write_text(content)
    (tmp_path / "m.yaml").write_text(SALE)
    job = ImportJob("sale", tmp_path / "f.csv", tmp_path / "m.yaml")
    with pytest.raises(
        InvalidError, match=r"all of the first 1000 rows of .* are wrong.*try the mapping with --dry-run"
    ):
        run_import(job, Settings(), sink=kept)
    assert not kept.letters
    dry = run_import(job, Settings(), dry_run=True)
    assert (dry.dead_lettered, len(dry.problems), dry.first) == (2500, 100, [])


def test_events_that_are_too_large(tmp_path):
    mapping = SALE + "  invoice_id: {stable_id: Rep}\n"
    kept = run(tmp_path, HEADER + GOOD + f"2024-01-01,{'r' * 100},c,p,1,2\n", mapping, max_event_bytes=1000)
    assert len(kept.events) == 2
    visit = "event_id,occurred_at,source,rep_id,institution_id,check_in_at,feedback_text\n"
    row = "e1,2024-01-01T08:00:00Z,crm,r,i,2024-01-01T08:00:00Z,"
    kept = run(tmp_path, f"{visit}{row}{'x' * 2000}\n", kind="visit", max_event_bytes=1000)
    assert "more than 1000 bytes (PULSE_MAX_EVENT_BYTES)" in kept.letters[0].message


def test_naive_moments_without_a_mapping_are_refused(tmp_path):
    kept = run(tmp_path, OWN + ROW.replace("+08:00", ""))
    said = "not a valid sale: occurred_at: the time has no offset: write it like 2026-03-01T09:30:00+08:00"
    more = "or name the time_zone in a mapping"
    assert messages(kept) == [(2, f"{said} (got '2024-01-01T08:00:00'); {more}")]


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("f.csv", "", InvalidError, "is empty: nothing to import"),
        ("f.csv", "\ufeff", InvalidError, "is empty: nothing to import"),
        ("f.csv", "\n\n", InvalidError, "is empty: nothing to import"),
        ("f.csv", OWN, InvalidError, "has no rows below its header: nothing to import"),
        ("f.jsonl", "\n", InvalidError, "is empty: nothing to import"),
        ("f.jsonl", "", InvalidError, "is empty: nothing to import"),
        ("f.csv.gz", gzip.compress(b"", mtime=0), InvalidError, "is empty: nothing to import"),
        ("f.csv.gz", gzip.compress((OWN + ROW).encode())[:-9], InvalidError, "is a damaged gzip file"),
        ("f.parquet", "no parquet", InvalidError, "is not a Parquet file"),
        ("f.xlsx", "no workbook", InvalidError, "is not an Excel workbook"),
        ("f.txt", "x", UsageError, "is of no format that can be imported: use .csv"),
        ("f.parquet.gz", "x", UsageError, "is of no format that can be imported"),
        ("f", "x", UsageError, "is of no format that can be imported"),
        (
            "f.csv",
            OWN.replace("amount", "amout") + ROW,
            UsageError,
            "sale has no field 'amout': did you mean 'amount'?",
        ),
        ("f.csv", OWN.replace("amount", "quantity") + ROW, UsageError, "two columns named 'quantity' (7 and 8)"),
        ("f.csv", OWN.replace("amount", " ") + ROW, UsageError, "column 8 of"),
        ("f.csv", "event_id,source\n1,2\n", UsageError, "has no column occurred_at, rep_id, institution_id"),
        ("f.csv", OWN.replace(",", ";") + ROW, UsageError, "the columns look separated by ';'"),
        ("f.csv", OWN.encode() + "名".encode("gb18030"), InvalidError, "no rows"),
        ("f.csv", "名\n".encode("gb18030"), UsageError, "the header of"),
        ("f.csv", '"event_id\n', UsageError, "the header of"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, error, message):
    if message == "no rows":
        kept = run(tmp_path, content)
        assert not kept.summary.ok
        return
    with pytest.raises(error) as caught:
        run(tmp_path, content, name=name)
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    for path, message in ((tmp_path / "no.csv", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(UsageError, match=message):
            run_import(ImportJob("sale", path), Settings(), dry_run=True)
