"""Wrong rows that count a professional's prescriptions (R06): their content may not lie among the dead letters."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from agents.intake.guard import Guard
from schemas.events import MODEL_OF_TOPIC
from schemas.intake_policy import IntakePolicy
from schemas.outputs import DeadLetter
from streams import compliance_policy

_INSTEAD = "the row counts a professional's prescriptions (R06): it was set aside, encrypted; take it out of the file"


class LetterGuard:
    """Looks at the letters of an import before they are stored.

    Args:
        in_force: what acts at the intake of the workers; None where nothing is in force.
        folder: the policies, where nothing is in force yet.
    """

    def __init__(self, in_force: Callable[[], IntakePolicy | None], folder: Path) -> None:
        self._in_force, self._folder = in_force, folder

    @cached_property
    def _guard(self) -> Guard | None:
        policy = self._in_force() or compliance_policy.load_intake(self._folder)
        return None if policy is None else Guard(policy.prescription_counting)

    def divide(self, letters: Sequence[DeadLetter]) -> tuple[list[DeadLetter], list[DeadLetter]]:
        """The letters as they may be stored, and those whose content must go to the quarantine.

        Raises:
            UsageError: the policy of the intake is wrong.
            UnavailableError: ClickHouse does not answer.
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
