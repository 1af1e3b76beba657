"""A call plan published while a worker runs counts at once, and without reading any event again."""

from pathlib import Path

from engine_harness import Stack, wait_for
from field_force import company
from oracle import expected
from result_tables import mistakes, tables

from schemas.reference import CallPlan
from streams import references


def test_another_call_plan_counts_while_the_worker_runs(tmp_path: Path) -> None:
    one = company(21, 400)
    others = [
        row.model_copy(update={"planned_calls": (row.planned_calls + number) % 5}) if isinstance(row, CallPlan) else row
        for number, row in enumerate(one.references)
    ]
    with Stack(tmp_path) as stack:
        stack.prepare(one)
        worker = stack.worker()
        stack.send(one.messages)
        stack.wait_drained()
        with stack.client() as client:
            assert mistakes(tables(client), expected(one.messages, one.references)) == []
            version = references.publish(client, others, "tests")
            references.announce(stack.settings.redis_url, stack.settings.group, version)
            wanted = expected(one.messages, others)
            assert wanted.node_totals != expected(one.messages, one.references).node_totals
            wait_for(lambda: mistakes(tables(client), wanted) == [], "the figures of the other plan", 20)
        assert not worker.said("rebuilt from clickhouse")
