"""Two languages in one text: `[[中文|English]]` becomes one or the other."""

import re
from typing import Literal

Language = Literal["zh-CN", "en"]

#: The first is what a page shows that was asked for none.
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")

_PAIR = re.compile(r"\[\[([^|\[\]]*)\|([^|\[\]]*)\]\]")


def localised(text: str, language: Language) -> str:
    """The text in one language.

    >>> localised("SELECT owner_name[[|_en]] FROM lights_now", "en")
    'SELECT owner_name_en FROM lights_now'
    """
    return _PAIR.sub(lambda pair: pair[1] if language == "zh-CN" else pair[2], text)
