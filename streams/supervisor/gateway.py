"""The gateway as a part of `pulse up`: on loopback, with a secret kept in the data folder."""

import sys
from pathlib import Path

from streams.gateway.tokens import ensure_secret
from streams.logs import Stream
from streams.settings import Settings
from streams.supervisor.companion import Companion
from streams.supervisor.page import free_port
from streams.supervisor.services import environment


class Gateway(Companion):
    """The child and where it listens.

    Args:
        settings: with the URLs of running services.
        folder: where its log is written.
        loud: where its warnings go.

    Raises:
        UsageError: the secret cannot be kept in the data folder.
    """

    def __init__(self, settings: Settings, folder: Path, loud: Stream) -> None:
        port = free_port(settings.gateway_port)
        secret = ensure_secret(settings)
        command = (sys.executable, "-m", "streams.cli", "gateway", "--host", "127.0.0.1", "--port", str(port))
        self.url = f"http://127.0.0.1:{port}/"
        variables = environment(settings, {"PULSE_JWT_SECRET": secret})
        super().__init__("gateway", command, variables, folder, loud)
