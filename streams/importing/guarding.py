"""Wrong rows that count a professional's prescriptions (R06): their content may not lie among the dead letters."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from agents.intake.guard import Guard
from schemas.events import MODEL_OF_TOPIC
from schemas.outputs import DeadLetter
from streams import compliance_policy

_INSTEAD = "the row counts a professional's prescriptions (R06): it was set aside, encrypted; take it out of the file"


class LetterGuard:
    """Looks at the letters of an import before they are stored.

    Args:
        folder: the policies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _guard(self) -> Guard | None:
        policy = compliance_policy.load_intake(self._folder)
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
