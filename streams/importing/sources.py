"""From a file's name to its reader, and the identity of its content."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from schemas.mapping import Reader
from streams.errors import InvalidError, UsageError
from streams.importing.csv_source import CsvSource
from streams.importing.json_source import JsonSource
from streams.importing.lines import GZIP_ERRORS, open_content
from streams.importing.records import Source
from streams.importing.table_sources import ParquetSource, XlsxSource

_READERS: dict[str, Callable[[Path, Reader], Source]] = {
    ".csv": CsvSource,
    ".tsv": CsvSource,
    ".jsonl": JsonSource,
    ".ndjson": JsonSource,
    ".parquet": ParquetSource,
    ".xlsx": XlsxSource,
    ".xlsm": XlsxSource,
}
_PACKED = {".csv", ".tsv", ".jsonl", ".ndjson"}
_CHUNK = 1 << 20


def open_source(path: Path, reader: Reader) -> Source:
    """The reader for this file.

    Raises:
        UsageError: the file is missing, cannot be opened, or is of no known format.
        InvalidError: the file is empty or damaged.
    """
    if path.is_dir():
        msg = f"{path} is a folder: name a file"
        raise UsageError(msg)
    if not path.exists():
        msg = f"{path} does not exist: check the path"
        raise UsageError(msg)
    make = _READERS[_format(path)]
    try:
        if not path.stat().st_size:
            msg = f"{path} is empty: nothing to import"
            raise InvalidError(msg)
        return make(path, reader)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise UsageError(msg) from error


def _format(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = suffixes[-2] if packed and len(suffixes) > 1 else "".join(suffixes[-1:])
    if suffix not in _READERS or (packed and suffix not in _PACKED):
        msg = f"{path} is of no format that can be imported: use .csv, .tsv, .jsonl (each also .gz), .parquet or .xlsx"
        raise UsageError(msg)
    return suffix


def content_hash(path: Path) -> str:
    """SHA-256 of the content, hex digits; packing text with gzip or renaming the file does not change it.

    Raises:
        InvalidError: the gzip file is damaged.
    """
    digest = hashlib.sha256()
    with path.open("rb") as raw:
        content = open_content(path, raw)
        try:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
        except GZIP_ERRORS as error:
            msg = f"{path} is a damaged gzip file ({error}): get it again"
            raise InvalidError(msg) from error
    return digest.hexdigest()
