"""A small simulated company through the real engine: nothing is set aside, and sending it again changes nothing."""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from engine_harness import Stack
from field_force import Company

from agents.compliance.judge import Hit
from agents.progress.calendar import CompanyTime
from streams import backtest_run, rule_lifecycle
from streams.simulator.run import LiveRun
from streams.simulator.world import COMPANY_ZONE, Plan

PLAN = Plan(date(2026, 8, 9), datetime(2026, 8, 30, tzinfo=COMPANY_ZONE), 5, 8)
SALES = "SELECT sum(value) FROM node_totals FINAL WHERE kpi_id = 'sales_amount' AND period = 'month'"


#: Looks back on professionals, and hits in a company this small.
OFTEN = """
examples:
  events:
    visit: {occurred_at: 2026-03-04T12:00:00+08:00, check_in_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1,
            institution_id: I1, hcp_id: H1, channel: phone}
rules:
  - id: OFTEN
    title: {zh: 常访, en: Often}
    severity: 关注
    scope: {events: [visit]}
    when: count(v for v in visits(this_month, hcp=hcp_id)) >= 2
    message: {zh: "{hcp_id}", en: "{hcp_id}"}
    once_per: month
    basis: [{article: a, source: s}]
    effective_from: 2020-01-01
    owner: compliance
    tests:
      - {case: a, expect: hit, past: [{times: 2}]}
      - {case: b, expect: hit, past: [{times: 3}]}
      - {case: c, expect: miss}
      - {case: d, expect: miss, past: [{hcp_id: H2, times: 2}]}
"""


def _rules(stack: Stack) -> Path:
    """Those that come with the program, and one more."""
    folder = stack.folder / "policies"
    shutil.copytree(stack.settings.policies / "compliance", folder / "compliance")
    (folder / "compliance" / "often.yaml").write_text(OFTEN, "utf-8")
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Counter[str], Client]]:
    # on a busy machine the worker may learn of the published company more than a second later
    with Stack(tmp_path_factory.mktemp("simulated"), unknown_grace_s=60) as stack:
        stack.prepare(Company(0))
        with stack.client() as client:
            rule_lifecycle.publish_example(client, _rules(stack), CompanyTime("Asia/Shanghai"))
        stack.worker()
        stack.wait_owned()
        told = LiveRun(PLAN, stack.settings, lambda _told: None).run()
        stack.wait_drained()
        with stack.client() as client:
            yield stack, told.sent, client


def accepted(stack: Stack) -> dict[str, int]:
    progress = stack.progress()
    assert progress is not None
    assert (progress.dead_letters, progress.conflicts, progress.held) == (0, 0, 0)
    return progress.accepted


def test_every_event_is_accepted(simulated: tuple[Stack, Counter[str], Client]) -> None:
    stack, sent, client = simulated
    assert min(sent[kind] for kind in ("visit", "sale", "payment", "survey", "market", "activity")) > 0
    assert accepted(stack) == sent
    assert client.query("SELECT count() FROM dead_letters").first_row[0] == 0
    assert client.query("SELECT count() FROM visit_log").first_row[0] == sent["visit"]


def test_the_same_simulation_again_changes_nothing(simulated: tuple[Stack, Counter[str], Client]) -> None:
    stack, sent, client = simulated
    before = client.query(SALES).result_rows
    LiveRun(PLAN, stack.settings, lambda _told: None).run()
    stack.wait_drained()
    assert accepted(stack) == sent
    assert client.query(SALES).result_rows == before


def test_a_back_test_finds_what_was_found_live(simulated: tuple[Stack, Counter[str], Client]) -> None:
    _, _, client = simulated
    columns = "rule_id, subject_kind, subject_id, event_kind, rep_id, event_id"
    live = client.query(f"SELECT {columns} FROM rule_hit_log WHERE rule_set = 'live'").result_rows
    found: list[tuple[str, ...]] = []

    def note(hits: list[Hit]) -> None:
        for hit in hits:
            event = hit.event
            about = (hit.rule.rule.id, hit.subject_kind, hit.subject_id)
            found.append((*about, event.kind_name, event.rep_id, event.event_id))

    tested = backtest_run.run(client, CompanyTime("Asia/Shanghai"), PLAN.start, PLAN.last_day, on_hits=note)
    assert len({rule for rule, *_ in live}) >= 5
    assert {kind for _, kind, *_ in live} >= {"rep", "hcp"}
    assert set(found) == set(live)
    assert len(found) == len(live)
    assert sum(tested.outcomes["live"].total(rule).in_force for rule in {one[0] for one in live}) == len(live)
