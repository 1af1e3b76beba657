"""R26: what is kept of a position, and what is not even looked at."""

from datetime import UTC, date, time
from typing import Any

import pytest
from rule_world import SHANGHAI, event_of

from agents.compliance.functions import FUNCTIONS
from agents.intake.directory import Directory
from agents.intake.locating import BAND_EDGES_M, BANDS, CheckIn, CheckIns, Locator, band, distance_m, speed_kmh
from schemas.events import Located
from schemas.intake_policy import LocationRule
from schemas.reference import CalendarDay, Institution, Rep

#: A degree of latitude on the sphere, metres.
DEGREE = 111_195.08
NOTHING = Located()


def directory(consent: bool | None = None) -> Directory:
    return Directory(
        {
            "rep": [Rep(rep_id="R1", name="Wang", location_consent=consent)],
            "institution": [
                Institution(institution_id="I1", name="First", latitude=31.2, longitude=121.4),
                Institution(institution_id="I1", name="First", effective_from=date(2026, 4, 1)),
                Institution(institution_id="I2", name="Second", latitude=31.2, longitude=121.4, fence_radius_m=1_000),
            ],
            "calendar_day": [
                CalendarDay(day=date(2026, 3, 5), is_working_day=False),
                CalendarDay(day=date(2026, 3, 7), is_working_day=True),
            ],
        }
    )


def fix(metres: float, accuracy: float | None = None) -> dict[str, Any]:
    return {"latitude": 31.2 + metres / DEGREE, "longitude": 121.4, "accuracy_m": accuracy}


def visit(moment: str = "2026-03-04T15:00:00+08:00", **fields: Any) -> Any:
    times = {"occurred_at": moment, "check_in_at": moment, "check_out_at": None}
    return event_of("visit", **times | {"check_in": fix(0)} | fields)


@pytest.mark.parametrize(
    ("metres", "accuracy", "in_fence", "band"),
    [
        (0, None, True, "0-100 m"),
        (99.9, None, True, "0-100 m"),
        (100.1, None, True, "100-200 m"),
        (199.9, None, True, "100-200 m"),
        (200.1, None, False, "200-500 m"),
        (210, 15, True, "100-200 m"),
        (499.9, None, False, "200-500 m"),
        (500.1, None, False, "500-1000 m"),
        (1_000.1, None, False, "1000-5000 m"),
        (5_000.1, None, False, "5000-20000 m"),
        (30_000, None, False, "over 20000 m"),
        (30_000, 40_000, True, "0-100 m"),
    ],
)
def test_fence_and_band(metres: float, accuracy: float | None, in_fence: bool, band: str) -> None:
    location = Locator(SHANGHAI).locate(visit(check_in=fix(metres, accuracy)), directory())
    assert location.located == Located(in_fence, band, accuracy)
    assert location.withheld is None


def test_the_fence_is_that_of_the_institution_on_the_day() -> None:
    locator = Locator(SHANGHAI)
    assert locator.locate(visit(check_in=fix(999), institution_id="I2"), directory()).located.in_fence is True
    unknown = locator.locate(visit("2026-04-01T10:00:00+08:00", check_in=fix(999, 7)), directory()).located
    assert unknown == Located(accuracy_m=7.0)  # from April on nobody knows where I1 lies
    assert locator.locate(visit(institution_id="I9"), directory()).located == NOTHING


@pytest.mark.parametrize(
    ("moment", "withheld"),
    [
        ("2026-03-04T09:00:00+08:00", None),
        ("2026-03-04T08:59:59+08:00", "hours"),
        ("2026-03-04T18:00:00+08:00", None),
        ("2026-03-04T18:00:01+08:00", "hours"),
        ("2026-03-04T02:00:00Z", None),  # ten in Shanghai
        ("2026-03-04T10:30:00Z", "hours"),  # half past six
        ("2026-03-05T15:00:00+08:00", "hours"),  # a holiday on a Thursday
        ("2026-03-07T15:00:00+08:00", None),  # a Saturday that is worked
        ("2026-03-08T15:00:00+08:00", "hours"),
    ],
)
def test_outside_working_hours_nothing_is_worked_out(moment: str, withheld: str | None) -> None:
    location = Locator(SHANGHAI).locate(visit(moment, check_in=fix(300, 5)), directory(), CheckIn(0, 31, 121, None))
    assert location.withheld == withheld
    assert (location.located == NOTHING) is (withheld is not None)
    assert (location.check_in is None) is (withheld is not None)


def test_hours_are_those_of_the_policy() -> None:
    rule = LocationRule(opens=time(8), closes=time(20), working_days_only=False)
    for moment in ("2026-03-04T08:00:00+08:00", "2026-03-08T20:00:00+08:00"):
        assert Locator(SHANGHAI, rule).locate(visit(moment), directory()).located.in_fence is True
    assert Locator(SHANGHAI, rule).locate(visit("2026-03-04T07:59:00+08:00"), directory()).withheld == "hours"
    with pytest.raises(ValueError, match="closes 08:00:00 does not lie after opens 09:00:00"):
        LocationRule(closes=time(8))
    with pytest.raises(ValueError, match="times of day are company time"):
        LocationRule(opens=time(9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("said", "is_required", "is_used"),
    [
        (None, False, True),
        (None, True, False),
        (True, False, True),
        (True, True, True),
        (False, False, False),
        (False, True, False),
    ],
)
def test_consent(said: bool | None, is_required: bool, is_used: bool) -> None:
    locator = Locator(SHANGHAI, LocationRule(require_consent=is_required))
    location = locator.locate(visit(), directory(said))
    assert (location.withheld, location.located == NOTHING) == (None if is_used else "consent", not is_used)


def test_leaving_after_hours_is_told_and_the_check_in_is_used() -> None:
    event = visit("2026-03-04T17:50:00+08:00", check_out=fix(0), check_out_at="2026-03-04T18:10:00+08:00")
    location = Locator(SHANGHAI).locate(event, directory())
    assert (location.located.in_fence, location.withheld) == (True, "hours")
    alone = event.model_copy(update={"check_in": None})
    assert Locator(SHANGHAI).locate(alone, directory()) == (NOTHING, "hours", None)


def test_what_has_no_position_is_nobodys_business() -> None:
    for event in (
        visit(check_in=None),
        event_of("sale"),
        event_of("activity"),
        visit("2026-03-08T15:00:00Z", check_in=None),
    ):
        assert Locator(SHANGHAI).locate(event, directory(False)) == (NOTHING, None, None)


@pytest.mark.parametrize(
    ("minutes", "metres", "accuracy", "speed"),
    [
        (60, DEGREE, None, 111.2),
        (30, DEGREE, None, 222.4),
        (60, DEGREE, 10_000, 101.2),  # 111.195 less ten kilometres
        (60, 100, 150, 0.0),
        (0, DEGREE, None, 400_302.3),  # as if a second had passed
        (24 * 60, 2_400, None, 0.1),
        (24 * 60 + 1, 2_400, None, None),
        (-1, 2_400, None, None),
    ],
)
def test_journey(minutes: int, metres: float, accuracy: float | None, speed: float | None) -> None:
    before = CheckIn(0, 31.2, 121.4, accuracy)
    assert speed_kmh(before, CheckIn(minutes * 60_000_000, 31.2 + metres / DEGREE, 121.4, None)) == speed


def test_the_journey_begins_at_the_last_check_in_that_may_be_used() -> None:
    locator, check_ins, found = Locator(SHANGHAI), CheckIns(), {}
    day = [
        visit("2026-03-04T08:00:00+08:00", event_id="early", check_in=fix(90_000)),
        visit("2026-03-04T09:00:00+08:00", event_id="first", check_in=fix(20_000)),
        visit("2026-03-04T10:00:00+08:00", event_id="blind", check_in=None),
        visit("2026-03-04T11:00:00+08:00", event_id="second", check_in=fix(0)),
        visit("2026-03-04T11:00:00+08:00", event_id="second", check_in=fix(0)),  # told again
    ]
    for event in day:
        moment = SHANGHAI.microseconds(event.check_in_at)
        before = check_ins.check_in_before("R1", moment, event.event_id)
        location = locator.note(event, directory(), before)
        check_ins.add("R1", event.event_id, location.check_in)
        found[event.event_id] = event.findings.located.journey_kmh
    assert found == {"early": None, "first": None, "blind": None, "second": 10.0}
    assert check_ins.check_in_before("R2", 1 << 60, "x") is None


def test_noting_keeps_what_else_was_found() -> None:
    event = visit()
    event.found(event.findings._replace(breaches=("R01",)))
    Locator(SHANGHAI).note(event, directory())
    assert event.findings == (("R01",), Located(True, "0-100 m"))


def test_bands_are_where_the_language_says() -> None:
    assert list(BANDS.values()) == [0, *BAND_EDGES_M]
    assert [band(edge) for edge in BAND_EDGES_M] == list(BANDS)[:-1]
    assert all(str(edge) in FUNCTIONS["farther_than"].says for edge in BAND_EDGES_M)


def test_distance_across_the_date_line() -> None:
    assert distance_m(0, 179.9, 0, -179.9) == pytest.approx(0.2 * DEGREE, rel=1e-6)
