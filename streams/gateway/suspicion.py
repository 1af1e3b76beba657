"""The privacy guard (R06) at the gateway: what it suspects is handed on to the stream and repeated to nobody."""

from collections.abc import Callable
from pathlib import Path

from agents.intake.guard import Guard
from streams.compliance_policy import load_intake

#: Whether bytes may hold what must not be repeated to anybody.
Suspicion = Callable[[bytes], bool]


def nothing(_raw: bytes) -> bool:
    """Suspects nothing."""
    return False


def suspicion_of(folder: Path) -> Suspicion:
    """What the policies in a folder make suspicious.

    Raises:
        PolicyError: the text is wrong.
        UsageError: it cannot be read.
    """
    policy = load_intake(folder)
    if policy is None:
        return nothing
    guard = Guard(policy.prescription_counting)
    return lambda raw: guard.suspicious(raw) is not None
