"""WeCom and DingTalk answer 200 to what they refuse, with a code in the body that apprise does not look at.

Their plugins get another `requests`, in which such an answer is a failure: a key that does not hold, a message too
long or one too many a minute would count as told otherwise.
"""

import logging
from typing import Any

import orjson

_REFUSED = 422
_LONGEST = 200
#: WeCom refuses a longer text: 2,048 bytes, which are 680 Chinese characters; apprise counts characters.
_WECOM_BYTES = 2_048
_NO_LIMIT = 1_000_000
_MORE = "\n…"


class _Looking:
    """The library `requests`, as a plugin uses it, but that it looks into answers.

    Args:
        requests: the library.
    """

    def __init__(self, requests: Any) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._requests, name)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """One request; an answer that refuses it does not say 200."""
        answer = self._requests.post(*args, **kwargs)
        if refusal := refusal_in(answer.content):
            logging.getLogger("apprise").warning(refusal)  # the outcome takes the first warning for the reason
            answer.status_code = _REFUSED
        return answer


def refusal_in(content: bytes) -> str:
    """Why a robot refused a message; empty when it did not.

    >>> refusal_in(b'{"errcode": 93000, "errmsg": "invalid webhook url"}')
    'refused with errcode 93000: invalid webhook url'
    """
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""  # the status is all there is to go by
    code = said.get("errcode") if isinstance(said, dict) else None
    return f"refused with errcode {code}: {said.get('errmsg')}"[:_LONGEST] if code else ""


def most_bytes(service: Any) -> int:
    """How long title and text may be together, where that is counted in bytes; a line break is left room for."""
    return _WECOM_BYTES - 2 if service.secure_protocol == "wecombot" else _NO_LIMIT


def shortened(text: str, most: int) -> str:
    """As many of the lines as fit into so many bytes.

    >>> shortened("one, two, three, four", 12).splitlines()
    ['one, two', '…']
    """
    if len(text.encode()) <= most:
        return text
    begun = text.encode()[: most - len(_MORE.encode())].decode(errors="ignore")
    lines = begun.rpartition("\n")[0]
    return f"{lines or begun}{_MORE}"


def look_into_answers() -> None:
    """Have the plugins of both look into answers; done once for the process."""
    from apprise.plugins import dingtalk, wecombot  # noqa: PLC0415 - loading apprise takes its time

    for plugin in (dingtalk, wecombot):
        if not isinstance(plugin.requests, _Looking):
            plugin.requests = _Looking(plugin.requests)
