"""Events in, lights out, on a real worker: the numbers by hand and by SQL, and what is changed while it runs."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from confluent_kafka import Consumer
from engine_harness import Stack, wait_for
from field_force import Company, Message

from agents.progress.lights_board import light_id
from agents.progress.lights_book import LightKey
from schemas.reference import (
    CalendarDay,
    Institution,
    OrganisationNode,
    Product,
    Reference,
    Rep,
    Target,
    period_days,
)
from streams import policies, references
from streams.topics import LIGHTS

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = datetime.now(SHANGHAI).date()
RUNNING, RUNNING_END = period_days("quarter", TODAY)
PAST, PAST_END = period_days("quarter", RUNNING - timedelta(days=1))
#: Nothing waits, and every day counts from its beginning.
POLICY = """\
defaults:
  tests: [period, pace]
  pace: {from_elapsed: 0, under: 0.1, under_is: amber}
  period: {below: %s, from_elapsed: 0}
  day_counts_from: "00:00"
  recover_margin: 0
  pending: 0 seconds
  keep_firing: 0 seconds
"""


def target(value: int, start: date = PAST, level: str = "rep", owner: str = "R1", **more: Any) -> Target:
    fields = {"kpi_id": "sales_amount", "period": "quarter", "period_start": start, "value": value}
    return Target.model_validate(fields | {"owner_level": level, "owner_id": owner} | more)


def rows() -> list[Reference]:
    return [
        OrganisationNode(node_id="C", name="公司", name_en="Company", level="company"),
        OrganisationNode(node_id="T1", name="一组", name_en="Team one", level="team", parent_id="C"),
        Rep(rep_id="R1", name="王芳", name_en="Wang Fang", team_id="T1"),
        Rep(rep_id="R2", name="李伟", team_id="T1"),
        Product(product_id="D1", name="甲", name_en="Drug one", line_id="L1", line_name="一线"),
        Product(product_id="D2", name="乙", line_id="L1"),
        Institution(institution_id="H1", name="医院"),
        CalendarDay(day=RUNNING, is_working_day=True),
        target(1000),
        target(1000, owner="R2"),
        target(2000, level="team", owner="T1"),
        target(2000, level="company", owner="C"),
        target(500, level="team", owner="T1", product_level="product", product_key="D1"),
        target(640, RUNNING),
    ]


def sale(number: int, rep: str, amount: str, day: date = PAST, product: str = "D1") -> Message:
    at = datetime(day.year, day.month, day.day, 0, 0, number % 60, tzinfo=SHANGHAI).isoformat()
    event = {"event_id": f"E{number}", "occurred_at": at, "source": "crm", "rep_id": rep, "institution_id": "H1"}
    event |= {"product_id": product, "quantity": "1", "amount": amount, "kind": "sale"}
    return Message("sales", rep, json.dumps(event).encode())


class Office:
    """The stack as these tests look at it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def lights(self, **wanted: Any) -> list[dict[str, Any]]:
        where = " AND ".join(f"{name} = %({name})s" for name in wanted) or "1"
        with self.stack.client() as client:
            return list(client.query(f"SELECT * FROM lights_now WHERE {where}", wanted).named_results())

    def light(self, level: str, owner: str, product: str = "", start: date = PAST) -> dict[str, Any]:
        found = self.lights(owner_level=level, owner_id=owner, product_key=product, period_start=start.isoformat())
        return found[0] if found else {"state": "", "value": None, "policy_version": 0}

    def scalar(self, statement: str) -> Any:
        with self.stack.client() as client:
            return client.query(statement).first_row[0]

    def until(self, condition: Any, what: str) -> None:
        wait_for(condition, what, 20)

    def states(self) -> dict[tuple[str, str, date], str]:
        return {(item["owner_id"], item["product_key"], item["period_start"]): item["state"] for item in self.lights()}

    def publish(self, text: str) -> None:
        with self.stack.client() as client:
            version = policies.publish(client, text, policy=policies.LIGHTS, author="tests")
        self.announce(version)

    def announce(self, version: int) -> None:
        settings = self.stack.settings
        assert settings.redis_url is not None
        references.announce(settings.redis_url, settings.group, version)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Stack(tmp_path_factory.mktemp("lights")) as stack:
        stack.prepare(Company(0, rows()))
        found = Office(stack)
        with stack.client() as client:
            policies.publish(client, POLICY % "0.8", policy=policies.LIGHTS, author="tests")
        stack.worker()
        stack.wait_owned()
        stack.send(
            [
                sale(1, "R1", "799.99"),
                sale(2, "R2", "600"),
                sale(3, "R2", "350.5", product="D2"),
                sale(4, "R1", "96.4", RUNNING),
            ]
        )
        stack.wait_drained()
        yield found


def test_every_light_has_its_numbers(office: Office) -> None:
    office.until(lambda: office.light("company", "C")["value"] == Decimal("1750.49"), "the company's light")
    wanted = {
        ("rep", "R1", ""): ("red", "period", "799.99", "0.79999"),
        ("rep", "R2", ""): ("green", "period", "950.5", "0.9505"),
        ("team", "T1", ""): ("amber", "pace", "1750.49", "0.875245"),
        ("company", "C", ""): ("amber", "pace", "1750.49", "0.875245"),
        ("team", "T1", "D1"): ("green", "period", "1399.99", "2.79998"),
    }
    for (level, owner, product), (state, cause, value, share) in wanted.items():
        light = office.light(level, owner, product)
        assert (light["state"], light["cause"], light["pending_state"]) == (state, cause, state)
        assert (light["value"], light["attainment"], light["pace"]) == (Decimal(value), Decimal(share), Decimal(share))
        assert (light["elapsed"], light["expected"]) == (1, light["target"])
        assert (light["forecast"], light["forecast_low"], light["forecast_high"]) == (Decimal(value),) * 3
        assert light["period_end"] == PAST_END
    assert office.light("team", "T1", "D1")["pace_state"] == "over"


def test_the_figures_are_those_of_the_raw_sales(office: Office) -> None:
    found = office.scalar(f"SELECT sum(amount) FROM sales FINAL WHERE day BETWEEN '{PAST}' AND '{PAST_END}'")
    assert office.light("company", "C")["value"] == found
    of_product = office.scalar(
        f"SELECT sum(amount) FROM sales FINAL WHERE product_id = 'D1' AND day BETWEEN '{PAST}' AND '{PAST_END}'"
    )
    assert office.light("team", "T1", "D1")["value"] == of_product


def test_the_running_quarter_goes_by_working_days(office: Office) -> None:
    light = office.light("rep", "R1", start=RUNNING)
    judged = light["judged_at"].replace(tzinfo=UTC).astimezone(SHANGHAI).date()
    days = [RUNNING + timedelta(days=number) for number in range((RUNNING_END - RUNNING).days + 1)]
    worked = [day for day in days if day.weekday() < 5 or day == RUNNING]
    passed = sum(day <= judged for day in worked)
    elapsed = round(Fraction(passed, len(worked)), 6)
    assert light["elapsed"] == Decimal(f"{float(elapsed):.6f}")
    expected = round(640 * elapsed, 6)
    assert Fraction(light["expected"]) == expected
    assert Fraction(light["pace"]) == round(Fraction("96.4") / expected, 6)
    assert Fraction(light["forecast"]) == Fraction("96.4") + round(Fraction("96.4") * (1 - elapsed) / elapsed, 6)


def test_names_and_the_node_above_stand_beside_a_light(office: Office) -> None:
    rep = office.light("rep", "R1")
    assert (rep["owner_name"], rep["owner_name_en"]) == ("王芳", "Wang Fang")
    assert (rep["parent_level"], rep["parent_id"], rep["team_id"], rep["company_id"]) == ("team", "T1", "T1", "C")
    team = office.light("team", "T1", "D1")
    assert (team["owner_name_en"], team["product_name_en"]) == ("Team one", "Drug one")
    assert (team["parent_level"], team["parent_id"], team["team_id"]) == ("company", "C", "T1")
    company = office.light("company", "C")
    assert (company["parent_level"], company["parent_id"], company["company_id"]) == ("", "", "C")


def test_redis_holds_the_lights_of_running_periods(office: Office) -> None:
    with office.stack.redis() as client:
        held = client.hgetall(f"{office.stack.settings.group}:lights")
    (name,) = held
    assert json.loads(name) == ["sales_amount", "quarter", RUNNING.isoformat(), "rep", "R1", "all", ""]
    light = json.loads(held[name])
    assert (light["value"], light["target"]) == ("96.400000", "640.000000")
    assert light["state"] == office.light("rep", "R1", start=RUNNING)["state"]


def test_changes_are_told_in_order(office: Office) -> None:
    office.until(lambda: office.scalar("SELECT count() FROM light_history") >= 6, "the first colours in the history")
    told = messages(office.stack, 6)
    ours = [message for key, message in told if message["owner_id"] == "R1" and message["period_start"] == str(PAST)]
    assert [(message["previous_state"], message["state"]) for message in ours] == [("grey", "red")]
    assert {key for key, _ in told} == {"R1", "R2", "T1", "C"}
    key = LightKey("sales_amount", "quarter", PAST.toordinal(), "rep", "R1", "all", "")
    assert ours[0]["light_id"] == light_id(key, 1)
    with office.stack.client() as client:
        rows_ = client.query("SELECT light_id, previous_state, state, value FROM light_history").result_rows
    assert {(item["light_id"], item["previous_state"], item["state"], Decimal(item["value"])) for _, item in told} == {
        *rows_
    }


def messages(stack: Stack, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The first `count` messages of the topic of lights."""
    options = {"bootstrap.servers": stack.settings.kafka_url, "group.id": "looks", "auto.offset.reset": "earliest"}
    found: list[Any] = []
    with closing(Consumer(options)) as consumer:
        consumer.subscribe([LIGHTS])
        wait_for(lambda: found.extend(consumer.consume(count, 0.1)) or len(found) >= count, "messages of lights", 30)
    return [(message.key().decode(), json.loads(message.value())) for message in found]


def test_a_sale_turns_the_light(office: Office) -> None:
    office.stack.send([sale(5, "R1", "0.01")])
    office.until(lambda: office.light("rep", "R1")["state"] == "amber", "the rep's light to turn amber")
    light = office.light("rep", "R1")
    assert (light["value"], light["period_state"], light["pace_state"]) == (Decimal(800), "green", "amber")


def test_a_target_that_is_published_turns_the_light(office: Office) -> None:
    with office.stack.client() as client:
        version = references.publish(client, [target(1100, effective_from=PAST_END), target(1, owner="R3")], "ops")
    office.announce(version)
    office.until(lambda: office.light("rep", "R1")["target"] == 1100, "the new target")
    light = office.light("rep", "R1")
    assert (light["state"], light["attainment"]) == ("red", Decimal("0.727273"))
    nobody = office.light("rep", "R3")
    assert (nobody["state"], nobody["cause"], nobody["value"], nobody["changes"]) == ("grey", "no_data", None, 0)


def test_another_policy_judges_anew_and_leaves_the_figures(office: Office) -> None:
    office.publish(POLICY % "0.97")
    office.until(lambda: office.light("rep", "R2")["state"] == "red", "the light of R2 to turn red")
    light = office.light("rep", "R2")
    assert (light["policy_version"], light["attainment"]) == (2, Decimal("0.9505"))
    office.until(lambda: {light["policy_version"] for light in office.lights()} == {2}, "every light to be judged anew")


def test_a_killed_worker_repeats_and_loses_nothing(office: Office) -> None:
    office.until(lambda: office.stack.progress().drained(), "everything to be told")  # type: ignore[union-attr]
    states = office.states()
    history = office.scalar("SELECT count() FROM light_history")
    office.stack.workers[-1].kill()
    office.stack.worker()
    office.stack.wait_owned(office.stack.owners())
    office.stack.send([sale(6, "R2", "49.5")])
    office.until(lambda: office.light("rep", "R2")["state"] == "green", "the light of R2 to turn green")
    office.until(lambda: office.stack.progress().drained(), "everything to be told")  # type: ignore[union-attr]
    assert dict(office.states().items() - states.items()) == {("R2", "", PAST): "green"}
    assert office.scalar("SELECT count() FROM light_history") == history + 1
    assert office.scalar("SELECT count() = uniqExact(light_id) FROM light_changes FINAL")
