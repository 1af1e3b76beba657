"""What a message says, in the recipient's language."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from agents.delivery.pacing import message_id
from schemas.alerts import Alert, ExplainedValue
from schemas.delivery import Delivery, Language, Message, Notice, Recipient
from schemas.policy import Title

#: Alerts one message shows; of the others it says how many there are.
_SHOWN = 20
_REASONS, _LONGEST_REASON = 5, 120
#: Figures, days, lengths of time, yes and no; texts of an event stay at home.
_FIGURE = re.compile(r"[-+]?[\d][\d\s.,:%+\-/Tx×]*( ?[a-z]{1,8})?|true|false|yes|no", re.IGNORECASE)
#: Parts of an expression whose values say where somebody was or what somebody wrote.
_PRIVATE = re.compile(r"lat|lon|position|accuracy|text|remark|note|comment|name|phone|similar|matches|contains", re.I)
_COLOURS = {"red": Title(zh="红", en="red"), "amber": Title(zh="橙", en="amber"), "yellow": Title(zh="黄", en="yellow")}
_SEVERITIES = {
    "prohibited": Title(zh="禁止", en="prohibited"),
    "avoid": Title(zh="回避", en="avoid"),
    "monitor": Title(zh="关注", en="monitor"),
}
_LABELS: dict[str, Title] = {
    "rep": Title(zh="代表", en="Representative"),
    "hcp": Title(zh="专业人士", en="Professional"),
    "institution": Title(zh="机构", en="Institution"),
    "team": Title(zh="团队", en="Team"),
    "region": Title(zh="大区", en="Region"),
    "when": Title(zh="时间", en="When"),
    "rule": Title(zh="规则", en="Rule"),
    "basis": Title(zh="依据", en="Basis"),
    "why": Title(zh="要点", en="Why"),
    "case": Title(zh="处理", en="Case"),
}


@dataclass(frozen=True)
class Style:
    """What every message is written with.

    Attributes:
        zone: of the company.
        boards_url: address of the boards; None: no link.
    """

    zone: ZoneInfo
    boards_url: str | None = None


def notice_of(alert: Alert) -> Notice:
    """What messages say of an alert."""
    taken = {name: getattr(alert, name) for name in Notice.model_fields if name != "reasons"}
    return Notice(**taken, reasons=_reasons(alert.explanation))


def _reasons(explanation: ExplainedValue | None) -> tuple[str, ...]:
    """Values at the ends of the tree that decided, as far as anybody may read them."""
    found = dict.fromkeys(
        f"{leaf.text} = {leaf.value}" for leaf in _leaves(explanation) if leaf.value and _may_be_told(leaf)
    )
    return tuple(found)[:_REASONS]


def _leaves(value: ExplainedValue | None) -> Iterator[ExplainedValue]:
    if value is None:
        return
    for part in value.parts:
        yield from _leaves(part)
    if not value.parts:
        yield value


def _may_be_told(leaf: ExplainedValue) -> bool:
    is_constant = leaf.text == leaf.value
    is_figure = bool(leaf.value and _FIGURE.fullmatch(leaf.value))
    return is_figure and not is_constant and len(leaf.text) <= _LONGEST_REASON and not _PRIVATE.search(leaf.text)


def message_of(
    deliveries: Sequence[Delivery], notices: Sequence[Notice], name: str, recipient: Recipient, style: Style
) -> Message:
    """The message in which some deliveries go out to one recipient.

    Args:
        deliveries: one, or those that share it.
        notices: of their alerts, in the same order.
        name: of the recipient.
        recipient: whose language it is in.
        style: zone and address of the boards.
    """
    language = recipient.language
    kinds = {one.kind for one in deliveries}
    if len(deliveries) == 1:
        title, text = _single(deliveries[0], notices[0], language, style)
    else:
        title, text = _several(notices, language, style)
    return Message(
        message_id=message_id(deliveries),
        kind=kinds.pop() if len(kinds) == 1 else "bundle",
        recipient=name,
        language=language,
        title=title,
        text=text,
        alerts=tuple(notices),
    )


def _single(one: Delivery, notice: Notice, language: Language, style: Style) -> tuple[str, str]:
    title = f"{_mark(notice, language)} {notice.rule_id} {in_(notice.title, language)}"
    if one.kind == "escalation":
        level = Title(
            zh=f"升级（第 {one.level} 级），无人处理：", en=f"Escalation, level {one.level}, nobody has acted:"
        )
        title = f"{in_(level, language)} {title}"
    return title, "\n".join([in_(notice.message, language), *_facts(notice, language, style)])


def _facts(notice: Notice, language: Language, style: Style) -> Iterator[str]:
    severity = in_(_SEVERITIES[notice.severity], language)
    basis = [f"{one.article} {one.source}".strip() for one in notice.basis]
    facts = {
        "rep": notice.rep_id,
        "hcp": notice.hcp_id,
        "institution": notice.institution_id,
        "team": notice.team_id,
        "region": notice.region_id,
        "when": _moment(notice, style),
        "rule": f"{notice.rule_id} ({severity})",
        "basis": ("；" if language == "zh" else "; ").join(basis),
        "why": ("；" if language == "zh" else "; ").join(notice.reasons),
        "case": case_link(notice.alert_id, language, style),
    }
    colon = "：" if language == "zh" else ": "
    for name, value in facts.items():
        if value:
            yield f"{in_(_LABELS[name], language)}{colon}{value}"


def _several(notices: Sequence[Notice], language: Language, style: Style) -> tuple[str, str]:
    count = len(notices)
    reds = sum(notice.colour == "red" for notice in notices)
    title = Title(zh=f"{count} 条合规提醒（红 {reds}）", en=f"{count} compliance alerts ({reds} red)")
    lines = [_line(notice, language, style) for notice in notices[:_SHOWN]]
    if rest := notices[_SHOWN:]:
        counted = ", ".join(f"{rule} × {number}" for rule, number in sorted(Counter(n.rule_id for n in rest).items()))
        lines.append(in_(Title(zh=f"另有 {len(rest)} 条：{counted}", en=f"and {len(rest)} more: {counted}"), language))
    return in_(title, language), "\n".join(lines)


def _line(notice: Notice, language: Language, style: Style) -> str:
    link = case_link(notice.alert_id, language, style)
    said = f"{_mark(notice, language)} {notice.rule_id} {in_(notice.message, language)}"
    return f"{said} ({notice.rep_id}, {_moment(notice, style)}){f' {link}' if link else ''}"


def case_link(alert_id: str, language: Language, style: Style) -> str | None:
    """Address of the case on the boards; None when nobody said where they are."""
    if not style.boards_url:
        return None
    board = "pulse-case" if language == "zh" else "pulse-case-en"
    return f"{style.boards_url.rstrip('/')}/d/{board}?var-case_id={alert_id}"


def trial(name: str, recipient: Recipient, identity: str) -> Message:
    """A message that only shows that the way is open."""
    title = Title(zh="试发：合规提醒会发到这里", en="Trial: alerts of compliance will arrive here")
    text = Title(zh="这不是提醒，无需处理。", en="This is no alert; there is nothing to do.")
    language = recipient.language
    said = {"title": in_(title, language), "text": in_(text, language)}
    return Message(message_id=identity, kind="trial", recipient=name, language=language, **said)


def in_(title: Title, language: Language) -> str:
    """A text in one of its languages, on one line."""
    return " ".join((title.zh if language == "zh" else title.en).split())


def _mark(notice: Notice, language: Language) -> str:
    return f"[{in_(_COLOURS[notice.colour], language)}]"


def _moment(notice: Notice, style: Style) -> str:
    return f"{notice.occurred_at.astimezone(style.zone):%Y-%m-%d %H:%M}"
