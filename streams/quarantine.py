"""The quarantine: content is sealed with a public key, and opened with the private key of compliance, on record.

A worker knows the public key alone: what it has sealed it cannot read again, and neither can the broker.
"""

import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, TopicPartition
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import ValidationError

from agents.intake.guard import plain_id
from agents.intake.quarantine import Stopped
from schemas.quarantine import QuarantinedEvent
from streams.clickhouse import translated
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.settings import Settings
from streams.topics import QUARANTINE

#: Names of the key files.
PRIVATE_FILE, PUBLIC_FILE = "quarantine.key", "quarantine.pub"
_TIMEOUT_S = 10.0
_KEY_BYTES = 32
#: What fits into a message beside the rest.
_MOST_SEALED = 900_000


class Sealer:
    """Seals content for whoever holds the private key.

    Args:
        key: public key, base64; None: content is dropped, and its hash alone is kept.

    Raises:
        UsageError: it is no key.
    """

    def __init__(self, key: str | None) -> None:
        self._box = None if key is None else SealedBox(PublicKey(_key_bytes(key, "PULSE_QUARANTINE_KEY")))

    @property
    def keeps(self) -> bool:
        """Whether content is kept at all."""
        return self._box is not None

    def seal(self, raw: bytes) -> str | None:
        """The content, compressed, in a sealed box, base64; None without a key, and where Kafka would not take it."""
        if self._box is None:
            return None
        sealed = b64encode(self._box.encrypt(zlib.compress(raw))).decode()
        return sealed if len(sealed) <= _MOST_SEALED else None

    def message(self, stopped: Stopped) -> QuarantinedEvent:
        """A message that was not let in, as it goes to the topic `quarantine`."""
        found = stopped.found
        return QuarantinedEvent(
            quarantine_id=stopped.quarantine_id,
            at=stopped.at,
            topic=stopped.topic,
            partition=stopped.partition,
            offset=stopped.offset,
            hash=found.hash,
            how=found.how,
            event_id=found.event_id,
            rep_id=found.rep_id,
            source=found.source,
            key=plain_id((stopped.key or b"").decode("utf-8", "replace")),
            sealed=self.seal(stopped.raw),
        )


def public_key(settings: Settings) -> str | None:
    """The public key that is set, by itself or in a file.

    Raises:
        UsageError: the file cannot be read, or is the private key's.
    """
    if settings.quarantine_key is not None:
        return settings.quarantine_key
    if settings.quarantine_key_file is None:
        return None
    if settings.quarantine_key_file.name == PRIVATE_FILE:
        private = settings.quarantine_key_file
        msg = f"PULSE_QUARANTINE_KEY_FILE: {private} is the private key: name {PUBLIC_FILE} beside it"
        raise UsageError(msg)
    return _read(settings.quarantine_key_file, "PULSE_QUARANTINE_KEY_FILE")


def make_keys(folder: Path) -> tuple[Path, Path]:
    """A new pair of keys in a folder: the private one, readable by its owner alone, and the public one.

    Raises:
        UsageError: there are keys already, or the folder cannot be written.
    """
    private, public = folder / PRIVATE_FILE, folder / PUBLIC_FILE
    key = PrivateKey.generate()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(b64encode(bytes(key)).decode() + "\n")
        public.write_text(b64encode(bytes(key.public_key)).decode() + "\n")
        public.chmod(0o644)  # workers in containers are other users
    except FileExistsError:
        msg = f"{private} is there already: what is sealed for it can be opened with it alone; choose another folder"
        if not folder.is_dir():
            msg = f"{folder} is a file: name a folder"
        raise UsageError(msg) from None
    except OSError as error:
        msg = f"{folder} cannot be written ({error.strerror}): choose another folder"
        raise UsageError(msg) from None
    return private, public


def local_keys(folder: Path) -> Path:
    """Public key file of a data folder, made with its private one at the first call."""
    if not (folder / PUBLIC_FILE).is_file():
        make_keys(folder)
    return folder / PUBLIC_FILE


def opened(event: QuarantinedEvent, private: Path) -> bytes:
    """The content of a sealed event.

    Raises:
        UsageError: the file holds no private key.
        InvalidError: the content was sealed for another key, changed, or not kept.
    """
    if event.sealed is None:
        msg = f"{event.quarantine_id} was not kept, for want of a key or for its size: ask the sender"
        raise InvalidError(msg)
    box = SealedBox(PrivateKey(_key_bytes(_read(private, "--private-key"), str(private))))
    try:
        return zlib.decompress(box.decrypt(b64decode(event.sealed)))
    except (CryptoError, ValueError, zlib.error):
        msg = f"{private} does not open {event.quarantine_id}: it was sealed for another key"
        raise InvalidError(msg) from None


def read(bootstrap: str) -> Iterator[QuarantinedEvent]:
    """Everything the topic holds, each event once, in the order of the partitions.

    Raises:
        UnavailableError: the broker does not answer.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "pulse-quarantine", "log_level": 2})
    try:
        yield from {event.quarantine_id: event for event in _messages(consumer)}.values()
    except KafkaException as error:
        msg = f"the broker does not answer: {error.args[0]}"
        raise UnavailableError(msg) from None
    finally:
        consumer.close()


def record_opening(client: Client, event: QuarantinedEvent, author: str, reason: str, at: datetime) -> None:
    """Write who opens what and why, before it is shown.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    row = [event.quarantine_id, event.hash, event.topic, event.partition, event.offset, author, reason, at]
    names = ["quarantine_id", "hash", "topic", "stream_partition", "stream_offset", "author", "reason", "opened_at"]
    with translated():
        client.insert("quarantine_openings", [row], column_names=names)


def _messages(consumer: Consumer) -> Iterator[QuarantinedEvent]:
    topic = consumer.list_topics(QUARANTINE, timeout=_TIMEOUT_S).topics[QUARANTINE]
    for number in sorted(topic.partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(QUARANTINE, number), timeout=_TIMEOUT_S)
        if low == high:
            continue
        consumer.assign([TopicPartition(QUARANTINE, number, low)])
        while True:
            message = consumer.poll(_TIMEOUT_S)
            if message is None or message.error() is not None:
                msg = f"the broker did not send {QUARANTINE}[{number}] up to {high}: try again"
                raise UnavailableError(msg)
            with suppress(ValidationError):  # somebody else than a worker wrote here
                yield QuarantinedEvent.model_validate_json(message.value() or b"")
            if message.offset() >= high - 1:
                break


def _key_bytes(key: str, where: str) -> bytes:
    try:
        found = b64decode(key.strip(), validate=True)
    except ValueError:
        found = b""
    if len(found) != _KEY_BYTES:
        msg = f"{where} holds no key: it is {_KEY_BYTES} bytes in base64, as `pulse quarantine keygen` writes it"
        raise UsageError(msg)
    return found


def _read(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        msg = f"{where}: {path} cannot be read: name a key file that `pulse quarantine keygen` wrote"
        raise UsageError(msg) from None
