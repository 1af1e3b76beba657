"""Reference data is published once, kept for ever, and loaded as it was written."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import redis
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_strategies import models
from pydantic import SecretStr

from schemas.reference import CallPlan, Institution, OrganisationNode, Rep
from schemas.rows import REFERENCE_TABLES, Table
from streams import local, references
from streams.errors import InvalidError, UnavailableError
from streams.references import announce, load, newest_version, publish

JULY = date(2024, 7, 1)


def counts(client: Client, table: str) -> int:
    return int(client.command(f"SELECT count() FROM {table}"))


def test_an_empty_database_has_no_version(database: Client) -> None:
    assert newest_version(database) == 0
    assert load(database) == {kind: [] for kind in REFERENCE_TABLES}
    assert publish(database, [], "ops") == 0


def test_publishing_the_same_again_writes_nothing(database: Client) -> None:
    rows = [Rep(rep_id="R1", name="王芳", team_id="T1"), OrganisationNode(node_id="T1", name="一组", level="team")]

    assert publish(database, rows, "ops") == 1
    assert publish(database, rows, "someone else") == 1

    assert counts(database, "reps") == counts(database, "reference_publications") == 1
    assert database.query("SELECT author, rows FROM reference_publications").first_row == ("ops", {"rep": 1, "node": 1})


def test_a_correction_counts_and_the_old_text_stays(database: Client) -> None:
    first = [Rep(rep_id="R1", name="王方", team_id="T1"), Rep(rep_id="R2", name="李雷")]
    publish(database, first, "ops")

    assert publish(database, [Rep(rep_id="R1", name="王芳", team_id="T1"), first[1]], "ops") == 2

    assert [row.name for row in load(database)["rep"]] == ["王芳", "李雷"]
    assert counts(database, "reps") == 3
    assert counts(database, "reps_history") == 2


def test_two_publications_at_the_same_moment_get_numbers_of_their_own(
    database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = references._append

    def slowly(*arguments: Any) -> None:
        monkeypatch.setattr(references, "_append", append)
        assert publish(database, [Rep(rep_id="R2", name="second")], "other import") == 1
        append(*arguments)

    monkeypatch.setattr(references, "_append", slowly)
    assert publish(database, [Rep(rep_id="R1", name="first")], "one import") == newest_version(database) == 2
    assert [row.rep_id for row in load(database)["rep"]] == ["R1", "R2"]


def test_a_node_keeps_its_level(database: Client) -> None:
    publish(database, [OrganisationNode(node_id="T1", name="一组", level="team")], "ops")
    later = OrganisationNode(node_id="T1", name="一组", level="region", effective_from=JULY)
    with pytest.raises(InvalidError, match="node T1 is a team and cannot become a region: give it a new id"):
        publish(database, [later], "ops")
    assert newest_version(database) == 1


def test_a_text_that_returns_is_news(database: Client) -> None:
    one, other = Rep(rep_id="R1", name="one"), Rep(rep_id="R1", name="other")

    assert [publish(database, [row], "ops") for row in (one, other, one)] == [1, 2, 3]
    assert load(database)["rep"] == [one]


def test_a_later_row_takes_over(database: Client) -> None:
    rows = [
        Rep(rep_id="R1", name="王芳", team_id="T1"),
        Rep(rep_id="R1", name="王芳", team_id="T2", effective_from=JULY),
    ]
    publish(database, rows, "ops")

    history = database.query("SELECT team_id, effective_from, effective_to FROM reps_history ORDER BY effective_from")
    assert history.result_rows == [("T1", date(1970, 1, 1), date(2024, 6, 30)), ("T2", JULY, None)]
    assert database.query("SELECT team_id FROM reps_today").result_rows == [("T2",)]
    assert load(database)["rep"] == rows


def test_a_row_of_the_future_is_not_yet_in_force(database: Client) -> None:
    publish(database, [Rep(rep_id="R1", name="a"), Rep(rep_id="R1", name="b", effective_from=date(2290, 1, 1))], "ops")

    assert database.query("SELECT name FROM reps_today").result_rows == [("a",)]


def test_contradictions_are_refused_and_nothing_is_written(database: Client) -> None:
    rows = [Rep(rep_id="R1", name="王芳", team_id="T1"), Rep(rep_id="R1", name="王芳", team_id="T2")]

    with pytest.raises(InvalidError, match="two rows for rep R1 from 1970-01-01 differ: team_id 'T1' and 'T2'"):
        publish(database, [OrganisationNode(node_id="T1", name="一组", level="team"), *rows], "ops")

    assert newest_version(database) == counts(database, "organisation_nodes") == 0


def test_the_same_row_twice_counts_once(database: Client) -> None:
    publish(database, [CallPlan(rep_id="R1", hcp_id="H1", planned_calls=4)] * 2, "ops")

    assert counts(database, "call_plans") == 1


def test_an_interrupted_publication_is_completed(database: Client) -> None:
    rows = [Rep(rep_id="R1", name="王芳"), OrganisationNode(node_id="T1", name="一组", level="team")]
    publish(database, rows, "ops")
    database.command("TRUNCATE TABLE reference_publications")

    assert publish(database, rows, "ops") == 1
    assert newest_version(database) == 1
    database.command("TRUNCATE TABLE reference_publications")
    database.command("TRUNCATE TABLE organisation_nodes")

    assert publish(database, rows, "ops") == 2
    assert load(database)["node"] == rows[1:]


def test_workers_are_told(tmp_path: Path) -> None:
    with local.start(tmp_path, services=("redis",)) as services:
        url = SecretStr(services.urls["redis_url"])
        with redis.Redis.from_url(url.get_secret_value()) as client, client.pubsub() as channel:
            channel.subscribe("acme:published")
            assert channel.get_message(timeout=5)["type"] == "subscribe"

            announce(url, "acme", 7)

            assert channel.get_message(timeout=5)["data"] == b"7"
    with pytest.raises(UnavailableError, match="Redis does not answer"):
        announce(url, "acme", 8)


def test_ten_thousand_rows_at_once(database: Client) -> None:
    rows = [Institution(institution_id=f"I{number:05}", name=f"医院 {number}", city="上海") for number in range(10_000)]

    assert publish(database, rows, "ops") == publish(database, rows, "ops") == 1
    assert load(database)["institution"] == rows


@pytest.mark.parametrize("table", REFERENCE_TABLES.values(), ids=lambda table: table.table)
@given(data=st.data())
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
def test_rows_are_loaded_as_they_were_published(migrated: Client, table: Table[Any], data: st.DataObject) -> None:
    drawn = data.draw(st.lists(models(table.model), min_size=1, max_size=5))
    rows = {(row.key, row.effective_from): row for row in drawn}

    version = publish(migrated, list(rows.values()), "ops")

    loaded = {(row.key, row.effective_from): row for row in load(migrated)[table.model.kind_name]}
    assert {identity: loaded[identity] for identity in rows} == rows
    assert publish(migrated, list(rows.values()), "ops") == version
