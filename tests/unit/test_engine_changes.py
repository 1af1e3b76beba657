"""The company changes while the engine knows a past: policies, organisation, products, time zone, partitions.

Whatever changes, figures are those of an engine that knew the change from the beginning.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from simulated_engine import SimulatedEngine
from small_company import (
    PARTITIONS,
    REFERENCES,
    SHIPPED,
    activity,
    adopt_policy,
    drained,
    engine,
    figure,
    letters,
    market_report,
    policy,
    sale,
    then,
    visit,
    with_rows,
)

from agents.progress.calendar import CompanyTime
from agents.progress.plan import Plan
from schemas.measures import Condition
from schemas.policy import KpiPolicy
from schemas.reference import CallPlan, Hcp, Institution, OrganisationNode, Product, Rep
from streams.engine.opening import Company
from streams.topics import NODES, SHARD_TOPICS, shard_of

SUM = "{id: s, source: sale, aggregate: sum, value: amount, unit: currency}"
QUANTITY = "{id: q, source: sale, aggregate: sum, value: quantity, unit: units}"
LAST = "{id: l, source: sale, aggregate: last, value: amount, unit: currency}"
REACH = "{id: reach, source: visit, aggregate: distinct, value: institution_id, unit: count}"
REACH_ON_SITE = REACH.replace("unit", "where: {channel: face_to_face}, unit")
CALLS = "{id: calls, source: visit, aggregate: count, dimensions: [product], unit: count}"
CALLS_ON_SITE = CALLS.replace("unit", "where: {channel: face_to_face}, unit")
WEEK = SUM.replace("unit", "periods: [month, rolling 7 days], unit")
DAY = SUM.replace("unit", "periods: [month, rolling 24 hours], unit")
FEBRUARY = date(2026, 2, 1)
MOVED = [*(row for row in REFERENCES if row.key != ("R1",)), Rep(rep_id="R1", name="R1", team_id="T2")]

Change = Callable[[SimulatedEngine, KpiPolicy], None]
WAYS = pytest.mark.parametrize("change", [adopt_policy, SimulatedEngine.change_policy_while_down])


def test_a_sale_after_a_products_line_was_corrected_counts_once() -> None:
    one = drained(SHIPPED, sale("E1", "01-10"), sale("E2", "01-12"))
    one.adopt(with_rows(Product(product_id="P1", name="P1", line_id="B")), 2)
    one.drain()
    then(one, sale("E3", "02-03", product_id="P2", amount="7"), sale("E4", "02-20", product_id="P2", amount="7"))
    assert letters(one) == []
    assert figure(one, "sales_amount", "02", "rep", "R1") == 14
    assert figure(one, "new_accounts", "02", "rep", "R1", "line", "A") == 1
    assert figure(one, "new_accounts", "01", "company", "C", "line", "B") == 1


def test_what_a_narrower_filter_took_back_can_come_again() -> None:
    one = drained(policy(REACH), visit("V1", "02-02", channel="phone"))
    assert figure(one, "reach", "02", "rep", "R1") == 1
    adopt_policy(one, policy(REACH_ON_SITE))
    one.drain()
    assert figure(one, "reach", "02", "rep", "R1") == 0
    then(one, visit("V2", "02-03"))
    assert [figure(one, "reach", "02", *who) for who in (("rep", "R1"), ("company", "C"))] == [1, 1]


def test_a_late_visit_counts_for_the_team_of_its_day() -> None:
    one = drained(policy(REACH), visit("V1", "02-20"))
    one.adopt(with_rows(Rep(rep_id="R1", name="R1", team_id="T2", effective_from=date(2026, 2, 15))), 2)
    one.drain()
    then(one, visit("V0", "02-10"))
    assert [figure(one, "reach", "02", "team", team) for team in ("T1", "T2")] == [1, 1]


@WAYS
def test_a_narrower_filter_leaves_nothing_behind(change: Change) -> None:
    by_phone = visit("V1", "02-02", channel="phone", details=[{"product_id": "P1"}])
    one = drained(policy(CALLS), by_phone, visit("V2", "02-03", "R2"))
    assert figure(one, "calls", "02", "company", "C") == 2
    change(one, policy(CALLS_ON_SITE))
    one.drain()
    assert [figure(one, "calls", "02", *who) for who in (("rep", "R1"), ("rep", "R2"), ("company", "C"))] == [0, 1, 1]
    assert figure(one, "calls", "02", "rep", "R1", "product", "P1") == 0
    assert figure(one, "calls", "02", "company", "C", "product", "P1") == 0


@WAYS
@pytest.mark.parametrize("before", [WEEK, DAY])
def test_the_last_rolling_window_may_go(before: str, change: Change) -> None:
    one = drained(policy(before), sale("E1", "03-01"))
    change(one, policy(SUM))
    one.drain()
    assert figure(one, "s", "03", "company", "C") == 100
    entities = [entity for owned in one.owned.values() for entity in owned.shard.progress.entities.values()]
    assert {bucket[0] for entity in entities for bucket in entity.slots} == {"m"}


@pytest.mark.parametrize("change", ["partitions", "time zone", "nothing"])
def test_an_event_that_waits_for_reference_data_survives(change: str) -> None:
    one = engine(SHIPPED, [sale("E1", "02-03", institution_id="H9")])
    for number in one.owned:
        one.take(number, "sales", 10)
        one.checkpoint(number)
    one.partitions = one.opener.partitions = 5 if change == "partitions" else PARTITIONS
    one.opener.before(1, one.company.directory)
    zone = CompanyTime("Asia/Tokyo" if change == "time zone" else "Asia/Shanghai")
    known = one._company(with_rows(Institution(institution_id="H9", name="late")), 2)
    one.company = Company(one.plan, 1, known.directory, zone)
    one._begin()
    one.drain()
    accepted = sum(owned.shard.counts["accepted:sale"] for owned in one.owned.values())
    assert accepted + len(letters(one)) == 1
    assert accepted == 1 or letters(one) == [("key", "InvalidError")]  # now it lies in another shard


def test_another_time_zone_moves_an_event_to_another_month() -> None:
    one = drained(SHIPPED, sale("E1", "02-01T00:30:00"))
    one.company = Company(one.plan, 1, one.company.directory, CompanyTime("UTC"))
    one._begin()
    one.drain()
    for who in (("rep", "R1"), ("company", "C")):
        assert [figure(one, "sales_amount", month, *who) for month in ("01", "02")] == [100, 0]


def test_words_of_a_policy_not_heard_of_yet_are_kept() -> None:
    one = drained(policy(SUM), sale("E1", "02-03"))
    mine, team = shard_of("R1", PARTITIONS), shard_of("T1", PARTITIONS)
    assert mine != team
    adopt_policy(one, policy(SUM, LAST), [number for number in one.owned if number != team])
    one.checkpoint(mine)
    assert one.take(team, NODES, 1000)  # still with the old policy
    one.checkpoint(team)
    one.owned[team] = one.opener.rebuilt(team, "token", one.company, one.owned[team])
    one.drain()
    assert letters(one) == []
    assert [figure(one, kpi, "02", "team", "T1") for kpi in ("s", "l")] == [100, 100]
    assert [figure(one, kpi, "02", "company", "C") for kpi in ("s", "l")] == [100, 100]


@pytest.mark.parametrize(("kpi", "first", "second"), [("s", (SUM,), (SUM, QUANTITY)), ("reach", (SUM, REACH), (SUM,))])
def test_a_policy_may_come_back_after_a_reorganisation(kpi: str, first: tuple[str], second: tuple[str]) -> None:
    one = drained(policy(*first), sale("E1", "02-03"), visit("V1", "02-03"))
    adopt_policy(one, policy(*second))
    one.drain()
    one.adopt(MOVED, 2)
    one.drain()
    adopt_policy(one, policy(*first))
    one.drain()
    wanted = 100 if kpi == "s" else 1
    teams = [figure(one, kpi, "02", "team", team) or 0 for team in ("T1", "T2")]
    assert [*teams, figure(one, kpi, "02", "region", "N"), figure(one, kpi, "02", "company", "C")] == [
        0,
        wanted,
        wanted,
        wanted,
    ]


def test_a_new_account_of_a_rep_another_worker_does_not_know_yet_reaches_its_team() -> None:
    member = shard_of("@new_accounts|H1", PARTITIONS)
    rep_id = next(f"R7{n}" for n in range(10) if shard_of(f"R7{n}", PARTITIONS) != member)
    one = engine(SHIPPED, [sale("E1", "02-03", rep_id), sale("E2", "02-10", rep_id)])
    known = one._company(with_rows(Rep(rep_id=rep_id, name="new", team_id="T1")), 2).directory
    for number, owned in one.owned.items():
        if number != member:  # whose worker is a moment later
            owned.shard.progress.learn(known)
    for _ in range(4):
        for number in one.owned:
            one.take(number, "sales", 10)
            one.take(number, NODES, 1000)
            one.checkpoint(number)
    assert figure(one, "new_accounts", "02", "rep", rep_id) == 1
    one.owned[member].shard.progress.learn(known)
    one.drain()
    assert figure(one, "new_accounts", "02", "team", "T1") == 1


def test_spending_on_a_product_nobody_published_waits_for_it() -> None:
    spend = "{id: spend, source: activity, aggregate: sum, value: amount, dimensions: [line], unit: currency}"
    one = engine(policy(spend), [activity("A1", "02-03", product_ids=["P9"])])
    for number in one.owned:
        one.take(number, "activities", 10)
        one.checkpoint(number)
    assert sum(len(owned.shard.held) for owned in one.owned.values()) == 1
    known = one._company(with_rows(Product(product_id="P9", name="P9", line_id="Z")), 2)
    for owned in one.owned.values():
        assert owned.shard.progress.directory.places_alike(known.directory)
        owned.shard.progress.learn(known.directory)
    one.drain()
    assert figure(one, "spend", "02", "rep", "R1", "line", "Z") == 50


def test_stored_events_a_policy_cannot_compute_with_do_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = drained(SHIPPED, visit("V1", "02-02"), sale("E1", "02-03"))
    add_event = type(one.owned[0].shard.progress).add_event

    def fails_on_visits(self: object, kind: str, *rest: object) -> None:
        if kind == "visit":
            msg = "no such thing"
            raise TypeError(msg)
        add_event(self, kind, *rest)  # type: ignore[arg-type] # whatever comes

    monkeypatch.setattr("agents.progress.state.ProgressState.add_event", fails_on_visits)
    adopt_policy(one, policy(SUM, CALLS))
    one.drain()
    assert figure(one, "s", "02", "company", "C") == 100
    assert [owned.shard.unusable for owned in one.owned.values() if owned.shard.unusable] == [
        "visit V1: TypeError: no such thing"
    ]


PLACES = [
    OrganisationNode(node_id="T1", name="renamed", level="team", parent_id="N"),
    OrganisationNode(node_id="T1", name="T1", level="team", parent_id="C"),
    OrganisationNode(node_id="N", name="N", level="region", parent_id="C", effective_from=date(2026, 2, 1)),
    OrganisationNode(node_id="N", name="N", level="region", effective_from=date(2026, 2, 1)),
    OrganisationNode(node_id="N2", name="N2", level="region", parent_id="C"),
    Rep(rep_id="R1", name="renamed", team_id="T1"),
    Rep(rep_id="R1", name="R1", team_id="T1", effective_from=date(2026, 2, 1)),
    Rep(rep_id="R1", name="R1", team_id="T2", effective_from=date(2026, 2, 1)),
    Rep(rep_id="R1", name="R1"),
    Rep(rep_id="R99", name="new", team_id="T1"),
]


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_directories_place_alike_exactly_when_every_path_is_the_same(number: int) -> None:
    one = engine(SHIPPED, [])
    before = one.company.directory
    after = one._company(with_rows(PLACES[number]), 2).directory
    days = [date(2025, 1, 1).toordinal(), date(2026, 1, 31).toordinal(), date(2026, 2, 1).toordinal()]
    same = all(before.path(rep_id, day) == after.path(rep_id, day) for rep_id in before.reps for day in days)
    assert before.places_alike(after) == same
    assert same == (number in {0, 2, 4, 5, 6, 9})


def quiet(one: SimulatedEngine, company: Company) -> None:
    """Everybody comes back with another company."""
    one.plan, one.company = company.plan, company
    one._begin()
    one.drain()


@pytest.mark.parametrize("lost", ["Redis", "partitions"])
def test_figures_that_nobody_holds_any_more_are_taken_back_after_a_loss(lost: str) -> None:
    one = drained(policy(SUM, CALLS), sale("E1", "02-03"), visit("V1", "02-03", channel="phone"))
    one._end()
    if lost == "Redis":
        one.store.shards.clear()
    else:
        one.partitions = one.opener.partitions = 5
    quiet(one, Company(Plan(policy(SUM, CALLS_ON_SITE)), 2, one._company(MOVED, 2).directory, one.company.time))
    teams = [figure(one, "s", "02", "team", team) for team in ("T1", "T2")]
    assert [*teams, figure(one, "s", "02", "company", "C")] == [0, 100, 100]
    assert [figure(one, "calls", "02", *who) for who in (("rep", "R1"), ("team", "T1"), ("company", "C"))] == [0, 0, 0]


def test_calls_that_no_longer_count_are_taken_back_after_a_loss() -> None:
    plan = [Hcp(hcp_id="D1", name="D1"), CallPlan(rep_id="R1", hcp_id="D1", planned_calls=2, effective_from=FEBRUARY)]
    one = engine(SHIPPED, [visit("V1", "02-03", hcp_id="D1", channel="phone")], with_rows(*plan))
    one.drain()
    assert one.tableau.calls["R1", FEBRUARY.toordinal(), "D1"][1] == 1
    one._end()
    one.store.shards.clear()
    assert SHIPPED.calls is not None
    on_site = {"channel": Condition.model_validate({"in": ["face_to_face"]})}
    narrow = SHIPPED.model_copy(update={"calls": SHIPPED.calls.model_copy(update={"where": on_site})})
    quiet(one, Company(Plan(narrow), 2, one.company.directory, one.company.time))
    assert figure(one, "target_reach", "02", "rep", "R1") == 0
    assert one.tableau.calls["R1", FEBRUARY.toordinal(), "D1"][1] == 0


@pytest.mark.parametrize("at", ["after messages", "after rows", "before"])
def test_what_a_checkpoint_told_before_it_failed_is_taken_back(at: str) -> None:
    mine = shard_of("R1", PARTITIONS)
    one = drained(policy(SUM, CALLS), sale("E0", "01-03"), visit("V0", "01-03"))
    one.send("sales", "R1", sale("E1", "02-03").value)
    one.send("visits", "R1", visit("V1", "02-03", channel="phone").value)
    one.opener.before(1, one.company.directory)
    for topic in SHARD_TOPICS:
        one.take(mine, topic, 100)
    one.plan = Plan(policy(SUM, CALLS_ON_SITE))
    one.company = Company(one.plan, 2, one._company(MOVED, 2).directory, one.company.time)
    one.checkpoint(mine, at)
    for number in one.owned:
        if number != mine:
            one.lose_worker(number)
    one.drain()
    found = [
        figure(one, "s", "02", *who) or 0 for who in (("rep", "R1"), ("team", "T1"), ("team", "T2"), ("company", "C"))
    ]
    assert found == [100, 0, 100, 100]
    assert [figure(one, "calls", "02", *who) or 0 for who in (("rep", "R1"), ("team", "T1"), ("company", "C"))] == [
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("child", ["R1", "T1", "N"])
def test_a_policy_may_come_back_after_a_shard_was_lost(child: str) -> None:
    one = drained(policy(SUM), sale("E1", "02-03"))
    adopt_policy(one, policy(SUM, QUANTITY))
    one.drain()
    one.lose_shard(shard_of(child, PARTITIONS))
    one.drain()
    adopt_policy(one, policy(SUM))
    one.drain()
    everybody = (("rep", "R1"), ("team", "T1"), ("region", "N"), ("company", "C"))
    assert [figure(one, "s", "02", *who) for who in everybody] == [100] * 4


def test_a_market_report_counts_although_its_territory_is_published_later() -> None:
    one = drained(SHIPPED, market_report("M1", "02-03", "N2"))
    known = with_rows(OrganisationNode(node_id="N2", name="N2", level="region", parent_id="C"))
    after = one._company(known, 2).directory
    assert not all(owned.shard.places_alike(one.company.directory, after) for owned in one.owned.values())
    one.adopt(known, 2)
    one.drain()
    shares = [figure(one, "market_share", "02", *who) for who in (("region", "N2"), ("company", "C"))]
    assert shares == [Decimal("0.25"), Decimal("0.25")]
