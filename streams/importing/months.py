"""Month names people write in files."""

from collections.abc import Sequence

_NAMES = {
    "english": "January February March April May June July August September October November December",
    "short": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "sept": "- - - - - - - - Sept - - -",
    "german": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "german_short": "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "austrian": "Jänner Feber Maerz - - - - - - - - -",
    "french": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "polish": "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
    "chinese": "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月",
    "digits": "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月",
}
_NUMBERS: dict[str, int] = {
    name.casefold(): number for row in _NAMES.values() for number, name in enumerate(row.split(), 1) if name != "-"
}
_LAST = 12


def month_number(text: str, names: Sequence[str] | None = None) -> int | None:
    """1 to 12 for a month's name or number; None when it is neither.

    Args:
        text: for example `January`, `Jan.`, `三月`, `03`.
        names: own names of the twelve months, instead of the known ones.

    Example:
        >>> month_number("Oktober"), month_number("3"), month_number("13")
        (10, 3, None)
    """
    wanted = text.strip().rstrip(".").casefold()
    if names is not None:
        own = [name.casefold() for name in names]
        if wanted in own:
            return own.index(wanted) + 1
    elif wanted in _NUMBERS:
        return _NUMBERS[wanted]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= _LAST:
        return int(wanted)
    return None
