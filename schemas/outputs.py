"""What the engine itself puts out: dead letters, counters, node messages."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Model, Moment


class DeadLetter(Model):
    """An input that could not be used, with everything needed to understand and replay it."""

    dead_letter_id: str
    """Hash of where it came from and what it held: the same failure seen twice is one dead letter."""
    at: Moment
    """When it was set aside."""
    origin: Literal["stream", "import"]
    topic: str
    """Topic it arrived on, or was meant for."""
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    """Imported file."""
    line: int | None = None
    """Line or row number in the file, the header being line 1."""
    key: bytes | None = None
    raw: bytes
    """The message or line as it came; empty when it had no value."""
    has_value: bool = True
    """Whether the message had a value at all, be it an empty one."""
    step: Annotated[str, Field(max_length=64)]
    """Step that refused it: decode, time, known, dedupe, cells, …"""
    error_class: Annotated[str, Field(max_length=64)]
    message: str
    """What is wrong and what to do."""
    status: Literal["open", "replayed"] = "open"
