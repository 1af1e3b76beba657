"""Structured logs on stderr: a moment, a level, what happened, and key=value pairs; as text or as JSON lines."""

import logging
import sys
from typing import Any, Protocol

import structlog
from structlog.typing import Processor

from streams.settings import Settings

#: Libraries that talk much at `info`; they are heard from `warning` on, unless the level is `debug`.
_TALKATIVE = ("aiohttp", "aiokafka", "asyncio", "clickhouse_connect", "faust", "mode", "stamina", "urllib3")


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> int:
        """Take text."""

    def flush(self) -> None:
        """Hand it on."""

    def isatty(self) -> bool:
        """Whether a person watches."""


_SILENCE_S = 10.0


def setup(settings: Settings, stream: Stream | None = None, **context: Any) -> None:
    """Send structlog and the standard library's logging to `stream` (stderr), one line an entry.

    Args:
        settings: `log_level` and `log_json`.
        stream: where lines go; stderr when left out.
        context: pairs that every line carries, for example `worker=0`.
    """
    out = stream or sys.stderr
    _route_standard_library(logging.getLevelNamesMapping()[settings.log_level.upper()], out, settings.log_json)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**context)


def _route_standard_library(level: int, out: Stream, as_json: bool) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendered(out, as_json)],
        )
    )
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else max(level, logging.WARNING))
    logging.captureWarnings(True)


class _Repeats(logging.Filter):
    """Lets a library say the same thing once in ten seconds; a client whose server is away says it all the time."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        if not record.name.startswith(_TALKATIVE) or not isinstance(record.msg, str):
            return True
        key = (record.name, record.msg)
        if record.created - self._said.get(key, -_SILENCE_S) < _SILENCE_S:
            return False
        self._said[key] = record.created
        return True


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendered(out: Stream, as_json: bool) -> list[Processor]:
    if as_json:
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    ]
