"""How often somebody is told: what of the due deliveries goes out now, alone or together, and what waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from agents.delivery.routing import hashed
from agents.delivery.times import quiet_until, wait_before
from schemas.delivery import Delivery, Limit, Recipient

_URGENCY = {"red": 0, "amber": 1, "yellow": 2}


@dataclass(frozen=True)
class Decision:
    """What becomes of the due deliveries of one recipient on one channel.

    Attributes:
        together: go out now, in one message.
        alone: go out now, each in its own message, the most urgent first.
        put_off: wait, with their new time.
    """

    together: tuple[Delivery, ...] = ()
    alone: tuple[Delivery, ...] = ()
    put_off: tuple[Delivery, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt.

    Attributes:
        error: what went wrong; empty when it was handed over.
        is_final: whether another attempt is of no use.
        retry_after_s: wait the other side asked for.
    """

    error: str = ""
    is_final: bool = False
    retry_after_s: float | None = None


def decide(
    due: Iterable[Delivery], recipient: Recipient, sent: Sequence[datetime], now: datetime, zone: ZoneInfo
) -> Decision:
    """Sort the due deliveries of one recipient on one channel.

    Args:
        due: what is due.
        recipient: whose it is.
        sent: when earlier messages went out there.
        now: the moment.
        zone: of the company.
    """
    ordered = sorted(due, key=_urgency)
    held, free = _in_peace(ordered, recipient, now, zone)
    together = [one for one in free if one.joins]
    alone = [one for one in free if not one.joins]
    room, next_at = _room(recipient.limit, sent, now)
    if together and room == 0:
        held += _later(together, next_at)
        together = []
    room -= bool(together)
    if together:  # there is a message that goes out now: what is urgent does not wait behind it
        together = sorted((*together, *alone[room:]), key=_urgency)
        alone = alone[:room]
    return Decision(tuple(together), tuple(alone[:room]), (*held, *_later(alone[room:], next_at)))


def _urgency(one: Delivery) -> tuple[int, datetime, str]:
    return _URGENCY[one.colour], one.due_at, one.delivery_id


def _in_peace(
    due: Sequence[Delivery], recipient: Recipient, now: datetime, zone: ZoneInfo
) -> tuple[list[Delivery], list[Delivery]]:
    """What waits for the end of quiet hours, to go out together then; and what may go out now."""
    end = quiet_until(recipient.quiet, now, zone)
    passes = recipient.quiet.passes if recipient.quiet else ()
    if end is None:
        return [], list(due)
    held = [_moved(one, end, "waiting") for one in due if one.colour not in passes]
    return held, [one for one in due if one.colour in passes]


def _room(limit: Limit, sent: Sequence[datetime], now: datetime) -> tuple[int, datetime]:
    """Messages that may go out now, and when the next one may after those."""
    counted = sorted(moment for moment in sent if moment > now - limit.length)
    room = max(0, limit.messages - len(counted))
    over = len(counted) - limit.messages
    oldest = counted[max(over, 0)] if counted else now
    return room, oldest + limit.length


def _later(deliveries: Sequence[Delivery], at: datetime) -> list[Delivery]:
    return [_moved(one, at, "bundled") for one in deliveries]


def _moved(one: Delivery, at: datetime, status: str) -> Delivery:
    return one.model_copy(update={"due_at": at, "status": status, "joins": True})


def message_id(deliveries: Sequence[Delivery]) -> str:
    """Identity of the message that several deliveries share; of a single one its own."""
    if len(deliveries) == 1:
        return deliveries[0].delivery_id
    return hashed("\x1f".join(sorted(one.delivery_id for one in deliveries)))


def after_attempt(one: Delivery, outcome: Outcome, message: str, attempts: int, now: datetime) -> Delivery:
    """A delivery after an attempt to hand it over.

    Args:
        one: as it was.
        outcome: what came of the attempt.
        message: identity of the message it was in.
        attempts: after how many it is given up.
        now: the moment.
    """
    update: dict[str, object] = {"attempts": one.attempts + 1, "last_error": outcome.error, "message_id": message}
    if not outcome.error:
        update |= {"status": "sent", "sent_at": now}
    elif outcome.is_final or one.attempts + 1 >= attempts:
        update |= {"status": "failed"}
    else:
        wait = wait_before(one.attempts + 1, message, outcome.retry_after_s)
        update |= {"status": "waiting", "due_at": now + wait}
    return one.model_copy(update=update)


def called_off(one: Delivery) -> Delivery:
    """An escalation that is not needed any more."""
    return one.model_copy(update={"status": "called_off"})
