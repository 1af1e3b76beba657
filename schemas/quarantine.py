"""What goes to the topic `quarantine`: content that must not be kept in the open, sealed."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Model, Moment


class QuarantinedEvent(Model):
    """A message that counted a professional's prescriptions, readable with the private key of compliance alone."""

    quarantine_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Hash of the place and the content: the same message read twice is one."""
    at: Moment
    """When it was set aside."""
    topic: str
    """Topic it arrived on."""
    partition: int
    offset: int
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the content."""
    how: Literal["fields", "text"]
    """What gave it away: names of fields, or a sentence."""
    event_id: str | None = None
    """Where it is a plain identifier."""
    rep_id: str | None = None
    source: str | None = None
    key: str | None = None
    """Message key, where it is a plain identifier."""
    sealed: str | None = None
    """The content in a sealed box (X25519, XSalsa20-Poly1305), base64; empty where no key was set: then it is gone."""
