"""Who is told when, by tables of cases and a clock that is only a number; every moment was worked out by hand."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from delivery_samples import MONDAY, acted, alert, policy

from agents.delivery.pacing import Outcome, after_attempt, called_off, decide, message_id
from agents.delivery.routing import Desk, ends_escalation, identity, plan, unrouted
from agents.delivery.times import after_working, next_of, quiet_until, wait_before
from agents.delivery.wording import Style, message_of, notice_of
from agents.progress.pace import WorkingCalendar
from schemas.delivery import Delivery, DeliveryPolicy, Quiet, Recipient, WorkingHours

SHANGHAI = ZoneInfo("Asia/Shanghai")
NAMES = {"title": {"zh": "甲", "en": "A"}, "channels": ["outbox"]}


def at(text: str) -> datetime:
    """A moment in Shanghai: `2 10:00` is the second of March 2026, a Monday."""
    day, clock = text.split()
    return datetime.fromisoformat(f"2026-03-{int(day):02}T{clock}:00+08:00")


def desk(told: DeliveryPolicy, **days: bool) -> Desk:
    channels = {name: recipient.channels for name, recipient in told.recipients.items()}
    moved = {date.fromisoformat(day.replace("_", "-").strip("-")).toordinal(): works for day, works in days.items()}
    return Desk(told, channels, SHANGHAI, WorkingCalendar(moved).is_working_day)


def told(**when: Any) -> DeliveryPolicy:
    return policy(routes=[{"to": ["desk"], "when": when}])


@pytest.mark.parametrize(
    ("when", "fields", "goes"),
    [
        ({}, {}, True),
        ({"colours": ["red"]}, {}, True),
        ({"colours": ["amber", "yellow"]}, {}, False),
        ({"severities": ["avoid"]}, {}, False),
        ({"severities": ["prohibited"]}, {}, True),
        ({"rules": ["R08"]}, {}, True),
        ({"rules": ["R1*", "R0?"]}, {}, True),
        ({"rules": ["R1*"]}, {}, False),
        ({"rules": ["r08"]}, {}, False),
        ({"regions": ["east"]}, {}, True),
        ({"regions": ["east"]}, {"region_id": None}, False),
        ({"teams": ["team-b"]}, {}, False),
        ({"subjects": ["hcp"]}, {}, False),
        ({"subjects": ["hcp"]}, {"subject_kind": "hcp"}, True),
        ({"regions": ["east"], "rules": ["R09"]}, {}, False),
    ],
    ids=str,
)
def test_a_route_takes_an_alert_when_every_list_holds(when: dict[str, Any], fields: dict[str, Any], goes: bool) -> None:
    planned = plan(alert(**fields), desk(told(**when)), MONDAY)

    assert [(one.recipient, one.kind) for one in planned] == ([("desk", "first")] if goes else [])


def test_a_role_leads_to_everybody_who_has_it_and_to_their_own_part_of_the_company() -> None:
    recipients = {
        "east": NAMES | {"roles": ["manager"], "regions": ["east"]},
        "west": NAMES | {"roles": ["manager"], "regions": ["west"]},
        "team": NAMES | {"roles": ["manager"], "teams": ["team-a"]},
        "all": NAMES | {"roles": ["auditor", "manager"]},
        "none": NAMES,
    }
    given = policy(recipients=recipients, routes=[{"to_roles": ["manager"]}])

    assert [one.recipient for one in plan(alert(), desk(given), MONDAY)] == ["east", "team", "all"]


def test_two_routes_to_one_recipient_tell_once_and_at_once_if_one_says_so() -> None:
    given = policy(routes=[{"to": ["desk"], "digest": ["17:00"]}, {"to": ["desk"], "when": {"rules": ["R08"]}}])

    assert [(one.kind, one.due_at) for one in plan(alert(), desk(given), MONDAY)] == [("first", MONDAY)]
    assert [(one.kind, one.due_at) for one in plan(alert(rule_id="R09"), desk(given), MONDAY)] == [
        ("digest", at("2 17:00"))
    ]


def test_every_channel_of_a_recipient_gets_a_delivery_of_its_own_with_the_same_identity_every_time() -> None:
    given = desk(policy())
    both = Desk(given.policy, {"desk": ("wecom", "mail")}, given.zone, given.works)
    first, again = plan(alert(), both, MONDAY), plan(alert(), both, MONDAY + timedelta(hours=3))

    assert [one.channel for one in first] == ["wecom", "mail"]
    assert [one.delivery_id for one in first] == [one.delivery_id for one in again]
    assert len({one.delivery_id for one in [*first, *plan(alert(2), both, MONDAY)]}) == 4


def test_an_identity_differs_in_each_of_its_parts() -> None:
    parts = [("a", "b", "c", "first", 0), ("b", "b", "c", "first", 0), ("a", "c", "c", "first", 0)]
    parts += [("a", "b", "b", "first", 0), ("a", "b", "c", "digest", 0), ("a", "b", "c", "first", 1)]

    assert len({identity(*part) for part in parts}) == len(parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hours", "planned"), [(167, 1), (169, 0)])
def test_what_was_raised_too_long_ago_is_not_told(hours: int, planned: int) -> None:
    assert len(plan(alert(), desk(policy()), MONDAY + timedelta(hours=hours))) == planned


def test_an_alert_that_leads_to_nobody_is_noted() -> None:
    noted = unrouted(alert(), MONDAY)

    assert (noted.status, noted.recipient, noted.alert_id) == ("unrouted", "", alert().alert_id)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2 20:59", None),
        ("2 21:00", "3 08:00"),
        ("2 23:30", "3 08:00"),
        ("3 00:00", "3 08:00"),
        ("3 07:59", "3 08:00"),
        ("3 08:00", None),
        ("7 22:00", None),  # a Saturday
        ("8 03:00", None),  # the night that began on a Saturday
        ("8 22:00", "9 08:00"),
    ],
)
def test_quiet_hours_over_midnight(now: str, end: str | None) -> None:
    nights = Quiet.model_validate(
        {"begin": "21:00", "end": "08:00", "days": ["sun", "mon", "tue", "wed", "thu", "fri"]}
    )

    assert quiet_until(nights, at(now), SHANGHAI) == (at(end) if end else None)


@pytest.mark.parametrize(("now", "end"), [("2 11:59", None), ("2 12:00", "2 14:00"), ("2 14:00", None)])
def test_quiet_hours_within_a_day(now: str, end: str | None) -> None:
    noon = Quiet.model_validate({"begin": "12:00", "end": "14:00"})

    assert quiet_until(noon, at(now), SHANGHAI) == (at(end) if end else None)


@pytest.mark.parametrize(
    ("now", "following"),
    [("2 08:59", "2 09:00"), ("2 09:00", "2 17:00"), ("2 17:00", "3 09:00"), ("2 23:00", "3 09:00")],
)
def test_a_digest_goes_out_at_the_next_of_its_times(now: str, following: str) -> None:
    assert next_of([time(9), time(17)], at(now), SHANGHAI) == at(following)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2 10:00", 30, "2 10:30"),
        ("2 17:45", 30, "3 09:15"),  # 15 min on Monday, 15 on Tuesday
        ("2 07:00", 30, "2 09:30"),
        ("2 19:00", 30, "3 09:30"),
        ("6 17:50", 30, "9 09:20"),  # over the weekend
        ("2 09:00", 540, "2 18:00"),
        ("2 09:00", 541, "3 09:01"),
    ],
)
def test_working_time_counts_only_working_hours_of_working_days(start: str, minutes: int, due: str) -> None:
    hours = WorkingHours.model_validate({"begin": "09:00", "end": "18:00"})
    works = WorkingCalendar({}).is_working_day

    assert after_working(at(start), timedelta(minutes=minutes), hours, works, SHANGHAI) == at(due)


def test_working_time_follows_the_company_s_calendar() -> None:
    hours = WorkingHours.model_validate({"begin": "09:00", "end": "18:00"})
    moved = {date(2026, 3, 3).toordinal(): False, date(2026, 3, 7).toordinal(): True}
    works = WorkingCalendar(moved).is_working_day

    assert after_working(at("2 17:50"), timedelta(minutes=20), hours, works, SHANGHAI) == at("4 09:10")
    assert after_working(at("6 17:50"), timedelta(minutes=20), hours, works, SHANGHAI) == at("7 09:10")
    assert after_working(at("2 17:50"), timedelta(minutes=20), hours, lambda _day: False, SHANGHAI) == at("2 18:10")


LEVELS = [{"after": "30 minutes", "to": ["desk"]}, {"after": "2 hours", "to": ["desk"]}]


@pytest.mark.parametrize(
    ("escalation", "raised", "due"),
    [
        ({}, "2 10:00", ["2 10:30", "2 12:00"]),
        ({}, "2 23:00", ["2 23:30", "3 01:00"]),
        (
            {"counts": "working_time", "working_hours": {"begin": "09:00", "end": "18:00"}},
            "2 17:00",
            ["2 17:30", "3 10:00"],
        ),
    ],
    ids=["clock", "clock at night", "working time"],
)
def test_escalation_rises_level_by_level(escalation: dict[str, Any], raised: str, due: list[str]) -> None:
    given = policy(escalation={"levels": LEVELS} | escalation)
    planned = plan(alert(raised_at=at(raised).isoformat()), desk(given), at(raised))

    assert [(one.level, one.due_at) for one in planned if one.kind == "escalation"] == [
        (number, at(moment)) for number, moment in enumerate(due, 1)
    ]
    assert [one.kind for one in plan(alert(colour="amber"), desk(given), MONDAY)] == ["first"]


@pytest.mark.parametrize(
    ("action", "outcome", "ends"),
    [
        ("acknowledge", "done", True),
        ("review", "done", True),
        ("need_more", "done", True),
        ("close", "done", True),
        ("close", "refused", False),
        ("assign", "done", False),
        ("note", "done", False),
        ("link", "done", False),
        ("reopen", "done", False),
        ("open", "done", False),
    ],
)
def test_what_ends_an_escalation(action: str, outcome: str, ends: bool) -> None:
    assert ends_escalation(acted(alert(), action, outcome)) is ends


# --- pacing -----------------------------------------------------------------------------------------------------------


def due(count: int, colour: str = "red", **fields: Any) -> list[Delivery]:
    given = desk(policy())
    return [plan(alert(number, colour=colour), given, MONDAY)[0].model_copy(update=fields) for number in range(count)]


def recipient(**fields: Any) -> Recipient:
    return Recipient.model_validate(NAMES | fields)


def test_within_the_limit_each_goes_alone_the_most_urgent_first() -> None:
    yellow, red = due(1, "yellow"), due(2)
    decision = decide([*yellow, *red], recipient(), [], MONDAY, SHANGHAI)

    assert [one.colour for one in decision.alone] == ["red", "red", "yellow"]
    assert (decision.together, decision.put_off) == ((), ())


@pytest.mark.parametrize(
    ("sent_ago_s", "count", "alone", "later_s"),
    [
        ([], 3, 3, None),
        ([], 5, 3, 60),
        ([50], 5, 2, 10),
        ([61, 60], 3, 3, None),
        ([50, 40, 30], 2, 0, 10),
        ([50, 40, 30, 20], 2, 0, 20),  # the limit was higher before: two must leave the minute
    ],
)
def test_what_exceeds_the_limit_waits_to_go_out_in_one_message(
    sent_ago_s: list[int], count: int, alone: int, later_s: int | None
) -> None:
    sent = [MONDAY - timedelta(seconds=ago) for ago in sent_ago_s]
    decision = decide(due(count), recipient(limit={"messages": 3, "per": "minute"}), sent, MONDAY, SHANGHAI)

    assert (len(decision.alone), len(decision.put_off)) == (alone, count - alone)
    assert {one.due_at for one in decision.put_off} == ({MONDAY + timedelta(seconds=later_s)} if later_s else set())
    assert all(one.joins and one.status == "bundled" for one in decision.put_off)


def test_a_red_alert_does_not_wait_behind_a_digest_that_takes_the_last_message() -> None:
    limit = {"messages": 3, "per": "hour"}
    sent = [MONDAY - timedelta(minutes=30)] * 2
    red = due(2)
    decision = decide([*due(9, "yellow", joins=True), *red], recipient(limit=limit), sent, MONDAY, SHANGHAI)

    assert [one.colour for one in decision.together] == ["red"] * 2 + ["yellow"] * 9
    assert (decision.alone, decision.put_off) == ((), ())


def test_what_waited_goes_out_in_one_message_that_counts_as_one() -> None:
    bundled, new = due(50, joins=True), due(3, "amber")
    decision = decide([*bundled, *new], recipient(limit={"messages": 3, "per": "minute"}), [], MONDAY, SHANGHAI)

    # the third would wait a minute, so it goes along
    assert (len(decision.together), len(decision.alone), len(decision.put_off)) == (51, 2, 0)
    full = [MONDAY - timedelta(seconds=1)] * 3
    nothing = decide(bundled, recipient(limit={"messages": 3, "per": "minute"}), full, MONDAY, SHANGHAI)
    assert (nothing.together, len(nothing.put_off)) == ((), 50)


def test_quiet_hours_hold_what_may_not_pass_and_let_red_through() -> None:
    night = at("2 23:00")
    asleep = recipient(quiet={"begin": "21:00", "end": "08:00"})
    decision = decide([*due(1, "amber"), *due(1)], asleep, [], night, SHANGHAI)

    assert [one.colour for one in decision.alone] == ["red"]
    assert [(one.colour, one.due_at, one.joins) for one in decision.put_off] == [("amber", at("3 08:00"), True)]
    deaf = recipient(quiet={"begin": "21:00", "end": "08:00", "passes": []})
    assert len(decide(due(2), deaf, [], night, SHANGHAI).put_off) == 2


@pytest.mark.parametrize("attempts", range(1, 12))
def test_the_wait_before_another_attempt_grows_threefold_up_to_an_hour(attempts: int) -> None:
    exact = min(5 * 3 ** (attempts - 1), 3600)
    waits = {wait_before(attempts, str(key)).total_seconds() for key in range(50)}

    assert exact * 0.75 <= min(waits) < exact < max(waits) <= exact * 1.25
    assert wait_before(attempts, "k") == wait_before(attempts, "k")


def test_the_other_side_may_ask_for_a_longer_wait_but_not_for_days() -> None:
    assert wait_before(1, "k", 120.0) == timedelta(seconds=120)
    assert wait_before(1, "k", 0.0) == wait_before(1, "k")
    assert wait_before(1, "k", 1e9) == timedelta(hours=6)


@pytest.mark.parametrize(
    ("before", "outcome", "status"),
    [
        (0, Outcome(), "sent"),
        (0, Outcome("answered 500"), "waiting"),
        (6, Outcome("answered 500"), "waiting"),
        (7, Outcome("answered 500"), "failed"),
        (0, Outcome("answered 404", is_final=True), "failed"),
    ],
)
def test_what_an_attempt_makes_of_a_delivery(before: int, outcome: Outcome, status: str) -> None:
    one = due(1, attempts=before)[0]
    after = after_attempt(one, outcome, one.delivery_id, 8, MONDAY)

    assert (after.status, after.attempts, after.last_error) == (status, before + 1, outcome.error)
    assert after.sent_at == (MONDAY if status == "sent" else None)
    assert (after.due_at > MONDAY) is (status == "waiting")
    assert called_off(one).status == "called_off"


def test_the_identity_of_a_message_does_not_hang_on_the_order() -> None:
    some = due(3)

    assert message_id(some) == message_id(some[::-1]) != message_id(some[:2])
    assert message_id(some[:1]) == some[0].delivery_id


# --- wording ----------------------------------------------------------------------------------------------------------


def said(language: str, deliveries: list[Delivery], url: str | None = None, **fields: Any) -> tuple[str, str]:
    notices = [notice_of(alert(number, **fields)) for number in range(len(deliveries))]
    message = message_of(deliveries, notices, "desk", recipient(language=language), Style(SHANGHAI, url))
    return message.title, message.text


def test_a_message_says_who_where_when_and_why_in_english() -> None:
    title, text = said("en", due(1), "https://boards.example.com/")

    assert title == "[red] R08 Visit too short"
    assert text.splitlines() == [
        "Visit 0 lasted 2 minutes",
        "Representative: rep-7",
        "Professional: hcp-9",
        "Institution: inst-3",
        "Team: team-a",
        "Region: east",
        "When: 2026-03-02 10:00",
        "Rule: R08 (prohibited)",
        "Basis: 第四条 医药代表管理办法",
        "Why: duration_min = 2",
        f"Case: https://boards.example.com/d/pulse-case-en?var-case_id={alert(0).alert_id}",
    ]


def test_a_message_in_chinese() -> None:
    title, text = said("zh", due(1), "https://boards.example.com")

    assert title == "[红] R08 拜访时间过短"
    assert text.splitlines()[:2] == ["第 0 次拜访只有 2 分钟", "代表：rep-7"]
    assert "规则：R08 (禁止)" in text
    assert text.endswith(f"处理：https://boards.example.com/d/pulse-case?var-case_id={alert(0).alert_id}")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_message_holds_no_coordinates_and_no_text_of_the_event(language: str) -> None:
    notices = [notice_of(alert(0))]
    message = message_of(due(1), notices, "desk", recipient(language=language), Style(SHANGHAI))

    sent = message.model_dump_json()
    assert "31.23" not in sent
    assert "money" not in sent
    assert "/d/" not in message.text
    assert "duration_min = 2" in message.text


def test_an_escalation_says_so() -> None:
    one = due(1)[0].model_copy(update={"kind": "escalation", "level": 2})

    assert said("en", [one])[0] == "Escalation, level 2, nobody has acted: [red] R08 Visit too short"
    assert said("zh", [one])[0].startswith("升级（第 2 级），无人处理：")


def test_a_message_of_many_shows_some_and_counts_the_others() -> None:
    title, text = said("en", due(23))

    assert title == "23 compliance alerts (23 red)"
    assert text.splitlines()[0] == "[red] R08 Visit 0 lasted 2 minutes (rep-7, 2026-03-02 10:00)"
    assert len(text.splitlines()) == 21
    assert text.splitlines()[-1] == "and 3 more: R08 × 3"
    assert said("zh", due(2))[0] == "2 条合规提醒（红 2）"


def test_moments_are_kept_in_utc() -> None:
    assert quiet_until(Quiet.model_validate({"begin": "09:00", "end": "11:00"}), MONDAY, SHANGHAI) == datetime(
        2026, 3, 2, 3, tzinfo=UTC
    )
