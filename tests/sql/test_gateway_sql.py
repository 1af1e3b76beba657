"""The gateway on a real ClickHouse, as the read-only user: whose rows, which pages, what the fuzzer finds."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import light_rows
import pytest
import schemathesis
from clickhouse_connect.driver.client import Client
from gateway_parts import Bench, alert, bearer, gateway
from hypothesis import HealthCheck, Phase, settings
from pydantic import SecretStr
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from schemas.alerts import Alert
from schemas.cases import CaseCommand
from schemas.reference import OrganisationNode, Rep
from streams import references
from streams.alert_rows import alert_table
from streams.clickhouse import connect
from streams.errors import UsageError
from streams.gateway import keys
from streams.gateway.app import skeleton
from streams.gateway.reading import Reading
from streams.gateway.shapes import AlertShown

#: Team, region above it; and who belongs where.
TEAMS = {"t1": "east", "t2": "east", "t3": "west"}
REPS = {"R-1": "t1", "R-2": "t2", "R-3": "t3", "R-4": "east", "R-5": None, "O'Neil\\张": "t1"}
COUNT = 30
_WHO = {"x-api-key", "authorization"}
LIVE = 500


def organisation() -> list[Any]:
    early, late = date(2020, 1, 1), date(2021, 1, 1)
    nodes = [OrganisationNode(node_id="all", name="公司", level="company")]
    nodes += [OrganisationNode(node_id=name, name=name, level="region", parent_id="all") for name in ("east", "west")]
    nodes += [OrganisationNode(node_id=team, name=team, level="team", parent_id=up) for team, up in TEAMS.items()]
    reps = [Rep(rep_id=rep, name=rep, team_id=team, effective_from=early) for rep, team in REPS.items()]
    moved = [Rep(rep_id="R-6", name="Li", team_id="t1", effective_from=early)]
    moved += [Rep(rep_id="R-6", name="Li", team_id="t3", effective_from=late)]
    return [*nodes, *reps, *moved]


def alerts() -> list[Alert]:
    """Several at one moment, so that pages must break ties."""
    chance = random.Random(4)
    reps = [*REPS, "R-6"]
    found = []
    for number in range(COUNT):
        colour, severity = chance.choice([("red", "prohibited"), ("amber", "avoid"), ("yellow", "monitor")])
        raised = datetime(2026, 3, 2, 1, 30, tzinfo=UTC) + timedelta(milliseconds=chance.randrange(6))
        found.append(
            alert(
                number,
                rep_id=chance.choice(reps),
                colour=colour,
                severity=severity,
                rule_id=chance.choice(["R11", "R12"]),
                region_id=chance.choice(["east", "west"]),
                raised_at=raised.isoformat(),
            )
        )
    return found


@pytest.fixture
def filled(database: Client) -> Client:
    references.publish(database, organisation(), "test")
    database.insert_arrow("alerts", alert_table(alerts(), 1))
    return database


@pytest.fixture
def bench(filled: Client, reader: Client) -> Iterator[Bench]:
    reading = Reading(lambda: reader, "Asia/Shanghai")
    with gateway(reading) as made:
        yield made


@pytest.fixture(scope="module")
def empty_bench(_emptied: Client, _urls: dict[str, str]) -> Iterator[Bench]:
    """A gateway on whatever the database holds, with one live alert."""
    client = connect(SecretStr(_urls["clickhouse_reader_url"]), database=_emptied.database)
    with gateway(Reading(lambda: client, "Asia/Shanghai")) as made:
        made.parts.hub.publish(AlertShown.of(alert(LIVE, rep_id="R-3")))
        yield made
    client.close()


def below(node: str) -> set[str]:
    """Representatives of a node, counted by hand."""
    teams = {
        "t1": {"t1", "east", "all"},
        "t2": {"t2", "east", "all"},
        "t3": {"t3", "west", "all"},
        "east": {"east", "all"},
    }
    return {rep for rep, team in {**REPS, "R-6": "t3"}.items() if team and node in teams[team]}


def walk(bench: Bench, path: str, headers: dict[str, str], key: str, **asked: Any) -> list[str]:
    """Ids of all pages, eight by eight."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(100):
        query = {"limit": 8, **asked, **({"cursor": cursor} if cursor else {})}
        answer = bench.client.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        found += [item[key] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found
    pytest.fail("the pages do not end")


def test_everybody_pages_through_what_they_may_see(bench: Bench) -> None:
    newest = sorted(alerts(), key=lambda one: (one.raised_at, one.alert_id), reverse=True)
    people: list[tuple[dict[str, str], set[str]]] = [
        (bearer("auditor"), {*REPS, "R-6"}),
        (bearer("rep", rep_id="O'Neil\\张"), {"O'Neil\\张"}),
        (bearer("rep", rep_id="R-9"), set()),
        *((bearer("manager", node=node), below(node)) for node in ("t3", "east", "all", "nowhere")),
    ]
    for headers, reps in people:
        wanted = [one.alert_id for one in newest if one.rep_id in reps]
        assert walk(bench, "/v1/alerts", headers, "alert_id") == wanted
    only = [one.alert_id for one in newest if one.rep_id in below("west")]
    assert walk(bench, "/v1/cases", bearer("manager", node="west"), "case_id") == only
    assert below("t3") == {"R-3", "R-6"}


def test_filters(bench: Bench) -> None:
    newest = sorted(alerts(), key=lambda one: (one.raised_at, one.alert_id), reverse=True)
    moment = datetime(2026, 3, 2, 1, 30, 0, 3_000, tzinfo=UTC)
    filters: dict[str, tuple[Any, Any]] = {
        "colour": ("red", lambda one: one.colour == "red"),
        "rule": ("R12", lambda one: one.rule_id == "R12"),
        "rep": ("O'Neil\\张", lambda one: one.rep_id == "O'Neil\\张"),
        "region": ("west", lambda one: one.region_id == "west"),
        "since": ("2026-03-02T09:30:00.003+08:00", lambda one: one.raised_at >= moment),
    }
    for name, (value, fits) in filters.items():
        found = walk(bench, "/v1/alerts", bearer("compliance"), "alert_id", **{name: value})
        assert found == [one.alert_id for one in newest if fits(one)], name
        assert found
    every = {name: value for name, (value, _) in filters.items() if name != "rep"}
    both = [one.alert_id for one in newest if all(fits(one) for name, (_, fits) in filters.items() if name != "rep")]
    assert walk(bench, "/v1/cases", bearer("compliance"), "case_id", state="open", **every) == both
    assert walk(bench, "/v1/cases", bearer("compliance"), "case_id", state="closed") == []


def test_one_alert_and_one_case_outside_the_tree_are_not_there(bench: Bench) -> None:
    one = next(one for one in alerts() if one.rep_id == "R-3")
    for path in (f"/v1/alerts/{one.alert_id}", f"/v1/cases/{one.alert_id}"):
        assert bench.client.get(path, headers=bearer("manager", node="west")).json()["rep_id"] == "R-3"
        hidden = bench.client.get(path, headers=bearer("manager", node="east"))
        missing = bench.client.get(path[:-32] + "f" * 32, headers=bearer("manager", node="east"))
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert hidden.json()["detail"] == missing.json()["detail"].replace("f" * 32, one.alert_id)
    shown = bench.client.get(f"/v1/alerts/{one.alert_id}", headers=bearer("auditor")).json()
    assert (shown["basis"][0]["article"], shown["explanation"]["value"]) == ("第四条", "yes")
    case = bench.client.get(f"/v1/cases/{one.alert_id}", headers=bearer("auditor")).json()
    assert (case["state"], case["acknowledged_at"]) == ("open", None)


def test_commands_go_where_the_person_sees_the_case(bench: Bench) -> None:
    one = next(one for one in alerts() if one.rep_id == "R-3")
    path = f"/v1/cases/{one.alert_id}"
    note = {"remark": "看过了"}
    key = {"Idempotency-Key": "k1"}

    taken = [bench.client.post(f"{path}/note", json=note, headers=bearer("rep", rep_id="R-3") | key) for _ in range(2)]
    other = bench.client.post(f"{path}/note", json=note, headers=bearer("manager", node="west") | key)
    hidden = bench.client.post(f"{path}/note", json=note, headers=bearer("manager", node="east"))
    missing = bench.client.post(f"/v1/cases/{'f' * 32}/note", json=note, headers=bearer("compliance"))

    assert [answer.status_code for answer in (*taken, other)] == [202] * 3
    assert (hidden.status_code, missing.status_code) == (404, 404)
    sent = [(topic, key, command_of(value)) for topic, key, value, _ in bench.producer.sent]
    assert [(topic, key) for topic, key, _ in sent] == [("commands", one.alert_id)] * 3
    assert sent[0][2].command_id == sent[1][2].command_id == taken[0].json()["command_id"]
    assert (sent[0][2].by.person_id, sent[0][2].by.role, sent[0][2].remark) == ("R-3", "rep", "看过了")
    assert sent[2][2].by.role == "manager"


def command_of(value: bytes) -> Any:
    return CaseCommand.model_validate_json(value)


def test_a_command_may_follow_an_alert_that_is_only_live_yet(bench: Bench) -> None:
    bench.parts.hub.publish(AlertShown.of(alert(500, rep_id="R-3")))
    path = f"/v1/cases/{500:032x}/note"

    codes = {
        name: bench.client.post(path, json={"remark": "x"}, headers=headers).status_code
        for name, headers in {
            "compliance": bearer("compliance"),
            "own": bearer("rep", rep_id="R-3"),
            "other": bearer("rep", rep_id="R-1"),
            "west": bearer("manager", node="west"),
            "east": bearer("manager", node="east"),
        }.items()
    }

    assert codes == {"compliance": 202, "own": 202, "other": 404, "west": 202, "east": 404}


@pytest.mark.parametrize(
    ("action", "body", "said"),
    [
        ("close", b"{}", "needs verdict, remark"),
        ("close", b'{"verdict": "maybe", "remark": "x"}', "verdict: Input should be"),
        ("assign", b'{"who": "ann"}', "who: Extra inputs are not permitted"),
        ("link", b'{"other_case_id": "' + b"f" * 32 + b'"}', "there is no case"),
        ("note", b'{"remark": "\\ud800"}', "Invalid JSON"),
        ("note", b"[" * 9_000, "Invalid JSON"),
        ("note", b"\xff", "Invalid JSON"),
        ("note", b"", "Invalid JSON"),
        ("note", b'{"remark": NaN}', "remark"),
    ],
)
def test_commands_that_do_not_fit(empty_bench: Bench, action: str, body: bytes, said: str) -> None:
    path = f"/v1/cases/{LIVE:032x}/{action}"

    answer = empty_bench.client.post(
        path, content=body, headers={**bearer("compliance"), "Content-Type": "application/json"}
    )

    assert answer.status_code == (404 if action == "link" else 422)
    assert said in answer.json()["detail"]
    assert [topic for topic, *_ in empty_bench.producer.sent if topic == "commands"] == []


def test_lights_of_the_tree(bench: Bench, filled: Client) -> None:
    first = datetime.now(UTC).date().replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    owners = [("rep", "R-1"), ("rep", "R-3"), ("team", "t1"), ("region", "east"), ("company", "all")]
    lights = [
        light_rows.reading(
            {
                **{"kpi_id": "sales_amount", "period": "month", "period_start": first},
                **{"period_end": following - timedelta(days=1), "owner_level": level, "owner_id": owner},
                **{
                    "product_level": "all",
                    "product_key": "",
                    "value": light_rows.Decimal(5),
                    "target": light_rows.Decimal(9),
                },
            },
            first,
        )
        for level, owner in owners
    ]
    light_rows._insert(filled, "lights", lights)

    def seen(**claims: str) -> set[str]:
        return set(walk(bench, "/v1/lights", bearer(**claims), "owner_id"))  # type: ignore[arg-type]

    assert seen(role="finance") == {"R-1", "R-3", "t1", "east", "all"}
    assert seen(role="manager", node="east") == {"R-1", "t1", "east"}
    assert seen(role="manager", node="t3") == {"R-3"}
    assert seen(role="rep", rep_id="R-3") == {"R-3"}
    only = bench.client.get("/v1/lights", params={"level": "team"}, headers=bearer("finance")).json()["items"]
    assert [(one["owner_id"], one["target"]) for one in only] == [("t1", "9.000000")]


def test_rules_with_figures_for_those_who_judge(bench: Bench) -> None:
    hits = [one.rule_id for one in alerts()]
    told = bench.client.get("/v1/rules", headers=bearer("compliance")).json()["items"]
    plain = bench.client.get("/v1/rules", headers=bearer("rep", rep_id="R-1")).json()["items"]

    assert [rule["rule_id"] for rule in told] == [rule["rule_id"] for rule in plain]
    assert all(one["rule_id"] <= other["rule_id"] for one, other in pairwise(told))
    assert {rule["rule_id"]: rule["alerts"] for rule in told if rule["alerts"]} == {
        rule: hits.count(rule) for rule in set(hits)
    }
    assert {rule["alerts"] for rule in plain} == {None}


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=W10",  # []
        "cursor=WyJhIiwgImIiXQ",  # ["a", "b"]
        "cursor=WzEsICJcdWQ4MDAiXQ",  # [1, "\ud800"]
        "cursor=WzksIDFd",  # [9, 1]
        "limit=0",
        "limit=201",
        "limit=1e3",
        "color=red",
        "colour=RED",
        "rep=",
        "rep=%00",
        "rep=a%0Ab",
        "since=2026-03-02",
        "since=1772415000",
        "since=9999-12-31T23:59:59Z",
        "since=NaN",
    ],
)
def test_questions_that_do_not_fit(empty_bench: Bench, query: str) -> None:
    answer = empty_bench.client.get(f"/v1/alerts?{query}", headers=bearer("auditor"))

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]


def test_the_earliest_moment_lets_everything_through(bench: Bench) -> None:
    found = bench.client.get("/v1/alerts?since=1900-01-01T00:00:00Z&limit=200", headers=bearer("auditor")).json()

    assert len(found["items"]) == COUNT


def test_keys_in_the_table(database: Client, reader: Client) -> None:
    key, kept = keys.make("crm", ["visit", "sale"], "crm", "ann")
    keys.add(database, kept)
    with pytest.raises(UsageError, match="there is a key crm already"):
        keys.add(database, keys.make("crm", ["visit"], "", "ann")[1])

    (found,) = keys.listed(reader)
    assert (found.key_hash, found.kinds, found.source, found.revoked_at) == (
        keys.digest_of(key),
        ("visit", "sale"),
        "crm",
        None,
    )
    assert keys.Keys(lambda: keys.listed(reader)).find(key).name == "crm"

    assert keys.revoke(database, "crm").key_id == kept.key_id
    with pytest.raises(UsageError, match="no key in use"):
        keys.revoke(database, kept.key_id)
    with pytest.raises(keys.ProblemError, match="not in use"):
        keys.Keys(lambda: keys.listed(reader)).find(key)
    keys.add(database, keys.make("crm", ["visit"], "", "ann")[1])
    assert [one.revoked_at is None for one in keys.listed(reader)].count(True) == 1


class Served:
    """The application that is fuzzed; at the collection of the tests there is only its document."""

    target: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.target(scope, receive, send)


SERVED = Served()
schema = schemathesis.openapi.from_dict(skeleton().openapi())
schema.app = SERVED


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: Any, value: Any) -> bytes:
    return str(value).encode(errors="surrogatepass")


#: A stream does not end; of operations that are one piece of code, one or two stand for all.
LEFT_OUT = (
    "^/v1/(alerts/stream|events/(payment|survey|market)"
    "|events/(sale|payment|activity|survey|market)/batch|cases/.*/(assign|review|need_more|reopen|note))$"
)


@schema.exclude(path_regex=LEFT_OUT).parametrize()
@settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_fuzzer_finds_no_failure(case: schemathesis.Case, empty_bench: Bench) -> None:
    SERVED.target = empty_bench.client.app
    who = empty_bench.key("any") if "/events/" in case.path else bearer("compliance")
    given = {name: value for name, value in (case.headers or {}).items() if name.lower() not in _WHO}
    case.headers = {**given, **who}

    answer = case.call()

    assert answer.status_code < 500, answer.text
    case.validate_response(
        answer, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
