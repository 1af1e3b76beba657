"""Whatever is written: a rule error with its place, or one of three outcomes, and an explanation that agrees."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from rule_world import LISTS, event_of, frame_of

from agents.compliance.errors import ExhaustedError, RuleError
from agents.compliance.functions import FUNCTIONS
from agents.compliance.language import compile_expression
from agents.compliance.nodes import STEPS, Frame, Node, explain, missing
from agents.compliance.scope import Scope
from agents.compliance.straight import straight

#: A past that makes loops worth running.
PAST = [
    event_of("visit", event_id=f"p{number}", occurred_at=f"2026-03-0{number}T09:00:00+08:00") for number in (1, 2, 3)
]
PARAMETERS = {"limit": 5, "share": 0.5, "words": ("a", "b"), "sizes": (1, 2.5)}
NAMED = """
channel hcp_id zone feedback_score feedback_text check_in_at check_out_at recorded_at day check_in details materials
companions institution hcp rep institution.country hcp.segment rep.filings institution.reception_windows words sizes
distance_band() accuracy_m() check_out.latitude limit share minutes days today this_year amount nonsense v v.hcp_id d
d.product_id
v.feedback_score d.indication visits(today) visits(last(3*days)) visits(this_year,hcp=hcp_id)
"""
NAMES = NAMED.split()
LITERALS = ["0", "1", "2.5", "0.1", "-3", '"A"', '"高血压"', "True", "[1, 2]", '["A"]', "1e9"]
leaves = st.sampled_from(NAMES + LITERALS)


def _called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def call(name: str, arguments: list[str]) -> str:
        wanted = len(FUNCTIONS[name].takes)
        return f"{name}({', '.join((arguments * 4)[:wanted])})"

    return st.builds(call, st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, min_size=1, max_size=4))


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(
        ["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "in", "not in", "and", "or", "%", "is"]
    )
    return st.one_of(
        st.builds("({} {} {})".format, inner, signs, inner),
        st.builds("{} < {} <= {}".format, inner, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("-{}".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{} for v in {} if {}]".format, inner, inner, inner),
        st.builds("any({} for d in {})".format, inner, inner),
        _called(inner),
    )


expressions = st.recursive(leaves, _grown, max_leaves=12)

# ------------------------------------------------------------- what has the right kinds

lengths = st.sampled_from(
    ["5 * minutes", "2 * days", "check_out_at - check_in_at", "check_in_at - recorded_at", "limit * hours"]
)
moments = st.sampled_from(["check_in_at", "check_out_at", "occurred_at", "recorded_at", "check_in_at + 3 * hours"])
days = st.sampled_from(["day", "day_of(check_out_at)", 'date("2026-02-17")', "day - 400 * days"])
texts = st.sampled_from(
    ["channel", "hcp_id", "zone", "feedback_text", "hcp.segment", "institution.country", "rep.name"]
)
words = st.sampled_from(["A", "H1", "高血压", "疗效", "", "phone", "中国"]).map('"{}"'.format)
pasts = st.sampled_from(
    ["visits(today)", "visits(last(3 * days))", "visits(this_year, hcp=hcp_id)", "sales(this_month)"]
)
plain = st.sampled_from(["feedback_score", "limit", "share", "0", "0.1", "7", "accuracy_m()", "journey_kmh()"])


def _numbers(inner: st.SearchStrategy[str], truths: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from("+-*/")
    aggregates = st.sampled_from(["sum", "mean", "max", "min", "stddev"])
    scores = st.sampled_from(["v.feedback_score", "accuracy_m()", "v.feedback_score * 2", "count(v.details)"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, signs, inner),
        st.builds("({} if {} else {})".format, inner, truths, inner),
        st.builds("otherwise({}, {})".format, inner, inner),
        st.builds("-{}".format, inner),
        st.builds("{}({} for v in visits(this_year) if {})".format, aggregates, scores, truths),
        st.builds("count(x for x in {} if {})".format, pasts, truths),
        st.builds(
            "quantile([{} for v in visits(this_year)], {})".format, scores, st.sampled_from(["0", "0.5", "share", "1"])
        ),
        st.builds("similar({}, [v.feedback_text for v in visits(this_year)])".format, texts),
        st.builds("({}) / (1 * days)".format, lengths),
        st.builds("weekday({})".format, days),
        st.sampled_from(["journey_kmh()", "accuracy_m() / 2"]),
    )


def _truths(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    numbers = _numbers(plain, inner)
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    equal = st.sampled_from(["==", "!="])
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
        st.sampled_from(["outside_fence()", "farther_than(500)"]),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{} {} {}".format, numbers, signs, numbers),
        st.builds("{} < {} <= {}".format, numbers, numbers, numbers),
        st.builds("{} in [0, 0.1, 6.1, 7]".format, numbers),
        st.builds("any({} for d in details)".format, inner),
        st.builds("all(v.hcp_id == {} for v in {} if {})".format, words, st.just("visits(this_year)"), inner),
        st.builds(
            "any(any(d.product_id == v.hcp_id or {} for d in v.details) for v in visits(this_year))".format, inner
        ),
        st.builds("{} {} {}".format, lengths, signs, lengths),
        st.builds("{} {} {}".format, moments, signs, moments),
        st.builds("{} {} {}".format, days, signs, days),
        st.builds("{} {} {}".format, st.sampled_from(["hcp_id", "zone", "feedback_text"]), equal, words),
        st.builds("{} not in [{}, {}]".format, st.sampled_from(["hcp_id", "zone"]), words, words),
        st.builds("contains_any({}, [{}, {}])".format, texts, words, words),
        st.builds("matches({}, {})".format, texts, st.sampled_from(['"[a-c]+"', '"疗效.?"', '"^A$"'])),
        st.builds(
            "present({})".format, st.one_of(texts, plain, moments, st.sampled_from(["details", "materials", "rep"]))
        ),
        st.builds("working_day({})".format, days),
        st.builds("within(institution.reception_windows, {})".format, moments),
        st.builds("filed(rep, {})".format, days),
        st.builds("any(label_valid(d.product_id, d.indication, {}) for d in details)".format, days),
    )


sensible = st.recursive(
    _truths(st.sampled_from(["True", "feedback_score > 5", "present(zone)", 'zone == "x"'])), _truths, max_leaves=6
)


def compiled(text: str) -> tuple[Node | None, RuleError | None]:
    try:
        return compile_expression(text, Scope("visit", PARAMETERS, {}, frozenset(LISTS)), None), None
    except RuleError as error:
        return None, error


def check_place(text: str, error: RuleError | None) -> None:
    """An error lies within the text."""
    assert error is not None
    lines = text.split("\n")
    assert 1 <= error.line <= len(lines), text
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1, text
    assert error.what


def judged(text: str, frame: Frame) -> Node | None:
    """The node, its value worked out; None where the text was refused."""
    made, error = compiled(text)
    if made is None:
        check_place(text, error)
        return None
    frame.left = STEPS
    value = made.run(frame)
    left, frame.left = frame.left, STEPS
    assert straight(made)(frame) == value, text  # the fast path gives the same, for the same steps
    assert frame.left == left, text
    if made.kind.name == "yes or no":
        assert value in {True, False, None}, text
        assert isinstance(value, bool | None), text
    elif made.kind.name == "number":
        assert value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool)), text
    return made


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(expressions)
def test_whatever_is_put_together(text: str) -> None:
    judged(text, frame_of("visit", PAST))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(sensible, st.booleans())
def test_what_has_the_right_kinds_is_judged_and_its_explanation_agrees(text: str, is_bare: bool) -> None:
    bare: dict[str, Any] = {
        "check_in": None,
        "check_out_at": None,
        "hcp_id": None,
        "details": [],
        "feedback_score": None,
    }
    frame = frame_of("visit", PAST, **(bare if is_bare else {}))
    made = judged(text, frame)
    if made is None:
        return
    event("judged")
    frame.left = STEPS * 100
    outcome = made.run(frame)
    explained = explain(made, frame)
    assert explained.value is outcome, text
    assert made.run(frame) is outcome, text
    if outcome is None and not made.is_constant:
        assert missing(explained), text


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text(alphabet="()[]{}+-*/<>=!.,:\"'\\# \nabd01andorotif", max_size=60))
@example("\n\n)")
@example("(\n")
@example("#")
@example("1 #\n> 0 # )")
@example('"\\N{bad}"')
@example('"""\n""" == zone')
@example("ﬁeld == 1")
@example("1if 1else 2")
@example("1_0.0_1 > 0x1F")
@example("\x0c1 > 0")
@example('zone == "\\ud800"')
@example("\r\n1 > 0")
def test_whatever_is_typed(text: str) -> None:
    judged(text, frame_of("visit", PAST))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4_000,
        "1 + " * 999 + "1",
        "(" * 2_000 + ")" * 2_000,
        "[" * 1_300 + "1",
        "not " * 900 + "1",
        "lambda: " * 400 + "1",
        "1 if 1 else " * 300 + "1",
        "x." * 1_900 + "x",
        "-" * 3_999 + "1",
        "{" * 3_000,
        "f\"{" * 900,
        "any(" * 900,
        "1 < " * 900 + "1",
        "9" * 3_990 + " > 1",
        "matches(zone, \"" + "(" * 3_000 + "\")",
        "matches(zone, \"" + "a{99}" * 700 + "\")",
    ],
)  # fmt: skip
def test_what_is_out_of_all_proportion_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        compile_expression(text, Scope("visit", {}, {}))


def test_the_steps_of_one_judgement_are_bounded_whatever_the_past() -> None:
    past = [event_of("visit", event_id=f"p{number}") for number in range(2_000)]
    frame = frame_of("visit", past)
    loop = "count(v for v in visits(this_year) if any(w.hcp_id == v.hcp_id for w in visits(this_year)))"
    made = compile_expression(f"{loop} > 0", Scope("visit", {}, {}))
    with pytest.raises(ExhaustedError):
        made.run(frame)
    assert -5_000 < frame.left < 0  # it stops with the list that was one too many
