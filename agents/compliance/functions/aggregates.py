"""Aggregates of a list. What is missing in it counts for nothing; of nothing there is no mean, quantile or extreme."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import reduce
from typing import Any

from agents.compliance.arithmetic import EXACT
from agents.compliance.comparison import exact
from agents.compliance.functions.registry import CallError, building, constant_of
from agents.compliance.kinds import CLOCK, DAY, DURATION, MOMENT, NUMBER, TRUTH
from agents.compliance.logic import kleene
from agents.compliance.nodes import Frame, Node, folded, node
from agents.compliance.selections import Answer, Query
from agents.compliance.series import figure, figures_over, narrowed

_Work = Callable[[list[Any]], Any]
_OfSum = Callable[[Any, int], Any]
_PLACES = Decimal(1).scaleb(-12)


def _listed(argument: Node, wanted: tuple[str, ...] | None) -> None:
    item = argument.kind.item
    if item is None:
        msg = f"{argument.text} is a {argument.kind}, no list: write for example v for v in visits(today)"
        raise CallError(msg)
    if wanted is not None and item.name not in wanted:
        msg = f"the items are of kind {item}, not {' or '.join(wanted)}"
        raise CallError(msg)


def _over(argument: Node, work: Callable[[list[Any]], Any]) -> Callable[[Frame], Any]:
    get = argument.run

    def run(frame: Frame) -> Any:
        values = get(frame)
        if values is None:
            return None
        try:
            return work([value for value in values if value is not None])
        except ArithmeticError:  # too large for any number
            return None

    return run


def _number(
    name: str,
    says: str,
    example: str,
    work: Callable[[list[Any]], Any],
    of_sum: Callable[[Any, int], Any] | None = None,
) -> None:
    """Register an aggregate of a list of numbers; `of_sum` gives the same of their sum and how many there are."""

    def build(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
        _listed(arguments[0], (NUMBER.name,))
        query = figures_over(arguments[0], needs_value=True) if of_sum is not None else None
        if query is not None and of_sum is not None:
            return figure(NUMBER, query, _summed(of_sum), arguments[0])
        return folded(node(NUMBER, _over(arguments[0], work), arguments))

    building(name, None, gives=NUMBER, says=says, example=example)(build)


def _summed(of_sum: Callable[[Any, int], Any]) -> Answer:
    def answer(history: Any, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> Any:
        return of_sum(*history.summed(query, frame, key, since_us, until_us))

    return answer


def _mean_of(added: int | Decimal, number: int) -> Decimal | None:
    return EXACT.divide(added, number) if number else None


def _extreme(name: str, says: str, example: str, choose: Callable[[list[Any]], Any]) -> None:
    ordered = tuple(kind.name for kind in (NUMBER, DAY, MOMENT, CLOCK, DURATION))

    def build(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
        _listed(arguments[0], ordered)
        kind = arguments[0].kind.item or NUMBER
        return folded(node(kind, _over(arguments[0], lambda values: choose(values) if values else None), arguments))

    building(name, None, gives=NUMBER, says=says, example=example)(build)


def _truth(name: str, says: str, example: str, *, decisive: bool) -> None:
    def build(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
        _listed(arguments[0], (TRUTH.name,))
        get = arguments[0].run

        def run(frame: Frame) -> bool | None:
            values = get(frame)
            return None if values is None else kleene(values, decisive=decisive)

        return folded(node(TRUTH, run, arguments))

    building(name, None, gives=TRUTH, says=says, example=example)(build)


@building("count", None, gives=NUMBER, says="how many there are", example="count(v for v in visits(today))")
def count(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """How many items a list has."""
    _listed(arguments[0], None)
    query = figures_over(arguments[0], needs_value=False)
    if query is not None:
        return figure(NUMBER, query, _counted, arguments[0])
    listed = narrowed(arguments[0])
    return folded(node(NUMBER, _over(listed, len), [listed]))


def _counted(history: Any, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> int:
    found: int = history.counted(query, frame, key, since_us, until_us)
    return found


@building("count_distinct", None, gives=NUMBER, says="how many different ones there are",
          example="count_distinct(v.hcp_id for v in visits(this_month))")  # fmt: skip
def count_distinct(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """How many different items a list has."""
    _listed(arguments[0], None)
    item = arguments[0].kind.item
    if item is not None and (item.model is not None or item.item is not None):
        msg = f"items of kind {item} are not told apart: count one of their fields"
        raise CallError(msg)
    return folded(node(NUMBER, _over(arguments[0], lambda values: len(set(values))), arguments))


def total(values: Sequence[int | Decimal]) -> int | Decimal:
    """Exact sum.

    >>> total([Decimal("0.1")] * 3)
    Decimal('0.3')
    """
    return reduce(EXACT.add, values) if values else 0


def mean(values: Sequence[int | Decimal]) -> Decimal | None:
    """Arithmetic mean; None of nothing.

    >>> mean([1, 2])
    Decimal('1.5')
    """
    return EXACT.divide(total(values), len(values)) if values else None


def stddev(values: Sequence[int | Decimal]) -> Decimal | None:
    """Standard deviation of a sample (divided by n − 1), to twelve places; None of fewer than two.

    >>> stddev([2, 4, 4, 4, 5, 5, 7, 9])
    Decimal('2.138089935299')
    """
    middle = mean(values)
    if middle is None or len(values) < 2:  # noqa: PLR2004 - a spread needs two
        return None
    squares = [EXACT.power(EXACT.subtract(value, middle), 2) for value in values]
    return EXACT.sqrt(EXACT.divide(total(squares), len(values) - 1)).quantize(_PLACES, ROUND_HALF_EVEN, EXACT)


def quantile(values: Sequence[int | Decimal], share: int | Decimal) -> int | Decimal | None:
    """The value below which a share of the values lies, between two neighbours in proportion; None of nothing.

    >>> quantile([1, 2, 3, 4], Decimal("0.5")), quantile([3], 1)
    (Decimal('2.5'), 3)
    """
    if not values:
        return None
    ordered = sorted(values)
    place = EXACT.multiply(share, len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    if ordered[below] == ordered[above]:
        return ordered[below]
    gap = EXACT.subtract(ordered[above], ordered[below])
    return EXACT.add(ordered[below], EXACT.multiply(gap, EXACT.subtract(place, below)))


@building("quantile", None, (NUMBER,), gives=NUMBER, says="the value below which a share (0 to 1) of them lies",
          example="quantile([v.feedback_score for v in visits(this_year)], 0.9)")  # fmt: skip
def quantile_of(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """The quantile of a list of numbers; the share must be known at once."""
    _listed(arguments[0], (NUMBER.name,))
    share = constant_of(arguments[1], 1)
    if not isinstance(share, int | Decimal) or not 0 <= share <= 1:
        msg = f"{arguments[1].text} is no share: write a number from 0 to 1"
        raise CallError(msg, 1)
    return folded(node(NUMBER, _over(arguments[0], lambda values: quantile(values, share)), arguments))


def rounded(value: int | Decimal | float) -> int | Decimal:
    """A number from outside, exact as it is written."""
    return exact(value) if isinstance(value, float) else value


_number("sum", "what they add up to; 0 for none", "sum(s.amount for s in sales(this_quarter))", total,
        lambda added, _: added)  # fmt: skip
_number("mean", "their mean", "mean(v.feedback_score for v in visits(last(30 * days)))", mean, _mean_of)
_number("stddev", "their standard deviation (of a sample)", "stddev(s.amount for s in sales(this_year))", stddev)
_extreme("max", "the greatest", "max(a.amount for a in activities(this_year))", max)
_extreme("min", "the smallest", "min(v.check_in_at for v in visits(today))", min)
_truth("any", "whether one is so", "any(s.quantity > 2 for s in samples)", decisive=True)
_truth("all", "whether every one is so; yes for none", "all(present(m.version) for m in materials)", decisive=False)
