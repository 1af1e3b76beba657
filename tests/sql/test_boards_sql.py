"""Every panel of every board asks ClickHouse something it understands, and the figures are those of plain loops."""

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from board_data import LAST_DAY, BoardData, fill, store, store_heartbeats
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from simulated_quarter import START

from grafana.alerts import ALERTS
from grafana.preview.model import Shown, shown_boards
from grafana.preview.questions import Asked, Questions
from schemas.reference import CalendarDay, CallPlan, Hcp, Institution, Product
from streams.clickhouse import connect
from streams.migrate import migrate
from streams.references import publish
from streams.simulator.world import COMPANY_ZONE

BOARDS = shown_boards()
#: Boards that look at hours are asked about the last two days of the quarter.
SHORT = {"pulse-live", "pulse-live-en"}
NOW = {"pulse-pipeline", "pulse-pipeline-en"}


@pytest.fixture(scope="module")
def filled(clickhouse_url: SecretStr) -> Iterator[tuple[Client, BoardData]]:
    name = f"boards_{uuid.uuid4().hex}"
    server = connect(clickhouse_url, database="default")
    server.command(f"CREATE DATABASE {name}")
    client = connect(clickhouse_url, database=name)
    migrate(client, time_zone="Asia/Shanghai")
    yield client, fill(client)
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


@pytest.fixture(scope="module")
def reading(_urls: dict[str, str], filled: tuple[Client, BoardData]) -> Iterator[Client]:
    """The read-only user, as the boards read."""
    if not _urls["clickhouse_reader_url"]:
        pytest.skip("PULSE_CLICKHOUSE_READER_URL names no read-only user")
    client = connect(SecretStr(_urls["clickhouse_reader_url"]), database=filled[0].database)
    yield client
    client.close()


def asked(shown: Shown, **variables: str) -> Asked:
    if shown.json["uid"] in NOW:
        return Asked(variables, "now-1h", "now")
    end = datetime(2026, 10, 1, tzinfo=COMPANY_ZONE) - timedelta(milliseconds=1)
    start = end - timedelta(days=2) if shown.json["uid"] in SHORT else datetime(2026, 7, 1, tzinfo=COMPANY_ZONE)
    return Asked(variables, *(str(int(moment.timestamp() * 1000)) for moment in (start, end)))


def panel_of(shown: Shown, title: str) -> dict[str, Any]:
    return next(panel for panel in shown.json["panels"] if panel["title"] == title)


def answers(client: Client, uid: str, *titles: str, **variables: str) -> list[list[dict[str, Any]]]:
    """Rows of panels, by column name."""
    shown = BOARDS[uid]

    async def ask() -> list[dict[str, Any]]:
        questions = Questions(client, COMPANY_ZONE)
        panels = [panel_of(shown, title) for title in titles]
        return [await questions.panel(shown, panel, asked(shown, **variables)) for panel in panels]

    return [
        [dict(zip((field["name"] for field in answer["fields"]), row, strict=True)) for row in answer["rows"]]
        for answer in asyncio.run(ask())
    ]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_of_a_board_has_rows(reading: Client, uid: str) -> None:
    shown = BOARDS[uid]

    async def ask() -> dict[str, int]:
        questions = Questions(reading, COMPANY_ZONE)
        found = {}
        for panel in shown.json["panels"]:
            answer = await questions.panel(shown, panel, asked(shown))
            found[panel["title"]] = len(answer["rows"])
        return found

    rows = asyncio.run(ask())
    assert len(rows) == len(shown.json["panels"])
    assert {title for title, count in rows.items() if count == 0} == set()


def test_variables_offer_the_organisation_and_the_products(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]

    def options(uid: str, name: str) -> dict[str, str]:
        shown = BOARDS[uid]
        chosen = asyncio.run(Questions(reading, COMPANY_ZONE).chosen(shown, asked(shown)))
        return {one["value"]: one["text"] for one in chosen[name]["options"]}

    assert options("pulse-company", "node") == {"COMPANY": data.nodes["COMPANY"].name}
    below = {key: node.name_en for key, node in data.nodes.items() if node.level != "company"}
    assert options("pulse-team-en", "node") == below
    assert set(options("pulse-rep", "rep")) == set(data.paths)
    assert set(options("pulse-market", "line")) == {product.line_id for product in data.products.values()}


def test_the_headline_of_the_company(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    titles = ("总体状态", "销售额与目标", "达成率与时间进度", "节奏（实际 ÷ 应达）", "下级灯数")
    state, money, shares, pace, below = (rows[0] for rows in answers(reading, "pulse-company", *titles))
    sold = sum(Decimal(str(sale["amount"])) for sale in data.events("sale"))
    light = data.lights["company", "COMPANY", "all", ""]

    words = {"red": "落后", "amber": "预警", "green": "正常"}
    assert state == {"state": f"{light['state']} {words[light['state']]} · 节奏"}
    assert money == {"sold": float(sold / 10_000), "goal": float(light["target"] / 10_000)}
    assert shares["attainment"] == pytest.approx(float(sold / light["target"]), abs=1e-6)
    assert shares["elapsed"] == 1
    assert pace["pace"] == shares["attainment"]  # the quarter is over: everything is due
    counted = Counter(
        light["state"]
        for (level, _, product_level, _), light in data.lights.items()
        if level != "company" and product_level == "all"
    )
    assert below == {colour: counted[colour] for colour in ("red", "amber", "green")}


def test_money_is_whole_yuan_in_english_and_ten_thousands_in_chinese(reading: Client) -> None:
    ((chinese,),) = (answers(reading, "pulse-company", "销售额与目标"),)
    ((english,),) = (answers(reading, "pulse-company-en", "Sales and target"),)

    assert english[0]["sold"] == pytest.approx(chinese[0]["sold"] * 10_000, abs=0.01)
    assert english[0]["goal"] == chinese[0]["goal"] * 10_000


def test_the_matrix_shows_state_and_attainment_of_each_region_and_line(
    reading: Client, filled: tuple[Client, BoardData]
) -> None:
    data = filled[1]
    (rows,) = answers(reading, "pulse-company-en", "Region × product line")
    lines = {product.line_id: product.line_name_en for product in data.products.values()}

    assert {row["owner_id"] for row in rows} == {key for key, node in data.nodes.items() if node.level == "region"}
    for row in rows:
        cells = orjson.loads(row["lines"])
        assert list(cells) == ["Total", *(name for _, name in sorted(lines.items()))]
        for line, name in lines.items():
            light = data.lights["region", row["owner_id"], "line", line]
            assert cells[name] == f"{light['state']} {percent(light['attainment'])}"


def percent(share: Decimal) -> str:
    return f"{(share * 100).quantize(Decimal('0.1'))}%"


def test_where_it_burns_lists_the_largest_gaps_first(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    (rows,) = answers(reading, "pulse-company-en", "Where it burns: furthest from what is due")
    gaps = sorted(
        (light["value"] - light["expected"], owner, data.products[key].name_en)
        for (level, owner, product_level, key), light in data.lights.items()
        if level == "team" and product_level == "product" and light["state"] in {"red", "amber"}
    )[:12]

    shown = [(row["gap"], row["owner_id"], row["product"]) for row in rows]
    assert [(owner, product) for _, owner, product in shown] == [(owner, product) for _, owner, product in gaps]
    assert [gap for gap, *_ in shown] == pytest.approx([float(gap) for gap, *_ in gaps], abs=0.01)
    assert {(row["board"], row["variable"]) for row in rows} == {("pulse-team", "node")}


def test_cumulative_sales_and_what_was_due_each_day(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    region = min(owner for level, owner, *_ in data.lights if level == "region")
    (rows,) = answers(reading, "pulse-team-en", "Cumulative sales, what is due, and the forecast", node=region)
    sold: dict[date, Decimal] = defaultdict(Decimal)
    for sale in data.events("sale"):
        if data.paths[sale["rep_id"]][1] == region:
            sold[sale["day"]] += Decimal(str(sale["amount"]))
    special = {row.day: row.is_working_day for row in data.quarter.references if isinstance(row, CalendarDay)}
    days = [START + timedelta(days=number) for number in range(92)]
    works = [special.get(day, day.weekday() < 5) for day in days]
    target = data.lights["region", region, "all", ""]["target"]

    assert [datetime.fromtimestamp(row["time"] / 1000, COMPANY_ZONE).date() for row in rows] == days
    for number, row in enumerate(rows):
        assert row["actual"] == pytest.approx(float(sum(sold[day] for day in days[: number + 1])), abs=0.01)
        assert row["due"] == pytest.approx(float(target) * sum(works[: number + 1]) / sum(works), abs=1)
        assert row["goal"] == float(target)
        assert (row["outlook"], row["low"], row["high"]) == (None, None, None)  # the quarter is over


def test_sales_a_day_and_by_product_of_a_representative(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    rep = max(data.paths, key=lambda one: data.figures.get(("rep", one, "all", ""), 0))
    (rows,) = answers(reading, "pulse-rep-en", "Sales by product", rep=rep)
    expected = {
        data.products[key].name_en: float(value)
        for (level, owner, product_level, key), value in data.figures.items()
        if (level, owner, product_level) == ("rep", rep, "product")
    }

    assert {row["name"]: row["sales"] for row in rows} == pytest.approx(expected)
    assert [row["sales"] for row in rows] == sorted(expected.values(), reverse=True)


def test_call_plan_gaps_and_next_steps_of_a_representative(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    rep = min(data.paths)
    classes = {row.hcp_id: row.segment or "" for row in data.quarter.references if isinstance(row, Hcp)}
    plans = [row for row in data.quarter.references if isinstance(row, CallPlan) and row.rep_id == rep]
    newest = max(row.effective_from for row in plans if row.effective_from <= LAST_DAY)
    planned = {row.hcp_id: row.planned_calls for row in plans if row.effective_from == newest}
    made = Counter(
        visit.get("hcp_id")
        for visit in data.events("visit")
        if visit["rep_id"] == rep and visit["day"] >= LAST_DAY.replace(day=1)
    )
    weight = {"A": Decimal("0.5"), "B": Decimal("0.3"), "C": Decimal("0.2")}
    weights = {hcp: weight.get(classes[hcp], Decimal(0)) for hcp in planned}
    whole = sum(weights[hcp] * calls for hcp, calls in planned.items())
    titles = ("Call plan of the month", "Planned and made by class", "Call plan: who is missing visits")
    (plan,), by_class, slips = answers(reading, "pulse-rep-en", *titles, rep=rep)
    (steps,) = answers(reading, "pulse-rep-en", "Next step: the visits that count most", rep=rep)

    capped = sum(min(calls, made[hcp]) for hcp, calls in planned.items())
    assert plan["attainment"] == pytest.approx(capped / sum(planned.values()))
    assert plan["reach"] == pytest.approx(sum(made[hcp] > 0 for hcp in planned) / len(planned))
    for row in by_class:
        of_class = [hcp for hcp in planned if (classes[hcp] or "—") == row["class"]]
        assert (row["planned"], row["made"]) == (
            sum(planned[one] for one in of_class),
            sum(made[one] for one in of_class),
        )
    missing = {hcp: calls - made[hcp] for hcp, calls in planned.items() if calls > made[hcp]}
    assert len(slips) == min(len(missing), 60)
    assert sum(row["missing"] for row in slips) == sum(missing.values())
    assert [row["segment"] for row in slips] == sorted(row["segment"] for row in slips)
    best = sorted((float(weights[hcp] / whole * 100) for hcp in missing if weights[hcp]), reverse=True)[:8]
    assert [row["gain"] for row in steps] == pytest.approx(best)


def test_the_table_of_kpis_names_and_writes_each_figure(reading: Client, filled: tuple[Client, BoardData]) -> None:
    sold = filled[1].figures["company", "COMPANY", "all", ""]
    light = filled[1].lights["company", "COMPANY", "all", ""]
    ((chinese,),) = (answers(reading, "pulse-company", "全部指标"),)
    ((english,),) = (answers(reading, "pulse-company-en", "All KPIs"),)

    assert chinese[0]["kpi"] == "销售额"
    assert chinese[0]["quarter"] == f"{(sold / 10_000).quantize(Decimal('0.1'))}万元"
    assert english[0]["kpi"] == "Sales amount"
    assert english[0]["quarter"] == f"¥{(sold / 1_000_000).quantize(Decimal('0.01'))}M"
    assert (english[0]["state"], english[0]["attainment"]) == (light["state"], float(light["attainment"]))


def test_needed_a_working_day(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    rep = max(data.paths, key=lambda one: data.figures.get(("rep", one, "all", ""), 0))
    ((row,),) = answers(reading, "pulse-rep-en", "Needed a working day", rep=rep)
    special = {row.day: row.is_working_day for row in data.quarter.references if isinstance(row, CalendarDay)}
    days = [START + timedelta(days=number) for number in range(92)]
    worked = sum(special.get(day, day.weekday() < 5) for day in days)

    assert row["average"] == pytest.approx(float(data.figures["rep", rep, "all", ""]) / worked, abs=0.01)
    assert row["needed"] is None  # no day is left


def test_share_and_evolution_of_the_products_of_a_line(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    ours = [one for one in data.products.values() if one.line_id == "L-CV"]
    reports = [
        report
        for report in data.events("market")
        if report["kind"] == "volume" and START <= date.fromisoformat(report["period_to"]) <= LAST_DAY
    ]
    weeks = sorted({report["period_to"] for report in reports}, reverse=True)
    (rows,) = answers(reading, "pulse-market-en", "Share, change and evolution index", line="L-CV")

    def volumes(product: str, chosen: list[str]) -> tuple[float, float]:
        found = [report for report in reports if report["product_id"] == product and report["period_to"] in chosen]
        return sum(one["own_volume"] for one in found), sum(one["market_volume"] for one in found)

    assert len(rows) == len(ours)
    for product in ours:
        row = next(row for row in rows if row["product"] == product.name_en)
        (own, market), (own_before, market_before) = (
            volumes(product.product_id, weeks[first : first + 4]) for first in (0, 4)
        )
        assert row["share"] == pytest.approx(own / market, abs=1e-6)
        assert row["change"] == pytest.approx((own / market - own_before / market_before) * 100, abs=1e-3)
        assert row["evolution"] == pytest.approx(100 * (own / own_before) / (market / market_before), abs=1e-3)


def test_new_drug_progress_counts_target_hospitals(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    targets = {row.institution_id for row in data.quarter.references if isinstance(row, Institution) and row.is_target}
    (new,) = (product for product in data.products.values() if product.is_new_drug)
    reached = {
        sale["institution_id"]
        for sale in data.events("sale")
        if sale["product_id"] == new.product_id and sale["kind"] == "sale" and Decimal(str(sale["quantity"])) > 0
    }
    ((row,),) = answers(reading, "pulse-market-en", "New drugs: target hospitals reached")

    assert row == {"name": new.name_en, "reached": pytest.approx(len(reached & targets) / len(targets))}


def test_live_figures_are_those_of_the_range(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    first, last = (int(text) for text in (asked(BOARDS["pulse-live"]).start, asked(BOARDS["pulse-live"]).end))

    def within(kind: str) -> list[dict[str, Any]]:
        moments = ((event, datetime.fromisoformat(event["occurred_at"]).timestamp()) for event in data.events(kind))
        return [event for event, moment in moments if first // 1000 <= moment <= last // 1000]

    titles = ("Events in the range", "Sales in the range", "People in the field", "Latest events")
    (counts,), (money,), (people,), latest = answers(reading, "pulse-live-en", *titles)
    assert counts == {kind: len(within(kind)) for kind in ("visit", "sale", "payment")}
    assert money["sold"] == pytest.approx(float(sum(Decimal(str(sale["amount"])) for sale in within("sale"))))
    assert people["reps"] == len({visit["rep_id"] for visit in within("visit")})
    assert len(latest) == 40
    assert [row["at"] for row in latest] == sorted((row["at"] for row in latest), reverse=True)


def test_health_of_the_pipeline(reading: Client) -> None:
    titles = ("Workers", "Messages behind", "Oldest round of checkpoints", "Open dead letters", "Quarantined (R06)")
    (workers,), (lag,), (age,), (letters,), (quarantined,) = answers(reading, "pulse-pipeline-en", *titles)

    assert workers == {"running": 2, "missing": 0}
    assert lag == {"lag": 12}
    assert age == {"age": 7.5}
    assert letters == {"letters": 1}
    assert quarantined == {"events": 2, "kinds": 1}, "the third one was a month ago"


def test_alert_rules_run_and_give_one_number(reading: Client, filled: tuple[Client, BoardData]) -> None:
    store_heartbeats(filled[0])  # those of the beginning may be too old by now
    waiting = [one for one in cases_of(filled[1]) if one["colour"] == "red" and one["state"] == "open"]
    found = {alert.uid: reading.query(alert.sql).result_rows for alert in ALERTS}

    assert {uid: len(rows) for uid, rows in found.items()} == dict.fromkeys(found, 1)
    assert {uid: float(rows[0][0]) for uid, rows in found.items()} == {
        "pulse-worker-missing": 0,
        "pulse-no-worker": 0,
        "pulse-lag": 12,
        "pulse-checkpoint-age": 7.5,
        "pulse-dead-letters": 1,
        "pulse-red-unseen": len(waiting),
    }


def test_the_forecast_runs_from_today_to_the_end_of_the_quarter(
    reading: Client, filled: tuple[Client, BoardData]
) -> None:
    client, data = filled
    now = datetime.now(COMPANY_ZONE)
    first = now.date().replace(month=(now.month - 1) // 3 * 3 + 1, day=1)
    light = data.lights["company", "COMPANY", "all", ""] | {"period_start": first, "period_end": first, "version": 2}
    light |= {"value": Decimal(100), "expected": Decimal(200), "target": Decimal(1000)}
    light |= {"forecast": Decimal(500), "forecast_low": Decimal(400), "forecast_high": Decimal(600)}
    client.insert("lights", [list(light.values())], column_names=list(light))
    shown = BOARDS["pulse-company-en"]
    panel = panel_of(shown, "Cumulative sales, what is due, and the forecast")
    answer = asyncio.run(Questions(reading, COMPANY_ZONE).panel(shown, panel, Asked({}, "now/fQ", "now/fQ")))
    names = [field["name"] for field in answer["fields"]]
    rows = {
        datetime.fromtimestamp(row[0] / 1000, COMPANY_ZONE).date(): dict(zip(names, row, strict=True))
        for row in answer["rows"]
    }
    today, last = rows[now.date()], rows[max(rows)]

    assert today["due"] == pytest.approx(200)
    if last["due"] != pytest.approx(200):  # a working day is left
        assert last["due"] == pytest.approx(1000)
        assert [last[name] for name in ("outlook", "low", "high")] == pytest.approx([500, 400, 600])
        assert [today[name] for name in ("outlook", "low", "high")] == pytest.approx([100, 100, 100])


def test_sales_without_a_target_are_shown(reading: Client, filled: tuple[Client, BoardData]) -> None:
    row = {"kpi_id": "sales_amount", "period": "quarter", "period_start": date(2025, 1, 1), "node_id": "COMPANY"}
    row |= {"node_level": "company", "product_level": "all", "product_key": "", "value": Decimal(123)}
    row |= {
        "numerator": Decimal(123),
        "events": 1,
        "version": 1,
        "updated_at": datetime(2025, 4, 1, tzinfo=COMPANY_ZONE),
    }
    filled[0].insert("node_totals", [list(row.values())], column_names=list(row))
    shown = BOARDS["pulse-company-en"]
    moments = (datetime(2025, 1, 1, tzinfo=COMPANY_ZONE), datetime(2025, 3, 31, tzinfo=COMPANY_ZONE))
    asked_then = Asked({}, *(str(int(moment.timestamp() * 1000)) for moment in moments))
    panel = panel_of(shown, "Sales and target")
    answer = asyncio.run(Questions(reading, COMPANY_ZONE).panel(shown, panel, asked_then))

    assert answer["rows"] == [[123.0, None]]


def test_many_products_are_the_nine_largest_and_the_others(reading: Client, filled: tuple[Client, BoardData]) -> None:
    client, data = filled
    publish(client, [Product(product_id=f"X{number}", name=f"药{number}") for number in range(12)], "ops")
    line = data.quarter.events["sale"][0] | {"occurred_at": "2024-02-01T09:00:00+08:00", "due_on": None}
    amounts = {number: Decimal(100 + number) for number in range(12)}
    sales = [
        line | {"event_id": f"x{number}", "product_id": f"X{number}", "amount": str(amount)}
        for number, amount in amounts.items()
    ]
    store(client, "sale", sales)
    shown = BOARDS["pulse-rep"]
    moments = (datetime(2024, 1, 1, tzinfo=COMPANY_ZONE), datetime(2024, 3, 31, tzinfo=COMPANY_ZONE))
    asked_then = Asked({"rep": line["rep_id"]}, *(str(int(moment.timestamp() * 1000)) for moment in moments))
    answer = asyncio.run(Questions(reading, COMPANY_ZONE).panel(shown, panel_of(shown, "产品构成"), asked_then))

    largest = [[f"药{number}", float(amounts[number] / 10_000)] for number in range(11, 2, -1)]
    assert answer["rows"] == [*largest, ["其他", float(sum(amounts[number] for number in range(3)) / 10_000)]]


def test_boards_of_a_company_without_data_break_nothing(database: Client, reader: Client) -> None:
    chinese = [shown for shown in BOARDS.values() if shown.language == "zh-CN"]

    async def ask() -> int:
        questions = Questions(reader, COMPANY_ZONE)
        count = 0
        for shown in chinese:
            for panel in shown.json["panels"]:
                await questions.panel(shown, panel, asked(shown))
                count += 1
        return count

    assert database.query("SELECT count() FROM sales").first_row == (0,)
    assert asyncio.run(ask()) == sum(len(shown.json["panels"]) for shown in chinese)


def test_the_compliance_board_counts_alerts_and_cases_as_a_plain_loop(
    reading: Client, filled: tuple[Client, BoardData]
) -> None:
    data = filled[1]
    alerts = cases_of(data)
    titles = ("Alerts", "Open cases", "Red cases nobody has seen", "Rule × region")
    (raised,), (waiting,), (unseen,), matrix = answers(reading, "pulse-compliance-en", *titles)

    def counted(rows: list[dict[str, Any]]) -> dict[str, int]:
        found = Counter(row["colour"] for row in rows)
        return {colour: found[colour] for colour in ("red", "amber", "yellow")}

    still = [row for row in alerts if row["state"] != "closed"]
    assert raised == counted(alerts)
    assert waiting == counted(still)
    assert unseen["cases"] == sum(row["colour"] == "red" and row["seen"] is None for row in still)
    names = {key: node.name_en for key, node in data.nodes.items() if node.level == "region"}
    for row in matrix:
        mine = [alert for alert in alerts if alert["rule_id"] == row["rule_id"]]
        here = {region: [one for one in mine if one["region_id"] == region] for region in names}
        cells = {
            names[region]: f"{mine[0]['colour']} {sum(one['state'] != 'closed' for one in found)}" if found else ""
            for region, found in here.items()
        }
        assert orjson.loads(row["regions"]) == cells
        assert row["all_alerts"] == len(mine)
    assert [row["rule_id"] for row in matrix] == ["R19-far", "R06", "R17", "R20"]


def cases_of(data: BoardData) -> list[dict[str, Any]]:
    assert data.cases is not None
    return data.cases.alerts


def test_a_region_sees_its_own_alerts_alone(reading: Client, filled: tuple[Client, BoardData]) -> None:
    alerts = cases_of(filled[1])
    for region in sorted({row["region_id"] for row in alerts} - {""}):
        ((raised,),) = answers(reading, "pulse-compliance-en", "Alerts", node=region)
        assert sum(raised.values()) == sum(row["region_id"] == region for row in alerts)


def test_ages_responses_and_precision_of_the_cases(reading: Client, filled: tuple[Client, BoardData]) -> None:
    alerts = cases_of(filled[1])
    titles = ("Open cases by age", "Response times", "Precision by rule, lowest first")
    ages, response, precision = answers(reading, "pulse-compliance-en", *titles)

    assert sum(row["red"] + row["amber"] + row["yellow"] for row in ages) == sum(
        row["state"] != "closed" for row in alerts
    )
    assert [row["age"] for row in ages] == ["up to 1 h", "up to 1 day", "up to 3 days", "up to 7 days", "longer"]
    assert all(row["red"] for row in ages)
    for row in response:
        mine = [one for one in alerts if one["colour"] == row["level"].split()[0]]
        seen, done = sum(one["seen"] is not None for one in mine), sum(one["closed"] is not None for one in mine)
        assert (row["cases"], row["seen"], row["done"]) == (len(mine), seen / len(mine), done / len(mine))
        assert (row["seen_p50"], row["done_p95"]) == (10 if seen else None, 60 if done else None)
    for row in precision:
        mine = [one for one in alerts if one["rule_id"] == row["rule_id"]]
        valid, wrong = (sum(one["verdict"] == verdict for one in mine) for verdict in ("valid", "false_alarm"))
        share = valid / (valid + wrong) if valid + wrong else None
        assert (row["valid"], row["false_alarms"]) == (valid, wrong)
        assert row["precision"] == (None if share is None else pytest.approx(share, abs=1e-6))
    assert any(row["false_alarms"] for row in precision)


def test_the_map_of_fence_breaches_shows_institutions_and_no_position_of_a_person(
    reading: Client, filled: tuple[Client, BoardData]
) -> None:
    data = filled[1]
    places = {row.institution_id: row for row in data.quarter.references if isinstance(row, Institution)}
    far = Counter(row["institution_id"] for row in cases_of(data) if row["rule_id"] == "R19-far")
    (spots,) = answers(reading, "pulse-compliance-en", "Fence breaches on the map")

    assert {(row["latitude"], row["longitude"], row["breaches"]) for row in spots} == {
        (places[key].latitude, places[key].longitude, count) for key, count in far.items()
    }


def test_value_given_to_hospitals_is_that_of_a_loop(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    given: dict[str, Decimal] = defaultdict(Decimal)
    for event in data.events("activity"):
        if event["kind"] in {"speaker_fee", "meal", "gift", "donation", "sponsorship"} and event.get("institution_id"):
            given[event["institution_id"]] += Decimal(event["amount"])
    (rows,) = answers(
        reading, "pulse-compliance-en", "Value given per hospital in three years against the credit grades"
    )
    names = {row.institution_id: row.name_en for row in data.quarter.references if isinstance(row, Institution)}
    expected = sorted(given.items(), key=lambda one: (-one[1], one[0]))[:40]

    assert [(row["hospital"], row["value_given"]) for row in rows] == [
        (names[key], float(value)) for key, value in expected
    ]
    for row, (_, value) in zip(rows, expected, strict=True):
        assert row["grade"].split()[0] == ("amber" if value >= 10_000 else "yellow" if value >= 5_000 else "green")
        assert row["share"] == pytest.approx(float(value) / 10_000 if value < 10_000 else float(value) / 500_000)


def test_a_version_on_trial_is_held_against_the_rules_in_force(
    reading: Client, filled: tuple[Client, BoardData]
) -> None:
    assert filled[1].cases is not None
    sets: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for rule_set, rule, event in filled[1].cases.hits:
        sets[rule_set].add((rule, event))
    (name,) = set(sets) - {"live"}
    live = {hit for hit in sets["live"] if hit[0] == "R20"}
    (row,) = answers(reading, "pulse-compliance-en", "Versions on trial against the rules in force")[0]

    assert row["trial"] == name
    assert (row["live"], row["on_trial"], row["same"]) == (len(live), len(sets[name]), len(live & sets[name]))
    assert (row["gained"], row["lost"]) == (len(sets[name] - live), len(live - sets[name]))
    assert min(row["gained"], row["lost"]) > 0


def test_the_case_board_tells_one_alert_whole(reading: Client, filled: tuple[Client, BoardData]) -> None:
    data = filled[1]
    closed = next(row for row in cases_of(data) if row["closed"] and row["event_kind"] == "visit")
    titles = ("What happened", "Evidence: the event that hit", "Why: the rule step by step", "Basis", "Timeline")
    told, evidence, why, basis, timeline = answers(reading, "pulse-case-en", *titles, case_id=closed["alert_id"])
    (others,) = answers(reading, "pulse-case-en", "Other cases of the same subject", case_id=closed["alert_id"])
    visit = next(one for one in data.events("visit") if one["event_id"] == closed["event_id"])

    said = {row["what"]: row["value"] for row in told}
    assert said["Sentence"] == closed["message_en"]
    assert said["Representative"].endswith(f" · {closed['rep_id']}")
    shown = {row["what"]: row["value"] for row in evidence}
    assert (shown["Event"], shown["Note"], shown["Way"]) == (closed["event_id"], visit["feedback_text"], "Face to face")
    assert shown["Check-in"] == visit["check_in_at"][:19].replace("T", " ")
    assert [(row["part"], row["value"]) for row in why] == [
        ("away_m > far_m", "true"),
        ("　└ away_m", "8123.4"),
        ("　　└ distance_m(check_in, institution)", "8130.9"),
        ("　└ far_m", "500"),
    ]
    assert [(row["article"], row["source"]) for row in basis] == [("虚假拜访", "指引 2025")]
    assert [row["done"] for row in timeline] == ["Raised", "In review", "Closed"]
    assert timeline[-1]["person"] == "LI · compliance"
    mine = {row["alert_id"] for row in cases_of(data) if row["subject_id"] == closed["subject_id"]}
    assert {row["case_id"] for row in others} == mine - {closed["alert_id"]}


def test_an_address_of_a_case_must_be_an_identity(reading: Client, filled: tuple[Client, BoardData]) -> None:
    shown = BOARDS["pulse-case"]
    newest = filled[1].cases.newest["alert_id"]  # type: ignore[union-attr] # it was filled
    for wanted, chosen in ((("f" * 32), "f" * 32), ("' OR 1 = 1 --", newest), ("", newest)):
        found = asyncio.run(Questions(reading, COMPANY_ZONE).chosen(shown, asked(shown, case_id=wanted)))
        assert found["case_id"]["value"] == chosen
