"""A gateway put together for tests: real operations, a producer that remembers, and rows that are given."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
from fastapi.testclient import TestClient

from schemas.alerts import Alert
from streams.errors import InvalidError, UnavailableError
from streams.gateway.access import Bounds, Parts
from streams.gateway.app import create_app
from streams.gateway.feed import Hub
from streams.gateway.ingest import Rules
from streams.gateway.keys import ApiKey, Keys, make
from streams.gateway.limits import RateLimit
from streams.gateway.readiness import Readiness
from streams.gateway.reading import Reading
from streams.gateway.rules import RulesInForce
from streams.gateway.sender import Sender
from streams.gateway.suspicion import Suspicion, nothing
from streams.gateway.tokens import Tokens
from streams.gateway.trees import Trees

SECRET = "a secret for tests that is long enough to be one"
POLICIES = Path(__file__).parents[2] / "policies"


@dataclass
class FakeProducer:
    """Takes messages; is away, or refuses some, when told to."""

    sent: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    away: bool = False
    too_large: Callable[[bytes], bool] = lambda _value: False

    def send(self, topic: str, key: str, value: bytes | None, headers: Mapping[str, str] | None = None) -> None:
        if value is not None and self.too_large(value):
            msg = "the message is larger than the broker takes: split or shorten it"
            raise InvalidError(msg)
        self.sent.append((topic, key, value or b"", dict(headers or {})))

    def flush(self, timeout_s: float = 30.0) -> None:
        if self.away:
            msg = "the broker did not take all messages"
            raise UnavailableError(msg)

    def close(self) -> None:
        pass


class FakeReading(Reading):
    """Answers every question with rows that are given, or is away."""

    def __init__(self, answers: Callable[[str, Mapping[str, Any]], Sequence[dict[str, Any]]] | None = None) -> None:
        super().__init__(_nothing, "Asia/Shanghai")
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.asked.append((statement, dict(values or {})))
        if self.answers is None:
            msg = "ClickHouse does not answer"
            raise UnavailableError(msg)
        return list(self.answers(statement, values or {}))


def _nothing() -> Any:
    msg = "no client here"
    raise UnavailableError(msg)


class QuietFeed:
    """Brings no alerts by itself."""

    async def run(self) -> None:
        pass


def token(role: str | None, *, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token; claims that are None are left out."""
    content: dict[str, Any] = {
        "sub": "ann",
        "role": role,
        "iss": "sfe-pulse",
        "aud": "sfe-pulse",
        "exp": time.time() + 600,
        **claims,
    }
    return jwt.encode({name: value for name, value in content.items() if value is not None}, secret, algorithm)


def bearer(role: str, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(role, **claims)}"}


@dataclass
class Bench:
    """A gateway and the fakes it stands on."""

    client: TestClient
    producer: FakeProducer
    parts: Parts
    keys: dict[str, str]

    def key(self, name: str = "crm") -> dict[str, str]:
        return {"X-API-Key": self.keys[name]}


def made_keys(**named: tuple[Sequence[str], str]) -> tuple[dict[str, str], list[ApiKey]]:
    """Keys by name, and what is kept of them."""
    made = {name: make(name, kinds, source, "test") for name, (kinds, source) in named.items()}
    return {name: key for name, (key, _) in made.items()}, [kept for _, kept in made.values()]


@contextmanager
def gateway(
    reading: Reading | None = None,
    *,
    bounds: Bounds | None = None,
    per_s: float = 10_000.0,
    suspicious: Suspicion | None = None,
    in_force: RulesInForce | None = None,
    timeout_s: float = 20.0,
    kinds: Sequence[str] = ("visit", "sale", "payment", "activity", "survey", "market"),
) -> Iterator[Bench]:
    """A gateway in this process."""
    producer = FakeProducer()
    sender = Sender(producer, flush_s=1)
    reading = reading or FakeReading()
    named, kept = made_keys(crm=(kinds, "crm"), any=(kinds, ""), visits=(("visit",), ""))
    rules = Rules(100_000, timedelta(days=1), suspicious or nothing)
    parts = Parts(
        tokens=Tokens({"HS256": SECRET}, "sfe-pulse", "sfe-pulse"),
        keys=Keys(lambda: kept),
        limit=RateLimit(per_s, 1.0, time.monotonic),
        bounds=bounds or Bounds(1_000_000, 100_000, 1_000),
        rules=rules,
        sender=sender,
        reading=reading,
        hub=Hub(10, 2),
        in_force=in_force or RulesInForce(POLICIES),
        readiness=Readiness({"broker": lambda: None, "clickhouse": lambda: reading.rows("SELECT 1")}),
        trees=Trees(reading.reps_below),
    )
    sender.start()
    try:
        with TestClient(create_app(parts, QuietFeed(), timeout_s), raise_server_exceptions=False) as client:
            yield Bench(client, producer, parts, named)
    finally:
        sender.stop()


def alert(number: int = 1, **changed: Any) -> Alert:
    """An alert with an identity made of its number."""
    return Alert.model_validate(
        {
            "alert_id": f"{number:032x}",
            "rule_id": "R11",
            "rule_version": 3,
            "title": {"zh": "餐费超标", "en": "Meal above the limit"},
            "severity": "avoid",
            "colour": "amber",
            "message": {"zh": "人均 480 元", "en": "480 yuan a person"},
            "subject_kind": "rep",
            "subject_id": "R-1",
            "rep_id": "R-1",
            "region_id": "east",
            "event_kind": "activity",
            "event_id": f"A-{number}",
            "occurred_at": "2026-03-02T09:30:00+08:00",
            "raised_at": f"2026-03-02T01:30:{number % 60:02d}.412Z",
            "owner": "compliance",
            "basis": [{"article": "第四条", "source": "Code"}],
            "explanation": {"text": "a > b", "value": "yes"},
            **changed,
        }
    )
