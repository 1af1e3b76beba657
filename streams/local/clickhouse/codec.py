"""Content encodings of the HTTP interface: gzip, deflate, lz4 frames, zstd."""

import sys
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame

from streams.local.clickhouse.errors import BAD_ARGUMENTS, refusal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PREFERRED = ("lz4", "zstd", "gzip", "deflate")


class Encoder:
    """Compresses an answer piece by piece.

    Args:
        accepted: the request's Accept-Encoding; empty for an answer as it is.
    """

    def __init__(self, accepted: str) -> None:
        offers = [offer.split(";")[0].strip().lower() for offer in accepted.split(",")]
        self.name = next((offer for offer in offers if offer in _PREFERRED), "")
        self._compressor: Any = _compressor(self.name)
        self._head: bytes = self._compressor.begin() if self.name == "lz4" else b""

    def feed(self, data: bytes) -> bytes:
        """What can be sent after `data`."""
        if self._compressor is None:
            return data
        head, self._head = self._head, b""
        return head + bytes(self._compressor.compress(data))

    def finish(self) -> bytes:
        """The rest."""
        return b"" if self._compressor is None else self._head + bytes(self._compressor.flush())


class Decoder:
    """Expands a body piece by piece; frames or members may follow one another.

    Args:
        name: the request's Content-Encoding; empty for a body as it is.

    Raises:
        ClickHouseError: the encoding is not known.
    """

    def __init__(self, name: str) -> None:
        if name not in _DECOMPRESSORS:
            raise refusal(BAD_ARGUMENTS, f"Unknown content encoding {name!r}: use lz4, zstd, gzip or deflate.")
        self._make = _DECOMPRESSORS[name]
        self._decompressor: Any = self._make()

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that `data` completes.

        Raises:
            ClickHouseError: the body is not what its Content-Encoding says.
        """
        if self._decompressor is None:
            return data
        plain = []
        try:
            while data:
                if self._decompressor.eof:
                    self._decompressor = self._make()
                plain.append(self._decompressor.decompress(data))
                data = self._decompressor.unused_data if self._decompressor.eof else b""
        except (RuntimeError, zlib.error, zstd.ZstdError) as error:
            raise refusal(BAD_ARGUMENTS, f"Cannot decompress the body: {error}.") from None
        return b"".join(plain)


def _compressor(name: str) -> Any:
    match name:
        case "lz4":
            return lz4.frame.LZ4FrameCompressor(block_linked=False)
        case "zstd":
            return zstd.ZstdCompressor(1)
        case "gzip":
            return zlib.compressobj(3, zlib.DEFLATED, 31)
        case "deflate":
            return zlib.compressobj(3, zlib.DEFLATED, 15)
    return None


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "": lambda: None,
    "identity": lambda: None,
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(47),
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
}
