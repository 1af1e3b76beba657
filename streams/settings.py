"""Settings of every process: one frozen tree, read from `PULSE_*` variables and `.env`."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.errors import UsageError

_PREFIX = "PULSE_"
#: Addresses and keys of the channels that policies/delivery.yaml names.
_CHANNEL = "CHANNEL_"
_WRITTEN = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=", re.MULTILINE)
#: Names that others read: docker-compose.yml, and a worker about its supervisor.
_OTHERS = frozenset(
    {
        "PULSE_CLICKHOUSE_PASSWORD",
        "PULSE_CLICKHOUSE_READER_PASSWORD",
        "PULSE_REDIS_PASSWORD",
        "PULSE_GRAFANA_PASSWORD",
        "PULSE_HOST_GRAFANA_PORT",
        "PULSE_HOST_GATEWAY_PORT",
        "PULSE_HOST_CLICKHOUSE_PORT",
        "PULSE_HOST_KAFKA_PORT",
        "PULSE_HOST_REDIS_PORT",
        "PULSE_PARENT_PID",
    }
)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        msg = f"no zone is called {name}: take one such as Asia/Shanghai"
        raise ValueError(msg) from None
    return name


class Settings(BaseSettings):
    """Where the services are and how the engine behaves. Each field is `PULSE_` + its name in upper case."""

    model_config = SettingsConfigDict(
        env_prefix="PULSE_",
        env_file=".env",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    kafka_url: str | None = None
    """Kafka bootstrap servers, `host:port[,host:port]`. Empty: `pulse up` starts the local broker."""
    redis_url: SecretStr | None = None
    """`redis://[user:password@]host:port/db`. Empty: `pulse up` starts the local Redis."""
    clickhouse_url: SecretStr | None = None
    """`http://user:password@host:port/database` of the writer. Empty: `pulse up` starts the local ClickHouse."""
    clickhouse_reader_url: SecretStr | None = None
    """The same for the read-only user that boards and `pulse sql` use."""

    data: Path = Path("data")
    """Folder of the local services: ClickHouse files, passwords, the lock."""
    policies: Path = Path("policies")
    """Folder of the company's own text: KPIs, mappings, targets."""
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    """IANA zone of company days and periods."""

    group: str = "pulse"
    """Kafka consumer group and prefix of the Redis keys: one per company."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8
    """Partitions of topics that are created; existing topics keep theirs."""
    replication: Annotated[int, Field(ge=1, le=7)] = 1
    """Replication factor of topics that are created; 3 on a cluster."""
    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    """Kafka takes a silent worker's shards away after this long."""
    assign_delay_s: Annotated[float, Field(ge=0, le=5)] = 0.0
    """The group leader waits this long before it hands out shards; brokers that answer late followers badly need it."""
    fetch_wait_ms: Annotated[int, Field(ge=1, le=5000)] = 15
    """How long Kafka may hold a fetch back to fill it."""
    broker_partition_bytes: Annotated[int, Field(ge=0)] = 0
    """What the broker keeps of a partition; imports stay within it. 0: more than any import."""

    checkpoint_interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Time between two checkpoints of a shard."""
    checkpoint_events: Annotated[int, Field(ge=100)] = 50_000
    """A shard that took this many events waits for its checkpoint before it takes more."""
    max_event_bytes: Annotated[int, Field(ge=1_000)] = 1_000_000
    """Larger messages go to the dead letters."""
    rule_lateness_days: Annotated[int, Field(ge=1, le=3_660)] = 31
    """How late an event may come and still find its whole past: more memory, and a longer start, the more."""
    unknown_grace_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    """How long an event that names an unknown rep or institution waits for reference data."""
    future_tolerance_s: Annotated[float, Field(ge=0)] = 86_400.0
    """Events dated further ahead of the clock go to the dead letters."""
    dead_letter_limit: Annotated[int, Field(ge=1)] = 1_000
    """A worker stops when a partition sends more than this, and more than half of its events, there within a minute."""

    quarantine_key: str | None = None
    """Public key that quarantined content is sealed with, base64. Empty: content is dropped, its hash alone is kept."""
    quarantine_key_file: Path | None = None
    """File that holds it, as `pulse quarantine keygen` writes it. Empty: `pulse up` makes one in its data folder."""

    boards_port: Annotated[int, Field(ge=0, le=65_535)] = 8300
    """Loopback port of the page with the boards; `pulse up` takes a free one when it is in use. 0: a free one."""
    boards_url: str | None = None
    """Address under which people reach the boards; messages about alerts link to the case there. Empty: no link."""
    grafana_url: str | None = None
    """Address of the Grafana that `pulse boards publish` publishes to."""
    grafana_token: SecretStr | None = None
    """Token of a service account of that Grafana with the role Admin."""

    gateway_host: str = "127.0.0.1"
    """Address the gateway listens on; another than loopback only behind TLS."""
    gateway_port: Annotated[int, Field(ge=0, le=65_535)] = 8124
    """Port of the gateway; `pulse up` takes a free one when it is in use. 0: a free one."""
    gateway_body_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = 8_000_000
    """Largest body of a batch of events."""
    gateway_batch_events: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Most events of a batch."""
    gateway_requests_per_s: Annotated[float, Field(gt=0)] = 50.0
    """Requests a second of one person or key, over a few seconds; a batch counts once more for each 100 events."""
    gateway_streams: Annotated[int, Field(ge=0)] = 200
    """Streams of live alerts open at one time."""
    gateway_timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Longest time of a request."""
    jwt_secret: SecretStr | None = None
    """Secret of people's tokens (HS256), 32 bytes or more. Empty: `pulse up` makes one in the data folder."""
    jwt_public_key: str | None = None
    """RSA public key of the identity provider (RS256): PEM text, or the path of a file with it."""
    jwt_issuer: str = "sfe-pulse"
    """Who must have issued a token (iss)."""
    jwt_audience: str = "sfe-pulse"
    """Whom a token must be meant for (aud)."""

    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Loopback port of a worker's /metrics and /health. 0: a free one, named in the log."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """debug, info, warning or error."""
    log_json: bool = False
    """Log lines as JSON objects instead of text."""


def load() -> Settings:
    """Settings from the environment.

    Raises:
        UsageError: naming the variable that is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "PULSE_" + "_".join(str(part) for part in first["loc"]).upper()
        msg = f"{name} is wrong: {first['msg'].removeprefix('Value error, ')}"
        raise UsageError(msg) from None


def unknown_names(names: Iterable[str]) -> Iterator[str]:
    """A line for every variable that looks like a setting and is none.

    Example:
        >>> list(unknown_names(["PULSE_PARTITONS", "HOME"]))
        ['note: PULSE_PARTITONS is no setting and has no effect: did you mean PULSE_PARTITIONS?']
    """
    known = [name.upper() for name in Settings.model_fields]
    for name in sorted(names):
        bare = name.upper().removeprefix(_PREFIX)
        is_ours = bare in known or name.upper() in _OTHERS or bare.startswith(_CHANNEL)
        if bare != name.upper() and not is_ours:
            close = get_close_matches(bare, known, n=1)
            hint = f"did you mean {_PREFIX}{close[0]}?" if close else "`.env.example` lists all settings"
            yield f"note: {name} is no setting and has no effect: {hint}"


def names_set() -> set[str]:
    """Names in the environment and in `.env`."""
    try:
        written = Path(".env").read_text(encoding="utf-8", errors="replace")
    except OSError:
        written = ""
    return {*os.environ, *_WRITTEN.findall(written)}
