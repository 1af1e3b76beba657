"""Sends what is due: every recipient's channel by itself, so that one that hangs holds up no other."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from agents.delivery.pacing import Outcome, after_attempt, decide, message_id
from agents.delivery.routing import Desk
from agents.delivery.wording import Style, message_of
from schemas.delivery import Delivery, Message, Notice, Recipient
from streams.delivery.channels import Channels, Sending
from streams.delivery.queue import Queue, lane_of
from streams.errors import UnavailableError

log = structlog.get_logger("delivery")

#: Between two looks at what is due; what another desk planned is found by looking.
_LOOK_EVERY_S = 0.25
#: A claim outlasts its attempt by so much; whoever takes over a killed desk's work waits until it has run out.
_MARGIN_S = 2.0
_SETTLE_S = 0.5
#: How long what is on its way is waited for at the end; `pulse up` gives the whole desk 4 s.
_FINISH_S = 2.0


@dataclass(frozen=True)
class Office:
    """What sending needs to know: replaced as a whole when the policy changes."""

    desk: Desk
    channels: Channels
    style: Style


def _now() -> datetime:
    return datetime.now(UTC)


class Sender:
    """Sends what is due until it is stopped.

    Args:
        queue: what is pending.
        office: what is in force now.
        clock: the time.

    Attributes:
        woken: set when something new is due.
    """

    def __init__(self, queue: Queue, office: Callable[[], Office], clock: Callable[[], datetime] = _now) -> None:
        self._queue = queue
        self._office = office
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._is_ending = False
        self.woken = asyncio.Event()

    async def run(self) -> None:
        """Look for what is due, again and again."""
        try:
            while True:
                self.woken.clear()
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.woken.wait(), _LOOK_EVERY_S)
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Settle what is on its way: it would be sent again. What takes too long is left to whoever comes next."""
        self._is_ending = True
        if busy := list(self._busy.values()):
            await asyncio.wait(busy, timeout=_FINISH_S)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    async def _look(self) -> None:
        try:
            lanes = await self._queue.lanes()
        except UnavailableError as error:
            log.warning("waiting for a service", error=str(error))
            return
        for lane in lanes:
            if lane not in self._busy:
                task = self._busy[lane] = asyncio.create_task(self.serve(lane))
                task.add_done_callback(partial(self._served, lane))

    def _served(self, lane: str, _task: object) -> None:
        self._busy.pop(lane, None)

    async def serve(self, lane: str) -> None:
        """Send what of a lane is due now, unless another desk does."""
        try:
            if await self._queue.due(lane, self._clock()):
                async with self._queue.holding(lane, self._lease_s(lane) + _MARGIN_S) as ours:
                    if ours:
                        await self._send_due(lane)
        except UnavailableError as error:
            log.warning("waiting for a service", error=str(error))
        except Exception:  # one lane's fault must not end the others
            log.exception("delivery failed", lane=lane.replace("\x1f", ":"))

    def _lease_s(self, lane: str) -> float:
        channel = self._office().desk.policy.channel(lane.split("\x1f")[1])
        return channel.limit.total_seconds() + _MARGIN_S

    async def _send_due(self, lane: str) -> None:
        office, now = self._office(), self._clock()
        name, channel = lane.split("\x1f")
        due = await self._queue.due(lane, now)
        recipient, sending = office.desk.policy.recipients.get(name), office.channels.get(channel)
        if recipient is None or sending is None:
            why = f"there is no recipient {name} any more" if recipient is None else _not_set_up(office, channel)
            await self._give_up(due, why)
            return
        sent = await self._queue.recent(lane, now)
        decision = decide(due, recipient, sent, now, office.desk.zone)
        await self._queue.put_off(decision.put_off, now)
        batches = [*([decision.together] if decision.together else []), *((one,) for one in decision.alone)]
        for batch in batches:
            if self._is_ending or self._office() is not office:
                return  # what is left is still due; the channels of a policy that was replaced are closed
            await self._queue.extend(lane, self._lease_s(lane) + _MARGIN_S)
            await self._send(batch, recipient, sending, office)

    async def _give_up(self, deliveries: Sequence[Delivery], why: str) -> None:
        log.error("deliveries given up", count=len(deliveries), why=why)
        failed = [one.model_copy(update={"status": "failed", "last_error": why}) for one in deliveries]
        await self._queue.finish(failed, self._clock())

    async def _send(self, batch: Sequence[Delivery], recipient: Recipient, sending: Sending, office: Office) -> None:
        """One message: claimed, handed over, and noted what came of it."""
        lane = lane_of(batch[0])
        claimed = await self._queue.claim(batch, self._lease_s(lane), self._clock())
        told = await self._with_notices(claimed)
        if not told:
            return
        deliveries, notices = [one for one, _ in told], [notice for _, notice in told]
        message = message_of(deliveries, notices, deliveries[0].recipient, recipient, office.style)
        outcome = await _attempt(sending, message, self._lease_s(lane) - _MARGIN_S)
        now = self._clock()
        attempts = office.desk.policy.attempts
        after = [after_attempt(one, outcome, message_id(deliveries), attempts, now) for one in deliveries]
        _tell(after, outcome)
        await self._settle(after, now)

    async def _with_notices(self, claimed: Sequence[Delivery]) -> list[tuple[Delivery, Notice]]:
        if not claimed:
            return []
        notices = await self._queue.notices(claimed)
        if gone := [one for one, notice in zip(claimed, notices, strict=True) if notice is None]:
            await self._give_up(gone, "what it was about is not known any more")
        return [(one, notice) for one, notice in zip(claimed, notices, strict=True) if notice is not None]

    async def _settle(self, after: Sequence[Delivery], now: datetime) -> None:
        """Note what came of an attempt; while Redis is away it is held here, for else it would be sent again."""
        while True:
            try:
                for status in ("sent", "failed"):
                    await self._queue.finish([one for one in after if one.status == status], now)
                await self._queue.put_off([one for one in after if one.status == "waiting"], now)
            except UnavailableError:
                await asyncio.sleep(_SETTLE_S)
            else:
                return


async def _attempt(sending: Sending, message: Message, limit_s: float) -> Outcome:
    try:
        return await asyncio.wait_for(sending.send(message), limit_s)
    except TimeoutError:
        return Outcome(f"no answer within {limit_s:g} s")
    except Exception as error:
        log.exception("a channel failed")
        return Outcome(f"unexpected {type(error).__name__}")


def _not_set_up(office: Office, channel: str) -> str:
    why = office.channels.missing.get(channel, "the policy does not name it")
    return f"channel {channel} is not set up: {why}"


def _tell(after: Sequence[Delivery], outcome: Outcome) -> None:
    one = after[0]
    facts = {"recipient": one.recipient, "channel": one.channel, "kind": one.kind, "alerts": len(after)}
    if not outcome.error:
        log.info("told", **facts)
    elif one.status == "failed":
        log.error("given up; `pulse delivery retry` tries again", error=outcome.error, attempts=one.attempts, **facts)
    else:
        log.warning(
            "not told yet", error=outcome.error, attempts=one.attempts, again_at=one.due_at.isoformat(), **facts
        )
