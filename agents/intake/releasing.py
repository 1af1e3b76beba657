"""Whether what was set aside may go its way now: only where the guard, with the words in force, lets it through.

Nothing overrides the guard: what is released takes the same way in as any other event and meets it once more there.
"""

from datetime import datetime, timedelta
from hashlib import sha256

from agents.intake.decode import RefusedError, check_time, decode
from agents.intake.guard import Guard
from agents.intake.quarantine import alert_id
from schemas.events import MODEL_OF_TOPIC, Event
from schemas.intake_policy import CountingRule
from schemas.quarantine import QuarantinedEvent

_SHOWN = 12
_UNKNOWN = "unknown"


def admitted(
    held: QuarantinedEvent, raw: bytes, guard: Guard, max_bytes: int, now: datetime, tolerance: timedelta
) -> Event:
    """The event that counts once it is sent again.

    Args:
        held: what was set aside.
        raw: its content, opened.
        guard: with the words in force.
        max_bytes: longest event that is taken.
        now: the clock.
        tolerance: how far ahead of the clock an event may be dated.

    Raises:
        RefusedError: it would not count; the message repeats nothing of the content.
    """
    kind = MODEL_OF_TOPIC[held.topic].kind_name
    if sha256(raw).hexdigest() != held.hash:
        raise RefusedError(step="hash", message="its content is not what was set aside: let the source send it again")
    try:
        event = decode(kind, raw, max_bytes)
        check_time(event, now, tolerance)
    except RefusedError as error:
        message = (
            f"it is no {kind} that could count (step {error.step}) and would be a dead letter: let the source "
            "mend it and send it again"
        )
        raise RefusedError(step=error.step, message=message) from None
    if guard.check_event(event, raw) is not None:
        raise RefusedError(step="quarantine", message=_stopped(guard.reasons(raw)))
    return event


def case_of(held: QuarantinedEvent, rule: CountingRule) -> str:
    """The case of what was set aside: its alert's identity."""
    owner = held.key or held.rep_id or _UNKNOWN
    return alert_id(rule, owner, MODEL_OF_TOPIC[held.topic].kind_name, held.event_id, held.hash)


def _stopped(reasons: list[str]) -> str:
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return (
        f"the guard in force stops it, by {', '.join(reasons[:_SHOWN])}{more}: where it is harmless, take such a word "
        "out of compliance/intake.yaml, or add what makes it harmless to `ignored`, `samples` or `studies`, then "
        "submit, let another person approve, and release it again"
    )
