"""Tax by date and cost quantiles."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import BadInput
from capacity.leasing import load_vat
from capacity.leasing.money import quantiles_idr

VAT = load_vat()


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (dt.date(2018, 5, 25), Fraction(10, 100)),
        (dt.date(2022, 3, 31), Fraction(10, 100)),
        (dt.date(2022, 4, 1), Fraction(11, 100)),
        (dt.date(2024, 12, 31), Fraction(11, 100)),
        (dt.date(2025, 1, 1), Fraction(11, 100)),
    ],
)
def test_rate_in_force(day: dt.date, rate: Fraction) -> None:
    assert VAT.at(day).rate == rate
    assert VAT.at(day).source


def test_from_2025_the_statutory_rate_is_twelve_per_cent_of_eleven_twelfths() -> None:
    assert VAT.at(dt.date(2025, 1, 1)) != VAT.at(dt.date(2024, 12, 31))
    assert VAT.tax_idr(1_000_000_000_001, dt.date(2025, 1, 1)) == 110_000_000_000


@given(st.integers(0, 10**15), st.dates(dt.date(2018, 1, 1), dt.date(2030, 1, 1)))
def test_tax_is_whole_and_within_half_a_rupiah(base: int, day: dt.date) -> None:
    assert abs(Fraction(VAT.tax_idr(base, day)) - VAT.at(day).rate * base) <= Fraction(1, 2)


def test_no_rate_before_the_first() -> None:
    with pytest.raises(BadInput, match="no tax rate before"):
        VAT.at(dt.date(1990, 1, 1))


def test_wrong_tax_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "taxes.csv"
    path.write_text(
        "tax,start,rate,base_share,source,source_url\nppn,2018-01-01,ten,1,s,u\nppn,2019-01-01,1.5,1,s,u\n"
        "ppn,2019-01-01,0.1,1,s,u\n"
    )
    with pytest.raises(BadInput) as refusal:
        load_vat(path)
    assert len(refusal.value.faults) == 3


def test_quantiles_are_costs_that_occurred() -> None:
    totals = np.arange(1, 101) * 1_000_000
    assert quantiles_idr(totals) == (50_000_000, 80_000_000, 95_000_000)
    assert quantiles_idr([7]) == (7, 7, 7)
