"""The two numbers of the service: NIK (who applies) and NIB (what a registration ends in).

NIK: 16 digits: province, city or regency and district (2 digits each, as the Ministry of Home Affairs codes
them), birth date DDMMYY with 40 added to the day for women, and a serial from 0001. It has no check digit.
NIB: 13 digits. The composition of the real number is not published; here 12 digits of a sequence are followed by an
ISO 7064 MOD 11,10 check digit, which finds every single wrong digit.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass

# Kemendagri codes of the 34 provinces of 2018 (source: capacity/data/provinces_2018.csv, column kemendagri_code).
PROVINCES: tuple[str, ...] = (
    *("11", "12", "13", "14", "15", "16", "17", "18", "19", "21"),
    *("31", "32", "33", "34", "35", "36", "51", "52", "53"),
    *("61", "62", "63", "64", "65", "71", "72", "73", "74", "75", "76", "81", "82", "91", "92"),
)
NIB_BASE = 812_000_000_000


@dataclass(frozen=True, slots=True)
class Nik:
    """A NIK that keeps the rules: what can be read from it."""

    text: str
    province: str
    birth: str
    female: bool


def parse_nik(text: str, today: dt.date | None = None) -> Nik:
    """The NIK in `text`. Raises ValueError with the first rule that it breaks, in words for the applicant.

    A two-digit year is read as the latest one that makes the holder at least 17 years old.
    """
    if len(text) != 16 or not (text.isascii() and text.isdigit()):
        raise ValueError("NIK harus 16 angka")
    province, city, district, serial = text[:2], int(text[2:4]), int(text[4:6]), text[12:]
    if province not in PROVINCES:
        raise ValueError(f"kode provinsi {province} tidak dikenal")
    if not (1 <= city <= 29 or 71 <= city <= 79):
        raise ValueError(f"kode kabupaten/kota {text[2:4]} tidak dikenal")
    if district == 0:
        raise ValueError("kode kecamatan tidak boleh 00")
    if serial == "0000":
        raise ValueError("nomor urut tidak boleh 0000")
    day, month, short_year = int(text[6:8]), int(text[8:10]), int(text[10:12])
    female = day > 40
    day -= 40 if female else 0
    this_year = (today or dt.date.today()).year
    latest = this_year - 17
    year = latest - (latest - short_year) % 100
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError("tanggal lahir dalam NIK tidak ada")
    return Nik(text, province, f"{year:04d}-{month:02d}-{day:02d}", female)


def check_digit(digits: str) -> str:
    """ISO 7064 MOD 11,10 check digit of a string of decimal digits."""
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return str((11 - product) % 10)


def make_nib(sequence: int) -> str:
    """The 13-digit NIB of the n-th registration, n from 1."""
    digits = str(NIB_BASE + sequence)
    if len(digits) != 12 or sequence < 1:
        raise ValueError(f"sequence {sequence} is outside 1..{10**12 - 1 - NIB_BASE}")
    return digits + check_digit(digits)


def is_nib(text: str) -> bool:
    """Whether `text` is 13 digits with the right check digit."""
    return len(text) == 13 and text.isascii() and text.isdigit() and check_digit(text[:12]) == text[12]
