"""Cost of the compliance rules on a simulated company, beside plain Python and `eval` of the same, in one run.

python -m bench.rules --policies policies --reps 60 --days 60

First table: every rule of the pack on every event of its kinds, in order of arrival, with the past of whole events
growing. Second table: all rules together by event, over the compact past of a shard and over whole events, in the
second half of the days; and what the compact past takes. Third table: five rules beside a Python function written by
hand that gives the same answers, and beside `eval` of the rule's text, compiled before and compiled every time. All
answers are compared beforehand. What counts is the time of this process on the processor, whoever else is at work.
"""

import argparse
import gc
import re
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import mean, median
from types import CodeType
from typing import Any

import orjson

from agents.compliance.judge import CONCERNED, Judge, Surroundings
from agents.compliance.nodes import Frame
from agents.compliance.past import Past
from agents.compliance.places import Place, subjects_of
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.rules import HIT, CompiledRule
from agents.compliance.world import MemoryHistory, References, World, subjects
from agents.intake.decode import decode
from agents.progress.calendar import CompanyTime
from schemas.events import EVENT_MODELS
from streams import compliance_policy
from streams.compliance_policy import Pack
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation

ROUNDS = 5
MOST_REPS, MOST_DAYS = 500, 400
MOST_BYTES = 1_000_000
_EVAL_NAMES: dict[str, Any] = {
    "minutes": timedelta(minutes=1),
    "present": lambda value: value is not None and value not in ("", ()),
    "otherwise": lambda value, instead: instead if value is None else value,
    "len_": len,
    "__builtins__": {},
}


def company(reps: int, days: int) -> tuple[list[Any], References]:
    """Events of a simulated company in order of arrival, and its reference data."""
    start = date(2026, 3, 2)
    end = datetime(start.year, start.month, start.day, tzinfo=COMPANY_ZONE) + timedelta(days=days)
    simulation = Simulation(Plan(start, end, reps=reps))
    events = [EVENT_MODELS[made.kind].model_validate(orjson.loads(made.value)) for made in simulation.events()]
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in simulation.references():
        rows[row.kind_name].append(row)
    return [event for event in events if event.kind_name != "market"], References(rows)


def by_rule(pack: Pack, events: list[Any], world: World, past: MemoryHistory) -> Iterator[tuple[str, int, list[float]]]:
    """Rule, hits, and seconds for each event of its kinds."""
    spent: dict[str, list[float]] = defaultdict(list)
    hits: dict[str, int] = defaultdict(int)
    clock = time.thread_time
    for event in events:
        frame = Frame(event, world)
        for entry in pack.entries:
            if event.kind_name in entry.rule.scope.events:
                began = clock()
                outcome = entry.compiled.judge(frame)
                spent[entry.rule.id].append(clock() - began)
                hits[entry.rule.id] += outcome == "hit"
        past.add(event)
    for rule_id, times in spent.items():
        yield rule_id, hits[rule_id], times


class Panel:
    """All rules over whole events, each judged for whom it is about: representatives, professionals, institutions."""

    def __init__(self, pack: Pack, world: World) -> None:
        self._world = world
        self._judges: dict[tuple[str, str], list[tuple[str, Place, Callable[[Frame], Any]]]] = defaultdict(list)
        for entry in pack.entries:
            for kind in entry.rule.scope.events:
                place = entry.compiled.place(kind)
                self._judges[place.subject, kind].append((entry.rule.id, place, entry.compiled.judge))

    def of_rep(self, event: Any) -> list[str]:
        """Rules that hit which look back on the representative, or on nobody."""
        frame = Frame(event, self._world)
        return [rule_id for rule_id, _, judge in self._judges["rep", event.kind_name] if judge(frame) == HIT]

    def of_others(self, event: Any) -> list[str]:
        """Those that look back on others, as their shards would: a frame for each of them."""
        found = []
        for subject in CONCERNED:
            judges = self._judges.get((subject, event.kind_name), ())
            for key in dict.fromkeys(key for _, place, _ in judges for key in subjects_of(event, place)):
                frame = Frame(event, self._world)
                frame.person = key if subject == "hcp" else None
                found += [
                    rule_id
                    for rule_id, place, judge in judges
                    if key in subjects_of(event, place) and judge(frame) == HIT
                ]
        return found


class Bench:
    """All rules as a shard judges them, on trial: what an alert takes is no cost of the rules."""

    def __init__(self, pack: Pack, references: References, company_time: CompanyTime) -> None:
        rules = RuleSet("all", 1, tuple(entry.compiled for entry in pack.entries))
        book = RuleBook(1, RuleSet(LIVE, 0, ()), (rules,), pack.lists)
        self.judge = Judge(Surroundings(book, references, references.directory, company_time), lambda _mark: False)
        self._now = datetime.now(company_time.zone)

    def of_rep(self, event: Any) -> list[str]:
        """Rules that hit which look back on the representative, or on nobody."""
        return [hit.rule.rule.id for hit in self.judge.judge(event, self._now)]

    def of_others(self, event: Any) -> list[str]:
        """Those that look back on others."""
        hits = [self.judge.judge(event, self._now, *whose) for whose in self.judge.touched(event)]
        return [hit.rule.rule.id for found in hits for hit in found]


#: Seconds for each event: rules about the representative, rules about others, and what it takes to remember the event.
Spent = list[tuple[float, float, float]]


def by_event(bench: Panel | Bench, events: list[Any], add: Callable[[Any], None]) -> tuple[Spent, list[Any]]:
    """What each event costs, all rules together, and what hit; each is read from JSON right before, as in a shard."""
    spent, said, clock = Spent(), list[Any](), time.thread_time
    for before in events:
        event = decode(before.kind_name, before.model_dump_json(exclude_defaults=True).encode(), MOST_BYTES)
        began = clock()
        own = bench.of_rep(event)
        judged = clock()
        others = bench.of_others(event)
        told = clock()
        add(event)
        spent.append((judged - began, told - judged, clock() - told))
        said.append((sorted(own), sorted(others)))
    return spent, said


def beside_memory(bench: Bench, panel: Panel, events: list[Any], memory_of: MemoryHistory) -> None:
    """Print what all rules cost over the compact past and over whole events, after a warm-up of half the events."""
    warm = len(events) // 2
    gc.freeze()  # the simulated company stays; looking through it again and again is no cost of the rules
    past, said = by_event(bench, events, adding_to(bench.judge.past))
    memory, again = by_event(panel, events, memory_of.add)
    if said != again:
        msg = "the compact past and whole events differ: the proof is tests/unit/test_past.py"
        raise SystemExit(msg)
    names = ("rules about reps", "p99", "about others", "p99", "adding", "whole events", "ratio")
    print(f"\n{'all rules':<14} {'events':>8}" + "".join(f" {name:>16}" for name in names))
    kinds = dict.fromkeys(event.kind_name for event in events)
    for name, wanted in [*((f"any {kind}", {kind}) for kind in kinds), ("any event", set(kinds))]:
        chosen = [place for place in range(warm, len(events)) if events[place].kind_name in wanted]
        if not chosen:
            continue
        own, others, adding = zip(*(past[place] for place in chosen), strict=True)
        whole = mean(sum(memory[place][:2]) for place in chosen)
        ours = mean(own) + mean(others)
        values = (mean(own), percentile(own, 0.99), mean(others), percentile(others, 0.99), mean(adding), whole)
        cells = "".join(f" {value * 1e6:>16.2f}" for value in values)
        print(f"{name:<14} {len(chosen):>8}{cells} {whole / ours:>16.1f}")


def bytes_a_visit(pack: Pack, events: list[Any]) -> None:
    """Print what the compact past takes for the visits alone."""
    visits = [event for event in events if event.kind_name == "visit"]
    tracemalloc.start()
    past = Past(entry.compiled for entry in pack.entries)
    remember = adding_to(past)
    for event in visits:
        remember(event)
    past.evict(max(CompanyTime.microseconds(event.occurred_at) for event in visits))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\nthe past of {len(visits)} visits takes {taken / len(visits):.0f} bytes a visit")


def adding_to(past: Past) -> Callable[[Any], None]:
    """Puts an event into every past it belongs to."""

    def add(event: Any) -> None:
        for subject, key in subjects(event):
            past.add(event, subject, key)

    return add


# ------------------------------------------------------------- the same by hand


def _r03(event: Any, frame: Frame) -> bool | None:
    if event.channel != "face_to_face":
        return False
    site = frame.row("institution", "institution_id")
    return None if site is None else site.appointment_required and event.appointment_id is None


def _r08(event: Any, _frame: Frame) -> bool | None:
    return event.kind in {"donation", "sponsorship"} and event.payee_kind in {"department", "hcp"}


def _r12(event: Any, _frame: Frame) -> bool | None:
    if event.kind != "meal" or event.currency != "CNY" or event.approval_id is not None:
        return False
    heads = len(event.attendees) if event.headcount is None else event.headcount
    return None if heads == 0 else event.amount / heads > 300  # noqa: PLR2004


def _r20(event: Any, _frame: Frame) -> bool | None:
    if event.channel != "face_to_face":
        return False
    return None if event.check_out_at is None else event.check_out_at - event.check_in_at < timedelta(minutes=5)


def _r20_late(event: Any, _frame: Frame) -> bool | None:
    if event.recorded_at is None or event.check_out_at is None:
        return None
    return event.recorded_at - event.check_out_at > timedelta(minutes=90)


BY_HAND: dict[str, Callable[[Any, Frame], bool | None]] = {
    "R03": _r03,
    "R08": _r08,
    "R12": _r12,
    "R20": _r20,
    "R20-late": _r20_late,
}


def as_eval(compiled: CompiledRule) -> str:
    """The text of a rule with its named parts put in."""
    rule = compiled.rule
    text = f"({rule.when})"
    for name, part in reversed(rule.let.items()):
        text = re.sub(rf"\b{name}\b", f"({part})", text)
    return " ".join(text.replace("count(attendees)", "len_(attendees)").split())


def eval_once(text: str | CodeType, event: Any, frame: Frame, names: dict[str, Any], *, looks: bool) -> bool | None:
    """What `eval` makes of it; what is missing raises there and counts as not applicable."""
    names = names | event.__dict__
    if looks:
        names["institution"] = frame.row("institution", "institution_id")
    try:
        found = eval(text, names)  # noqa: S307 - the pack's own text, to see what it would cost
    except (TypeError, AttributeError, ArithmeticError):
        return None
    return bool(found)


def side_by_side(pack: Pack, events: list[Any], world: World) -> list[tuple[str, float, float, float, float]]:
    """Rule, and nanoseconds of ours, by hand, eval compiled before, eval of the text."""
    found = []
    for rule_id, by_hand in BY_HAND.items():
        (entry,) = pack.of(rule_id)
        frames = [Frame(event, world) for event in events if event.kind_name in entry.rule.scope.events]
        text = as_eval(entry.compiled)
        ready = compile(text, rule_id, "eval")
        names, looks = _EVAL_NAMES | dict(entry.rule.parameters), "institution." in text
        ways: list[Callable[[Frame], Any]] = [
            entry.compiled.judge,
            lambda frame, by_hand=by_hand: by_hand(frame.event, frame),
            lambda frame, t=ready, n=names, looks=looks: eval_once(t, frame.event, frame, n, looks=looks),
            lambda frame, t=text, n=names, looks=looks: eval_once(t, frame.event, frame, n, looks=looks),
        ]
        compare(rule_id, ways, frames)
        found.append(
            (
                rule_id,
                *(timed(way, frames if index < len(ways) - 1 else frames[:500]) for index, way in enumerate(ways)),
            )
        )
    return found  # type: ignore[return-value]


def compare(rule_id: str, ways: list[Callable[[Frame], Any]], frames: list[Frame]) -> None:
    """Refuse to time what does not give the same answers."""
    words = {"hit": True, "miss": False, "not_applicable": None}
    for frame in frames:
        answers = [ways[0](frame), ways[1](frame), ways[2](frame)]
        if len({words.get(answer, answer) for answer in answers}) != 1:
            msg = f"{rule_id} and what stands beside it differ on {frame.event}: {answers}"
            raise SystemExit(msg)


def timed(way: Callable[[Frame], Any], frames: list[Frame]) -> float:
    """Nanoseconds a frame, median of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for frame in frames:
            way(frame)
        rounds.append((time.thread_time() - began) / len(frames) * 1e9)
    return median(rounds)


def percentile(values: Iterable[float], share: float) -> float:
    """The value that a share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def row(name: str, hits: object, times: list[float]) -> str:
    """A line of the first table."""
    micro = [one * 1e6 for one in times]
    return f"{name:<14} {len(micro):>8} {hits:>7} {mean(micro):>8.2f} {percentile(micro, 0.99):>8.2f}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description="Cost of the compliance rules.")
    parser.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the policies")
    parser.add_argument("--reps", type=int, default=60, help="size of the simulated company, at most 500")
    parser.add_argument("--days", type=int, default=60, help="days that are simulated, at most 400")
    asked = parser.parse_args()
    company_time = CompanyTime("Asia/Shanghai")
    pack = compliance_policy.load(asked.policies, company_time)
    events, references = company(min(asked.reps, MOST_REPS), min(asked.days, MOST_DAYS))
    past = MemoryHistory()
    world = World(references, past, company_time, pack.lists)
    print(f"{len(events)} events, {len(pack.entries)} rules, microseconds")
    print(f"{'rule':<14} {'events':>8} {'hits':>7} {'mean':>8} {'p99':>8}")
    every: list[float] = []
    for rule_id, hits, times in by_rule(pack, events, world, past):
        print(row(rule_id, hits, times))
        every += times
    print(row("a rule", "", every))
    whole = MemoryHistory()
    panel = Panel(pack, World(references, whole, company_time, pack.lists))
    beside_memory(Bench(pack, references, company_time), panel, events, whole)
    bytes_a_visit(pack, events)
    widths = {"rule": 8, "by hand": 8, "eval ready": 11, "eval": 8, "rule/hand": 10, "eval/rule": 10}
    print("\nnanoseconds" + "".join(f" {name:>{width}}" for name, width in widths.items()))
    for rule_id, ours, hand, ready, text in side_by_side(pack, events, world):
        ratios = f"{ours / hand:>10.1f} {text / ours:>10.1f}"
        print(f"{rule_id:<11} {ours:>8.0f} {hand:>8.0f} {ready:>11.0f} {text:>8.0f} {ratios}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
