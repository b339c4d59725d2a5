"""Amounts in words: Indonesian (terbilang) and English. Pure.

Indonesian by the usual rules of number words: `se-` for one before belas, puluh, ratus and ribu, but `satu juta`.
"""

from __future__ import annotations

_ID_UNITS = (
    "nol",
    "satu",
    "dua",
    "tiga",
    "empat",
    "lima",
    "enam",
    "tujuh",
    "delapan",
    "sembilan",
    "sepuluh",
    "sebelas",
)
_ID_SCALES = ("", " ribu", " juta", " miliar", " triliun", " kuadriliun")

_EN_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_EN_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_SCALES = ("", " thousand", " million", " billion", " trillion", " quadrillion")

LARGEST = 10**18 - 1


def terbilang(number: int) -> str:
    """`number` in Indonesian words. ValueError beyond ±(10^18 - 1)."""
    if number < 0:
        return "minus " + terbilang(-number)
    groups = _groups(number)
    if not groups:
        return _ID_UNITS[0]
    return " ".join("seribu" if (n, k) == (1, 1) else _id_below_1000(n) + _ID_SCALES[k] for n, k in groups)


def english(number: int) -> str:
    """`number` in English words (short scale). ValueError beyond ±(10^18 - 1)."""
    if number < 0:
        return "minus " + english(-number)
    groups = _groups(number)
    return " ".join(_en_below_1000(n) + _EN_SCALES[k] for n, k in groups) if groups else _EN_UNITS[0]


def _groups(number: int) -> list[tuple[int, int]]:
    """Non-zero groups of three digits with their place, the highest first."""
    if number > LARGEST:
        raise ValueError(f"{number} is too large for words; the largest is {LARGEST}")
    groups = []
    place = 0
    while number:
        number, group = divmod(number, 1000)
        if group:
            groups.append((group, place))
        place += 1
    return groups[::-1]


def _id_below_1000(n: int) -> str:
    if n < 12:
        return _ID_UNITS[n]
    if n < 20:
        return _ID_UNITS[n - 10] + " belas"
    if n < 100:
        tens, rest = divmod(n, 10)
        return _joined(_ID_UNITS[tens] + " puluh", rest)
    hundreds, rest = divmod(n, 100)
    return _joined("seratus" if hundreds == 1 else _ID_UNITS[hundreds] + " ratus", rest)


def _joined(head: str, rest: int) -> str:
    return f"{head} {_id_below_1000(rest)}" if rest else head


def _en_below_1000(n: int) -> str:
    if n < 20:
        return _EN_UNITS[n]
    if n < 100:
        tens, rest = divmod(n, 10)
        return _EN_TENS[tens] + (f"-{_EN_UNITS[rest]}" if rest else "")
    hundreds, rest = divmod(n, 100)
    return f"{_EN_UNITS[hundreds]} hundred" + (f" {_en_below_1000(rest)}" if rest else "")
