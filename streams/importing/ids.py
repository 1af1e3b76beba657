"""Ids made from data: the same input gives the same id on every machine, for ever."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_NO_WORD = re.compile(r"[\W_]+")
_SLUG = 40
_HASH = 10
#: Digits of a content's hash that go into the ids of its rows.
CONTENT_DIGITS = 16


def slug(text: str) -> str:
    """A readable form: lower case, no accents, words joined by hyphens; at most 40 characters.

    Example:
        >>> slug("Müller & Söhne GmbH")
        'muller-sohne-gmbh'
    """
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _NO_WORD.sub("-", unicodedata.normalize("NFC", letters).lower()).strip("-")[:_SLUG].rstrip("-")


def stable_id(prefix: str, parts: Sequence[str]) -> str:
    """Prefix, readable part and ten digits of a hash over the exact texts.

    The hash tells apart texts with the same readable part; two ids meet only when both agree (chance about 10⁻¹²
    for a pair with the same readable part).

    Example:
        >>> stable_id("inst", ["Rowe PLC Pharm"])
        'inst-rowe-plc-pharm-a7ff608c97'
    """
    texts = [unicodedata.normalize("NFC", part) for part in parts]
    exact = "".join(f"{len(text)}:{text}" for text in texts)
    digest = hashlib.sha256(exact.encode()).hexdigest()[:_HASH]
    return "-".join(part for part in (prefix, slug(" ".join(texts)), digest) if part)


def row_id_prefix(prefix: str, content: str) -> str:
    """What all rows of one file have in common; the row's number follows.

    Args:
        prefix: readable text.
        content: hash of the file's content, hex digits.
    """
    return f"{prefix}-{content[:CONTENT_DIGITS]}-" if prefix else f"{content[:CONTENT_DIGITS]}-"
