"""Rules about sales on the pharma data set: as many hits as SQL with window functions counts over the same lines."""

import gzip
from collections import Counter
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import chdb
import pytest
from commands import MAPPING, PHARMA
from test_import_mapping import Kept

from agents.compliance.rules import compile_rule
from agents.progress.calendar import CompanyTime
from schemas.compliance import Examples, Rule
from schemas.reference import Institution, Rep
from streams import compliance_policy
from streams.compliance_policy import Entry, Pack
from streams.compliance_proof import Judged
from streams.importing import ImportJob, run_import
from streams.settings import Settings

pytestmark = pytest.mark.skipif(not PHARMA.exists(), reason=f"{PHARMA.name} is not here")
SHANGHAI = CompanyTime("Asia/Shanghai")
SAMPLE = 4_000
FILED_TEAM, FIELD_CHANNEL = "Delta", "Pharmacy"


def rule(name: str, when: str, **let: str) -> Entry:
    made = Rule.model_validate(
        {
            "id": name,
            "title": {"zh": name, "en": name},
            "severity": "avoid",
            "scope": {"events": ["sale"]},
            "let": let,
            "when": when,
            "message": {"zh": "{rep_id}", "en": "{rep_id}"},
            "basis": [{"article": "1", "source": "test"}],
            "effective_from": "2010-01-01",
            "owner": "compliance",
            "tests": [{"case": str(n), "expect": e} for n, e in enumerate(("hit", "hit", "miss", "miss"))],
        }
    )
    return Entry(made, compile_rule(made), Examples(), "", ())


PACK = (
    rule(
        "RETURN-AFTER-SALE",
        'kind == "return" and amount < -10000 and count(s for s in sales(this_month) if s.kind == "sale") > 0',
    ),
    rule(
        "MUCH-A-MONTH",
        "total > 400000 and total - amount <= 400000",
        total="sum(s.amount for s in sales(this_month, institution=institution_id)) + amount",
    ),
    rule("MANY-A-DAY", "lines > 350", lines="count(s for s in sales(today)) + 1"),
    rule(
        "GIVEN-BACK",
        "amount < 0 and back < -50000",
        back="sum(s.amount for s in sales(this_quarter) if s.amount < 0) + amount",
    ),
)
#: `before`: the lines of the same month that came earlier in the file; every line lies on the first of its month.
SQL = f"""
WITH lines AS
(
    SELECT
        rowNumberInAllBlocks() AS n, `Name of Sales Rep` AS rep, `Customer Name` AS place, `Sales Team` AS team,
        Channel AS channel,
        toDecimal128(Sales, 6) AS amount, toDecimal128(Quantity, 6) AS quantity,
        makeDate(toUInt16(Year), indexOf(['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
            'September', 'October', 'November', 'December'], Month), 1) AS month,
        quantity < 0 OR amount < 0 AS is_return
    FROM file('{{file}}', 'CSVWithNames', '{{columns}}')
),
windowed AS
(
    SELECT
        *,
        countIf(NOT is_return) OVER own_month AS sales_before, count() OVER own_month AS lines_before,
        sum(amount) OVER at_place AS here_before, sumIf(amount, amount < 0) OVER own_quarter AS back_before
    FROM lines
    WINDOW
        own_month AS (PARTITION BY rep, month ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        own_quarter AS (PARTITION BY rep, toStartOfQuarter(month) ORDER BY month, n
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        at_place AS (PARTITION BY place, month ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT
    countIf(is_return AND amount < -10000 AND sales_before > 0),
    countIf(here_before + amount > 400000 AND here_before <= 400000),
    countIf(lines_before + 1 > 350), countIf(amount < 0 AND back_before + amount < -50000),
    countIf(team = '{FILED_TEAM}' AND channel = '{FIELD_CHANNEL}'),
    countIf(team = '{FILED_TEAM}' AND channel = '{FIELD_CHANNEL}' AND month >= '2020-12-01'), count()
FROM windowed
SETTINGS max_threads = 1
FORMAT TSV"""
NAMES = ("RETURN-AFTER-SALE", "MUCH-A-MONTH", "MANY-A-DAY", "GIVEN-BACK", "R07-THEN", "R07")


def filed(rep: Rep) -> Rep:
    return rep.model_copy(update={"role": "filed_rep"})


def counted(file: Path) -> tuple[Counter[str], int]:
    """Hits by rule; whoever is in one team is filed, and pharmacies are entered in the field."""
    kept: Any = Kept()
    run_import(ImportJob("sale", file, MAPPING), Settings(), sink=kept)
    shipped = compliance_policy.load(Path(__file__).parents[2] / "policies", SHANGHAI)
    teams = {row.node_id: row.name for row in kept.rows if row.kind_name == "node"}
    pharmacies = {
        row.institution_id for row in kept.rows if isinstance(row, Institution) and row.channel == FIELD_CHANNEL
    }
    rows = [filed(row) if isinstance(row, Rep) and teams.get(row.team_id) == FILED_TEAM else row for row in kept.rows]
    (handles,) = shipped.of("R07")  # holds from December 2020 on; the copy as if it had always held
    then = handles.rule.model_copy(update={"id": "R07-THEN", "effective_from": date(2010, 1, 1)})
    always = Entry(then, compile_rule(then), handles.examples, handles.file, handles.loc)
    judged = Judged(Pack((*PACK, handles, always), {}), rows, SHANGHAI)
    for event in kept.events:
        source = "crm" if event.institution_id in pharmacies else "erp"
        judged.judge(event.model_copy(update={"source": source}))
    return Counter(hit[0] for hit in judged.hits), judged.events


def asked(file: Path) -> tuple[dict[str, int], int]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as text:
        columns = text.readline().rstrip("\r\n").split(",")
    structure = ", ".join(f"`{name}` String" for name in columns)
    answer = str(chdb.query(SQL.format(file=file, columns=structure))).split()
    *hits, lines = map(int, answer)
    return dict(zip(NAMES, hits, strict=True)), lines


def test_hits_on_a_sample_are_those_of_sql(tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    with gzip.open(PHARMA, "rt", encoding="utf-8", newline="") as text:
        sample.write_text("".join(islice(text, SAMPLE + 1)), "utf-8", newline="")
    hits, events = counted(sample)
    wanted, lines = asked(sample)
    assert {name: hits[name] for name in NAMES} == wanted
    assert events == lines == SAMPLE
    assert all(wanted[name] for name in ("RETURN-AFTER-SALE", "MUCH-A-MONTH", "R07-THEN")), wanted


@pytest.mark.full
def test_hits_on_the_whole_file_are_those_of_sql() -> None:
    hits, events = counted(PHARMA)
    wanted, lines = asked(PHARMA)
    assert {name: hits[name] for name in NAMES} == wanted
    assert events == lines == 254_082
    assert min(wanted.values()) > 0
