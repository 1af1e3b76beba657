"""The policy in force: read from the folder, read again when its text changes."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import structlog

from agents.delivery.routing import Desk
from agents.delivery.wording import Style
from agents.progress.pace import WorkingCalendar
from streams import policies
from streams.delivery.channels import Channels, environment
from streams.delivery.policy import BUILT_IN, FILE, check, text_in
from streams.delivery.sender import Office
from streams.errors import UsageError
from streams.settings import Settings

log = structlog.get_logger("delivery")


def opened(settings: Settings, text: str, days: Mapping[int, bool]) -> Office:
    """What sending needs, of a policy's text.

    Args:
        settings: where things are.
        text: of the policy.
        days: those that differ from the usual week, by ordinal, and whether they are worked.

    Raises:
        PolicyError: the text is wrong.
    """
    policy = check(text, str(settings.policies / FILE))
    channels = Channels(policy, settings.data, environment())
    zone = ZoneInfo(settings.time_zone)
    desk = Desk(policy, channels.of(policy), zone, WorkingCalendar(days).is_working_day)
    return Office(desk, channels, Style(zone, settings.boards_url))


class Keeper:
    """Holds what is in force.

    Args:
        settings: where things are.
        days: see `opened`.

    Raises:
        UsageError: the policy is missing or wrong.
    """

    def __init__(self, settings: Settings, days: Mapping[int, bool]) -> None:
        self._settings = settings
        self._days = dict(days)
        self._text = text_in(settings.policies)
        self._refused = ""
        self.office = opened(settings, self._text, self._days)
        self._tell()

    def _tell(self) -> None:
        for name, why in self.office.channels.missing.items():
            log.info("channel not set up; the outbox takes its messages where nothing else is", channel=name, why=why)
        if self._text == BUILT_IN:
            log.warning(f"there is no {FILE} in the folder of the policies: every alert goes to the outbox")
        log.info("delivery policy in force", hash=policies.digest_of(self._text)[:12])

    async def look(self, days: Mapping[int, bool]) -> None:
        """Adopt another text or calendar; a wrong text is told once, and the one before stays in force."""
        text = ""
        try:
            text = text_in(self._settings.policies)
            if text == self._refused or (text == self._text and dict(days) == self._days):
                return
            office = opened(self._settings, text, days)
        except UsageError as error:
            self._refused = text
            log.error("the policy of delivery is wrong; the one before stays in force", error=str(error))
            return
        self._refused = ""
        self._text, self._days, before = text, dict(days), self.office
        self.office = office
        await before.channels.close()
        self._tell()
