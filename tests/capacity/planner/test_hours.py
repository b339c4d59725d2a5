"""One hour explained: clocks, kind of day, surge, and the sum over provinces that the model itself uses."""

from __future__ import annotations

import pytest

from capacity.assembly.hours import explain_hour
from capacity.faults import BadInput
from tests.capacity.nation import national


def told(where: str, language: str = "en") -> str:
    return "\n".join(s.text for s in explain_hour(national(), where, language))  # type: ignore[arg-type]


def test_the_opening_hour_of_phase_3_names_clocks_surge_and_provinces() -> None:
    text = told("hour.2019-02-04T10")
    for words in ("Monday", "10:00 WIB, 11:00 WITA, 12:00 WIT", "phase 3: day 1 since its launch, demand 5.25 times"):
        assert words in text
    for words in ("Portal visitors", "ID-JB (WIB)", "most from"):
        assert words in text
    assert "Senin" in told("hour.2019-02-04T10", "id")


def test_the_hour_before_a_phase_opens_has_none_of_it() -> None:
    assert "phase 3: not launched yet" in told("hour.2019-02-04T09")


def test_holidays_and_ramadan_are_said() -> None:
    assert "holiday or joint leave" in told("hour.2019-06-05T10")
    assert "Ramadan" in told("hour.2019-05-15T10")
    assert "Ramadan" not in told("hour.2019-04-15T10")


@pytest.mark.parametrize("where", ["hour.soon", "hour.2017-01-01T10", "hour.2019-02-04T10+07:00"])
def test_what_is_no_hour_of_the_horizon_is_refused_with_an_example(where: str) -> None:
    with pytest.raises(BadInput, match=r"hour\.2019-02-04T10"):
        told(where)
