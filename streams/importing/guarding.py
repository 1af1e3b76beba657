"""Wrong rows that count a professional's prescriptions (R06): their content may not lie among the dead letters."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from clickhouse_connect.driver.client import Client

from agents.intake.guard import Guard
from schemas.events import MODEL_OF_TOPIC
from schemas.outputs import DeadLetter
from streams import compliance_policy, rule_books

_INSTEAD = "the row counts a professional's prescriptions (R06): it was set aside, encrypted; take it out of the file"


class LetterGuard:
    """Looks at the letters of an import before they are stored.

    Args:
        folder: the policies, for the time before any were approved.
        client: gives a client of ClickHouse, where those in force are; without it the folder is all there is.
    """

    def __init__(self, folder: Path, client: Callable[[], Client] | None = None) -> None:
        self._folder = folder
        self._client = client

    @cached_property
    def _guard(self) -> Guard | None:
        if self._client is None:
            policy = compliance_policy.load_intake(self._folder)
        else:
            policy = rule_books.intake_at_hand(self._client(), self._folder)
        return None if policy is None else Guard(policy.prescription_counting)

    def divide(self, letters: Sequence[DeadLetter]) -> tuple[list[DeadLetter], list[DeadLetter]]:
        """The letters as they may be stored, and those whose content must go to the quarantine.

        Raises:
            PolicyError: the policy of the intake is wrong.
        """
        kept, stopped = list[DeadLetter](), list[DeadLetter]()
        for letter in letters:
            if self._guard is None or self._guard.check(letter.raw) is None:
                kept.append(letter)
                continue
            kept.append(letter.model_copy(update={"raw": b"", "message": _INSTEAD}))
            if letter.topic in MODEL_OF_TOPIC:
                stopped.append(letter)
        return kept, stopped
