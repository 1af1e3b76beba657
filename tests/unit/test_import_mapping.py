"""Mapping files: what they say, what they refuse, and the example of the manual."""

import gzip
import json
import re
from pathlib import Path

import pytest

from streams.errors import InvalidError, UsageError
from streams.importing import ImportJob, run_import
from streams.importing.ids import slug, stable_id
from streams.importing.months import month_number
from streams.importing.validation import reason_of
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
SALE = """\
fields:
  event_id: {row_id: t}
  source: {constant: test}
  occurred_at: {column: When}
  rep_id: Rep
  institution_id: Customer
  product_id: Product
  quantity: Units
  amount: Money
"""
HEADER = "When,Rep,Customer,Product,Units,Money\n"


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.rows, self.events, self.letters = [], [], []
        self.files, self.settled = [], []

    def publish(self, rows, author):
        self.rows += rows
        self.author = author
        return 7

    def send(self, topic, messages):
        assert all(event.topic == topic for event, _ in messages)
        self.events += [event for event, _value in messages]

    def store(self, letters):
        self.letters += letters

    def settle(self, letters):
        self.settled += letters

    def files_before(self, kind):
        return [file for file in self.files if file.kind == kind]

    def remember(self, file):
        self.files.append(file)

    def finish(self):
        pass

    def close(self):
        pass


def run(tmp_path, content, mapping=None, kind="sale", name="f.csv", **settings):
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    path = None
    if mapping is not None:
        path = tmp_path / "m.yaml"
        path.write_text(mapping, "utf-8")
    kept = Kept()
    kept.summary = run_import(ImportJob(kind, file, path, "me"), Settings(**settings), sink=kept)
    return kept


def refused(tmp_path, mapping, content=HEADER + "2024-01-01,r,c,p,1,2\n", **more):
    with pytest.raises(UsageError) as caught:
        run(tmp_path, content, mapping, **more)
    return str(caught.value).replace(str(tmp_path), "")


def field(tmp_path, form, cell, name="occurred_at", column="X"):
    """One field of an otherwise complete sale, mapped by `form` from `cell`."""
    mapping = re.sub(rf"  {name}: .*\n", f"  {name}: {form}\n", SALE)
    assert mapping != SALE or name not in SALE
    if name not in SALE:
        mapping += f"  {name}: {form}\n"
    quoted = '"' + cell.replace('"', '""') + '"'
    kept = run(tmp_path, f"{HEADER.strip()},{column}\n2024-01-01,r,c,p,1,2,{quoted}\n", mapping)
    if kept.letters:
        raise InvalidError(kept.letters[0].message)
    return getattr(kept.events[0], name)


def test_the_manuals_example(tmp_path):
    text = (ROOT / "docs" / "import.md").read_text("utf-8")
    csv, mapping, expected = (re.search(rf"```{word}\n(.*?)```", text, re.S)[1] for word in ("csv", "yaml", "json"))
    kept = run(tmp_path, csv, mapping)
    events = [event.model_dump(mode="json", exclude_none=True) for event in kept.events]
    for wanted, event in zip(json.loads(expected), events, strict=True):
        for name, value in wanted.items():
            pattern = re.escape(value).replace("HASH1", "[0-9a-f]{10}").replace("HASH2", "[0-9a-f]{10}")
            assert re.fullmatch(pattern.replace("CONTENT", "[0-9a-f]{16}"), event[name]), name
        assert event.keys() == wanted.keys()
    assert kept.summary.skipped == 1
    assert [row.kind_name for row in kept.rows] == ["institution", "rep", "node", "node"]
    assert kept.rows[0].institution_id == kept.events[0].institution_id
    assert kept.rows[1].team_id == kept.rows[2].node_id
    assert kept.author == "me"
    assert not kept.letters


def test_same_content_same_ids_under_any_name_and_packing(tmp_path):
    content = HEADER + "2024-01-01,r,c,p,1,2\n2024-01-01,r,c,p,1,2\n"
    plain = run(tmp_path, content, SALE)
    packed = run(tmp_path, gzip.compress(content.encode()), SALE, name="other.csv.gz")
    assert [event.event_id for event in plain.events] == [event.event_id for event in packed.events]
    assert len({event.event_id for event in plain.events}) == 2
    changed = run(tmp_path, content + "2024-01-01,r,c,p,1,2\n", SALE)
    assert changed.events[0].event_id != plain.events[0].event_id


def test_naive_moments_are_in_the_companys_zone_or_the_named_one(tmp_path):
    assert field(tmp_path, "X", "2024-07-01 08:00").isoformat() == "2024-07-01T08:00:00+08:00"
    assert field(tmp_path, "{column: X, time_zone: Europe/Berlin}", "2024-07-01").isoformat().endswith("+02:00")
    assert field(tmp_path, "X", "2024-07-01T08:00Z").isoformat() == "2024-07-01T08:00:00+00:00"


def test_date_formats_are_tried_in_order(tmp_path):
    form = '{column: X, format: ["%d.%m.%Y", "%Y/%m/%d %H:%M"]}'
    assert field(tmp_path, form, "3.2.2024").isoformat() == "2024-02-03T00:00:00+08:00"
    assert field(tmp_path, form, "2024/02/03 04:05").isoformat() == "2024-02-03T04:05:00+08:00"
    with pytest.raises(InvalidError, match=r"occurred_at \(column 'X'\): not written like the format"):
        field(tmp_path, form, "2024-02-03")


@pytest.mark.parametrize(
    ("text", "number"),
    [("January", 1), ("jan.", 1), ("SEPT", 9), ("März", 3), ("październik", 10), ("三月", 3), ("12月", 12), ("07", 7)],
)
def test_months(text, number):
    assert month_number(text) == number


@pytest.mark.parametrize("text", ["", "13", "0", "Janu", "²", "-1"])
def test_no_months(text):
    assert month_number(text) is None


def test_month_and_year(tmp_path):
    mapping = SALE.replace("{column: When}", "{month: When, year: Units, day: Money}")
    kept = run(tmp_path, HEADER + "Feb,r,c,p,2024,29\nFeb,r,c,p,2023,29\nFoo,r,c,p,2024,1\nMay,r,c,p,24,1\n", mapping)
    assert [event.occurred_at.isoformat() for event in kept.events] == ["2024-02-29T00:00:00+08:00"]
    assert [letter.line for letter in kept.letters] == [3, 4, 5]
    assert "not a month: list its names by month_names in the mapping (got 'Foo')" in kept.letters[1].message
    own = SALE.replace("{column: When}", "{month: When, year: Units, month_names: [a,b,c,d,e,f,g,h,i,j,k,l]}")
    assert run(tmp_path, HEADER + "C,r,c,p,2024,1\n", own).events[0].occurred_at.month == 3


def test_numbers_as_people_write_them(tmp_path):
    german = '{column: X, decimal: ",", thousands: "."}'
    assert str(field(tmp_path, german, "1.234.567,50", "amount")) == "1234567.50"
    assert str(field(tmp_path, german, "1234567", "amount")) == "1234567"
    for text in ("1.5", "1,234.5", "12.34", "1.2345", "", "12x", "1_000", "NaN"):
        with pytest.raises(InvalidError, match="amount"):
            field(tmp_path, german, text, "amount")
    swiss = """{column: X, thousands: "'", remove: CHF}"""
    assert str(field(tmp_path, swiss, "CHF 1'234.50", "amount")) == "1234.50"


def test_negative_amounts_need_a_kind(tmp_path):
    with pytest.raises(InvalidError, match="a sale has quantity and amount >= 0"):
        field(tmp_path, "X", "-1", "amount")


def test_digits_of_the_file_are_kept(tmp_path):
    assert str(field(tmp_path, "X", "11798987642.195410", "amount")) == "11798987642.195410"


def test_values_and_defaults(tmp_path):
    form = "{column: X, values: {A: adjustment, S: sale}, default: adjustment}"
    assert field(tmp_path, form, "A", "kind") == "adjustment"
    assert field(tmp_path, form, " ", "kind") == "adjustment"
    with pytest.raises(InvalidError, match=r"not in the mapping's list of values: .*'T'"):
        field(tmp_path, form, "T", "kind")
    assert field(tmp_path, "{column: X, values: {A: sale}, others: keep}", "adjustment", "kind") == "adjustment"
    assert field(tmp_path, "{column: X, values: {NO: sale}}", "NO", "kind") == "sale"


def test_join(tmp_path):
    assert field(tmp_path, '{join: [X, Rep], between: "/"}', "a", "rep_id") == "a/r"
    assert field(tmp_path, '{join: [X, Rep], between: "/"}', "", "rep_id") == "r"


@pytest.mark.parametrize(
    ("cell", "chosen"), [("-1", "low"), ("0", "zero"), ("5", "mid"), ("10", "many"), ("x", "text"), ("", "none")]
)
def test_when(tmp_path, cell, chosen):
    form = """
    when:
      - {column: X, blank: true, then: none}
      - {column: X, in: [x, y], then: text}
      - {column: X, below: 0, then: low}
      - {column: X, equals: "0", then: zero}
      - {column: X, above: 0, below: 10, and: [{column: Rep, equals: r}], then: mid}
    otherwise: many"""
    assert field(tmp_path, form, cell, "rep_id") == chosen


def test_when_compares_numbers_only(tmp_path):
    with pytest.raises(InvalidError, match=r"column 'X': not a number written like 1234.5 \(got 'abc'\)"):
        field(tmp_path, "{when: [{column: X, below: 0, then: a}], otherwise: b}", "abc", "rep_id")


def test_when_may_choose_a_column(tmp_path):
    form = "{when: [{column: X, blank: true, then: {column: Rep}}], otherwise: {stable_id: X, prefix: q}}"
    assert field(tmp_path, form, "", "rep_id") == "r"
    assert field(tmp_path, form, "Ä", "rep_id").startswith("q-a-")


def test_nested_fields_and_lists(tmp_path):
    mapping = """
fields:
  event_id: {row_id: v}
  source: {constant: app}
  occurred_at: When
  rep_id: {constant: r1}
  institution_id: {constant: i1}
  check_in_at: When
  check_in.latitude: Lat
  check_in.longitude: Lon
  details: {column: Products, split: ";", item: product_id}
  companions: {column: With, split: "+"}
  samples: Samples
"""
    content = (
        "When,Lat,Lon,Products,With,Samples\n"
        '2024-01-01,31.2,121.5,A; B,m1 + m2,"[{""product_id"": ""A"", ""quantity"": 2}]"\n'
        "2024-01-01,,,,,\n"
    )
    first, second = run(tmp_path, content, mapping, "visit").events
    assert (first.check_in.latitude, first.check_in.longitude) == (31.2, 121.5)
    assert [detail.product_id for detail in first.details] == ["A", "B"]
    assert first.companions == ("m1", "m2")
    assert first.samples[0].quantity == 2
    assert second.check_in is None
    assert second.details == ()


def test_slugs_and_stable_ids():
    assert slug("Müller & Söhne GmbH") == "muller-sohne-gmbh"
    assert slug("上海市第一人民医院") == "上海市第一人民医院"
    assert slug("--") == ""
    assert stable_id("inst", ["Rowe PLC Pharm"]) == "inst-rowe-plc-pharm-a7ff608c97"
    assert stable_id("", ["!"])[:1].isalnum()
    different = [["ab", "c"], ["a", "bc"], ["ab c"], ["abc"], ["AB C"], ["a-b c"]]
    assert len({stable_id("x", parts) for parts in different}) == len(different)
    assert stable_id("x", ["e\u0301"]) == stable_id("x", ["\u00e9"])
    assert len(stable_id("inst", ["long " * 100])) <= 128


def test_contradicting_reference_rows_are_reported_and_the_first_wins(tmp_path):
    mapping = SALE + "reference:\n  - kind: institution\n    fields: {institution_id: Customer, name: Product}\n"
    kept = run(tmp_path, HEADER + "2024-01-01,r,c,p,1,2\n2024-01-01,r,c,q,1,2\n2024-01-01,r,c,p,1,2\n", mapping)
    assert [(row.institution_id, row.name) for row in kept.rows] == [("c", "p")]
    (letter,) = kept.letters
    assert letter.topic == "institution"
    assert letter.line == 3
    assert letter.raw == b"2024-01-01,r,c,q,1,2\n"
    assert "institution 'c' contradicts line 2: name is 'q' there 'p'" in letter.message
    assert len(kept.events) == 3


def test_reference_rows_without_their_key_are_not_there(tmp_path):
    mapping = SALE + "reference:\n  - kind: product\n    fields: {product_id: Product, name: Product}\n"
    kept = run(tmp_path, HEADER + "2024-01-01,r,c,,1,2\n", mapping)
    assert kept.rows == []
    assert kept.summary.reference_version is None
    assert [letter.message for letter in kept.letters] == [
        "not a valid sale: product_id (column 'Product'): the field is missing"
    ]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            SALE.replace("Units", "Unit"),
            "/m.yaml:8: /f.csv has no column 'Unit': did you mean 'Units'? (its columns: When",
        ),
        (SALE.replace("quantity:", "qantity:"), "/m.yaml:8: sale has no field 'qantity': did you mean 'quantity'?"),
        (SALE.replace("  amount: Money\n", ""), "/m.yaml:1: sale needs amount: say where it comes from"),
        (SALE.replace("column: When", "colum: When"), "/m.yaml:4: fields.occurred_at: say where the value comes from"),
        (
            SALE.replace("column: When", "column: When, formt: x"),
            "the word 'formt' is not known here: did you mean 'format'?",
        ),
        (
            SALE.replace("column: When", "column: When, time_zone: Mars"),
            "/m.yaml:4: fields.occurred_at.column.time_zone: 'Mars' is no",
        ),
        (SALE + "kind: visit\n", "/m.yaml:10: the mapping is for visit, not for sale"),
        (SALE + "kind: sael\n", "there is no kind 'sael' to import: did you mean sale?"),
        (SALE + "  amount: When\n", "/m.yaml:10: 'amount' stands twice"),
        (SALE + "reader: {encoding: utf-9}\n", "/m.yaml:10: reader.encoding: 'utf-9' is no encoding"),
        (SALE + "reader: {decimal: ',', thousands: ','}\n", "have to differ"),
        (SALE + "skip: [{column: Foo, equals: x}]\n", "/m.yaml:10: /f.csv has no column 'Foo'"),
        (SALE + "skip: [{column: Rep}]\n", "a test needs an operator"),
        (SALE + "reference: [{kind: sale, fields: {name: Rep}}]\n", "sale is an event, not reference data"),
        (SALE + "reference:\n  - kind: repp\n    fields: {name: Rep}\n", "/m.yaml:11: there is no kind 'repp'"),
        (SALE + "reference:\n  - kind: rep\n    fields: {name: Rep}\n", "/m.yaml:12: rep needs rep_id"),
        (SALE.replace("constant: test", "constant: [").replace("}", "", 2), "not YAML"),
        ("- a\n- b\n", "is no mapping"),
        ("fields:\n  a: 'x\n", "not YAML"),
        (SALE + "  due_on: {constant: tomorrow}\n", "/m.yaml:10: due_on: not a date"),
        (SALE + "  rep_id.x: Rep\n", "rep_id has no fields of its own"),
    ],
)
def test_mistakes_in_a_mapping_are_named_with_their_line(tmp_path, mapping, message):
    assert message in refused(tmp_path, mapping)


def test_no_such_mapping(tmp_path):
    (tmp_path / "f.csv").write_text(HEADER)
    for name in ("foresight-sale", "elsewhere/x.yaml"):
        with pytest.raises(UsageError, match=f"mapping {name} does not exist"):
            run_import(ImportJob("sale", tmp_path / "f.csv", Path(name)), Settings(), dry_run=True)


def test_reasons_leave_the_values_out():
    assert reason_of("a (column 'b'): not a date (got 'x')") == "a (column 'b'): not a date"
    assert reason_of("a: wrong (got '(x)'); b: wrong too (got 1)") == "a: wrong; b: wrong too"
    assert reason_of("odd") == "odd"
