"""A batch as the raw bytes of its items, exactly as they came."""

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError

from streams.gateway.problems import ProblemError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# values are not looked at here: numbers of any length cost nothing, and NaN is left to the check of the event
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)
_BLANKS = re.compile(r"[ \t\n\r]*")
_DEEPEST = 64


def items_of_lines(body: bytes, most: int) -> list[bytes]:
    r"""The lines of newline-delimited JSON; empty ones are left out.

    Raises:
        ProblemError: 413, more than `most`.

    Example:
        >>> items_of_lines(b'{"a": 1}\n\n{"a": 2}\r\n', 10)
        [b'{"a": 1}', b'{"a": 2}']
    """
    items = [line for raw in body.removeprefix(_BYTE_ORDER_MARK).split(b"\n") if (line := raw.strip(b" \t\r"))]
    if len(items) > most:
        raise _too_many(most)
    return items


def items_of_list(body: bytes, most: int) -> list[bytes]:
    """The elements of a JSON array.

    Raises:
        ProblemError: 400, it is no array; 413, it has more than `most` elements.

    Example:
        >>> items_of_list(b'[{"amount": 1.50}, {"b": "],"}]', 10)
        [b'{"amount": 1.50}', b'{"b": "],"}']
    """
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise ProblemError(400, f"the body is not UTF-8 at byte {error.start}: convert it before sending") from None
    if not text.lstrip(" \t\r\n").startswith("["):
        raise ProblemError(400, "a batch is a JSON array of events, or one event a line as application/x-ndjson")
    items = []
    try:
        for item in _elements(text):
            items.append(item.encode())
            if len(items) > most:
                raise _too_many(most)
    except JSONDecodeError as error:
        raise ProblemError(
            400, f"the array is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        ) from None
    except RecursionError:
        raise ProblemError(400, f"the array is nested too deeply: an event needs less than {_DEEPEST} levels") from None
    return items


def _elements(text: str) -> Iterator[str]:
    place = _past_blanks(text, text.index("[") + 1)
    if text[place : place + 1] == "]":
        _check_end(text, place + 1)
        return
    while True:
        start = place
        _, place = _DECODER.raw_decode(text, start)
        yield text[start:place]
        place = _past_blanks(text, place)
        mark = text[place : place + 1]
        if mark == "]":
            _check_end(text, place + 1)
            return
        if mark != ",":
            msg = "expecting ',' or ']'"
            raise JSONDecodeError(msg, text, place)
        place = _past_blanks(text, place + 1)


def _past_blanks(text: str, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place


def _check_end(text: str, place: int) -> None:
    if (end := _past_blanks(text, place)) != len(text):
        msg = "more text after the array"
        raise JSONDecodeError(msg, text, end)


def _too_many(most: int) -> ProblemError:
    return ProblemError(413, f"a batch has at most {most} events: send the rest in another request")
