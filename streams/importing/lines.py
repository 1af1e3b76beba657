"""Text files line by line: gzip or not, decoded with the place of every undecodable byte kept."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from streams.errors import InvalidError

GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
_GZIP_MAGIC = b"\x1f\x8b"
_UNDECODED = re.compile("[\udc80-\udcff]")
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_BUFFER = 1 << 20


def is_gzip(path: Path) -> bool:
    """Whether the content is gzip, whatever the name says."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def open_content(path: Path, raw: IO[bytes]) -> IO[bytes]:
    """The content of the open file `raw`, unpacked when it is gzip."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb")) if is_gzip(path) else raw


class TextFile:
    """A text file that can be read several times and tells how far it is.

    Args:
        path: the file, gzip or plain.
        encoding: name of the encoding; a byte order mark is accepted, and believed for UTF-16.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.encoding = self._with_mark(encoding)
        self._wide = self.encoding.replace("_", "-").startswith(("utf-16", "utf-32"))
        self._raw: IO[bytes] | None = None

    def _with_mark(self, encoding: str) -> str:
        with self.path.open("rb") as raw:
            try:
                head = open_content(self.path, raw).read(2)
            except GZIP_ERRORS as error:
                raise _broken(self.path, error) from error
        if head in {b"\xff\xfe", b"\xfe\xff"} and encoding.startswith("utf"):
            return "utf-16"
        return "utf-8-sig" if encoding in {"utf-8", "utf_8"} else encoding

    def lines(self) -> Iterator[str]:
        """Physical lines with their ends.

        Raises:
            InvalidError: the gzip file is damaged.
        """
        errors = "replace" if self._wide else "surrogateescape"
        with self.path.open("rb") as self._raw:
            content = open_content(self.path, self._raw)
            buffered = io.BufferedReader(content, _BUFFER)  # type: ignore[type-var]
            try:
                with io.TextIOWrapper(buffered, self.encoding, errors, newline="") as text:
                    yield from text
            except GZIP_ERRORS as error:
                raise _broken(self.path, error) from error

    def undecoded(self, text: str) -> bool:
        """Whether bytes of this text did not fit the encoding."""
        return _REPLACED in text if self._wide else _UNDECODED.search(text) is not None

    def bytes_of(self, text: str) -> bytes:
        """The bytes this text was decoded from."""
        return text.encode(self._plain(), "surrogateescape")

    def text_of(self, data: bytes) -> str:
        """The reverse of `bytes_of`."""
        return data.decode(self._plain(), "surrogateescape")

    def encoded(self, text: str) -> bytes:
        """A text of ours in the file's encoding; signs that it lacks become question marks."""
        return text.encode(self._plain(), "replace")

    @property
    def mark(self) -> bytes:
        """The byte order mark of a file in this encoding; empty where there is none."""
        if self._wide:
            return b"\xff\xfe"
        return b"\xef\xbb\xbf" if self.encoding == "utf-8-sig" else b""

    def _plain(self) -> str:
        encoding = self.encoding if not self._wide else "utf-16-le"
        return "utf-8" if encoding == "utf-8-sig" else encoding

    def position(self) -> tuple[int, int]:
        """Bytes of the file read so far, and its size."""
        if self._raw is None:
            return 0, self.size
        return self.size if self._raw.closed else self._raw.tell(), self.size


def _broken(path: Path, error: Exception) -> InvalidError:
    return InvalidError(f"{path} is a damaged gzip file ({error}): get it again")
