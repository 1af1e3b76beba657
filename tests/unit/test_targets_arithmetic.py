"""A target breaks down to the cent, whatever the weights; attainment and elapsed share by hand."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.intake.directory import Directory
from agents.progress.targets import (
    CENT,
    Owner,
    apportion,
    attainment,
    clamped,
    elapsed_share,
    headcounts,
    history_starts,
    owners_on,
    potentials,
    split,
    step_of,
    tree_below,
)
from schemas.policy import Kpi
from schemas.reference import OrganisationNode, Rep, Target

APRIL = date(2018, 4, 1)
COMPANY, NORTH, SOUTH = Owner("company", "C"), Owner("region", "N"), Owner("region", "S")
T1, T2, T3 = Owner("team", "T1"), Owner("team", "T2"), Owner("team", "T3")

weights_of = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.decimals(0, 10**9, places=6) | st.just(Decimal(0)),
    min_size=1,
    max_size=12,
)
totals = st.integers(0, 10**14).map(lambda cents: Decimal(cents).scaleb(-2))


def node(node_id: str, level: str, parent_id: str | None = None, **more: Any) -> OrganisationNode:
    return OrganisationNode.model_validate(
        {"node_id": node_id, "name": node_id, "level": level, "parent_id": parent_id, **more}
    )


def rep(rep_id: str, team_id: str | None, **more: Any) -> Rep:
    return Rep.model_validate({"rep_id": rep_id, "name": rep_id, "team_id": team_id, **more})


NODES = [
    node("C", "company"),
    node("N", "region", "C"),
    node("S", "region", "C"),
    node("T1", "team", "N"),
    node("T2", "team", "N"),
    node("T3", "team", "C"),
]
REPS = [
    rep("R1", "T1"),
    rep("R2", "T1", left_on=APRIL),
    rep("R3", "T2"),
    rep("R4", "T3", hired_on=APRIL),
    rep("late", "T3", hired_on=date(2018, 4, 2)),
    rep("gone", "T3", left_on=date(2018, 3, 31)),
    rep("free", None),
    rep("boss", "T1", role="manager"),
    rep("stray", "T9"),
]


def chains_of(nodes: list[OrganisationNode], reps: list[Rep]) -> dict[Owner, tuple[Owner, ...]]:
    return owners_on(Directory({"node": nodes, "rep": reps}), APRIL)


@given(total=totals, weights=weights_of)
def test_parts_add_up_and_lie_within_a_cent_of_their_share(total: Decimal, weights: dict[str, Decimal]) -> None:
    parts = apportion(total, weights)

    assert sum(parts.values()) == total
    assert parts.keys() == weights.keys()
    whole = sum(weights.values())
    for key, part in parts.items():
        assert part == part.quantize(CENT)
        if whole:
            with localcontext(prec=60):
                assert abs(part - total * weights[key] / whole) < CENT
            assert weights[key] or not part


@given(total=totals, weights=weights_of, data=st.data())
def test_the_order_of_the_weights_does_not_matter(total: Decimal, weights: dict[str, Decimal], data: Any) -> None:
    shuffled = dict(data.draw(st.permutations(list(weights.items()))))

    assert apportion(total, shuffled) == apportion(total, weights)


@given(total=totals, weights=weights_of, factor=st.integers(1, 1000))
def test_the_scale_of_the_weights_does_not_matter(total: Decimal, weights: dict[str, Decimal], factor: int) -> None:
    assert apportion(total, {key: weight * factor for key, weight in weights.items()}) == apportion(total, weights)


def test_equal_remainders_go_to_the_smaller_key() -> None:
    ones = dict.fromkeys("cab", Decimal(1))

    assert apportion(Decimal("0.02"), ones) == {"a": CENT, "b": CENT, "c": 0}
    assert apportion(Decimal(10), ones, Decimal(1)) == {"a": 4, "b": 3, "c": 3}


def test_zero_weights() -> None:
    assert apportion(Decimal(10), {"a": Decimal(0), "b": Decimal(5)}) == {"a": 0, "b": 10}
    assert apportion(Decimal(1), {"a": Decimal(0), "b": Decimal(0)}) == {"a": Decimal("0.5"), "b": Decimal("0.5")}
    assert apportion(Decimal(0), {"a": Decimal(0)}) == {"a": 0}


@pytest.mark.parametrize(
    ("total", "weight", "message"),
    [
        ("0.001", "1", "0.001 does not break down: a target is at least 0 and a multiple of 0.01"),
        ("-1", "1", "-1 does not break down"),
        ("1", "-1", "the weight of a is negative"),
    ],
)
def test_what_does_not_break_down(total: str, weight: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apportion(Decimal(total), {"a": Decimal(weight)})


@given(total=totals, data=st.data())
def test_every_level_adds_up_to_the_one_above(total: Decimal, data: Any) -> None:
    team_ids = [f"T{number}" for number in range(data.draw(st.integers(1, 5)))]
    parents = [data.draw(st.sampled_from("CNS")) for _ in team_ids]
    reps = [rep(f"R{number}", data.draw(st.sampled_from(team_ids))) for number in range(data.draw(st.integers(0, 9)))]
    nodes = [*NODES[:3], *(node(team, "team", parent) for team, parent in zip(team_ids, parents, strict=True))]
    chains = chains_of(nodes, reps)
    weights = {owner: Decimal(data.draw(st.integers(0, 9))) for owner in chains}
    tree = tree_below(chains, COMPANY)

    parts = split(total, COMPANY, tree, weights).parts

    assert parts.keys() == chains.keys()
    for parent, children in tree.items():
        assert sum(parts[child] for child in children) == parts[parent]
    assert sum(parts[owner] for owner in parts if owner not in tree) == total


def test_who_is_in_force_and_below_whom() -> None:
    chains = chains_of(NODES, REPS)

    assert {owner.owner_id for owner in chains if owner.level == "rep"} == {"R1", "R2", "R3", "R4"}
    assert tree_below(chains, COMPANY) == {
        COMPANY: (NORTH, SOUTH, T3),
        NORTH: (T1, T2),
        T1: (Owner("rep", "R1"), Owner("rep", "R2")),
        T2: (Owner("rep", "R3"),),
        T3: (Owner("rep", "R4"),),
    }
    assert tree_below(chains, COMPANY, ["team"]) == {COMPANY: (T1, T2, T3)}
    assert tree_below(chains, NORTH, ["rep"]) == {NORTH: tuple(Owner("rep", f"R{number}") for number in (1, 2, 3))}


def test_a_node_counts_from_its_first_day_and_a_loop_ends() -> None:
    nodes = [*NODES, node("T4", "team", "N", effective_from=date(2018, 4, 2)), node("T5", "team", "T1")]

    chains = chains_of(nodes, [rep("R9", "T5")])

    assert Owner("team", "T4") not in chains
    assert chains[Owner("team", "T5")] == ()


def test_by_headcount() -> None:
    chains = chains_of(NODES, REPS)
    counts = headcounts(chains)

    assert [counts.get(owner) for owner in (COMPANY, NORTH, SOUTH, T1, T2, T3)] == [4, 3, None, 2, 1, 1]
    parts, notes = split(Decimal(100), COMPANY, tree_below(chains, COMPANY), counts)
    assert [parts[owner] for owner in (NORTH, SOUTH, T1, T2, T3)] == [75, 0, 50, 25, 25]
    assert notes == ()


def test_by_potential_a_node_weighs_what_is_below_it_unless_told() -> None:
    chains = chains_of(NODES, REPS)
    given_weights = {T3: Decimal(4), Owner("rep", "R1"): Decimal(1), Owner("rep", "R3"): Decimal(3)}

    weights = potentials(chains, COMPANY, given_weights)

    assert [weights[owner] for owner in (NORTH, SOUTH, T1, T2, T3)] == [4, 0, 1, 3, 4]
    parts, notes = split(Decimal(80), COMPANY, tree_below(chains, COMPANY), weights)
    assert [parts[owner] for owner in (NORTH, T1, T2, T3, Owner("rep", "R2"), Owner("rep", "R4"))] == [
        *(40, 10, 30, 40, 0, 40)
    ]
    assert notes == ("nobody below team T3 has a weight: split evenly",)


def test_a_part_nobody_takes_stays_and_is_told() -> None:
    chains = chains_of(NODES, REPS)
    weights = {SOUTH: Decimal(1)}

    assert split(Decimal(7), COMPANY, tree_below(chains, COMPANY), weights).notes == (
        "region S has nobody below it: 7.00 stays with it",
    )
    assert split(Decimal(7), COMPANY, tree_below(chains, COMPANY, ["region"]), weights).notes == ()


def test_negative_history_counts_as_nothing_and_is_told() -> None:
    weights, notes = clamped({T1: Decimal("-5.5"), T2: Decimal(3)})

    assert weights == {T1: 0, T2: 3}
    assert notes == ("team T1 has a negative history (-5.5): it counts as 0",)


@pytest.mark.parametrize(
    ("period", "start", "last", "starts"),
    [
        ("quarter", APRIL, None, [date(2017, 4, 1)]),
        ("quarter", APRIL, 3, [date(2018, 1, 1), date(2017, 10, 1), date(2017, 7, 1)]),
        ("month", date(2018, 1, 1), 2, [date(2017, 12, 1), date(2017, 11, 1)]),
        ("year", date(2018, 1, 1), 1, [date(2017, 1, 1)]),
    ],
)
def test_periods_of_the_history(period: str, start: date, last: int | None, starts: list[date]) -> None:
    assert history_starts(period, start, last) == starts


@pytest.mark.parametrize(
    ("value", "reached"),
    [
        ("153053093", "0.7653"),
        ("138936120", "0.6947"),
        ("192517486", "0.9626"),
        ("215092772", "1.0755"),
        ("10000", "0.0000"),
        ("30000", "0.0002"),
        ("-153053093", "-0.7653"),
    ],
)
def test_attainment(value: str, reached: str) -> None:
    assert str(attainment(Decimal(value), Decimal(200_000_000))) == reached


def test_no_attainment_without_figure_or_target() -> None:
    assert attainment(None, Decimal(1)) is None
    assert attainment(Decimal(1), Decimal(0)) is None


@given(value=st.decimals(-(10**20), 10**20, places=6), target=st.decimals("0.000001", 10**20, places=6))
def test_attainment_is_exact(value: Decimal, target: Decimal) -> None:
    with localcontext(prec=100):
        expected = (value / target).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)

    assert attainment(value, target) == expected


@pytest.mark.parametrize(
    ("day", "share"),
    [
        (date(2018, 3, 31), "0"),
        (APRIL, "0.0110"),
        (date(2018, 5, 15), "0.4945"),
        (date(2018, 6, 30), "1"),
        (date(2020, 1, 1), "1"),
    ],
)
def test_elapsed_share(day: date, share: str) -> None:
    assert elapsed_share(APRIL, date(2018, 6, 30), day) == Decimal(share)


def test_steps() -> None:
    title = {"zh": "销", "en": "s"}
    money = Kpi.model_validate(
        {"id": "a", "title": title, "source": "sale", "aggregate": "sum", "value": "amount", "unit": "currency"}
    )
    calls = Kpi.model_validate({"id": "b", "title": title, "source": "visit", "aggregate": "count", "unit": "count"})
    mean = money.model_copy(update={"aggregate": "mean"})

    assert (step_of(money), step_of(calls)) == (CENT, 1)
    with pytest.raises(ValueError, match="a is a mean and does not add up: give every owner a target of its own"):
        step_of(mean)


def test_new_targets_do_not_move_anybody() -> None:
    target = Target(
        kpi_id="a", period="quarter", period_start=APRIL, owner_level="team", owner_id="T1", value=Decimal(1)
    )
    before = Directory({"node": NODES, "rep": REPS}, 1)
    after = Directory({"node": NODES, "rep": REPS, "target": [target]}, 2)

    assert before.places_alike(after, ["rep.role", "institution.country", "product.is_new_drug", "hcp.segment"])
