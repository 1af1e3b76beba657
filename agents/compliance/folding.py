"""Texts as rules compare them: without regard to case and width."""

import unicodedata
from functools import lru_cache


@lru_cache(512)
def fold(text: str) -> str:
    """The text without case, full-width characters as narrow ones.

    >>> fold("ＳＰＡ会所")
    'spa会所'
    """
    return fold_once(text)


def fold_once(text: str) -> str:
    """The same, and not remembered: for texts that may be as long as a message."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
