"""The privacy guard (R06) at the gateway: what it suspects is handed on to the stream and repeated to nobody."""

from collections.abc import Callable
from pathlib import Path

from agents.intake.guard import Guard
from schemas.intake_policy import IntakePolicy
from streams import policies
from streams.compliance_policy import FOLDER, INTAKE_FILE

#: Whether bytes may hold what must not be repeated to anybody.
Suspicion = Callable[[bytes], bool]


def nothing(_raw: bytes) -> bool:
    """Suspects nothing."""
    return False


def intake_policy(folder: Path) -> IntakePolicy | None:
    """What the intake must not let through; None where the policies do not say.

    Raises:
        PolicyError: the text is wrong.
        UsageError: it cannot be read.
    """
    path = folder / FOLDER / INTAKE_FILE
    if not path.is_file():
        return None
    text = policies.read(path.parent, path.name)
    return policies.parse_as(IntakePolicy, text, str(path), "it needs `prescription_counting`")


def suspicion_of(folder: Path) -> Suspicion:
    """What the policies in a folder make suspicious.

    Raises:
        PolicyError: the text is wrong.
        UsageError: it cannot be read.
    """
    policy = intake_policy(folder)
    if policy is None:
        return nothing
    guard = Guard(policy.prescription_counting)
    return lambda raw: guard.suspicious(raw) is not None
