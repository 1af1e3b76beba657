"""`pulse policy` against a running `pulse up`: a KPI is added and taken away without a restart."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import data_folders
from commands import ROOT, Up, pulse, pulse_inside, until

from streams.clickhouse import connect
from streams.settings import Settings
from streams.supervisor import reach

REFERENCE = {
    "node": [
        {"node_id": "co", "name": "Company", "level": "company"},
        {"node_id": "east", "name": "East", "level": "team", "parent_id": "co"},
        {"node_id": "west", "name": "West", "level": "team", "parent_id": "co"},
    ],
    "rep": [{"rep_id": f"r{n}", "name": f"Rep {n}", "team_id": "east" if n < 3 else "west"} for n in range(1, 5)],
    "institution": [{"institution_id": "h1", "name": "Hospital"}],
    "product": [{"product_id": "p1", "name": "Product"}],
}
#: Rep, day, quantity, amount; large orders are those of 10 units or more.
SALES = [
    ("r1", "2024-01-05", 10, "100.10"),
    ("r1", "2024-01-20", 9, "90.05"),
    ("r2", "2024-01-31", 30, "300.25"),
    ("r2", "2024-02-01", 12, "120.00"),
    ("r3", "2024-01-15", 2, "20.50"),
    ("r4", "2024-01-16", 11, "110.75"),
]
LARGE = {
    ("co", "2024-01-01"): "511.1",
    ("co", "2024-02-01"): "120",
    ("east", "2024-01-01"): "400.35",
    ("east", "2024-02-01"): "120",
    ("west", "2024-01-01"): "110.75",
}
LARGE_ORDERS = """
  - id: large_orders
    title: {zh: 大额订单, en: Large orders}
    source: sale
    aggregate: sum
    value: amount
    where: {quantity: {at_least: 10}}
    periods: [month]
    unit: currency
"""


def sale(number: int, rep: str, day: str, quantity: int, amount: str) -> dict[str, Any]:
    fields = {"event_id": str(number), "source": "erp", "occurred_at": f"{day}T10:00:00+08:00", "rep_id": rep}
    what = {"institution_id": "h1", "product_id": "p1", "quantity": quantity, "amount": amount}
    return fields | what


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> tuple[str, str]:
    path = folder / f"{kind}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "--import", f"{kind}={path}"


def test_a_kpi_comes_and_goes_without_a_restart(tmp_path: Path, up: Callable[..., Up]) -> None:
    data, folder = data_folders.started(tmp_path / "data"), tmp_path / "policies"
    folder.mkdir()
    text = (ROOT / "policies" / "kpis.yaml").read_text("utf-8")
    (folder / "kpis.yaml").write_text(text, "utf-8")
    files = [write(tmp_path, kind, rows) for kind, rows in REFERENCE.items()]
    files.append(write(tmp_path, "sale", [sale(n, *line) for n, line in enumerate(SALES)]))
    own = {"PULSE_POLICIES": str(folder)}
    running = up("--data", data, "--no-simulate", *(word for file in files for word in file), **own)
    running.wait_until_started()
    (worker,) = running.children("streams.cli worker")

    with closing(connect(reach.announced(Settings(_env_file=None), data).clickhouse_url)) as client:

        def figures(kpi: str, level: str = "all") -> dict[tuple[str, str], str]:
            statement = (
                "SELECT node_id, toString(period_start), toString(value) FROM kpi_progress_by_node "
                "WHERE kpi_id = {kpi:String} AND period = 'month' AND product_level = {level:String}"
            )
            rows = client.query(statement, parameters={"kpi": kpi, "level": level}).result_rows
            return {(node, start): value for node, start, value in rows}

        until(lambda: figures("sales_amount").get(("co", "2024-01-01")) == "621.65", "the sales to be counted")
        assert figures("large_orders") == {}

        (folder / "kpis.yaml").write_text(text + LARGE_ORDERS, "utf-8")
        compared = pulse_inside("policy", "diff", "--json", "--data", data, **own).json
        assert compared["added"] == ["large_orders"]
        assert (compared["published"], compared["same"], compared["computed_anew"]) == (1, False, True)
        done = pulse("policy", "publish", "--author", "ann", "--json", "--data", data, **own).json
        assert (done["version"], done["new"], done["announced"]) == (2, True, True)
        until(lambda: figures("large_orders") == LARGE, "the new KPI over the past")
        assert figures("sales_amount")["co", "2024-01-01"] == "621.65"

        (folder / "kpis.yaml").write_text(text, "utf-8")
        assert pulse_inside("policy", "publish", "--data", data, **own).text.startswith("published version 3, hash ")
        log = data / "logs" / "worker-0.log"
        until(lambda: "policy=3" in log.read_text(), "the worker to go on with version 3")
        _, late = write(tmp_path, "sale", [sale(9, "r1", "2024-01-06", 50, "8.35")])
        assert pulse_inside("import", "sale", late.removeprefix("sale="), "--data", data).code == 0
        until(lambda: figures("sales_amount").get(("co", "2024-01-01")) == "630", "a sale under the old policy")
        assert figures("large_orders").get(("co", "2024-01-01")) != "519.45"  # nobody adds to it any more

    listed = pulse_inside("policy", "history", "--json", "--data", data).json
    assert [(item["version"], item["author"] == "ann") for item in listed] == [(3, False), (2, True), (1, False)]
    assert listed[0]["hash"] == listed[2]["hash"] != listed[1]["hash"] == done["hash"]
    assert running.children("streams.cli worker") == [worker]
