"""fakeredis behind a loopback port: in memory, gone with the process."""

import os
import select
import socket
import threading

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler

from streams.errors import UsageError

_PUSH_INTERVAL_MS = 10
_READ_BYTES = 1 << 16  # larger pieces slow fakeredis' parser for many commands, smaller ones for large values


class LocalRedis:
    """A Redis server on loopback.

    Args:
        port: 0 takes a free one.

    Raises:
        UsageError: the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        try:
            self._server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            msg = f"port {port} for Redis cannot be used ({reason}): stop what holds it, or give another --redis-port"
            raise UsageError(msg) from None
        self._server.daemon_threads = True
        self._server.RequestHandlerClass = _Handler
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}/0"
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="redis", daemon=True).start()

    def close(self) -> None:
        """Stop accepting and close the port; open connections end with the process."""
        self._server.shutdown()
        self._server.socket.close()


class _Handler(TCPFakeRequestHandler):  # type: ignore[misc]
    """Reads whole pieces instead of lines, waits for slow takers of large replies, survives a command's error."""

    def setup(self) -> None:
        super().setup()
        self.connection.setblocking(True)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._readable = select.poll()
        self._readable.register(self.connection, select.POLLIN)

    def handle(self) -> None:
        try:
            while self._serve_once():
                pass
        except OSError:  # the client went away
            return

    def _serve_once(self) -> bool:
        while self.current_client.can_read():
            self.writer.dump(self._reply())
        if not self._readable.poll(_PUSH_INTERVAL_MS):
            return True
        data = self.connection.recv(_READ_BYTES)
        if data:
            self.current_client.get_socket().sendall(data)
        return bool(data)

    def _reply(self) -> object:
        try:
            return self.current_client.read_response()
        except Exception as error:
            return error
