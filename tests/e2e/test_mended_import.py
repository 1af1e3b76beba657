"""Wrong rows of a file, mended and sent: every figure is that of a right file, and nobody has to count the letters."""

import signal
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import data_folders
import pytest
from commands import Result, Up, pulse_here, until

from streams.settings import Settings
from streams.shards_view import ShardsView
from streams.supervisor import reach

MAPPING = """\
kind: sale
reader: {delimiter: ";", decimal: ",", thousands: "."}
fields:
  event_id: {row_id: west}
  source: {constant: test}
  occurred_at: {column: Datum, format: "%d.%m.%Y"}
  rep_id: Vertreter
  institution_id: Kunde
  product_id: Artikel
  quantity: Menge
  amount: {column: Betrag, remove: €}
reference:
  - kind: institution
    fields: {institution_id: Kunde, name: Kunde}
  - kind: rep
    fields: {rep_id: Vertreter, name: Vertreter, team_id: {constant: T}}
  - kind: product
    fields: {product_id: Artikel, name: Artikel, line_id: {constant: L}, line_name: {constant: L}}
  - kind: node
    fields: {node_id: {constant: T}, name: {constant: Team}, level: {constant: team}, parent_id: {constant: C}}
  - kind: node
    fields: {node_id: {constant: C}, name: {constant: Company}, level: {constant: company}}
"""
HEADER = "Datum;Kunde;Artikel;Menge;Betrag;Vertreter"
RIGHT = [f"{1 + n % 28:02d}.03.2024;Löwen {n};P{n % 3};{n + 1};1.{n:03d},50 €;Anna{n % 2}" for n in range(40)]
MISTAKES = {4: (";5;", ";fünf;"), 8: ("09.03.2024", "31.02.2024"), 19: ("Anna1", "Anna1;x")}


def totals_of(lines: list[str]) -> list[tuple[Any, ...]]:
    """Units and money by representative, added up from the text of the file."""
    found: dict[str, tuple[int, Decimal]] = {}
    for line in lines:
        _day, _customer, _product, units, money, rep = line.split(";")
        amount = Decimal(money.removesuffix(" €").replace(".", "").replace(",", "."))
        before = found.get(rep, (0, Decimal(0)))
        found[rep] = before[0] + int(units), before[1] + amount
    return [(rep, str(units), f"{money.normalize():f}") for rep, (units, money) in sorted(found.items())]


def spoilt() -> list[str]:
    lines = list(RIGHT)
    for n, (right, wrong) in MISTAKES.items():
        assert lines[n].count(right) == 1
        lines[n] = lines[n].replace(right, wrong)
    return lines


class Trial:
    """A running `pulse up` and the files somebody imports into it."""

    def __init__(self, folder: Path, up: Callable[..., Up], capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.data, self._capsys = folder, folder / "data", capsys
        (folder / "m.yaml").write_text(MAPPING, "utf-8")
        self.running = up("--data", data_folders.started(self.data))
        self.running.wait_until_started()

    def pulse(self, *arguments: object) -> Result:
        return pulse_here(self._capsys, *arguments, "--data", self.data)

    def send(self, name: str, *more: object) -> Result:
        file, mapping = self.folder / name, self.folder / "m.yaml"
        return self.pulse("import", "sale", file, "--mapping", mapping, *more)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        rows = self.pulse("sql", statement, "--format", "json").json
        return [tuple(row.values()) for row in rows]

    def duplicates(self) -> int:
        with closing(ShardsView(reach.announced(Settings(_env_file=None), self.data))) as view:
            return view.read().duplicates

    def wait_for(self, count: int) -> None:
        until(lambda: self.ask("SELECT count() FROM sales_lines") == [(count,)], f"{count} sales lines")


def write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")


def test_bad_lines_mended_and_sent_equal_a_right_file(
    tmp_path: Path, up: Callable[..., Up], capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Trial(tmp_path, up, capsys)
    write(tmp_path / "sales.csv", spoilt())
    sent = trial.send("sales.csv", "--rejected", tmp_path / "mend.csv")
    assert sent.code == 0, sent.err
    assert "37 of 40 rows sent as sale" in sent.text
    assert "3 wrong, set aside as dead letters" in sent.text
    assert f"the wrong rows are in {tmp_path / 'mend.csv'}: mend them there" in sent.text
    assert "`pulse dead-letters list`" in sent.text
    trial.wait_for(37)
    letters = trial.pulse("dead-letters", "list", "--json").json
    assert [(item["line"], item["step"]) for item in letters] == [(6, "import"), (10, "import"), (21, "import")]

    write(tmp_path / "whole.csv", RIGHT)
    refused = trial.send("whole.csv").complaint(2)
    assert "of its rows in common with" in refused

    text = (tmp_path / "mend.csv").read_text("utf-8-sig")
    for right, wrong in MISTAKES.values():
        text = text.replace(wrong, right)
    (tmp_path / "mend.csv").write_text(text, "utf-8")
    mended = trial.send("mend.csv", "--json").json
    assert (mended["sent"], mended["dead_lettered"]) == (3, 0)
    trial.wait_for(40)

    by_rep = "SELECT rep_id, toString(sum(quantity)), toString(sum(amount)) FROM sales_lines GROUP BY rep_id ORDER BY 1"
    assert trial.ask(by_rep) == totals_of(RIGHT)
    figures = (
        "SELECT rep_id, toString(anyIf(value, kpi_id = 'sales_quantity')), "
        "toString(anyIf(value, kpi_id = 'sales_amount')) FROM kpi_progress_by_rep "
        "WHERE period = 'year' AND product_level = 'all' GROUP BY rep_id ORDER BY rep_id"
    )
    until(lambda: trial.ask(figures) == totals_of(RIGHT), "the figures of a right file")

    for name in ("sales.csv", "mend.csv"):
        assert trial.send(name).code == 0
    until(lambda: trial.duplicates() == 40, "what came again to be recognised")
    trial.running.signal(signal.SIGTERM)
    summary = trial.running.wait(60).events["summary"]
    assert summary["accepted"] == {"sale": 40}
    assert (summary["duplicates"], summary["conflicts"], summary["dead_letters_open"]) == (40, 0, 0)
