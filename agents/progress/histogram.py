"""Histograms that add up, for quantiles: bins whose edges grow by a tenth.

Quantiles of parts say nothing about the quantile of the whole, but counts per bin can be added in any order. A bin is
shown as the value from which both of its edges are the same share away, so a quantile is off by at most
(1.1 - 1) / (1.1 + 1) = 4.8 %. Values up to 0.1 are shown as 0, values above one million as one million.

Reference: Masson, Rim, Lee: DDSketch, VLDB 2019.
"""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

_MICRO = 1_000_000
_GROWTH = Decimal("1.1")
_LOWEST, _HIGHEST = Decimal("0.1"), Decimal(1_000_000)


def _edges() -> list[int]:
    found, edge = [], _LOWEST
    while edge < _HIGHEST:
        found.append(round(edge * _MICRO))
        edge *= _GROWTH
    return [*found, round(_HIGHEST * _MICRO)]


#: Upper edges of the bins in micro-units.
EDGES = _edges()
#: Bins of a histogram: one up to the lowest edge, one between any two, one above the highest.
BINS = len(EDGES) + 1
_SHOWN = [0, *(round(2 * edge / (1 + _GROWTH)) for edge in EDGES[1:]), EDGES[-1]]


def bin_of(value: int) -> int:
    """Number of the bin a value in micro-units lies in.

    >>> bin_of(0), bin_of(100_000), bin_of(100_001), bin_of(10**13) == BINS - 1
    (0, 0, 1, True)
    """
    return bisect_left(EDGES, value)


def quantile(counts: Sequence[int], share: int) -> int | None:
    """The smallest value that at least a share of all events does not exceed, in micro-units; None without events.

    Args:
        counts: events by bin.
        share: in millionths, for example 950_000.

    Of 19 times 30 and once 90, in bins that are 4.8 % wide on either side:

    >>> counts = [0] * BINS
    >>> counts[bin_of(30_000_000)] = 19
    >>> counts[bin_of(90_000_000)] = 1
    >>> quantile(counts, 950_000) / 1e6, quantile(counts, 950_001) / 1e6
    (28.998251, 91.008935)
    """
    total = sum(counts)
    if not total:
        return None
    rank = max(-(-share * total // _MICRO), 1)
    return next(_SHOWN[number] for number, below in enumerate(accumulate(counts)) if below >= rank)
