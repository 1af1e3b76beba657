"""ClickHouse's numbered errors."""

import re

BAD_ARGUMENTS = 36
SYNTAX_ERROR = 62
READONLY = 164
QUERY_IS_TOO_LARGE = 307
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
UNKNOWN_EXCEPTION = 1002
NOT_IMPLEMENTED = 48

_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    READONLY: "READONLY",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
}
#: HTTP status of a code, as ClickHouse answers; 500 for the rest.
_STATUS = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 53, 62, 70, 115, 117, 130, 168, 386, 456, 457), 400),
    **dict.fromkeys((164, 192, 193, 497, 516), 403),
    **dict.fromkeys((16, 46, 47, 60, 81, 372), 404),
    159: 408,
    373: 423,
    48: 501,
}


class ClickHouseError(Exception):
    """A refusal as ClickHouse words it.

    Attributes:
        code: ClickHouse's error number.
        text: `Code: N. DB::Exception: …`, as it goes into the body.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """HTTP status that goes with the code."""
        return _STATUS.get(self.code, 500)


def refusal(code: int, reason: str) -> ClickHouseError:
    """An error of the endpoint itself."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {reason} ({_NAMES[code]})")


def from_engine(error: BaseException) -> ClickHouseError:
    """What the engine raised, with its own number when it names one."""
    text = str(error)
    found = re.search(r"Code: (\d+)", text)
    if found is None:
        return ClickHouseError(UNKNOWN_EXCEPTION, f"Code: {UNKNOWN_EXCEPTION}. DB::Exception: {text.strip()}")
    return ClickHouseError(int(found[1]), text[found.start() :].strip())
