"""Scenes of money and value: donations, meals, gifts, venues, fees, what one person or one hospital gets."""

from datetime import date
from typing import Any

from streams.simulator.planting import Play, Scene

_HOUR = 3_600
_NOON = 12 * _HOUR
#: From this day on the gravest grade begins at a million yuan, before at two.
_REVISION = date(2025, 6, 1)


def donation(scene: Scene) -> None:
    """R08."""
    scene.hit(scene.activity("giver", "donation", "5000.00", _NOON, payee_kind="department", payee_id="DEP9"), "R08")
    scene.miss(
        scene.activity("giver", "donation", "5000.00", _NOON + 60, payee_kind="foundation", payee_id="F-HEALTH"), "R08"
    )


def meal(scene: Scene) -> None:
    """R12: a cent above 300 yuan a head, and 300; above it with an approval."""
    site = scene.site()
    scene.sale("giver", site, "400000.00")
    for number, (amount, approval, rule) in enumerate(
        (("300.01", None, "hit"), ("300.00", None, "miss"), ("900.00", f"GM{scene.day:%Y%m%d}", "miss"))
    ):
        fields = {"headcount": 1, "payee_kind": "vendor", "payee_id": "V-9", "approval_id": approval}
        event = scene.activity("giver", "meal", amount, _NOON + 60 * number, institution_id=site, **fields)
        scene.label(event, "hit" if rule == "hit" else "miss", "R12")
        scene.miss(event, "R27")


def gift(scene: Scene) -> None:
    """R13: a gift to a department, a shopping card under another name; a gift without value."""
    scene.sale("giver", scene.site(), "40000.00")
    payee = {"payee_kind": "department", "payee_id": "DEP9"}
    scene.hit(scene.activity("giver", "gift", "88.00", _NOON, topic_text="台历", **payee), "R13")
    scene.hit(scene.activity("giver", "other", "200.00", _NOON + 60, topic_text="会议用购物卡"), "R13")
    scene.miss(scene.activity("giver", "gift", "0.00", _NOON + 120, topic_text="台历", **payee), "R13")


def leisure(scene: Scene) -> None:
    """R14: in the venue, in the subject; neither."""
    scene.hit(scene.activity("giver", "meeting", "0.00", _NOON, venue="云山温泉酒店"), "R14")
    scene.hit(scene.activity("giver", "meeting", "0.00", _NOON + 60, topic_text="高尔夫交流"), "R14")
    scene.miss(scene.activity("giver", "meeting", "0.00", _NOON + 120), "R14")


def _fee(scene: Scene, who: str, hcp: str, amount: str, number: int, **fields: Any) -> dict[str, Any]:
    payee = {"payee_kind": "hcp", "payee_id": hcp, "topic_text": "讲课"}
    return scene.activity(who, "speaker_fee", amount, _NOON + 60 * number, **payee, **fields)


def many_fees(scene: Scene) -> None:
    """R15 by number: the thirteenth by the second representative; the twelfth."""
    doctor = scene.doctor(None, state=False)
    for number in range(13):
        event = _fee(scene, "other" if number % 2 else "giver", doctor, "100.00", number)
        scene.label(event, "hit" if number == 12 else "miss", "R15")  # noqa: PLR2004 - the thirteenth


def much_in_fees(scene: Scene) -> None:
    """R15 by money, a cent above 50,000; on the way 30,000 to one person (R18). Another stays at 50,000."""
    doctor, other = scene.doctor(None, state=False), scene.doctor(None, state=False)
    scene.miss(_fee(scene, "giver", doctor, "29000.00", 0), "R15", "R18")
    event = _fee(scene, "other", doctor, "19000.00", 1)
    scene.hit(event, "R18")
    scene.miss(event, "R15")
    scene.hit(_fee(scene, "giver", doctor, "2000.01", 2), "R15", "R18")
    event = _fee(scene, "giver", other, "50000.00", 3)
    scene.hit(event, "R18")
    scene.miss(event, "R15")


def same_talk(scene: Scene) -> None:
    """R16: one of two listeners hears the talk again; a title that is only 0.76 alike."""
    site, first, second, third = scene.site(), scene.doctor(), scene.doctor(), scene.doctor()
    topic, longer = "高血压长期管理科室会", "高血压长期规范化管理科室会"
    approved = {"institution_id": site, "approval_id": f"MTG9{scene.day:%Y%m%d}"}

    def talk(who: str, number: int, title: str, *listeners: str) -> dict[str, Any]:
        heard = [{"hcp_id": one} for one in listeners]
        fields = {"topic_text": title, "attendees": heard, **approved}
        return scene.activity(who, "meeting", "0.00", 9 * _HOUR + number * _HOUR, **fields)

    scene.label(talk("giver", 0, topic, first, third), "miss", "R16", person=first)
    event = talk("other", 2, topic, first, second)
    scene.label(event, "hit", "R16", person=first)
    scene.label(event, "miss", "R16", person=second)
    scene.label(talk("giver", 4, longer, third), "miss", "R16", person=third)


def _given(scene: Scene, site: str, who: str, amount: str, number: int) -> dict[str, Any]:
    fields = {"institution_id": site, "payee_kind": "institution", "payee_id": site, "topic_text": "学科建设资助"}
    return scene.activity(who, "sponsorship", amount, _NOON + 60 * number, **fields)


_GRADES = ("R17-near", "R17-nearer", "R17", "R17-serious", "R17-gravest")


def grades(scene: Scene) -> None:
    """R17: to one hospital by two representatives, to a cent below and to the cent of every grade."""
    third = 1_000_000 if scene.day >= _REVISION else 2_000_000
    site = scene.site()
    steps = (
        ("4999.99", ""),
        ("0.01", "R17-near"),
        ("2999.99", "R17-near"),
        ("0.01", "R17-nearer"),
        ("1999.99", "R17-nearer"),
        ("0.01", "R17"),
        ("489999.99", "R17"),
        ("0.01", "R17-serious"),
        (f"{third - 500_000 - 1}.99", "R17-serious"),
        ("0.01", "R17-gravest"),
    )
    for number, (amount, rule) in enumerate(steps):
        event = _given(scene, site, "other" if number % 2 else "giver", amount, number)
        for one in _GRADES:
            scene.label(event, "hit" if one == rule else "miss", one)


def much_to_one(scene: Scene) -> None:
    """R18: 30,000 to one person by two representatives, and a cent below."""
    doctor, other = scene.doctor(None, state=False), scene.doctor(None, state=False)
    scene.miss(_fee(scene, "giver", doctor, "29000.00", 0), "R18")
    scene.hit(_fee(scene, "other", doctor, "1000.00", 1), "R18")
    scene.miss(_fee(scene, "giver", other, "29999.99", 2), "R18")


def much_to_several(scene: Scene) -> None:
    """R18-several: 10,000 to three persons, in the end to a state employee; and to three of whom none is one.

    Who plays it gives nothing else: what they gave in earlier quarters counts too.
    """
    for who, is_state, expect in (("several", True, "hit"), ("nearly", False, "miss")):
        persons = [scene.doctor(None, state=is_state and number == 2) for number in range(3)]  # noqa: PLR2004 - the last
        amounts = ("4000.00", "5000.00", "1000.00")
        events = [_fee(scene, who, *pair, number) for number, pair in enumerate(zip(persons, amounts, strict=True))]
        scene.label(events[-1], "hit" if expect == "hit" else "miss", "R18-several")


def entertainment(scene: Scene) -> None:
    """R27: a cent above five thousandths of one's own sales, and five thousandths."""
    site = scene.site()
    for who, amount, expect in (("host", "100.01", "hit"), ("modest", "100.00", "miss")):
        scene.sale(who, site, "20000.00")
        payee = {"payee_kind": "vendor", "payee_id": "V-9", "headcount": 2}
        event = scene.activity(who, "meal", amount, _NOON, **payee)
        scene.label(event, "hit" if expect == "hit" else "miss", "R27")


def without_evidence(scene: Scene) -> None:
    """R28: a contract organisation's meeting without a plan, with one signature, without a venue; and complete."""
    whole: dict[str, Any] = {
        "approval_id": f"CSO{scene.day:%Y%m%d}",
        "attendees": [{"hcp_id": scene.doctor()}, {"hcp_id": scene.doctor()}],
        "topic_text": f"第三方学术会{scene.day:%m%d}",
        "venue": "医院示教室",
    }
    gaps: tuple[dict[str, Any], ...] = ({"approval_id": None}, {"attendees": whole["attendees"][:1]}, {"venue": None})
    for number, gap in enumerate(gaps):
        text = f"{'甲乙丙'[number] * 6}专题"  # nobody hears the same talk twice
        event = scene.activity("contract", "meeting", "0.00", _NOON + 60 * number, **whole | {"topic_text": text} | gap)
        scene.hit(event, "R28")
    scene.miss(scene.activity("contract", "meeting", "0.00", _NOON + 600, **whole), "R28")


MONEY_PLAYS: tuple[Play, ...] = (
    meal,
    grades,
    entertainment,
    donation,
    gift,
    leisure,
    many_fees,
    much_in_fees,
    same_talk,
    much_to_one,
    much_to_several,
    without_evidence,
)
