"""Readers: every format gives the same events, every kind can be imported."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_import_mapping import HEADER, SALE, Kept, run

from streams.errors import UsageError
from streams.importing import ImportJob, ImportSummary, kind_of, parse_import_argument, run_import
from streams.importing.summary import Problem
from streams.settings import Settings

OWN = "event_id,occurred_at,source,rep_id,institution_id,product_id,quantity,amount,currency\n"
ROW = "e1,2024-01-01T08:00:00+08:00,crm,r1,i1,p1,2,19.90,CNY\n"
GOOD = "2024-01-01,r,c,p,1,2\n"


def messages(kept):
    return [(letter.line, letter.message) for letter in kept.letters]


def columns():
    return OWN.strip().split(",")


def test_every_format_gives_the_same_event(tmp_path):
    values = ["e1", "2024-01-01T08:00:00+08:00", "crm", "r1", "i1", "p1", "2", "19.90", "CNY"]
    (wanted,) = run(tmp_path, OWN + ROW).events
    record = json.dumps(dict(zip(columns(), values, strict=True))) + "\n"
    found = [
        run(tmp_path, gzip.compress((OWN + ROW).encode()), name="f.csv.gz"),
        run(tmp_path, (OWN + ROW).replace(",", "\t"), name="f.tsv"),
        run(tmp_path, "\ufeff" + OWN + ROW),
        run(tmp_path, (OWN + ROW).replace("\n", "\r\n")),
        run(tmp_path, (OWN + ROW).rstrip("\n")),
        run(tmp_path, (OWN + ROW).encode("utf-16")),
        run(tmp_path, record, name="f.jsonl"),
        run(tmp_path, gzip.compress(record.encode()), name="f.jsonl.gz"),
    ]
    assert [kept.events for kept in found] == [[wanted]] * len(found)
    assert wanted.amount == Decimal("19.90")


def test_parquet(tmp_path):
    table = pa.table(
        {
            "event_id": ["e1", "e2"],
            "occurred_at": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ns", "UTC")),
            "source": pa.array(["crm", "crm"]).dictionary_encode(),
            "rep_id": ["r1", "r1"],
            "institution_id": ["i1", None],
            "product_id": ["p1", "p1"],
            "quantity": [2, 2],
            "amount": [0.1 + 0.2, 1e10 + 0.25],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    kept = run(tmp_path, (tmp_path / "t.parquet").read_bytes(), name="f.parquet")
    (event,) = kept.events
    assert event.amount == Decimal("0.3")
    assert event.occurred_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert messages(kept) == [(2, "not a valid sale: institution_id: the field is missing")]
    assert json.loads(kept.letters[0].raw)["event_id"] == "e2"


def test_parquet_nested(tmp_path):
    row = {
        "event_id": "v1",
        "occurred_at": "2024-01-01T08:00:00Z",
        "check_in_at": "2024-01-01T08:00:00Z",
        "source": "app",
        "rep_id": "r",
        "institution_id": "i",
        "check_in": {"latitude": 1.0, "longitude": 2.0},
        "details": [{"product_id": "p"}],
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    (event,) = run(tmp_path, (tmp_path / "t.parquet").read_bytes(), None, "visit", "f.parquet").events
    assert event.check_in.longitude == 2.0
    assert event.details[0].product_id == "p"


def workbook(tmp_path, rows, title="Sheet"):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    return (tmp_path / "t.xlsx").read_bytes()


def test_xlsx(tmp_path):
    rows = [
        ["Report of January"],
        ["When", "Rep", "Customer", "Product", "Units", "Money"],
        [datetime.fromisoformat("2024-01-01T09:30"), 1001, "c", "p", 2, 1234.1000000000001],
        [],
        [date(2024, 1, 1), "r", "c", "p", "#N/A", 1],
        [date(2024, 1, 1), "r", "c", "p", 1, 1, "extra"],
    ]
    kept = run(tmp_path, workbook(tmp_path, rows), SALE + "reader: {skip_rows: 1}\n", name="f.xlsx")
    (event,) = kept.events
    assert event.occurred_at.isoformat() == "2024-01-01T09:30:00+08:00"
    assert (event.rep_id, str(event.amount)) == ("1001", "1234.1")
    assert event.event_id.endswith("-3")
    assert [letter.line for letter in kept.letters] == [5, 6]
    assert "holds the Excel error #N/A" in kept.letters[0].message
    assert "the row has 7 cells where the header has 6" in kept.letters[1].message


def test_xlsx_sheets_are_named(tmp_path):
    content = workbook(tmp_path, [["When", "Rep", "Customer", "Product", "Units", "Money"]], "January")
    with pytest.raises(UsageError, match="has no sheet 'February': it has 'January'"):
        run(tmp_path, content, SALE + "reader: {sheet: February}\n", name="f.xlsx")


def test_jsonl_keeps_digits_and_refuses_what_is_no_object(tmp_path):
    good = '{"event_id":"e%d","occurred_at":"2024-01-01T00:00:00Z","source":"s","rep_id":"r","institution_id":"i",'
    good += '"product_id":"p","quantity":1,"amount":%s}\n'
    lines = [
        good % (1, "11798987642.195417"),
        "[1]\n",
        "\n",
        "{oops\n",
        '"text"\n',
        good % (2, "NaN"),
        good % (3, "1"),
        "{\0}\n",
        good.replace('"rep_id"', '"rep"') % (4, "1"),
        "null",
    ]
    kept = run(tmp_path, "".join(lines), name="f.jsonl")
    assert [str(event.amount) for event in kept.events] == ["11798987642.195417", "1"]
    found = dict(messages(kept))
    assert found[2] == "not a JSON object (got [1])"
    assert found[4].startswith("not valid JSON (key must be a string at line 1 column 2)")
    assert found[5] == "not a JSON object (got 'text')"
    assert found[6] == "not valid JSON (NaN is no JSON value)"
    assert found[8].startswith("the line contains a NUL byte")
    unknown = "rep: the field is not known: remove it or map it to a known one"
    assert found[9] == f"not a valid sale: rep_id: the field is missing; {unknown}"
    assert found[10] == "not a JSON object (got None)"
    assert kept.letters[0].raw == b"[1]\n"


def test_jsonl_with_a_mapping_reaches_into_objects(tmp_path):
    mapping = SALE.replace("Customer", "customer.id").replace("quantity: Units", "quantity: order.lines.units")
    rows = [
        {"When": "2024-01-01", "Rep": 7, "Product": "p", "Money": 1.50},
        {
            "When": "2024-01-01",
            "Rep": 7,
            "Product": "p",
            "Money": 1.5,
            "customer": {"id": "c"},
            "order": {"lines": {"units": 3}},
        },
    ]
    kept = run(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), mapping, name="f.jsonl")
    (event,) = kept.events
    assert (event.rep_id, event.institution_id, event.quantity) == ("7", "c", 3)
    with pytest.raises(UsageError, match=r"m.yaml:6: .* has no column 'customer.idd': did you mean 'customer.id'"):
        run(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), mapping.replace("r.id", "r.idd"), name="f.jsonl")


def test_rows_of_every_reference_kind(tmp_path):
    rows = {
        "rep": 'rep_id,name,team_id,filings\nr1,Anna,t1,"[{""filed_from"": ""2024-01-01""}]"\n',
        "node": "node_id,name,level\nt1,West,team\n",
        "institution": "institution_id,name,latitude,is_target\ni1,First,31.2,true\n",
        "registration": "rep_id,institution_id,effective_from\nr1,i1,2024-02-01\n",
        "hcp": "hcp_id,name,segment\nh1,Dr Li,A\n",
        "product": "product_id,name\np1,Cardiol\n",
        "material": "material_id,version,title,approved_on\nm1,v1,Slides,2024-01-01\n",
        "call_plan": "rep_id,hcp_id,planned_calls\nr1,h1,4\n",
        "calendar_day": "day,is_working_day\n2024-10-01,false\n",
    }
    for kind, content in rows.items():
        kept = run(tmp_path, content, kind=kind)
        assert [row.kind_name for row in kept.rows] == [kind], messages(kept)
        assert kept.summary.reference_rows == {kind: 1}
        assert kept.summary.reference_version == 7
        assert kept.summary.ok


def test_reference_rows_that_repeat_and_contradict(tmp_path):
    kept = run(tmp_path, "product_id,name\np1,A\np1,A\np1,B\n,C\n", kind="product")
    assert [(row.product_id, row.name) for row in kept.rows] == [("p1", "A")]
    assert kept.summary.accepted == 2
    assert [letter.line for letter in kept.letters] == [4, 5]
    assert "contradicts line 2" in kept.letters[0].message


def test_rows_of_every_event_kind(tmp_path):
    envelope, values = "event_id,occurred_at,source", "e1,2024-01-01T08:00:00Z,crm"
    rows = {
        "visit": ("rep_id,institution_id,check_in_at", "r,i,2024-01-01T08:00:00Z"),
        "sale": ("rep_id,institution_id,product_id,quantity,amount", "r,i,p,1,2"),
        "payment": ("rep_id,institution_id,invoice_id,amount,due_on", "r,i,n,1,2024-02-01"),
        "activity": ("rep_id,kind,amount,headcount", "r,meeting,1,12"),
        "survey": ("rep_id,kind,score", "r,satisfaction,88.5"),
        "market": ("territory_id,kind,product_id,tender_id", "t,tender,p,n"),
    }
    for kind, (names, cells) in rows.items():
        kept = run(tmp_path, f"{envelope},{names}\n{values},{cells}\n", kind=kind)
        assert [event.kind_name for event in kept.events] == [kind], messages(kept)


def test_files_without_a_header(tmp_path):
    mapping = SALE + "reader: {columns: [When, Rep, Customer, Product, Units, Money]}\n"
    kept = run(tmp_path, GOOD * 2, mapping)
    assert [event.event_id[-2:] for event in kept.events] == ["-1", "-2"]


def test_blanks_and_skipped_lines(tmp_path):
    mapping = SALE + "  invoice_id: Invoice\nreader: {skip_rows: 2, blanks: [n/a]}\n"
    kept = run(tmp_path, f"Title\n\n{HEADER.strip()},Invoice\n{GOOD.strip()},n/a\n", mapping)
    assert kept.events[0].invoice_id is None
    assert kept.events[0].event_id.endswith("-4")


@pytest.mark.parametrize(
    ("text", "kind", "file", "mapping"),
    [
        ("sale=a.csv", "sale", "a.csv", None),
        ("sales=a.csv:m.yaml", "sale", "a.csv", "m.yaml"),
        ("activities=C:\\a.csv:C:\\m.yml", "activity", "C:\\a.csv:C", "\\m.yml"),
        ("node=x:y.csv", "node", "x:y.csv", None),
        ("organisation_nodes=x=y.csv:d/m.yaml", "node", "x=y.csv", "d/m.yaml"),
        ("call-plans=a.csv:", "call_plan", "a.csv:", None),
    ],
)
def test_import_arguments(text, kind, file, mapping):
    job = parse_import_argument(text)
    assert (job.kind, str(job.file), job.mapping and str(job.mapping)) == (kind, file, mapping)


def test_import_arguments_of_files_that_exist(tmp_path):
    odd = tmp_path / "a:b.yaml"
    odd.write_text("")
    assert parse_import_argument(f"sale={odd}").mapping is None
    job = parse_import_argument(f"sale={odd}:named")
    assert (job.file, str(job.mapping)) == (odd, "named")


@pytest.mark.parametrize("text", ["sale", "sale=", "=a.csv", "sails=a.csv", "foo=a.csv"])
def test_wrong_import_arguments(text):
    with pytest.raises(UsageError):
        parse_import_argument(text)


def test_kinds_have_close_matches():
    with pytest.raises(UsageError, match="did you mean institution"):
        kind_of("insitution")


def test_progress_tells_how_far_it_is_and_may_stop(tmp_path):
    (tmp_path / "f.csv").write_text(OWN + "".join(ROW.replace("e1", f"e{i}") for i in range(3000)))
    seen = []
    run_import(ImportJob("sale", tmp_path / "f.csv"), Settings(), progress=seen.append, sink=Kept())
    assert [progress.accepted for progress in seen] == [1000, 2000, 3000]
    assert 0 < seen[0].done <= seen[-1].done <= seen[-1].total

    def stop(_progress):
        raise KeyboardInterrupt

    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        run_import(ImportJob("sale", tmp_path / "f.csv"), Settings(), progress=stop, sink=kept)
    assert len(kept.events) == 1000


def test_summary_bounds_its_reasons(tmp_path):
    (tmp_path / "f.csv").write_text(OWN)
    summary = ImportSummary("sale", tmp_path / "f.csv")
    for number in range(100):
        summary.count(f"reason {number}", Problem(number, "x"))
    plain = summary.as_dict()
    assert len(plain["reasons"]) == 51
    assert plain["reasons"][-1] == {
        "reason": "other reasons",
        "count": 50,
        "examples": [{"line": number, "message": "x"} for number in range(50, 55)],
    }
    json.dumps(plain)
