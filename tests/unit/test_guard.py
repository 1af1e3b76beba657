"""R06: what counts a professional's prescriptions, in whatever way it is said, and what only sounds like it."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_world import SHANGHAI

from agents.compliance.folding import fold
from agents.intake.counting import normal
from agents.intake.decode import decode
from agents.intake.guard import Guard
from agents.intake.self_test import TestError, flaws, try_counting, try_location
from schemas.events import EVENT_MODELS
from schemas.intake_policy import IntakePolicy, IntakeTest

POLICY = Path(__file__).parents[2] / "policies" / "compliance" / "intake.yaml"
WHEN = "2026-03-04T10:00:00+08:00"
ENVELOPE = {"event_id": "E1", "occurred_at": WHEN, "source": "crm", "rep_id": "R1"}
VISIT = {**ENVELOPE, "institution_id": "I1", "check_in_at": WHEN, "details": [{"product_id": "P1"}]}
EVENTS: dict[str, dict[str, Any]] = {
    "visit": {**VISIT, "hcp_id": "H1"},
    "place": VISIT,  # a visit to nobody in particular
    "sale": {**ENVELOPE, "institution_id": "I1", "product_id": "P1", "quantity": 40, "amount": 1200},
    "payment": {**ENVELOPE, "institution_id": "I1", "invoice_id": "F1", "amount": 5, "due_on": "2026-03-04"},
    "activity": {**ENVELOPE, "kind": "meeting", "amount": 100, "product_ids": ["P1"]},
    "survey": {**ENVELOPE, "kind": "satisfaction", "score": 90, "hcp_id": "H1", "product_id": "P1"},
    "market": {**ENVELOPE, "territory_id": "T1", "kind": "tender", "product_id": "P1", "tender_id": "N1"},
}
del EVENTS["market"]["rep_id"]

#: Sentences by the kind of event they stand in: these count prescriptions …
COUNTS = [
    ("visit", "陈医生本月开了120盒安脉平"),
    ("place", "陈医生本月开了120盒安脉平"),
    ("visit", "本月开了一百二十盒"),
    ("visit", "她这个月处方了30多盒安脉平"),
    ("place", "王主任上周用了五十支注射剂"),
    ("place", "李教授每月处方量约200"),
    ("place", "统方数据：张大夫 3月 85"),
    ("place", "王主任非常认可疗效，本月使用安脉平约60盒，比上月多。"),
    ("place", "心内科陈医生（市一医院）本月开了1,200盒"),
    ("place", "陈医生这季度共开出处方45张，处方张数45"),
    ("place", "陈医生本月有30个患者在用安脉平"),
    ("place", "张主任月用量: 80"),
    ("place", "安脉平120盒由陈医生开具"),
    ("place", "陈医生下月预计能开一百盒以上"),
    ("visit", "上量很快，已用掉贰拾盒"),
    ("visit", "科室本月用了30盒"),
    ("place", "留下样品2盒，陈医生说本月开了30盒"),
    ("place", "感谢专家支持，5月处方量从20盒升到50盒"),
    ("place", "陈医生本月处方药品120盒"),
    ("place", "陈医生每月处方安脉平120片"),
    ("activity", "讲者陈教授本月处方安脉平300盒的经验分享"),
    ("activity", "H1 prescribed 40 boxes of Anmaiping"),
    ("place", "Dr Chen prescribed 40 boxes this month"),
    ("place", "Dr. Chen at First Hospital wrote 25 scripts last week."),
    ("place", "Prof. Wang's prescriptions: 120 per month"),
    ("visit", "prescribed forty boxes in March"),
    ("place", "The physician used about 300 vials of the product in Q1"),
    ("place", "doctor Li has put 30 patients on Anmaiping"),
    ("place", "HCP-0042 dispensed 15 packs of P1"),
    ("visit", "TRx 85 in May"),
    ("visit", "She is writing a dozen new scripts a week"),
    ("survey", "本季度处方数 64"),
    ("survey", "I prescribe 20 boxes a month"),
    ("market", "据悉陈医生本月开了120盒"),
    ("sale", "销售给陈医生处方用的120盒"),
    ("place", "心内科王主任，安脉平，每月200盒"),
    ("place", "陈医生120盒安脉平"),
    ("place", "Dr Chen: 40 boxes of Anmaiping"),
    ("place", "陈医生上月用安脉平治疗了30例高血压"),
    ("place", "王医生月处方 100"),
    ("place", "张医生3月份处方安脉平85盒，李医生62盒"),
    ("place", "陈医生开了120盒，未见不良反应"),
    ("place", "按指南要求，陈医生本月处方安脉平45盒"),
    ("place", "陈医生每天开30片以上"),
    ("place", "陈主任门诊每周约40张处方"),
    ("place", "王医生说开出去一百多盒了"),
    ("place", "Dr Li: 35 rx a week"),
    ("place", "Dr Wang has 25 patients taking Anmaiping this month"),
    ("place", "no adverse events; Dr Chen prescribed 40 boxes"),
    ("visit", "陈医生反馈：市一医院销量一般。他本月开了15盒。"),
]
#: … and these only sound like it.
SOUNDS = [
    ("visit", "市一医院本月使用300盒安脉平"),
    ("place", "市一医院本月采购安脉平300盒"),
    ("sale", "药房进货200盒"),
    ("visit", "陈医生收下样品2盒"),
    ("visit", "给陈医生留了3盒试用装"),
    ("visit", "陈医生使用样品2盒后反馈良好"),
    ("visit", "科室会开始，陈医生借走2盒粉笔"),
    ("visit", "本月已拜访陈医生4次"),
    ("visit", "医保处方流转平台上线"),
    ("visit", "陈医生关注处方流转平台，计划5月上线"),
    ("visit", "陈医生问每日一次、一次两片的用药方案"),
    ("visit", "起始剂量5mg，口服，每天1片"),
    ("visit", "陈医生参加了120人的学术会议"),
    ("visit", "认可疗效数据，关注长期安全性"),
    ("visit", "希望增加处方，但医保额度不足"),
    ("visit", "王主任介绍某试验入组120例患者使用安脉平"),
    ("visit", "陈医生反映使用安脉平后出现一例患者过敏，已上报"),
    ("visit", "药房库存还有200盒"),
    ("visit", "陈主任愿意在下月科室会上介绍两例典型病例"),
    ("visit", "介绍了两例典型病例，使用安脉平12周"),
    ("visit", "患者反馈一盒28元"),
    ("visit", "陈医生月处方3月起受限"),
    ("visit", "陈医生反映患者使用1盒后出现皮疹"),
    ("visit", "本月拜访陈医生，带去两瓶水，谈了5分钟"),
    ("visit", "陈医生询问每周使用1支的给药方案"),
    ("visit", "Dr Chen asked about starting 10 units daily"),
    ("visit", "本月给陈医生科室订午餐10盒"),
    ("visit", "处方量统计口径在3月会议上讨论"),
    ("visit", "会议3月5日开始，陈医生同意参加"),
    ("visit", "发放资料20份，彩页2箱"),
    ("visit", "处方量同比增长20%"),
    ("visit", "陈医生开会，12:30 结束"),
    ("visit", "规格10mg*7片/盒，陈医生了解"),
    ("visit", "陈医生9点半到诊室，谈了15分钟"),
    ("activity", "高血压指南解读，讲者陈教授，参会45人"),
    ("activity", "工作餐6人，人均80元"),
    ("activity", "Annual cardiology meeting, 120 attendees, Prof. Wang"),
    ("visit", "Dr Chen asked about prescribing information"),
    ("visit", "left 2 boxes of samples with Dr Chen"),
    ("visit", "The hospital used 300 boxes last month"),
    ("place", "Pharmacy ordered 40 boxes"),
    ("visit", "Dr Chen was visited 4 times"),
    ("visit", "Prescription policy and DRG payment discussed for 20 minutes"),
    ("visit", "Dr Chen asked whether to take 2 tablets twice a day"),
    ("visit", "In the trial 120 patients used the product, said Dr Chen"),
    ("survey", "培训第3课，满分100"),
    ("market", "集采中选，首年约定采购量 12000 盒"),
    ("market", "Competitor price cut to 12.5 per box, 2 units"),
]
FIELD_OF = {"visit": "feedback_text", "place": "zone", "activity": "topic_text", "survey": "comment", "market": "text"}


@lru_cache
def policy() -> IntakePolicy:
    return IntakePolicy.model_validate(yaml.safe_load(POLICY.read_text(encoding="utf-8")))


@lru_cache
def guard() -> Guard:
    return Guard(policy().prescription_counting)


def raw(kind: str, /, **fields: Any) -> bytes:
    return json.dumps(EVENTS[kind] | fields, ensure_ascii=False).encode()


def stopped(kind: str, body: bytes) -> bool:
    """Whether an event is stopped, in the way the intake asks: read if it can be, else as bytes."""
    whole = guard().check(body) is not None
    name = "visit" if kind == "place" else kind
    try:
        event = decode(name, body, 1_000_000)
    except Exception:
        return whole
    assert (guard().check_event(event, body) is not None) is whole, "the quick look and the whole one differ"
    return whole


@pytest.mark.parametrize(("kind", "text"), COUNTS, ids=lambda value: value if len(value) > 9 else None)
def test_what_counts(kind: str, text: str) -> None:
    assert stopped(kind, raw(kind, **{FIELD_OF.get(kind, "remark"): text}))


@pytest.mark.parametrize(("kind", "text"), SOUNDS, ids=lambda value: value if len(value) > 9 else None)
def test_what_only_sounds_like_it(kind: str, text: str) -> None:
    assert not stopped(kind, raw(kind, **{FIELD_OF.get(kind, "invoice_id"): text}))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("visit", {"prescriptions": 40}),
        ("visit", {"prescription_count": "40"}),
        ("visit", {"RxCount": 12}),
        ("visit", {"rx_qty": "十二"}),
        ("visit", {"处方量": 120}),
        ("visit", {"用药量": "120盒"}),
        ("visit", {"ＲＸ＿ｃｏｕｎｔ": 3}),
        ("visit", {"pre\u200bscriptions": 3}),
        ("visit", {"extra": {"monthly": [{"usage": 30}]}}),
        ("visit", {"details": [{"product_id": "P1", "quantity": 40}]}),
        ("visit", {"payload": '{"doctor": "陈", "rx_count": 5}'}),
        ("place", {"doctor": "陈", "处方数量": 0}),
        ("sale", {"hcp_id": "H1"}),
        ("sale", {"prescriber": "陈医生"}),
        ("sale", {"医生": "陈"}),
        ("activity", {"attendees": [{"hcp_id": "H1", "scripts": 20}]}),
        ("survey", {"boxes_per_month": 20}),
    ],
    ids=lambda value: (
        None if isinstance(value, str) else next(iter(value)).encode("ascii", "backslashreplace").decode()
    ),
)
def test_fields_that_count(kind: str, fields: dict[str, Any]) -> None:
    found = guard().check(raw(kind, **fields))
    assert found is not None
    assert found.how == "fields"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("visit", {"samples": [{"product_id": "P1", "quantity": 2}]}),
        ("visit", {"sample_quantity": 2}),
        ("visit", {"visit_count": 4}),
        ("visit", {"prescriptions": None}),
        ("visit", {"rx_policy": "to be discussed"}),
        ("visit", {"description": "room 12", "subscription": 3}),
        ("sale", {"prescriptions": 12}),  # of an institution
        ("sale", {"hcp_id": None}),
        ("activity", {"attendees": [{"hcp_id": "H1"}], "headcount": 30}),
        ("market", {"own_volume": 100, "market_volume": 1000}),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_fields_that_do_not(kind: str, fields: dict[str, Any]) -> None:
    assert guard().check(raw(kind, **fields)) is None


def spaced(text: str) -> str:
    return " ".join(text)


PAID: dict[str, Any] = {"kind": "speaker_fee", "payee_id": "H1", "topic_text": "本月处方量约一百二十盒"}


def test_a_professional_who_is_paid_is_named_by_the_event() -> None:
    """As one who is visited or attends; what is paid to a vendor is about nobody."""
    for payee_kind, is_stopped in (("hcp", True), ("vendor", False), ("institution", False)):
        body = raw("activity", payee_kind=payee_kind, **PAID)
        event = decode("activity", body, 1_000_000)
        assert (guard().check(body) is not None) is is_stopped, payee_kind
        assert (guard().check_event(event, body) is not None) is is_stopped, payee_kind


SENTENCE = "陈医生本月开了120盒安脉平"
DISGUISES = {
    "escapes": json.dumps(EVENTS["visit"] | {"feedback_text": SENTENCE}).encode(),
    "capital escapes": json.dumps(EVENTS["visit"] | {"feedback_text": SENTENCE}).upper().replace("\\U", "\\u").encode(),
    "twice escaped": raw("visit", feedback_text=json.dumps(SENTENCE)),
    "byte order mark": b"\xef\xbb\xbf" + raw("visit", feedback_text=SENTENCE),
    "utf-16": json.dumps(EVENTS["visit"] | {"feedback_text": SENTENCE}, ensure_ascii=False).encode("utf-16"),
    "utf-16 without mark": json.dumps(EVENTS["visit"] | {"feedback_text": SENTENCE}).encode("utf-16-le"),
    "gb18030": json.dumps(EVENTS["visit"] | {"feedback_text": SENTENCE}, ensure_ascii=False).encode("gb18030"),
    "blanks": raw("visit", feedback_text=spaced(SENTENCE)),
    "ideographic blanks": raw("visit", feedback_text="\u3000".join(SENTENCE)),
    "zero width": raw("visit", feedback_text="\u200b".join(SENTENCE)),
    "soft hyphens": raw("visit", feedback_text="Dr Chen pre\u00adscribed 40 bo\u00adxes"),
    "full width": raw("visit", feedback_text="陈医生本月开了１２０盒"),
    "full-width letters": raw("visit", feedback_text="Ｄｒ Ｃｈｅｎ ｐｒｅｓｃｒｉｂｅｄ ４０ ｂｏｘｅｓ"),
    "capitals": raw("visit", feedback_text="DR CHEN PRESCRIBED 40 BOXES"),
    "spelled out": raw("visit", feedback_text="Dr Chen p r e s c r i b e d 40 boxes"),
    "the key": raw("visit", **{SENTENCE: True}),
    "an identifier": raw("visit", event_id=SENTENCE),
    "a nested text": raw("visit", details=[{"product_id": "P1", "indication": SENTENCE}]),
    "a companion": raw("visit", companions=[SENTENCE]),
    "a list of lists": raw("visit", notes=[[[SENTENCE]]]),
    "the first of two keys": b'{"feedback_text": "' + SENTENCE.encode() + b'", "feedback_text": "ok"}',
    "broken JSON": raw("visit", feedback_text=SENTENCE)[:-1],
    "no JSON": f"H1,P1,{SENTENCE}".encode(),
    "percent signs": raw("visit", feedback_text="%E9%99%88%E5%8C%BB%E7%94%9F%E5%BC%80%E4%BA%86120%E7%9B%92"),
    "entities": raw("visit", feedback_text="&#38472;&#21307;&#29983;&#24320;&#20102;120&#30418;"),
    "after a long letter": raw("visit", feedback_text="认可疗效。" * 2_000 + SENTENCE),
    "a number in words": raw("visit", feedback_text="Dr Chen wrote forty scripts"),
}


@pytest.mark.parametrize("body", DISGUISES.values(), ids=DISGUISES)
def test_disguises(body: bytes) -> None:
    assert guard().check(body) is not None


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_every_text_of_every_event_is_looked_at(kind: str) -> None:
    """Whatever field of whatever model takes a text: the quick look at the event must not pass it over."""
    tried = 0
    for name, field in EVENT_MODELS[kind].model_fields.items():
        for value in (SENTENCE, [SENTENCE], [{"name": SENTENCE}]):
            body = raw(kind, **{name: value})
            try:
                event = decode(kind, body, 1_000_000)
            except Exception:
                continue
            tried += 1
            assert guard().check_event(event, body) is not None, (name, field)
    assert tried >= 3


def test_what_is_told_of_it_carries_no_content() -> None:
    found = guard().check(raw("visit", feedback_text=SENTENCE))
    assert found is not None
    assert (found.event_id, found.rep_id, found.source, len(found.hash)) == ("E1", "R1", "crm", 64)
    hidden = guard().check(raw("visit", event_id=SENTENCE, rep_id=f"R1 {SENTENCE}", source="陈医生"))
    assert hidden is not None
    assert hidden[2:] == (None, None, None)
    assert "盒" not in repr((found, hidden))


def test_hostile_payloads_are_looked_at_in_bounded_time() -> None:
    for body in (b"[" * 100_000, b'{"a":' * 50_000, "医生开".encode() * 60_000, b"0," * 200_000, b"1 a b c " * 40_000):
        guard().check(body)


def test_long_payloads_are_not_remembered() -> None:
    """Half a thousand refused messages of a megabyte would be a gigabyte that is never given back."""
    own = guard()
    fold.cache_clear()
    for number in range(3):
        own.check(f"{number}, 汉字 {'x' * 100_000}".encode())
    assert fold.cache_info().currsize == 0


def test_normal_texts() -> None:
    assert normal("处\u00a0方 量 １２０ 盒") == "处方量120盒"
    assert normal("a b  c") == "a b c"


def test_the_message_names_nothing() -> None:
    rule = policy().prescription_counting
    with pytest.raises(ValueError, match="names nothing"):
        type(rule).model_validate(rule.model_dump() | {"message": {"zh": "{text}", "en": "x"}})


def test_both_rules_of_the_intake_say_what_their_tests_expect() -> None:
    tried = [*try_counting(policy().prescription_counting), *try_location(policy().location, SHANGHAI)]
    assert [one.test.case for one in tried if not one.is_right] == []
    assert [one.is_hit for one in tried].count(True) >= 10


@pytest.mark.parametrize("part", ["prescribing", "units", "samples", "institutions", "studies", "ignored", "dosing"])
def test_words_decide(part: str) -> None:
    """Without the words of one list, something labelled is judged otherwise."""
    rule = policy().prescription_counting
    other = ["☠"] if part in {"prescribing", "units", "institutions"} else []
    changed = Guard(rule.model_copy(update={"words": rule.words.model_copy(update={part: tuple(other)})}))
    bodies = [raw(kind, **{FIELD_OF.get(kind, "remark"): text}) for kind, text in COUNTS + SOUNDS]
    assert [changed.check(body) is None for body in bodies] != [guard().check(body) is None for body in bodies]


def test_wrong_patterns_are_told_with_their_place() -> None:
    keys = policy().prescription_counting.keys.model_copy(update={"products": ("ok", "(a+)\\1")})
    rule = policy().prescription_counting.model_copy(update={"keys": keys})
    ((loc, what),) = flaws(policy().model_copy(update={"prescription_counting": rule}))
    assert loc == ("prescription_counting", "keys", "products", 1)
    assert "does not work" in what


def test_a_test_that_is_no_visit_is_told() -> None:
    wrong = IntakeTest(case="x", expect="hit", event={"check_in": {"latitude": 99, "longitude": 0}})
    with pytest.raises(TestError, match=r"check_in\.latitude: Input should be less than or equal to 90"):
        list(try_location(policy().location.model_copy(update={"tests": (wrong,)}), SHANGHAI))


def test_what_repeats_is_remembered_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.intake.guard._MOST_HARMLESS", 50)
    own = Guard(policy().prescription_counting)
    for number in range(200):
        body = raw("visit", feedback_text=f"反馈{number}", zone="门诊")
        assert own.check_event(decode("visit", body, 10_000), body) is None
    assert {"门诊", None, "反馈199"} <= own._harmless
    assert len(own._harmless) <= 50
    body = raw("visit", zone=SENTENCE)
    assert own.check_event(decode("visit", body, 10_000), body) is not None
    assert SENTENCE not in own._harmless
