"""A small simulated company through the real engine: nothing is set aside, and sending it again changes nothing."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime

import pytest
from clickhouse_connect.driver.client import Client
from engine_harness import Stack
from field_force import Company

from streams.simulator.run import LiveRun
from streams.simulator.world import COMPANY_ZONE, Plan

PLAN = Plan(date(2026, 8, 9), datetime(2026, 8, 30, tzinfo=COMPANY_ZONE), 5, 8)
SALES = "SELECT sum(value) FROM node_totals FINAL WHERE kpi_id = 'sales_amount' AND period = 'month'"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Counter[str], Client]]:
    # on a busy machine the worker may learn of the published company more than a second later
    with Stack(tmp_path_factory.mktemp("simulated"), unknown_grace_s=60) as stack:
        stack.prepare(Company(0))
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
