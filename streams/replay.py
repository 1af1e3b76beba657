"""Send dead letters to their topics again, byte for byte, under the key their content asks for."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from schemas.events import MODEL_OF_TOPIC
from schemas.outputs import DeadLetter
from streams import dead_letters
from streams.errors import InvalidError
from streams.producer import BulkProducer
from streams.topics import ALERTS, COMMANDS, HEADER_REPLAY, SHARD_TOPICS

#: Letters sent before they are marked; a crash in between sends them once more, which changes nothing.
_BATCH = 200

#: Field that names the case, by topic of the desk.
_CASE_FIELD = {ALERTS: "alert_id", COMMANDS: "case_id"}
_MEND = (
    "import its file once more with --rejected NEW-FILE, mend the line there and import that; or put the mended line, "
    "with the header, into a new file"
)


@dataclass
class Outcome:
    """What became of each letter, by full id."""

    replayed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """With the reason, which says what to do."""


def replay(client: Client, kafka_url: str, ids: Iterable[str], *, again: bool = False) -> Outcome:
    """Send the letters with these ids (or beginnings of ids) again and mark them replayed.

    Args:
        client: of ClickHouse, a writer.
        kafka_url: where they go.
        ids: of the letters.
        again: send also those that were replayed before.

    Raises:
        UsageError: an id fits no letter, or several.
        UnavailableError: Kafka or ClickHouse does not answer; what was marked is sent.
    """
    outcome = Outcome()
    producer = BulkProducer(kafka_url, "pulse-replay")
    sent: list[DeadLetter] = []
    try:
        for letter in (dead_letters.get(client, one) for one in ids):
            try:
                _refuse_replayed(letter, again=again)
                producer.send(
                    letter.topic, key_of(letter), dead_letters.value_of(letter), {HEADER_REPLAY: letter.dead_letter_id}
                )
            except InvalidError as error:
                outcome.refused[letter.dead_letter_id] = str(error)
                continue
            sent.append(letter)
            if len(sent) >= _BATCH:
                _mark(client, producer, sent, outcome)
        _mark(client, producer, sent, outcome)
    finally:
        producer.close()
    return outcome


def key_of(letter: DeadLetter) -> str:
    """Message key: the rep or territory its content names, else the key it had.

    Raises:
        InvalidError: it cannot be sent; the message says what to do instead.
    """
    if letter.topic in _CASE_FIELD:
        return str(_content(letter.raw).get(_CASE_FIELD[letter.topic]) or _old_key(letter))
    if letter.topic not in SHARD_TOPICS:
        msg = f"it was meant for {letter.topic}, which is no topic of events: {_MEND}"
        raise InvalidError(msg)
    content = _content(letter.raw)
    if letter.origin == "import" and not _is_event(letter.topic, letter.raw):
        msg = f"it is a line of a file, not an event: {_MEND}"
        raise InvalidError(msg)
    model = MODEL_OF_TOPIC.get(letter.topic)
    named = content.get(model.owner_field) if model is not None else None
    if isinstance(named, str) and named:
        return named
    return _old_key(letter)


def _refuse_replayed(letter: DeadLetter, *, again: bool) -> None:
    if letter.status == "replayed" and not again:
        msg = "it was replayed before: add --again to send it once more"
        raise InvalidError(msg)


def _mark(client: Client, producer: BulkProducer, sent: list[DeadLetter], outcome: Outcome) -> None:
    producer.flush()
    dead_letters.mark_replayed(client, sent)
    outcome.replayed += [letter.dead_letter_id for letter in sent]
    sent.clear()


def _old_key(letter: DeadLetter) -> str:
    try:
        key = (letter.key or b"").decode()
    except UnicodeDecodeError:
        key = ""
    if not key:
        msg = "neither its content nor its old key names a representative: let the source system send it again"
        raise InvalidError(msg)
    return key


def _content(raw: bytes) -> dict[str, object]:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_event(topic: str, raw: bytes) -> bool:
    model = MODEL_OF_TOPIC.get(topic)
    if model is None:
        return False
    try:
        model.model_validate_json(raw)
    except ValidationError:
        return False
    return True
