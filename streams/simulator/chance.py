"""Chance that repeats itself: every draw comes from a stream named by what it is for."""

import random
from collections.abc import Sequence
from math import exp
from typing import TypeVar

Item = TypeVar("Item")


def stream(*name: object) -> random.Random:
    """The random numbers of that name: the same on every machine and in every process.

    A text seed goes through SHA-512 and not through `hash()`, which differs from process to process.
    """
    return random.Random(":".join(map(str, name)))  # noqa: S311 - a simulation, no secret


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson number; Knuth's product of uniforms, good for small means.

    >>> sum(poisson(stream(1), 2.0) for _ in range(1))
    1
    """
    limit, count, product = exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def pick(rng: random.Random, items: Sequence[Item]) -> Item:
    """One of the items, each as likely; three times as fast as `random.choice`."""
    return items[int(rng.random() * len(items))]
