"""What the privacy guard (R06) suspects at the gateway is handed on to the stream and repeated to nobody."""

from collections.abc import Callable

#: Whether bytes may hold what must not be repeated to anybody.
Suspicion = Callable[[bytes], bool]


def nothing(_raw: bytes) -> bool:
    """Suspects nothing."""
    return False
