"""The rule language: values, three-valued logic, exactness, refusals with their place, limits, explanations."""

from datetime import timedelta
from decimal import Context, Decimal
from itertools import permutations, product
from typing import Any

import pytest
from rule_world import compiled, event_of, frame_of, rule_of, value_of

from agents.compliance.errors import ExhaustedError, RuleError
from agents.compliance.language import compile_expression
from agents.compliance.nodes import STEPS, explain, missing, remembered
from agents.compliance.scope import Scope

TRUE, FALSE, MISSING = "1 < 2", "1 > 2", "feedback_score > 5"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0.1 + 0.2 == 0.3", "visit", True),
        ("amount * 3 == 0.9", "sale", True),  # 0.8999999999999999 in binary
        ("amount / headcount", "activity", Decimal("200.1")),
        ("feedback_score == 6.1", "visit", True),
        ("1 / 3 * 3 == 1", "sale", False),  # rounded once, at the 64th digit
        ("-amount", "sale", Decimal("-0.3")),
        ("check_out_at - check_in_at", "visit", timedelta(minutes=20)),
        ("(check_out_at - check_in_at) / minutes", "visit", 20),
        ("check_out_at - check_in_at == 20 * minutes == 1200 * seconds", "visit", True),
        ("2.5 * hours == 150 * minutes", "visit", True),
        ("90 * minutes / 4 == 22.5 * minutes", "visit", True),
        ("check_in_at + 20 * minutes >= check_out_at", "visit", True),
        ('day - date("2026-02-28") == 4 * days', "visit", True),
        ('day + 1 * days == date("2026-03-05")', "visit", True),
        ("10 < amount < 600.31", "activity", True),
        ("10 < amount < 600.30", "activity", False),
        ('kind in ["meal", "gift"]', "activity", True),
        ('kind not in ["meal", "gift"]', "activity", False),
        ("headcount in [1, 3.0]", "activity", True),
        ("1 if amount > 1000 else 2 if amount > 600 else 3", "activity", 2),
        ('institution.country == "中国"', "visit", True),
        ('hcp.segment == "A" and rep.role == "filed_rep"', "visit", True),
        ("product.is_new_drug", "sale", True),
        ("accuracy_m()", "visit", Decimal("12.5")),
        ("amount > 500  # above\n  and headcount < 4", "activity", True),
        ("not amount > 500", "activity", False),
        ("count(a for a in attendees)", "activity", 3),
        ("[a.hcp_id for a in attendees]", "activity", ["H1", "H2", None]),
        ('any(d.product_id == "P2" for d in details)', "visit", True),
        ('all(d.product_id == "P2" for d in details)', "visit", False),
    ],
)
def test_values(text: str, kind: str, value: Any) -> None:
    assert value_of(text, kind) == value


def test_two_amounts_of_the_greatest_size_are_added_and_multiplied_exactly() -> None:
    most = "99999999999999999999999999.999999"
    assert value_of("amount + amount", "sale", amount=most) == Decimal("199999999999999999999999999.999998")
    squared = value_of("amount * amount", "sale", amount=most)
    assert int(squared.scaleb(12, Context(prec=80))) == int(most.replace(".", "")) ** 2


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("check_out_at - check_in_at < 5 * minutes", "visit", {"check_out_at": None}),
        ("accuracy_m() > 1", "visit", {"check_in": None}),
        ('institution.country == "x"', "visit", {"institution_id": "I9"}),
        ('institution.country == "x"', "visit", {"institution_id": "I2"}),
        ('hcp.segment == "A"', "visit", {"hcp_id": None}),
        ("amount / headcount > 1", "activity", {"headcount": 0}),
        ("1 / (headcount - 3) > 1", "activity", {}),
        ('hcp_id in ["H1"]', "visit", {"hcp_id": None}),
        ('hcp_id not in ["H1"]', "visit", {"hcp_id": None}),
        ("-headcount < 1", "activity", {"headcount": None}),
        ("1 if headcount > 1 else 2", "activity", {"headcount": None}),
        ("check_in_at + 90000000 * days > check_in_at", "visit", {}),
        (
            "time_of(check_in_at + 2912380 * days)",
            "visit",
            {"check_in_at": "2026-03-04T20:00:00Z", "check_out_at": None},
        ),
        ("-(amount * days)", "activity", {"amount": "999999999.9"}),
        ("stddev([amount * amount * amount * x for x in [1, 2]])", "activity", {"amount": "9" * 26}),
        ('mean(a.hcp_id == "" and 1 > 2 for a in attendees if 1 > 2)', "activity", None),
    ],
)
def test_missing_in_missing_out(text: str, kind: str, fields: dict[str, Any] | None) -> None:
    if fields is None:
        with pytest.raises(RuleError, match="the items are of kind yes or no, not number"):
            compiled(text, kind)
        return
    assert value_of(text, kind, **fields) is None


def _kleene(word: str, values: tuple[bool | None, ...]) -> bool | None:
    """Truth as a number between 0 and 1, missing in the middle: `and` is the least, `or` the greatest."""
    order = {False: 0, None: 1, True: 2}
    return min(values, key=order.__getitem__) if word == "and" else max(values, key=order.__getitem__)


@pytest.mark.parametrize("word", ["and", "or"])
@pytest.mark.parametrize("length", [2, 3])
def test_logic_is_that_of_kleene_in_any_order(word: str, length: int) -> None:
    texts = {True: TRUE, False: FALSE, None: MISSING}
    frame = frame_of(feedback_score=None)
    for values in product(texts, repeat=length):
        text = f" {word} ".join(texts[value] for value in values)
        assert compiled(text).run(frame) is _kleene(word, values), text
    for values in permutations((True, False, None)):
        assert compiled(f" {word} ".join(texts[value] for value in values)).run(frame) is (word == "or")


def test_not_and_quantifiers_of_what_is_missing() -> None:
    assert value_of(f"not ({MISSING})", feedback_score=None) is None
    # of the two details, the second has no indication
    assert value_of('any(d.indication == "x" for d in details)') is None
    assert value_of('any(d.indication == "高血压" for d in details)') is True
    assert value_of('all(d.indication == "高血压" for d in details)') is None
    assert value_of('all(d.indication == "x" for d in details)') is False
    assert value_of('count(d for d in details if d.indication == "高血压")') == 1
    assert value_of('any(d.indication == "x" for d in details)', details=[]) is False


def test_what_need_not_be_known_is_not_looked_at() -> None:
    """After the first no of an `and` nothing is evaluated: a look at the past costs nothing."""
    text = 'kind == "gift" and count(a for a in activities(this_year)) > 0'
    frame = frame_of("activity", _many(50))
    assert compiled(text, "activity").run(frame) is False
    assert frame.left == STEPS


def _many(number: int) -> list[Any]:
    return [event_of("activity", event_id=f"p{index}") for index in range(number)]


@pytest.mark.parametrize(
    ("text", "kind", "place", "says"),
    [
        (
            "country * 1000000 > 1",
            "visit",
            "1:1",
            "there is no 'country' in events of kind visit: there is appointment_id,",
        ),
        ("institution.country * 1000000 > 1", "visit", "1:1", "no * between them"),
        ("institution.country % 5", "visit", "1:1", "there is + - * /"),
        ('amount > "300"', "activity", "1:1", 'amount is a number, "300" a text: compare what is of one kind'),
        ("1 > 0 and\n  amount > 5 * minutes", "activity", "2:3", "give the number a unit, for example 5 * minutes"),
        ('kind == "meel"', "activity", "1:1", "kind is never 'meel': it is one of donation, gift, meal"),
        ('"meel" == kind', "activity", "1:1", "kind is never 'meel'"),
        ('kind in ["meal", "gft"]', "activity", "1:1", "kind is never 'gft'"),
        ("day > check_in_at", "visit", "1:1", "day_of(…) makes a day of a moment"),
        ("check_in_at - 5", "visit", "1:1", "give the number a unit"),
        ("amount", "activity", "1:1", "this gives a number, and a yes or no is needed: compare it with something"),
        ("amount and 1 > 0", "activity", "1:1", "amount is a number, not yes or no: compare it, for example with > 0"),
        ("not hcp_id", "visit", "1:5", "hcp_id is a text, not yes or no: present(…) says whether it is there"),
        ('venue > "a"', "activity", "1:1", "is not greater or smaller than another: use == or !="),
        ('"a" in venue', "activity", "1:1", 'venue is a text: write contains_any(venue, ["a"])'),
        ("amount in 5", "activity", "1:1", "5 is a number, no list"),
        ('amount in ["a"]', "activity", "1:1", "it is never in"),
        ('attendees.hcp_id == "x"', "activity", "1:1", "write for example any(x.hcp_id == … for x in attendees)"),
        (
            'institution.contry == "x"',
            "visit",
            "1:1",
            "institution has no field 'contry': it has effective_from, institution_id",
        ),
        ("amount.value > 1", "activity", "1:1", "amount is a number and has no fields"),
        ('hcp.segment == "A"', "sale", "1:1", "there is no 'hcp' in events of kind sale"),
        ("details == details", "visit", "1:1", "cannot be compared: compare one of its fields"),
        ("amount is 5", "activity", "1:1", "`is` does not belong into a rule"),
        ("amount is headcount", "activity", "1:1", "`is` does not belong into a rule: write ==, or present(…)"),
        (
            "kount(attendees) > 1",
            "activity",
            "1:1",
            "there is no function kount: there is accuracy_m, activities, all, any, clock, contains_any, count,",
        ),
        (
            "check_in.latitude > 31",
            "visit",
            "1:1",
            "check_in is not kept (R26): ask outside_fence(), farther_than(500),",
        ),
        ("present(check_out)", "visit", "1:9", "check_out is not kept (R26)"),
        ("any(present(v.check_in) for v in visits(today))", "visit", "1:13", "check_in is not kept (R26)"),
        ("outside_fence()", "activity", "1:1", "outside_fence can be asked of a visit only, not of a activity"),
        ("farther_than(300)", "visit", "1:14", "300 is no end of one: take 100, 200, 500, 1000, 5000, 20000"),
        ("farther_than(feedback_score)", "visit", "1:14", "feedback_score hangs on the event"),
        ("outside_fence(1)", "visit", "1:1", "outside_fence takes no values: write for example outside_fence()"),
        ("count() > 1", "activity", "1:1", "count takes 1 value: write for example count(v for v in visits(today))"),
        ("count > 1", "activity", "1:1", "count is a function: write count("),
        (
            "length(amount) > 1",
            "activity",
            "1:8",
            "amount is a number, length takes a text here: length(feedback_text)",
        ),
        ('in_list("nothing", venue)', "activity", "1:9", "there is no list 'nothing': there is venues"),
        ("in_list(venue, venue)", "activity", "1:9", "the name of a list is written out"),
        ("count(visits(last(headcount * days))) > 1", "activity", "1:19", "headcount * days hangs on the event"),
        (
            "count(visits(last(2000 * days))) > 1",
            "activity",
            "1:19",
            "is no length to look back: take one up to 1096 days",
        ),
        ("count(visits(today, rep=rep_id)) > 1", "activity", "1:21", "visits takes hcp=…, institution=… by name"),
        ("count(visits(today, hcp=amount)) > 1", "activity", "1:25", "amount is a number, hcp takes a text"),
        ('date("2025-02-30") < day', "visit", "1:6", "'2025-02-30' is no day"),
        ('matches(feedback_text, "(a")', "visit", "1:24", "pattern, character 3: a group is not closed"),
        ("quantile([v.feedback_score for v in visits(today)], 90) > 1", "visit", "1:53", "90 is no share"),
        ("# nothing but a remark", "visit", "1:1", "the expression is empty: write what must hold"),
        ("1 / 0 > 1", "visit", "1:1", "1 / 0 has no value: it divides by zero"),
        ("1 * days > -(1 * seconds / 2 + 999999999 * days)", "visit", "1:12", "has no value: it divides by zero"),
        ("any(v for v in visits(today))", "visit", "1:4", "the items are of kind record visit, not yes or no"),
        (
            "count_distinct(v for v in visits(today)) > 1",
            "visit",
            "1:15",
            "are not told apart: count one of their fields",
        ),
        ("any(day.x for day in details)", "visit", "1:15", "day is taken: name the item otherwise"),
        ("any(x == y for x in details for y in details)", "visit", "1:4", "write one loop with one condition"),
        ("any(x for x in amount)", "activity", "1:16", "amount is a number, no list"),
        (
            "any(any(any(any(1 > 0 for w in details) for z in details) for y in details) for x in details)",
            "visit",
            "1:16",
            "loops go 3 deep",
        ),
        ('[1, "a"] == 1', "visit", "1:1", "a list holds literals or thresholds of one kind"),
        ("amount in []", "activity", "1:11", "an empty list holds nothing"),
        ("(lambda: 1)() > 1", "visit", "1:2", "there is no function lambda: 1"),
        ("kind.__class__ == 1", "activity", "1:1", "kind is a text and has no fields"),
        ("institution.__class__ == 1", "activity", "1:1", "institution has no field '__class__'"),
        ('__import__("os") == 1', "visit", "1:1", "there is no function __import__"),
        ('f"{amount}" == "x"', "activity", "1:1", "an f-text does not belong into a rule"),
        ("attendees[0] == 1", "activity", "1:1", "a […] behind a value does not belong into a rule"),
        ("(x := amount) > 1", "activity", "1:2", ":= (name parts under `let`); it does not belong into a rule"),
        ("amount ** 9 > 1", "activity", "1:1", "there is + - * /"),
        ('b"x" == venue', "activity", "1:1", 'b"x" is no value of a rule'),
        ("None == venue", "activity", "1:1", "None is no value of a rule"),
        ("1e30 > amount", "activity", "1:1", "a number has up to 26 digits"),
        ("amount >", "activity", "1:9", "this is no expression"),
        ("amount > 1 1", "activity", "1:", "this is no expression"),
        ("", "activity", "1:1", "the expression is empty"),
        ("amount > 1) or (1 > 0", "activity", "1:1", "a closing bracket has no opening one"),
        ('venue == "温泉" and amonut > 1', "activity", "1:19", "there is no 'amonut'"),
        ("x = 1", "activity", "1:", "this is no expression"),
        ("import os", "activity", "1:1", "this is no expression"),
        ("amount > 1\0", "activity", "1:11", "this character cannot be stored"),
        ('venue in ["a" "b"]', "activity", "1:11", "two without a comma between them would be one"),
        ('venue == r"a"', "activity", "1:10", "write a text once, in simple quotes"),
        ('venue == """a"""', "activity", "1:10", "write a text once, in simple quotes"),
        ("amount > \\ 1", "activity", "1:", "a backslash stands outside of a text"),
        ('venue == "\ud800"', "activity", "1:11", "this character cannot be stored"),
        ("amount > " + "(" * 70 + "1" + ")" * 70, "activity", "1:70", "brackets are nested too deeply"),
        ("not " * 40 + "1 > 0", "visit", "1:121", "nested more than 30 deep"),
        ("amount > " + "+".join("1" * 50), "activity", "1:52", "nested more than 30 deep"),
        ("1" * 4001 + " > 0", "visit", "1:1", "the expression has 4005 characters"),
        ("amount in [" + ", ".join(map(str, range(399))) + "]", "activity", "1:1", "more than 400 parts"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, kind: str, place: str, says: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_expression(text, Scope(kind, {}, {}, frozenset({"venues"})))
    found = f"{caught.value.line}:{caught.value.column}"
    assert found == place or (place == "1:" and found.startswith(place)), str(caught.value)
    assert says in caught.value.what


def test_thresholds_and_named_parts() -> None:
    per_head = compiled("amount / headcount", "activity")
    scope = Scope("activity", {"most": 200.1, "kinds": ("meal", "gift"), "strict": True}, {"per_head": per_head})
    frame = frame_of("activity")
    assert compile_expression("per_head > most", scope).run(frame) is False  # 200.1 is not above 200.1
    assert compile_expression("per_head >= most and kind in kinds and strict", scope).run(frame) is True
    with pytest.raises(RuleError, match="mixes texts and numbers"):
        compile_expression("kind in mixed", Scope("activity", {"mixed": ("a", 1)}, {}))


def test_named_parts_cannot_blow_an_expression_up() -> None:
    named = {"n0": compiled("amount + amount", "activity")}
    for number in range(1, 8):
        named[f"n{number}"] = compile_expression(f"n{number - 1} + n{number - 1}", Scope("activity", {}, named), None)
    with pytest.raises(RuleError, match="with its named parts the expression has"):
        compile_expression("n7 + n7 + n7 + n7 > 1", Scope("activity", {}, named))


def test_named_parts_cannot_be_nested_out_of_all_proportion() -> None:
    named = {"n0": compiled("amount + 0", "activity")}
    for number in range(1, 5):
        text = f"n{number - 1}" + " + 0" * 20
        named[f"n{number}"] = compile_expression(text, Scope("activity", {}, named), None)
    with pytest.raises(RuleError, match="with its named parts the expression has 102 levels, 100 is the most"):
        compile_expression("n4" + " + 0" * 20, Scope("activity", {}, named), None)
    assert named["n4"].run(frame_of("activity")) == Decimal("600.30")
    assert explain(named["n4"], frame_of("activity")).value == Decimal("600.30")


def test_work_for_one_event_is_bounded() -> None:
    text = "count(v for v in activities(this_year) if any(count(activities(this_year)) > 0 for a in v.attendees)) > 0"
    frame = frame_of("activity", _many(400))
    with pytest.raises(ExhaustedError):
        compiled(text, "activity").run(frame)


def test_a_hit_is_told_even_where_what_did_not_decide_is_without_end() -> None:
    """The second part is never looked at while judging: it takes more steps than there are."""
    loops = "any(any(any(a.hcp_id == b.name and c.name == b.name for a in attendees) for b in attendees)"
    told = "{kind} {pairs}"
    pairs = "count([a.name for a in attendees if any(a.name == b.name for b in attendees)])"
    rule = rule_of(f'kind == "meal" or {loops} for c in attendees)', "activity", told, pairs=pairs)
    attendees = [{"hcp_id": f"H{number}", "name": f"N{number}"} for number in range(400)]
    verdict = rule.verdict(frame_of("activity", attendees=attendees))
    assert (verdict.outcome, verdict.explanation, verdict.missing) == ("hit", None, ())
    assert verdict.sentences["en"] == "meal —"


def test_the_explanation_is_the_evaluation() -> None:
    frame = frame_of("activity")
    found = explain(compiled('kind == "meal" and amount / headcount > 200', "activity"), frame)
    assert found.value is True
    assert [(part.text, part.value) for part in found.parts] == [
        ('kind == "meal"', True),
        ("amount / headcount > 200", True),
    ]
    share = found.parts[1].parts[0]
    assert (share.text, share.value) == ("amount / headcount", Decimal("200.1"))
    assert [(part.text, part.value) for part in share.parts] == [("amount", Decimal("600.30")), ("headcount", 3)]


def test_the_explanation_of_a_loop_shows_the_items_that_counted() -> None:
    past = [event_of("activity", event_id=f"p{kind}", kind=kind) for kind in ("meal", "gift")]
    text = 'count(a for a in activities(this_year) if a.kind == "gift") > 0'
    loop = explain(compiled(text, "activity"), frame_of("activity", past)).parts[0].parts[0]
    assert [item.event_id for item in loop.value] == ["pgift"]
    assert [len(part.value) for part in loop.parts if part.text == "activities(this_year)"] == [2]
    assert [part.value.event_id for part in loop.parts if part.text == "·"] == ["pgift"]


def test_a_conditional_is_explained_by_the_branch_that_was_taken() -> None:
    found = explain(compiled("1 if amount > 1000 else headcount", "activity"), frame_of("activity"))
    assert [part.text for part in found.parts] == ["amount > 1000", "headcount"]


def test_why_an_expression_does_not_apply() -> None:
    frame = frame_of("activity", headcount=None, institution_id=None)
    found = explain(compiled('amount / headcount > 1 and institution.country == "x"', "activity"), frame)
    assert missing(found) == ["headcount", "institution"]


def test_a_loop_in_a_named_part_leaves_the_loop_around_it_alone() -> None:
    """The named part is worked out in the middle of an item of the loop that uses it."""
    past = [event_of("activity", event_id=f"p{amount}", amount=amount) for amount in (10, 20, 60)]
    named = {"usual": remembered(compiled("mean(y.amount for y in activities(this_year))", "activity"))}
    text = '[x.amount for x in activities(this_year) if x.amount > usual and x.amount < 100 and x.event_id == "p60"]'
    assert compile_expression(text, Scope("activity", {}, named), None).run(frame_of("activity", past)) == [60]
    text = "[count(y for y in activities(this_year) if y.amount < x.amount) for x in activities(this_year)]"
    assert compiled(text, "activity").run(frame_of("activity", past)) == [0, 1, 2]
    explained = explain(compiled(text, "activity"), frame_of("activity", past))
    assert [part.value.event_id for part in explained.parts if part.text == "·"] == ["p10", "p20", "p60"]


def test_a_named_part_is_worked_out_once_for_an_event() -> None:
    past = [event_of("activity", event_id=f"p{number}") for number in range(10)]
    named = {"n": remembered(compiled("count(activities(this_year))", "activity"))}
    frame = frame_of("activity", past)
    assert compile_expression("n > 3 and n < 20 and n != 5", Scope("activity", {}, named)).run(frame) is True
    assert frame.left == STEPS - 1  # a number over the past costs one, however long that is
    other = frame_of("activity", past[:4])
    assert compile_expression("n == 4", Scope("activity", {}, named)).run(other) is True
