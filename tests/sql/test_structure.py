"""What stands in the database is what the models say, and everything is explained."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.outputs import DeadLetter
from schemas.rows import EVENT_TABLES, REFERENCE_TABLES, Table
from streams.dictionary import PATH, describe, render
from streams.dictionary import Table as Described

TABLES: list[Table[Any]] = [*EVENT_TABLES.values(), *REFERENCE_TABLES.values()]


@pytest.fixture(scope="module")
def described(migrated: Client) -> dict[str, Described]:
    return {table.name: table for table in describe(migrated)}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.table)
def test_the_columns_are_those_of_the_model(described: dict[str, Described], table: Table[Any]) -> None:
    there = [(column.name, column.type, column.comment) for column in described[table.table].columns]

    assert there == [(name, kind, comment) for name, kind, _, comment in (*table.columns, *table.technical)]


@pytest.mark.parametrize("table", REFERENCE_TABLES.values(), ids=lambda table: table.table)
def test_the_history_shows_every_column(described: dict[str, Described], table: Table[Any]) -> None:
    history = {column.name for column in described[f"{table.table}_history"].columns}
    today = {column.name for column in described[f"{table.table}_today"].columns}

    assert history == {*table.names, "effective_to", *(column.name for column in table.technical)}
    assert today == set(table.names)


def test_dead_letters_hold_every_field(described: dict[str, Described]) -> None:
    renamed = {"partition": "stream_partition", "offset": "stream_offset"}
    fields = {renamed.get(name, name) for name in DeadLetter.model_fields}

    assert fields <= {column.name for column in described["dead_letters"].columns}


def test_everything_is_explained(described: dict[str, Described]) -> None:
    silent = [table.name for table in described.values() if not table.comment]
    silent += [
        f"{table.name}.{column.name}" for table in described.values() for column in table.columns if not column.comment
    ]

    assert silent == []


def test_every_view_can_be_read(database: Client, described: dict[str, Described]) -> None:
    views = [table.name for table in described.values() if table.is_view]

    assert len(views) >= 2 * len(REFERENCE_TABLES) + 8
    for view in views:
        assert database.query(f"SELECT * FROM {view}").result_rows == []


def test_the_data_dictionary_is_in_step(described: dict[str, Described]) -> None:
    assert PATH.read_text(encoding="utf-8") == render(list(described.values())), "run `python -m streams.dictionary`"
