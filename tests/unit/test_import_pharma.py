"""The mapping for the pharma data set, against a plain loop over the file."""

import csv
import gzip
import io
from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from test_import_mapping import Kept

from streams.importing import ImportJob, run_import
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT.parent / "shared" / "data" / "pharma-data.csv.gz"
MAPPING = ROOT / "policies" / "mappings" / "foresight-sales.yaml"
SAMPLE = 5_000
MONTHS = [date(2000, month, 1).strftime("%B") for month in range(1, 13)]

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not here")


def imported(file):
    kept = Kept()
    kept.summary = run_import(ImportJob("sale", file, MAPPING), Settings(), sink=kept)
    return kept


def rows_of(file):
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def compare(kept, rows):
    """Every event equals its line, and totals per year × team equal a plain loop."""
    assert not kept.letters
    assert len(kept.events) == kept.summary.accepted == len(rows)
    assert len({event.event_id for event in kept.events}) == len(rows)
    by_kind = {kind: [row for row in kept.rows if row.kind_name == kind] for kind in kept.summary.reference_rows}
    names = {row.institution_id: row for row in by_kind["institution"]}
    products = {row.product_id: row for row in by_kind["product"]}
    reps = {row.rep_id: row for row in by_kind["rep"]}
    nodes = {row.node_id: row for row in by_kind["node"]}
    totals, wanted = Counter(), Counter()
    for event, row in zip(kept.events, rows, strict=True):
        assert str(event.amount) == row["Sales"]
        assert str(event.quantity) == row["Quantity"]
        assert event.occurred_at.isoformat() == f"{row['Year']}-{MONTHS.index(row['Month']) + 1:02}-01T00:00:00+08:00"
        assert event.kind == ("return" if Decimal(row["Quantity"]) < 0 else "sale")
        place, product = names[event.institution_id], products[event.product_id]
        assert (place.name, place.city, place.country) == (row["Customer Name"], row["City"], row["Country"])
        assert (place.channel, place.sub_channel) == (row["Channel"], row["Sub-channel"])
        assert (place.latitude, place.longitude) == (float(row["Latitude"]), float(row["Longitude"]))
        assert (product.name, product.line_name) == (row["Product Name"], row["Product Class"])
        team = nodes[reps[event.rep_id].team_id]
        assert reps[event.rep_id].name == row["Name of Sales Rep"]
        assert reps[team.manager_id].name == row["Manager"]
        totals[event.occurred_at.year, team.name] += event.amount
        wanted[int(row["Year"]), row["Sales Team"]] += Decimal(row["Sales"])
    assert totals == wanted
    assert {node.parent_id for node in nodes.values() if node.level == "team"} == {"foresight"}


def test_a_sample(tmp_path):
    sample = tmp_path / "sample.csv"
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as text:
        sample.write_text("".join(islice(text, SAMPLE + 1)), "utf-8", newline="")
    kept = imported(sample)
    compare(kept, rows_of(sample))
    assert kept.summary.rows == SAMPLE


@pytest.mark.full
def test_the_whole_file():
    kept = imported(FILE)
    rows = rows_of(FILE)
    compare(kept, rows)
    assert len(rows) == 254_082
    assert sum(event.amount for event in kept.events) == Decimal("11798987642.195417")
    assert sum(event.kind == "return" for event in kept.events) == 2_633
    assert kept.summary.reference_rows == {"institution": 751, "product": 240, "rep": 17, "node": 5}
