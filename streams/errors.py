"""What can go wrong, and what becomes of it.

PulseError
├── InvalidError       the event or file is wrong: dead letter, go on
├── UnavailableError   a service does not answer: back off, keep the offset, try again
├── LostError          the shard in the store is not ours: drop our copy, touch nothing
└── UsageError         the person at the keyboard can mend it: one line, exit 2
    └── DeadLetterLimitError   too much of a topic is unusable: stop until somebody looks
"""


class PulseError(Exception):
    """Base of all errors this product raises on purpose."""


class InvalidError(PulseError):
    """The input is wrong and will stay wrong; it belongs in the dead letters."""


class UnavailableError(PulseError):
    """A service is away; the same attempt may succeed later."""


class LostError(PulseError):
    """The shard in the store does not go with this copy.

    Attributes:
        holder: token in force: another worker's; None when nobody holds the shard; our own when the store was set back.
    """

    def __init__(self, message: str = "", holder: str | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class UsageError(PulseError):
    """The command cannot run as asked; the message says what to do."""


class DeadLetterLimitError(UsageError):
    """Too large a part of a shard's events is unusable; going on would empty the topic into the dead letters."""
