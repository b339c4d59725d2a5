"""Amounts in words: known values, and that words grow only with the number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.report.words import LARGEST, english, terbilang


@pytest.mark.parametrize(
    ("number", "indonesian", "in_english"),
    [
        (0, "nol", "zero"),
        (11, "sebelas", "eleven"),
        (19, "sembilan belas", "nineteen"),
        (21, "dua puluh satu", "twenty-one"),
        (100, "seratus", "one hundred"),
        (1_000, "seribu", "one thousand"),
        (1_001, "seribu satu", "one thousand one"),
        (11_000, "sebelas ribu", "eleven thousand"),
        (101_000, "seratus satu ribu", "one hundred one thousand"),
        (1_000_000, "satu juta", "one million"),
        (2_000_150_000, "dua miliar seratus lima puluh ribu", "two billion one hundred fifty thousand"),
        (-5, "minus lima", "minus five"),
    ],
)
def test_known_amounts(number: int, indonesian: str, in_english: str) -> None:
    assert terbilang(number) == indonesian
    assert english(number) == in_english


_DIGITS = ("nol", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan")
_VALUES = {w: n for n, w in enumerate(_DIGITS)}
_SCALES = {"ribu": 10**3, "juta": 10**6, "miliar": 10**9, "triliun": 10**12, "kuadriliun": 10**15}


def _read(words: str) -> int:
    """Reads terbilang back, by a grammar written apart from the one under test."""
    for short, long in (("sepuluh", "satu puluh"), ("sebelas", "satu belas"), ("seratus", "satu ratus")):
        words = words.replace(short, long)
    total = group = last = 0
    for word in words.replace("seribu", "satu ribu").split():
        if word in _VALUES:
            last = _VALUES[word]
            group += last
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        else:
            group += {"belas": 10, "puluh": 9 * last, "ratus": 99 * last}[word]
    return total + group


@given(st.integers(0, LARGEST))
def test_words_read_back_as_the_number(number: int) -> None:
    assert _read(terbilang(number)) == number


def test_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        terbilang(LARGEST + 1)
