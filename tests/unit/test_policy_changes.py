"""What a policy text changes is told KPI by KPI and field by field."""

import pytest

from streams import policies
from streams.policy_changes import Change, Changes, compare

TEXT = """\
kpis:
  - id: money
    title: {zh: 钱, en: Money}
    source: sale
    aggregate: sum
    value: amount
    periods: [month, rolling 7 days]
    unit: currency
  - id: rate
    title: {zh: 率, en: Rate}
    aggregate: ratio
    numerator: {source: payment, aggregate: sum, value: amount}
    denominator: {source: sale, aggregate: sum, value: amount, where: {institution.country: China}}
    unit: ratio
"""
COUNT = """\
  - id: lines
    title: {zh: 行, en: Lines}
    source: sale
    aggregate: count
    unit: count
"""


def changes(old: str | None, new: str) -> Changes:
    return compare(None if old is None else policies.parse(old), policies.parse(new))


def test_without_a_published_policy_everything_is_added() -> None:
    assert changes(None, TEXT) == Changes(added=("money", "rate"), removed=(), changed={}, computed_anew=True)


def test_added_and_removed() -> None:
    assert changes(TEXT, TEXT + COUNT) == Changes(added=("lines",), removed=(), changed={}, computed_anew=True)
    assert changes(TEXT + COUNT, TEXT) == Changes(added=(), removed=("lines",), changed={}, computed_anew=True)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("en: Money", "en: Cash", Change("title.en", "Money", "Cash")),
        ("rolling 7 days", "quarter", Change("periods", ["month", "rolling 7 days"], ["month", "quarter"])),
        ("value: amount\n    periods", "value: quantity\n    periods", Change("value", "amount", "quantity")),
        ("unit: currency", "unit: currency\n    direction: down", Change("direction", "up", "down")),
        (
            "unit: currency",
            "unit: currency\n    where: {quantity: {above: 0}}",
            Change("where.quantity.above", None, 0.0),
        ),
    ],
)
def test_a_changed_field(old: str, new: str, change: Change) -> None:
    found = changes(TEXT, TEXT.replace(old, new))
    fields = {each.field.partition(".")[0] for of_kpi in found.changed.values() for each in of_kpi}
    assert (found.added, found.removed) == ((), ())
    assert found.computed_anew == bool(fields - {"title", "direction", "unit"})
    assert dict(found.changed) == {"money": (change,)}


def test_a_field_inside_a_ratio() -> None:
    found = changes(TEXT, TEXT.replace("China", "[China, Poland]"))
    field = "denominator.where.institution.country.in"
    assert dict(found.changed) == {"rate": (Change(field, ["China"], ["China", "Poland"]),)}


@pytest.mark.parametrize(
    ("old", "new"),
    [("kpis:", "# a comment\nkpis:"), ("{zh: 钱, en: Money}", "{en: Money, zh: 钱}"), ("days", "day")],
)
def test_what_says_the_same_computes_nothing_anew(old: str, new: str) -> None:
    assert changes(TEXT, TEXT.replace(old, new)) == Changes(added=(), removed=(), changed={}, computed_anew=False)


FILTER = """\
filters:
  seen: {source: visit, unless: [{duration_minutes: {below: 5}}]}
calls: seen
"""
SEEN = """\
  - {id: seen, title: {zh: 次, en: Seen}, source: visit, aggregate: count, only: seen, unit: count}
"""


def test_a_changed_filter_is_told_once_and_computed_anew() -> None:
    text = FILTER + TEXT + SEEN
    found = changes(text, text.replace("below: 5", "below: 3"))
    below = [{"duration_minutes": {"below": 5.0}}], [{"duration_minutes": {"below": 3.0}}]
    assert dict(found.changed) == {"(settings)": (Change("filters.seen.unless", *below),)}
    assert found.computed_anew


def test_what_a_kpi_counts_alone_is_told_by_name() -> None:
    text = FILTER + TEXT + SEEN
    found = changes(text, text.replace("only: seen, ", "").replace("calls: seen\n", "capacity: {calls_per_day: 8}\n"))
    settings = (Change("calls", "seen", None), Change("capacity.calls_per_day", "9", "8"))
    assert set(found.changed["(settings)"]) == set(settings)
    assert found.changed["seen"] == (Change("only", "seen", None),)
