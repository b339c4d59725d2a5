"""Holidays, joint leave, Ramadan and time zones, on dates that are known."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from capacity.demand.calendar import Clock, clock, day_weights, days, holiday_dates
from tests.capacity.nation import launch, national


@pytest.fixture(scope="module")
def hours() -> Clock:
    plan = launch()
    return clock(plan.horizon.start, plan.horizon_end(), plan.demand, national().calendar)


def day_of(hours: Clock, profile: str, day: dt.date, zone: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = hours.hour(dt.datetime.combine(day, dt.time())) - zone
    return hours.weights[profile][zone, first : first + 24]


def test_joint_leave_of_2018_is_known_and_a_working_day_is_not() -> None:
    free = holiday_dates(dt.date(2018, 6, 1), dt.date(2018, 6, 30))
    assert dt.date(2018, 6, 11) in free
    assert dt.date(2018, 6, 20) in free
    assert dt.date(2018, 6, 21) not in free


def test_holidays_agree_with_the_published_list_of_2018() -> None:
    listed = {
        dt.date(2018, 8, 17),
        dt.date(2018, 8, 22),
        dt.date(2018, 9, 11),
        dt.date(2018, 11, 20),
        dt.date(2018, 12, 24),
        dt.date(2018, 12, 25),
    }
    assert holiday_dates(dt.date(2018, 7, 1), dt.date(2018, 12, 31)) == listed


def test_weights_keep_a_volume_a_day(hours: Clock) -> None:
    for name, weights in hours.weights.items():
        assert weights.sum(axis=1) / (hours.hours / 24) == pytest.approx(1.0, rel=1e-4), name


def test_a_holiday_carries_the_published_share_of_a_weekday(hours: Clock) -> None:
    nyepi, ordinary = dt.date(2020, 3, 25), dt.date(2020, 3, 4)
    assert day_of(hours, "public", nyepi).sum() / day_of(hours, "public", ordinary).sum() == pytest.approx(0.24)


def test_ramadan_offices_close_earlier(hours: Clock) -> None:
    ordinary, fasting = dt.date(2019, 4, 24), dt.date(2019, 5, 15)
    assert day_of(hours, "office", ordinary)[15] > 10 * day_of(hours, "office", fasting)[15]


def test_the_east_starts_earlier_on_the_clock_of_jakarta(hours: Clock) -> None:
    day = dt.date(2018, 9, 5)
    wib, wit = day_of(hours, "office", day, 0), day_of(hours, "office", day, 2)
    assert np.allclose(wib, wit)
    midnight = hours.hour(dt.datetime.combine(day, dt.time()))
    assert hours.weights["office"][2, midnight + 6] == pytest.approx(hours.weights["office"][0, midnight + 8])


def test_friday_prayer_shows() -> None:
    profile = launch().demand.profiles["office"]
    thursday, friday = days(dt.date(2018, 9, 6), 2, ())
    assert day_weights(profile, friday)[11] < day_weights(profile, thursday)[11] / 2
