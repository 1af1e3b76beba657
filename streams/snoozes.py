"""Snoozes: a rule says nothing about one subject until a day, because somebody decided so and said why."""

from datetime import date

from clickhouse_connect.driver.client import Client

from agents.progress.calendar import CompanyTime
from streams import rule_books, rule_log
from streams.errors import UsageError
from streams.rule_changes import SNOOZED, UNSNOOZED, Change, snooze_name


def add(  # noqa: PLR0913 - what a snooze says, and what it is held against
    client: Client,
    rule_id: str,
    subject_kind: str,
    subject_id: str,
    *,
    until: date,
    author: str,
    reason: str,
    today: date,
    time: CompanyTime,
) -> Change:
    """Snooze a rule for one subject; a snooze there is gets another end.

    Args:
        client: ClickHouse, as the writer.
        rule_id: the rule.
        subject_kind: rep, hcp or institution.
        subject_id: whom it is silent about.
        until: last company day (of the event) it is silent.
        author: who decided it.
        reason: why.
        today: company day of now.
        time: company time.

    Raises:
        UsageError: there is no such rule or kind of subject, the rule is about others, the day lies behind, or there is
            no reason.
        UnavailableError: ClickHouse does not answer.
    """
    if until < today:
        msg = f"{until} lies behind: name the last day the rule is to be silent, from today on"
        raise UsageError(msg)
    if not reason.strip():
        msg = "a snooze needs a reason, for whoever asks later: say why with --reason"
        raise UsageError(msg)
    name = snooze_name(rule_id, subject_kind, subject_id)
    change = Change(SNOOZED, name, author, remark=reason, detail={"until": until.isoformat()})
    texts = rule_books.read(client)
    if (why := texts.state.refuses(change)) is not None:
        raise UsageError(why)
    _, rules = rule_books.in_force(texts, time)
    about = {rule.place(kind).subject for rule in rules if rule.rule.id == rule_id for kind in rule.rule.scope.events}
    if subject_kind not in about:
        kinds = " or ".join(sorted(about))
        msg = f"alerts of {rule_id} are about {kinds}, so this would silence nothing: name the {kinds} instead"
        raise UsageError(msg)
    return rule_log.record(client, change)


def end(client: Client, rule_id: str, subject_kind: str, subject_id: str, *, author: str, reason: str = "") -> Change:
    """End a snooze at once.

    Raises:
        UsageError: there is none.
        UnavailableError: ClickHouse does not answer.
    """
    name = snooze_name(rule_id, subject_kind, subject_id)
    return rule_log.record(client, Change(UNSNOOZED, name, author, remark=reason))


def there_are(client: Client, today: date | None = None) -> list[Change]:
    """Snoozes that nobody ended, the one that ends first before the others.

    Args:
        client: ClickHouse.
        today: leave out those that were over before this day.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    found = sorted(rule_log.state(client).snoozes.values(), key=lambda one: (one.detail["until"], one.name))
    return [one for one in found if today is None or one.detail["until"] >= today.isoformat()]
