"""Scenes of visits: access, records, content, frequency, samples, messages, positions."""

from datetime import timedelta

from schemas.reference import Material, Registration
from streams.simulator.planting import Play, Scene

_HOUR = 3_600
_MORNING = 9 * _HOUR + 1_800
_DEGREES_A_M = 1 / 111_195
#: Notes that nobody would take for each other; two a quarter.
_NOTES = (
    "陈主任认可新的疗效数据，愿意在下月科室会上介绍两例典型病例",
    "对老年患者的用药依从性提出疑问，已转医学部，约定三日内书面答复",
    "希望了解医保谈判后的供应安排以及门诊配备的时间表和联系人",
    "介绍了真实世界研究的设计，主任建议补充肾功能不全人群的亚组",
    "科室计划开展慢病随访，想要患者教育手册的电子版用于病房宣教",
    "讨论了指南更新要点与起始剂量的选择，下次带完整的文献全文来",
    "护士长反馈储存条件说明不够清楚，请质量部门提供正式的书面说明",
    "年轻医师关注联合用药的安全性，邀请参加区域病例讨论并发言交流",
)


def unfiled(scene: Scene) -> None:
    """R01."""
    site = scene.site()
    scene.hit(scene.visit("unfiled", site, _MORNING), "R01")
    scene.miss(scene.visit("filed", site, _MORNING), "R01")


def last_day_of_filing(scene: Scene) -> None:
    """R01 on the last day of a filing; played at the end of the quarter."""
    scene.miss(scene.visit("last_day", scene.site(), _MORNING), "R01")


def registered_long_ago(scene: Scene) -> None:
    """R02: 366 and 365 days after the registration."""
    for days, name in ((366, "hit"), (365, "miss")):
        site = scene.site(registration_required=True)
        on = scene.day - timedelta(days=days)
        scene.rows.append(Registration(rep_id=scene.rep("filed"), institution_id=site, effective_from=on))
        event = scene.visit("filed", site, _MORNING + 2 * _HOUR * (name == "miss"))
        scene.label(event, "hit" if name == "hit" else "miss", "R02")


def without_appointment(scene: Scene) -> None:
    """R03."""
    site = scene.site(appointment_required=True)
    scene.hit(scene.visit("filed", site, _MORNING, appointment_id=None), "R03")
    scene.miss(scene.visit("filed", site, _MORNING + _HOUR), "R03")
    scene.miss(scene.visit("filed", site, _MORNING + 2 * _HOUR, appointment_id=None, channel="phone"), "R03")


def outside_window(scene: Scene) -> None:
    """R04: the last minute of the window, and the one after."""
    window = {"weekdays": [1, 2, 3, 4, 5, 6, 7], "opens": "14:00", "closes": "17:00"}
    site = scene.site(reception_windows=[window])
    scene.hit(scene.visit("filed", site, 17 * _HOUR + 60), "R04")
    scene.miss(scene.visit("sales", site, 17 * _HOUR), "R04")


def forbidden_zone(scene: Scene) -> None:
    """R05."""
    site = scene.site(forbidden_zones=["手术室"])
    scene.hit(scene.visit("filed", site, _MORNING, zone="药剂科二楼"), "R05")
    scene.hit(scene.visit("filed", site, _MORNING + _HOUR, zone="手术室外"), "R05")
    scene.miss(scene.visit("filed", site, _MORNING + 2 * _HOUR, zone="医师办公区"), "R05")


def counted_prescriptions(scene: Scene) -> None:
    """R06: in fields, in a text; and a note that counts something else."""
    site, doctor = scene.site(), scene.doctor()
    fields = {"hcp_id": doctor, "product_id": "P-AN10", "prescription_quantity": 120}
    scene.label(scene.visit("filed", site, _MORNING, **fields), "quarantine", "R06")
    text = "该医生上月开具安脉平片处方120盒"
    event = scene.visit("filed", site, _MORNING + _HOUR, hcp_id=doctor, feedback_text=text)
    scene.label(event, "quarantine", "R06")
    note = "约定3月份的第2次科室会，参会12人"
    scene.miss(scene.visit("filed", site, _MORNING + 2 * _HOUR, hcp_id=doctor, feedback_text=note), "R06")


def money_in_hand(scene: Scene) -> None:
    """R07 and R07-note: money and invoices in a filed representative's hands."""
    site, doctor = scene.site(), scene.doctor()
    scene.hit(scene.payment("filed", site, "1000.00", "crm", 10 * _HOUR), "R07")
    scene.hit(scene.sale("filed", site, "100.00", 10 * _HOUR, source="app"), "R07")
    scene.miss(scene.payment("filed", site, "1000.00", "erp", 11 * _HOUR), "R07")
    scene.miss(scene.payment("sales", site, "1000.00", "crm", 11 * _HOUR), "R07")
    fields = {"hcp_id": doctor, "feedback_text": "顺便代收上月货款"}
    scene.hit(scene.visit("filed", site, _MORNING, **fields), "R07-note")
    scene.miss(scene.visit("sales", site, _MORNING, **fields), "R07-note")
    text = "收取了会议反馈表，另外询问医院何时安排付货款"
    scene.miss(scene.visit("filed", site, _MORNING + _HOUR, hcp_id=doctor, feedback_text=text), "R07-note")


def off_label(scene: Scene) -> None:
    """R09."""
    site, doctor = scene.site(), scene.doctor()
    for number, (indication, is_hit) in enumerate((("失眠", True), ("原发性高血压", False))):
        details = [{"product_id": "P-AN10", "indication": indication}]
        event = scene.visit("filed", site, _MORNING + number * _HOUR, hcp_id=doctor, details=details)
        scene.label(event, "hit" if is_hit else "miss", "R09")


def adverse_reaction(scene: Scene) -> None:
    """R10."""
    site, doctor = scene.site(), scene.doctor()
    text = "有一位患者用药后出现皮疹"
    scene.hit(scene.visit("filed", site, _MORNING, hcp_id=doctor, feedback_text=text), "R10")
    told = f"{text}，已上报AE-{scene.day:%Y%m%d}"
    scene.miss(scene.visit("filed", site, _MORNING + _HOUR, hcp_id=doctor, feedback_text=told), "R10")


def expired_material(scene: Scene) -> None:
    """R11: expired the day before, expiring today, never published."""
    site, doctor = scene.site(), scene.doctor()
    for days, version in ((1, "old"), (0, "last")):
        scene.rows.append(
            Material(
                material_id=f"M9{scene.turn:02}",
                version=f"{scene.day:%Y%m%d}{version}",
                title="产品单页",
                approved_on=scene.day - timedelta(days=200),
                expires_on=scene.day - timedelta(days=days),
            )
        )
    for number, version in enumerate(("old", "last", "none")):
        shown = [{"material_id": f"M9{scene.turn:02}", "version": f"{scene.day:%Y%m%d}{version}"}]
        event = scene.visit("filed", site, _MORNING + number * _HOUR, hcp_id=doctor, materials=shown)
        scene.label(event, "miss" if version == "last" else "hit", "R11")


def outside_fence(scene: Scene) -> None:
    """R19 and R19-far: 190 m, 300 m, 300 m from a fix good to 150 m, 900 m."""
    site = scene.site()
    for number, (away_m, accuracy_m, rule) in enumerate(
        ((190, 0, ""), (300, 0, "R19"), (300, 150, ""), (900, 0, "R19-far"))
    ):
        fix = scene.at(site)
        fix["latitude"] = round(fix["latitude"] + away_m * _DEGREES_A_M, 6)
        event = scene.visit("filed", site, _MORNING + number * _HOUR, check_in={**fix, "accuracy_m": accuracy_m})
        for one in ("R19", "R19-far"):
            scene.label(event, "hit" if one == rule else "miss", one)


def too_short(scene: Scene) -> None:
    """R20: a second below five minutes, and five minutes."""
    site = scene.site()
    scene.hit(scene.visit("filed", site, _MORNING, lasts=299), "R20")
    scene.miss(scene.visit("filed", site, _MORNING + _HOUR, lasts=300), "R20")


def told_late(scene: Scene) -> None:
    """R20-late: a second above ninety minutes, and ninety minutes."""
    site = scene.site()
    scene.hit(scene.visit("filed", site, _MORNING, told_after=5_401), "R20-late")
    scene.miss(scene.visit("filed", site, _MORNING + 4 * _HOUR, told_after=5_400), "R20-late")


def impossible_journey(scene: Scene) -> None:
    """R21: 61.2 km in half an hour, and 58.9 km."""
    near, far, less = scene.site(), scene.site(north=0.55 - 0.0015), scene.site(north=0.53 - 0.003)
    scene.visit("filed", near, _MORNING, lasts=600)
    scene.hit(scene.visit("filed", far, _MORNING + 1_800, lasts=600), "R21")
    scene.visit("sales", near, _MORNING, lasts=600)
    scene.miss(scene.visit("sales", less, _MORNING + 1_800, lasts=600), "R21")


def in_two_places(scene: Scene) -> None:
    """R21-overlap: a minute in two places, and one ends as the other begins."""
    one, other = scene.site(), scene.site()
    scene.visit("filed", one, _MORNING)
    scene.hit(scene.visit("filed", other, _MORNING + 1_140), "R21-overlap")
    scene.visit("sales", one, _MORNING)
    scene.miss(scene.visit("sales", other, _MORNING + 1_200), "R21-overlap")


def thirteen_visits(scene: Scene) -> None:
    """R22: from the tenth visit on above everything usual; of somebody else nine. Needs some days before."""
    site = scene.site()
    for number in range(13):
        event = scene.visit("filed", site, _MORNING + number * 1_500, lasts=900)
        scene.label(event, "hit" if number >= 9 else "miss", "R22")  # noqa: PLR2004 - the tenth
    for number in range(9):
        scene.miss(scene.visit("sales", site, _MORNING + number * 1_500, lasts=900), "R22")


def visited_too_often(scene: Scene) -> None:
    """R23: the fifth visit to a class B doctor, by two representatives, and the third to a C; those before are not."""
    site, b_doctor, c_doctor = scene.site(), scene.doctor("B"), scene.doctor("C")
    for number in range(5):
        who = "filed" if number < 3 else "sales"  # noqa: PLR2004 - some of both
        event = scene.visit(who, site, _MORNING + number * 1_800, hcp_id=b_doctor)
        scene.label(event, "hit" if number == 4 else "miss", "R23")  # noqa: PLR2004 - the fifth
    for number in range(3):
        event = scene.visit("filed", site, _MORNING + (number + 6) * 1_800, hcp_id=c_doctor)
        scene.label(event, "hit" if number == 2 else "miss", "R23")  # noqa: PLR2004 - the third


def visited_nine_times(scene: Scene) -> None:
    """R23: the ninth visit to a class A doctor."""
    site, doctor = scene.site(), scene.doctor("A")
    for number in range(9):
        who = "filed" if number % 2 else "sales"
        event = scene.visit(who, site, _MORNING + number * 1_500, hcp_id=doctor)
        scene.label(event, "hit" if number == 8 else "miss", "R23")  # noqa: PLR2004 - the ninth


def samples(scene: Scene) -> None:
    """R24 and R24-cap: no note; ten and eleven of one product, by two representatives."""
    site, doctor, other = scene.site(), scene.doctor(), scene.doctor()
    note = "患者试用需求已登记"

    def given(who: str, hcp: str, number: int, quantity: int, text: str | None) -> dict[str, object]:
        left = [{"product_id": "P-AN10", "quantity": quantity}]
        return scene.visit(who, site, _MORNING + number * _HOUR, hcp_id=hcp, samples=left, feedback_text=text)

    scene.hit(given("filed", doctor, 0, 1, None), "R24")
    scene.miss(given("filed", doctor, 1, 4, note), "R24", "R24-cap")
    scene.hit(given("sales", doctor, 2, 6, note), "R24-cap")
    scene.miss(given("filed", other, 3, 4, note), "R24-cap")
    scene.miss(given("sales", other, 4, 6, note), "R24-cap")


def message_without_consent(scene: Scene) -> None:
    """R25: to somebody who refused, whose id is spelled with other capitals each time; and in person."""
    spelled = _spelled("h-no-digital", scene.quarter % 50 * 16 + scene.turn % 16)
    site, doctor = scene.site(), scene.doctor(None, hcp_id=spelled)
    fields = {"check_in": None, "zone": None, "appointment_id": None}
    scene.hit(scene.visit("filed", site, _MORNING, hcp_id=doctor, channel="message", **fields), "R25")
    scene.miss(scene.visit("filed", site, _MORNING + _HOUR, hcp_id=doctor), "R25")


def many_messages(scene: Scene) -> None:
    """R25-often: the fifth by the second representative; four to another."""
    site, doctor, other = scene.site(), scene.doctor(), scene.doctor()
    fields = {"check_in": None, "zone": None, "appointment_id": None, "channel": "message"}
    for number in range(5):
        who = "filed" if number < 3 else "sales"  # noqa: PLR2004 - some of both
        event = scene.visit(who, site, _MORNING + number * 1_800, hcp_id=doctor, **fields)
        scene.label(event, "hit" if number == 4 else "miss", "R25-often")  # noqa: PLR2004 - the fifth
    for number in range(4):
        event = scene.visit("filed", site, _MORNING + (number + 6) * 1_800, hcp_id=other, **fields)
        scene.miss(event, "R25-often")


def position_after_hours(scene: Scene) -> None:
    """R26: a position of a minute past six in the evening, and one of six."""
    site = scene.site()
    scene.label(scene.visit("filed", site, 18 * _HOUR + 60), "withheld", "R26")
    scene.miss(scene.visit("sales", site, 18 * _HOUR, check_out=None), "R26")


def copied_note(scene: Scene) -> None:
    """R28-copy: the same long note twice, a letter changed, and another note."""
    site, doctor = scene.site(), scene.doctor()
    first = (scene.quarter * 2 + scene.turn) % len(_NOTES)
    note, other = _NOTES[first], _NOTES[(first + 1) % len(_NOTES)]
    scene.miss(scene.visit("filed", site, _MORNING, hcp_id=doctor, feedback_text=note), "R28-copy")
    scene.hit(scene.visit("filed", site, _MORNING + _HOUR, hcp_id=doctor, feedback_text=note), "R28-copy")
    changed = f"{note}。"
    scene.hit(scene.visit("filed", site, _MORNING + 2 * _HOUR, hcp_id=doctor, feedback_text=changed), "R28-copy")
    scene.miss(scene.visit("filed", site, _MORNING + 3 * _HOUR, hcp_id=doctor, feedback_text=other), "R28-copy")


def _spelled(text: str, number: int) -> str:
    """The text with capitals at the places whose bits are set in the number."""
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    return "".join(
        letter.upper() if place in letters and number >> letters.index(place) & 1 else letter
        for place, letter in enumerate(text)
    )


#: In the order of their days: the first days of a quarter show all three colours.
VISIT_PLAYS: tuple[Play, ...] = (
    outside_fence,
    too_short,
    unfiled,
    visited_too_often,
    forbidden_zone,
    outside_window,
    counted_prescriptions,
    registered_long_ago,
    without_appointment,
    money_in_hand,
    off_label,
    adverse_reaction,
    expired_material,
    told_late,
    impossible_journey,
    in_two_places,
    visited_nine_times,
    samples,
    message_without_consent,
    many_messages,
    position_after_hours,
    copied_note,
)
#: At the end of a quarter, one a day in this order.
LATE_PLAYS: tuple[Play, ...] = (thirteen_visits,)
LAST_DAY_PLAYS: tuple[Play, ...] = (last_day_of_filing,)
