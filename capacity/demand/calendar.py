"""Every hour of the horizon in the time of Jakarta (WIB), and what kind of day it is in each time zone.

    h_z(t) = w_k(hour of t in z) x share(day of t in z) / mean day                                          (D9)

Public holidays and joint leave come from the package `holidays` (categories public and government); Ramadan from the
dated table that the plan names. WITA is an hour ahead of WIB, WIT two.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import holidays
import numpy as np
from numpy.typing import NDArray

from capacity.launch import Demand, HourProfile
from capacity.tables import CalendarSpan

Floats = NDArray[np.float64]

ZONES = ("WIB", "WITA", "WIT")
"""Hours ahead of WIB: the place in the list."""


@dataclass(frozen=True, slots=True)
class Day:
    """One local day. `weekday`: 0 is Monday. A holiday that falls on a weekend stays a holiday."""

    date: dt.date
    weekday: int
    holiday: bool
    ramadan: bool


@functools.cache
def holiday_dates(
    first: dt.date, last: dt.date, kinds: tuple[str, ...] = ("public", "government")
) -> frozenset[dt.date]:
    """Public holidays and joint leave (cuti bersama, `government`) of Indonesia from `first` to `last`."""
    years = range(first.year, last.year + 1)
    named = holidays.country_holidays("ID", years=years, categories=kinds)
    return frozenset(day for day in named if first <= day <= last)


def days(start: dt.date, count: int, spans: Sequence[CalendarSpan]) -> tuple[Day, ...]:
    """`count` days from `start`."""
    dates = [start + dt.timedelta(days=n) for n in range(count)]
    free = holiday_dates(dates[0], dates[-1])
    fasts = [(s.start, s.end) for s in spans if s.kind == "ramadan"]
    return tuple(Day(d, d.weekday(), d in free, any(a <= d <= b for a, b in fasts)) for d in dates)


def day_weights(profile: HourProfile, day: Day) -> Floats:
    """(24,) weight of each local hour, formula (D9) before its mean. A weekday sums to 1 whatever its shape."""
    shape = profile.weekday
    if day.ramadan and profile.ramadan is not None:
        shape = profile.ramadan
    elif day.weekday == 4 and profile.friday is not None:
        shape = profile.friday
    total = {5: profile.saturday_share, 6: profile.sunday_share}.get(day.weekday, 1.0)
    if day.holiday:
        total = min(total, profile.holiday_share)
    values = np.array(shape, float)
    return np.asarray(values / values.sum() * total)


@dataclass(frozen=True, slots=True)
class Clock:
    """`weights[profile][z, t]`: weight of WIB hour t in zone z, scaled so that the mean day of the years is 1.

    The sum over all hours of a year is then the number of its days: a volume a day, spread by the weights, is kept.
    """

    start: dt.date
    hours: int
    weights: dict[str, Floats]

    def hour(self, moment: dt.datetime) -> int:
        """Index of an hour in WIB."""
        return int((moment - dt.datetime.combine(self.start, dt.time())) / dt.timedelta(hours=1))

    def moment(self, index: int) -> dt.datetime:
        """Start of hour `index` in WIB."""
        return dt.datetime.combine(self.start, dt.time()) + dt.timedelta(hours=int(index))


def clock(start: dt.date, end: dt.date, demand: Demand, spans: Sequence[CalendarSpan]) -> Clock:
    """The hours from `start` to `end` (exclusive) with the weights of every profile in every zone."""
    count = (end - start).days
    local = days(start, count + 1, spans)
    weights = {}
    for name, profile in demand.profiles.items():
        flat = np.concatenate([day_weights(profile, day) for day in local])
        flat = flat / flat[: 24 * count].sum() * count
        weights[name] = np.stack([flat[shift : shift + 24 * count] for shift in range(len(ZONES))])
    return Clock(start, 24 * count, weights)
