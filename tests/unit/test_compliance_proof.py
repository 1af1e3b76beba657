"""The proof in small: a simulated quarter whose breaches are known is judged, and every rule finds exactly those."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from agents.progress.calendar import CompanyTime
from streams import compliance_policy
from streams.cli.policy_prove import END, START
from streams.compliance_proof import Judged, Proof, compared, text_of
from streams.simulator.planting import Label
from streams.simulator.world import Plan, Simulation

SHANGHAI = CompanyTime("Asia/Shanghai")
PACK = compliance_policy.load(Path(__file__).parents[2] / "policies", SHANGHAI)
RULES = {entry.rule.id for entry in PACK.entries} | {rule.id for rule in PACK.intake_rules}
PLAN = Plan(START, END, seed=3, reps=6, breaches=1)


@lru_cache
def judged() -> tuple[Judged, list[Label]]:
    simulation = Simulation(PLAN)
    judge = Judged(PACK, simulation.references(), SHANGHAI)
    for made in simulation.events():
        judge.take(made)
    judge.finish()
    return judge, simulation.labels()


def proof() -> Proof:
    judge, labels = judged()
    return compared(RULES, judge.hits, labels, judge.events)


def test_every_rule_finds_what_was_planted_and_nothing_else() -> None:
    found = proof()
    assert found.wrong == []
    assert {line.rule_id for line in found.lines} == RULES
    for line in found.lines:
        assert line.planted >= 1, line
        assert (line.recall, line.precision) == (1.0, 1.0), line
        assert line.near >= 1, line
    assert found.holds
    assert 3_000 < found.events < 10_000


def test_breaches_are_planted_across_representatives() -> None:
    """Rules about a professional or a hospital hit events of one representative because of another's."""
    judge, labels = judged()
    for rule in ("R15", "R17", "R17-near", "R17-nearer", "R18", "R23", "R24-cap", "R25-often"):
        hits = {label.subject_id for label in labels if label.rule == rule and label.expect == "hit"}
        about = [label for label in labels if label.rule == rule and label.subject_id in hits]
        assert len({label.rep_id for label in about}) > 1, rule
    assert {one[1] for one in judge.hits} == {"rep", "hcp", "institution"}


def test_a_hit_that_was_not_planted_and_one_that_is_missing_are_seen() -> None:
    judge, labels = judged()
    fewer = [label for label in labels if label.rule != "R12"]
    line = next(one for one in compared(RULES, judge.hits, fewer, 1).lines if one.rule_id == "R12")
    assert (line.planted, line.false, line.precision) == (0, 1, 0.0)
    without = {one for one in judge.hits if one[0] != "R12"}
    found = compared(RULES, without, labels, 1)
    line = next(one for one in found.lines if one.rule_id == "R12")
    assert (line.planted, line.missed, line.recall, found.holds) == (1, 1, 0.0, False)
    assert [what for what, _ in found.wrong] == ["missed"]


def test_the_table_says_the_shares() -> None:
    text = text_of(proof(), PLAN)
    assert sum(line.startswith("| R") for line in text.splitlines()) == len(RULES)
    assert "| R12 | 1 | 1 | 0 | 0 | 2 | 1.000 | 1.000 |" in text


def test_planting_changes_no_other_event() -> None:
    """Who is planted lives beside the others: their events are those of a company without breaches."""
    plain = {made.event_id: made.value for made in Simulation(replace(PLAN, breaches=0)).events()}
    planted = {made.event_id: made.value for made in Simulation(PLAN).events()}
    assert {name: planted[name] for name in plain} == plain
    added = Counter(name.split("-")[2] for name in planted.keys() - plain.keys())
    assert added["visit"] > 100
    assert added["activity"] > 40


@pytest.mark.parametrize("breaches", [-1, 51])
def test_so_many_breaches_cannot_be_planted(breaches: int) -> None:
    with pytest.raises(Exception, match="give 0 to 50 with --breaches"):
        replace(PLAN, breaches=breaches)
