"""The services of a run: those that are set, and local stand-ins for the others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from pydantic import SecretStr

from streams.local import LocalServices, start
from streams.settings import Settings

#: Local service -> setting that names a real one.
_URL_OF = {"kafka": "kafka_url", "redis": "redis_url", "clickhouse": "clickhouse_url"}


@dataclass(frozen=True)
class Services:
    """Running services; the local ones end with the `with` block.

    Attributes:
        settings: with the URL of every service.
        local: the process of the local ones; None when all are set.
        started: names of the local ones.
    """

    settings: Settings
    local: LocalServices | None
    started: tuple[str, ...]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.local is not None:
            self.local.stop()


def missing(settings: Settings) -> tuple[str, ...]:
    """Services without a URL."""
    return tuple(service for service, name in _URL_OF.items() if getattr(settings, name) is None)


def open_services(settings: Settings, clickhouse_port: int, wanted: tuple[str, ...] | None = None) -> Services:
    """Start what is not set (of `wanted`, when given), in one child process.

    Args:
        settings: `data` is the folder of the local services.
        clickhouse_port: loopback port of the local ClickHouse; 0 takes a free one.
        wanted: services the caller needs; all when left out.

    Raises:
        UsageError: port in use, folder not writable or held by another process.
    """
    local = tuple(service for service in missing(settings) if wanted is None or service in wanted)
    if not local:
        return Services(settings, None, ())
    running = start(settings.data, local, clickhouse_port=clickhouse_port)
    return Services(with_urls(settings, running.urls), running, local)


def with_urls(settings: Settings, urls: Mapping[str, Any]) -> Settings:
    """Settings completed by what local services announced; a URL that is set stays."""
    update: dict[str, Any] = {}
    for name, value in urls.items():
        field = Settings.model_fields.get(name)
        if field is not None:
            update[name] = SecretStr(value) if SecretStr in get_args(field.annotation) else value
    return settings.model_copy(update=update)


def environment(settings: Settings, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a child that is to see exactly these settings."""
    variables = dict(os.environ)
    for name in Settings.model_fields:
        value = getattr(settings, name)
        variables.pop(f"PULSE_{name.upper()}", None)
        if value is not None:
            variables[f"PULSE_{name.upper()}"] = _text(value)
    return {**variables, **(extra or {})}


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.resolve())
    return str(value).lower() if isinstance(value, bool) else str(value)
