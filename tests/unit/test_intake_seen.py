"""What was seen before is known, byte for byte of its meaning."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.intake.seen import Seen, content_hash, identity_hash, pack, unpack

NUMBERS = st.integers(min_value=1, max_value=2**64 - 1)


@given(st.lists(st.dictionaries(NUMBERS, NUMBERS, max_size=300), max_size=6), st.lists(NUMBERS, max_size=50))
def test_the_table_equals_a_dictionary(batches: list[dict[int, int]], strangers: list[int]) -> None:
    table, held = Seen(capacity=8), {}
    for batch in batches:
        new = {identity: content for identity, content in batch.items() if identity not in held}
        held |= new
        table.add(np.array(list(new), np.uint64), np.array(list(new.values()), np.uint64))
    asked = [*held, *strangers]
    found = table.find(np.array(asked, np.uint64)).tolist()
    assert found == [held.get(identity, 0) for identity in asked]
    assert table.size == len(held)


@given(st.lists(st.tuples(NUMBERS, NUMBERS)))
def test_pairs_survive_the_store(pairs: list[tuple[int, int]]) -> None:
    ids, contents = unpack([pack(pairs[:3]), pack(pairs[3:])])
    assert list(zip(ids.tolist(), contents.tolist(), strict=True)) == pairs


def test_content_is_the_same_however_it_is_written() -> None:
    shanghai = timezone(timedelta(hours=8))
    one = [datetime(2026, 3, 1, 9, tzinfo=shanghai), Decimal("10.50"), "text", None, ["a"]]
    other = [datetime(2026, 3, 1, 1, tzinfo=UTC), Decimal("10.5"), "text", None, ["a"]]
    assert content_hash(7, one) == content_hash(7, other)
    assert content_hash(7, one) != content_hash(8, one)
    assert content_hash(7, one) != content_hash(7, [*one[:1], Decimal("10.51"), *one[2:]])


def test_an_optional_field_added_later_leaves_old_hashes() -> None:
    assert content_hash(7, ["a", None]) == content_hash(7, ["a"])


def test_an_identity_is_kind_owner_and_id() -> None:
    known = {identity_hash("sale", "R1", "E1")}
    assert identity_hash("visit", "R1", "E1") not in known
    assert identity_hash("sale", "R2", "E1") not in known
    assert identity_hash("sale", "R1", "E2") not in known
