"""One case: what happened, by which rule, on what evidence, why, and what people did about it."""

from grafana.looks import AMBER, GREEN, RED
from grafana.signals.compliance import CASE_STATE, INSTITUTION_NAMES, LEVEL, LEVEL_COLUMN, REP_NAMES, TO_CASE, VERDICT
from grafana.signals.field import CHANNEL
from grafana.signals.signal import Column, Signal

_CASE = "${case_id:sqlstring}"
_PAIR = (
    Column("what", "[[项目|What]]", width=128),
    Column("value", "[[内容|Value]]", wrap=True),
)
_ZONE = "'{{time_zone}}'"


def _moment(column: str) -> str:
    return f"formatDateTime(toTimeZone({column}, {_ZONE}), '%Y-%m-%d %H:%i:%S')"


LEVEL_OF_CASE = Signal(
    "case_level",
    "[[级别|Level]]",
    "[[规则的级别。|Level of the rule.]]",
    f"SELECT concat({LEVEL}, ' · ', rule_id) AS level FROM case_log WHERE case_id = {_CASE}",
    unit="text",
    states=True,
)

STATE_OF_CASE = Signal(
    "case_state",
    "[[状态|State]]",
    "[[案件的状态与结论。|State of the case, and its verdict.]]",
    f"""SELECT if(state = 'closed', concat('green ', {CASE_STATE}, ' · ', {VERDICT}),
    concat(if(acknowledged_at IS NULL, 'red ', 'amber '), {CASE_STATE})) AS state_of_case
FROM case_log WHERE case_id = {_CASE}""",
    unit="text",
    states=True,
)

TIMES_OF_CASE = Signal(
    "case_times",
    "[[处理用时|How long it took]]",
    "[[从预警到首次确认、到结案的分钟数；未发生时到现在。|"
    "Minutes from the alert until somebody saw it and until it was closed; until now where that has not happened.]]",
    f"""SELECT
    dateDiff('second', raised_at, ifNull(acknowledged_at, now64(6))) / 60 AS to_see,
    dateDiff('second', raised_at, ifNull(closed_at, now64(6))) / 60 AS to_close
FROM case_log WHERE case_id = {_CASE}""",
    columns=(
        Column("to_see", "[[至确认|To be seen]]", "minutes", thresholds=((None, GREEN), (30, AMBER), (120, RED))),
        Column("to_close", "[[至结案|To be closed]]", "minutes"),
    ),
)

SENTENCE = Signal(
    "case_sentence",
    "[[发生了什么|What happened]]",
    "[[规则的说明、当事人与负责人。|The rule's sentence, who is concerned and who answers for it.]]",
    f"""SELECT part.1 AS what, part.2 AS value FROM
(
    SELECT arrayJoin(arrayFilter(one -> one.2 != '', [
        ('[[说明|Sentence]]', one.message_[[zh|en]]),
        ('[[规则|Rule]]', concat(one.rule_id, ' · ', one.title_[[zh|en]])),
        ('[[代表|Representative]]', if(rep.name = '', one.rep_id, concat(rep.name, ' · ', one.rep_id))),
        ('[[机构|Institution]]', if(institution.name = '', one.institution_id,
            concat(institution.name, ' · ', one.institution_id))),
        ('[[医务人员|Professional]]', if(hcp.name = '', one.hcp_id, concat(hcp.name, ' · ', one.hcp_id))),
        ('[[团队|Team]]', if(node.name = '', one.team_id, node.name)),
        ('[[发生时间|Happened at]]', {_moment("one.occurred_at")}),
        ('[[预警时间|Raised at]]', {_moment("one.raised_at")}),
        ('[[规则负责人|Owner of the rule]]', one.owner),
        ('[[处理人|Assignee]]', one.assignee),
        ('[[最后备注|Last remark]]', one.remark)
    ])) AS part
    FROM (SELECT * FROM case_log WHERE case_id = {_CASE}) AS one
    LEFT JOIN {REP_NAMES} AS rep ON rep.rep_id = one.rep_id
    LEFT JOIN {INSTITUTION_NAMES} AS institution ON institution.institution_id = one.institution_id
    LEFT JOIN (SELECT hcp_id, [[name|ifNull(name_en, name)]] AS name FROM hcps_today) AS hcp ON hcp.hcp_id = one.hcp_id
    LEFT JOIN
    (
        SELECT node_id, [[name|ifNull(name_en, name)]] AS name FROM organisation_nodes_today
    ) AS node ON node.node_id = one.team_id
)""",
    columns=_PAIR,
    empty="[[没有案件|No case]]",
)

_BASIS_FIELDS = ("article", "source", "note")
BASIS = Signal(
    "case_basis",
    "[[依据|Basis]]",
    "[[规则所依据的条文与出处。|Articles and sources the rule rests on.]]",
    "SELECT "
    + ", ".join(f"JSONExtractString(one, '{name}') AS {name}" for name in _BASIS_FIELDS)
    + f"\nFROM (SELECT arrayJoin(JSONExtractArrayRaw(basis)) AS one FROM alert_log WHERE alert_id = {_CASE})",
    columns=(
        Column("article", "[[条文|Article]]", wrap=True),
        Column("source", "[[出处|Source]]", wrap=True),
        Column("note", "[[备注|Note]]", wrap=True),
    ),
    empty="[[没有依据|No basis]]",
)

_OWN = f"(SELECT event_id, rep_id FROM alert_log WHERE alert_id = {_CASE} AND event_kind = '%s')"


def _evidence(kind: str, view: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """Fields of the event of one kind, with their words."""
    listed = ",\n        ".join(f"('{word}', toString(ifNull({column}, '')))" for word, column in pairs)
    return f"""SELECT arrayJoin(arrayFilter(one -> one.2 NOT IN ('', '0', '[]'), [
        {listed}
    ])) AS part FROM {view} WHERE (event_id, rep_id) IN {_OWN % kind}"""


def _text(column: str) -> str:
    return f"toString({column})"


def _listed(column: str, first: str, second: str) -> str:
    one = f"concat(one.{first}, ' ', ifNull(toString(one.{second}), ''))"
    return f"arrayStringConcat(arrayMap(one -> {one}, {column}), '; ')"


def _at(column: str) -> str:
    return f"ifNull({_moment(column)}, '')"


_ACTIVITY_KIND = (
    "transform(kind, ['meeting', 'speaker_fee', 'meal', 'gift', 'donation', 'sponsorship', 'training', 'other'], "
    "['[[会议|meeting]]', '[[讲课费|speaker fee]]', '[[餐饮|meal]]', '[[礼品|gift]]', '[[捐赠|donation]]', "
    "'[[资助|sponsorship]]', '[[培训|training]]', '[[其他|other]]'], toString(kind))"
)
_PAYEE = (
    "transform(payee_kind, ['hcp', 'department', 'institution', 'foundation', 'vendor', 'none'], "
    "['[[医务人员|professional]]', '[[科室|department]]', '[[机构|institution]]', '[[基金会|foundation]]', "
    "'[[供应商|vendor]]', ''], toString(payee_kind))"
)
_SALE_KIND = (
    "transform(kind, ['sale', 'return', 'adjustment'], ['[[销售|sale]]', '[[退货|return]]', '[[调整|adjustment]]'], '')"
)
_SURVEY_KIND = (
    "transform(kind, ['satisfaction', 'training_quiz'], ['[[满意度|satisfaction]]', '[[培训测验|quiz]]'], '')"
)
_WHO = (
    ("[[事件编号|Event]]", "event_id"),
    ("[[发生时间|Happened at]]", _moment("occurred_at")),
    ("[[来源系统|Source]]", "source"),
    ("[[代表|Representative]]", "rep_name[[|_en]]"),
    ("[[机构|Institution]]", "institution_name[[|_en]]"),
)
_VISIT = (
    *_WHO,
    ("[[医务人员|Professional]]", "hcp_name"),
    ("[[方式|Way]]", CHANNEL),
    ("[[签到|Check-in]]", _at("check_in_at")),
    ("[[签退|Check-out]]", _at("check_out_at")),
    ("[[时长（分钟）|Minutes]]", _text("round(duration_minutes, 1)")),
    ("[[提交|Recorded]]", _at("recorded_at")),
    ("[[区域|Zone]]", "zone"),
    ("[[预约号|Appointment]]", "appointment_id"),
    ("[[产品与适应症|Products and indications]]", _listed("details", "product_id", "indication")),
    ("[[资料|Materials]]", _listed("materials", "material_id", "version")),
    ("[[样品|Samples]]", _listed("samples", "product_id", "quantity")),
    ("[[反馈|Note]]", "feedback_text"),
)
_ACTIVITY = (
    *_WHO,
    ("[[类别|Kind]]", _ACTIVITY_KIND),
    ("[[金额|Amount]]", "concat(toString(amount), ' ', currency)"),
    ("[[收款方|Payee]]", f"concat({_PAYEE}, ' ', ifNull(payee_id, ''))"),
    ("[[人数|Headcount]]", _text("headcount")),
    ("[[主题|Subject]]", "topic_text"),
    ("[[地点|Venue]]", "venue"),
    ("[[审批号|Approval]]", "approval_id"),
    (
        "[[参加者|Attendees]]",
        "arrayStringConcat(arrayMap(one -> ifNull(one.name, ifNull(one.hcp_id, '')), attendees), ', ')",
    ),
)
_SALE = (
    *_WHO,
    ("[[产品|Product]]", "product_name[[|_en]]"),
    ("[[类别|Kind]]", _SALE_KIND),
    ("[[数量|Quantity]]", _text("quantity")),
    ("[[金额|Amount]]", "concat(toString(amount), ' ', currency)"),
    ("[[发票|Invoice]]", "invoice_id"),
)
_PAYMENT = (
    *_WHO,
    ("[[发票|Invoice]]", "invoice_id"),
    ("[[金额|Amount]]", "concat(toString(amount), ' ', currency)"),
    ("[[到期|Due]]", _text("due_on")),
)
_SURVEY = (
    *_WHO,
    ("[[类别|Kind]]", _SURVEY_KIND),
    ("[[得分|Score]]", _text("score")),
    ("[[主题|Subject]]", "subject"),
    ("[[评语|Comment]]", "comment"),
)
_KINDS = (
    ("visit", "visit_log", _VISIT),
    ("activity", "activity_log", _ACTIVITY),
    ("sale", "sales_lines", _SALE),
    ("payment", "payment_lines", _PAYMENT),
    ("survey", "survey_answers", _SURVEY),
)
EVIDENCE = Signal(
    "case_evidence",
    "[[证据：触发规则的事件|Evidence: the event that hit]]",
    "[[事件的各字段；隔离的原始数据不在此处。|Fields of the event; what was quarantined is not here.]]",
    "SELECT part.1 AS what, part.2 AS value FROM\n(\n    "
    + "\n    UNION ALL\n    ".join(_evidence(*one) for one in _KINDS)
    + "\n)",
    columns=_PAIR,
    empty="[[事件不在数据库中（可能已被隔离）|The event is not in the database; it may be quarantined]]",
)

EXPLANATION = Signal(
    "case_explanation",
    "[[为什么：规则的每一步|Why: the rule step by step]]",
    "[[规则表达式的每个部分及当时的值，缩进的是其组成部分。|"
    "Every part of the rule's expression with its value then; what is indented made the line above.]]",
    f"""WITH RECURSIVE tree AS
(
    SELECT explanation AS raw, toUInt32(0) AS depth, '' AS place FROM alert_log
    WHERE alert_id = {_CASE} AND explanation NOT IN ('', 'null')
    UNION ALL
    SELECT child.1, toUInt32(depth + 1), concat(place, leftPad(toString(child.2), 4, '0'))
    FROM tree
    ARRAY JOIN arrayZip(JSONExtractArrayRaw(raw, 'parts'), arrayEnumerate(JSONExtractArrayRaw(raw, 'parts'))) AS child
    WHERE depth < 40
)
SELECT
    concat(repeat('　', depth), if(depth = 0, '', '└ '),
        replaceRegexpAll(JSONExtractString(raw, 'text'), '\\\\s+', ' ')) AS part,
    JSONExtractString(raw, 'value') AS value
FROM tree
ORDER BY place
LIMIT 300""",
    columns=(
        Column("part", "[[部分|Part]]", wrap=True),
        Column("value", "[[值|Value]]", width=260, wrap=True),
    ),
    empty="[[没有说明|No explanation]]",
)

_ACTION = (
    "transform(action, ['open', 'acknowledge', 'assign', 'review', 'need_more', 'close', 'reopen', 'link', 'note'], "
    "['[[产生|Raised]]', '[[确认|Acknowledged]]', '[[指派|Assigned]]', '[[审核|In review]]', "
    "'[[要求补充|Asked for more]]', '[[结案|Closed]]', '[[重开|Reopened]]', '[[关联|Linked]]', "
    "'[[备注|Note]]'], action)"
)
_ROLE = (
    "transform(by_role, ['rep', 'manager', 'compliance', 'operations', 'finance', 'auditor', ''], "
    "['[[代表|rep]]', '[[经理|manager]]', '[[合规|compliance]]', '[[运营|operations]]', '[[财务|finance]]', "
    "'[[审计|auditor]]', '[[系统|system]]'], by_role)"
)
TIMELINE = Signal(
    "case_timeline",
    "[[时间线|Timeline]]",
    "[[谁在何时做了什么；被拒绝的操作也在内。|Who did what and when; refused commands included.]]",
    f"""SELECT
    at, {_ACTION} AS done, if(outcome = 'refused', 'red [[拒绝|Refused]]', 'green [[完成|Done]]') AS result,
    if(by_id = '', {_ROLE}, concat(by_id, ' · ', {_ROLE})) AS person,
    {CASE_STATE} AS standing, {VERDICT} AS decided, assignee, remark
FROM case_timeline
WHERE case_id = {_CASE}
ORDER BY number""",
    columns=(
        Column("at", "[[时间|When]]", "time", width=108),
        Column("done", "[[操作|What]]", width=112),
        Column("result", "[[结果|Result]]", cell="light", width=84),
        Column("person", "[[操作人|Who]]", width=170),
        Column("standing", "[[状态|State]]", width=96),
        Column("decided", "[[结论|Verdict]]", width=96),
        Column("assignee", "[[处理人|Assignee]]", width=110),
        Column("remark", "[[备注|Remark]]", wrap=True),
    ),
    empty="[[还没有操作|Nothing done yet]]",
)

OTHERS = Signal(
    "case_others",
    "[[同一对象的其他案件|Other cases of the same subject]]",
    "[[同一代表、医务人员或机构的其他案件，及已关联的案件；点行打开。|"
    "Other cases of the same representative, professional or institution, and linked ones; click a row to open.]]",
    f"""SELECT
    case_id, occurred_at AS at, {LEVEL} AS level, rule_id, message_[[zh|en]] AS message,
    if(state = 'closed', concat({CASE_STATE}, ' · ', {VERDICT}), {CASE_STATE}) AS standing,
    if(has(linked, {_CASE}), '[[已关联|linked]]', '') AS tie
FROM case_log
WHERE case_id != {_CASE} AND (has(linked, {_CASE})
    OR (subject_kind, subject_id) IN (SELECT subject_kind, subject_id FROM alert_log WHERE alert_id = {_CASE}))
ORDER BY has(linked, {_CASE}) DESC, at DESC, case_id
LIMIT 40""",
    columns=(
        Column("at", "[[时间|When]]", "time", width=108),
        LEVEL_COLUMN,
        Column("rule_id", "[[规则|Rule]]", width=96),
        Column("message", "[[发生了什么|What happened]]", link="case"),
        Column("standing", "[[状态|State]]", width=128),
        Column("tie", "[[关联|Link]]", width=76),
        *TO_CASE,
    ),
    empty="[[没有其他案件|No other case]]",
)
