"""Sentences of rules: how values are written in both languages, and what a template may not say."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rule_world import SHANGHAI, compiled, event_of, frame_of

from agents.compliance.errors import RuleError
from agents.compliance.language import Scope
from agents.compliance.nodes import Frame, explain
from agents.compliance.templates import Template, written
from agents.compliance.world import MemoryHistory, References, World
from schemas.base import Position
from schemas.reference import Hcp, Institution, Product, Rep


@pytest.mark.parametrize(
    ("value", "spec", "chinese", "english"),
    [
        (None, "", "—", "—"),
        (True, "", "是", "yes"),
        (False, "", "否", "no"),
        (12, "", "12", "12"),
        (50000, ",", "50,000", "50,000"),
        (12, ".2", "12.00", "12.00"),
        (Decimal("1234.50"), "", "1234.5", "1234.5"),
        (Decimal("1234.5"), ",.2", "1,234.50", "1,234.50"),
        (Decimal("0.125"), ".2", "0.12", "0.12"),  # half to even
        (Decimal("0.135"), ".2", "0.14", "0.14"),
        (Decimal("1E+3"), "", "1000", "1000"),
        (Decimal(1) / 3, "", "0.333333", "0.333333"),
        (Decimal("-0.0000001"), ".0", "0", "0"),
        (Decimal("1" * 64 + ".5"), ".2", "1" * 64 + ".5", "1" * 64 + ".5"),
        (timedelta(minutes=4, seconds=59), "", "4 分钟 59 秒", "4 minutes 59 seconds"),
        (timedelta(minutes=5), "", "5 分钟", "5 minutes"),
        (timedelta(seconds=59.9), "", "59 秒", "59 seconds"),
        (timedelta(hours=1), "", "1 小时", "1 hour"),
        (timedelta(minutes=100), "", "1 小时 40 分钟", "1 hour 40 minutes"),
        (timedelta(days=2), "", "2 天", "2 days"),
        (timedelta(days=2, hours=1, minutes=59), "", "2 天 1 小时", "2 days 1 hour"),
        (timedelta(0), "", "0 秒", "0 seconds"),
        (-timedelta(minutes=5), "", "-5 分钟", "-5 minutes"),
        (datetime(2026, 3, 4, 16, 5, tzinfo=UTC), "", "2026-03-05 00:05", "2026-03-05 00:05"),
        (date(2026, 3, 4), "", "2026-03-04", "2026-03-04"),
        (time(9, 5), "", "09:05", "09:05"),
        ("第一医院", "", "第一医院", "第一医院"),
        ([], "", "—", "—"),
        (["P1", "P2"], "", "P1、P2", "P1, P2"),
        (list("ABCDEFG"), "", "A、B、C、D、E 等 7 项", "A, B, C, D, E and 2 more"),
    ],
)
def test_how_values_are_written(value: Any, spec: str, chinese: str, english: str) -> None:
    assert (written(value, "zh", SHANGHAI, spec), written(value, "en", SHANGHAI, spec)) == (chinese, english)


def test_a_moment_that_company_time_has_no_day_for_is_written_as_it_is() -> None:
    assert written(datetime(9999, 12, 31, 20, tzinfo=UTC), "en", SHANGHAI) == "9999-12-31 20:00"


def test_reasons_carry_no_coordinates() -> None:
    found = explain(compiled('farther_than(500) or distance_band() == "x"'), frame_of())
    assert "31.2" not in str(found)
    assert written(Position(latitude=31.2, longitude=121.4), "zh", SHANGHAI) == "position"


def test_a_sentence_names_fields_thresholds_and_named_parts() -> None:
    named = {"per_head": compiled("amount / headcount", "activity")}
    scope = Scope("activity", {"most": 300}, named)
    text = "{rep.name} {{{kind}}}: {per_head:.2} > {most}, {institution.city}, {attendees}"
    assert Template(text, scope, "en").fill(frame_of("activity")) == (
        "Wang {meal}: 200.10 > 300, —, attendee H1, attendee H2, attendee somebody"
    )


def frame_among(rows: dict[str, list[Any]], kind: str) -> Frame:
    return Frame(event_of(kind), World(References(rows), MemoryHistory(), SHANGHAI, {}))


@pytest.mark.parametrize(
    ("rep", "institution", "chinese", "english"),
    [
        ({"name_en": "Min Wang"}, {"name_en": "First Hospital"}, "王敏在一院", "Min Wang at First Hospital"),
        ({"name_en": None}, {"name_en": ""}, "王敏在一院", "王敏 at 一院"),
        (None, {"name_en": "First Hospital"}, "—在一院", "— at First Hospital"),
    ],
    ids=["both", "neither", "no representative"],
)
def test_english_sentences_say_english_names_where_there_are_any(
    rep: dict[str, Any] | None, institution: dict[str, Any], chinese: str, english: str
) -> None:
    rows: dict[str, list[Any]] = {
        "rep": [] if rep is None else [Rep(rep_id="R1", name="王敏", **rep)],
        "institution": [Institution(institution_id="I1", name="一院", **institution)],
    }
    frame, scope = frame_among(rows, "visit"), Scope("visit", {}, {})
    assert Template("{rep.name}在{institution.name}", scope, "zh").fill(frame) == chinese
    assert Template("{rep.name} at {institution.name}", scope, "en").fill(frame) == english


def test_whole_records_and_products_say_english_names_too() -> None:
    hospital = Institution(institution_id="I1", name="一院", name_en="First")
    product = Product(product_id="P1", name="安脉平", name_en="Anmaiping", line_name="心血管", line_name_en="Cardio")
    rows: dict[str, list[Any]] = {"product": [product], "institution": [hospital]}
    frame, scope = frame_among(rows, "sale"), Scope("sale", {}, {})
    text = "{product.name} {product.line_name} {institution} {institution.institution_id}"
    assert Template(text, scope, "en").fill(frame) == "Anmaiping Cardio institution First I1"
    assert Template(text, scope, "zh").fill(frame) == "安脉平 心血管 institution 一院 I1"
    doctor = Hcp(hcp_id="H1", name="陈伟", name_en="Wei Chen")
    assert (
        Template("{hcp.name}", Scope("visit", {}, {}), "en").fill(frame_among({"hcp": [doctor]}, "visit")) == "Wei Chen"
    )
    assert written(hospital, "en", SHANGHAI) == "institution 一院", "reasons are for both languages"


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("a {rep.nme}", 4, "rep has no field 'nme'"),
        ("{rep.name} {rep.nme}", 13, "rep has no field 'nme'"),
        ("{amount.real}", 2, "has no fields"),
        ("a {", 1, "a brace itself is written twice"),
        ("a }", 1, "a brace itself is written twice"),
        ("{}", 1, "{} is no name"),
        ("{amount + 1}", 1, "is no name: work it out under `let`"),
        ("{kind} {amount:>10}", 8, "{amount:>10} cannot be written so"),
        ("{amount:{kind}}", 1, "cannot be written so"),
        ("{attendees[0]}", 1, "is no name"),
        ("{__class__}", 2, "there is no '__class__'"),
    ],
)
def test_what_a_template_may_not_say(text: str, column: int, says: str) -> None:
    with pytest.raises(RuleError) as caught:
        Template(text, Scope("activity", {}, {}), "en")
    assert says in caught.value.what
    assert (caught.value.line, caught.value.column) == (1, column)
