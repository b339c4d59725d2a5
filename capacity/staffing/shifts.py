"""Shift templates and weekly tours: who works when, under the rules on hours, breaks and rest.

A tour is one person's week: one shift, the same on every working day, and which days are worked. Hours are those of
UU 13/2003 on manpower: 40 hours a week as 8 hours on 5 days or 7 hours on 6 (art. 77), half an hour's break after at
most 4 hours (art. 79(2)a), one or two days of weekly rest (art. 79(2)b). The rest between two shifts is no part of that
law; 11 hours is the rule of EU directive 2003/88 art. 3, a stated choice here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from capacity.faults import BadInput, Fault
from capacity.staffing.desk import DAYS, SLOTS, WEEK, IntArray


@dataclass(frozen=True, order=True)
class Shift:
    """`start` and `length` in half hours, break included; the break is one half hour, `rest_after` into the shift."""

    start: int
    length: int
    rest_after: int

    @property
    def name(self) -> str:
        """Start and end by the clock, as `08:00–16:00`."""
        end = (self.start + self.length) % SLOTS
        return f"{self.start // 2:02d}:{30 * (self.start % 2):02d}–{end // 2:02d}:{30 * (end % 2):02d}"

    def at_work(self) -> list[int]:
        """Half hours since midnight of the day it starts in which the seat is taken (may run past 48)."""
        return [self.start + k for k in range(self.length) if k != self.rest_after]


@dataclass(frozen=True)
class WorkRules:
    """`paid_h` a day and `days` a week; `rest_h` between shifts; `together`: the days off are consecutive. A break
    comes after at least `earliest_break_h` and at most `latest_break_h` of work."""

    paid_h: float = 8.0
    days: int = 5
    rest_h: float = 11.0
    together: bool = True
    earliest_break_h: float = 3.0
    latest_break_h: float = 4.0


@dataclass(frozen=True)
class Tour:
    """One person's week: a shift on each day of `days` (0 is Monday)."""

    shift: Shift
    days: tuple[int, ...]

    def covers(self) -> IntArray:
        """(336,) 1 in the half hours of the week in which the person takes a seat; the week is a circle."""
        taken = np.zeros(WEEK, dtype=np.int64)
        for day in self.days:
            taken[[(day * SLOTS + slot) % WEEK for slot in self.shift.at_work()]] = 1
        return taken

    def rest_before(self, later: Tour) -> int:
        """Half hours between the end of this week's last shift and the start of next week's first under `later`."""
        ends = self.days[-1] * SLOTS + self.shift.start + self.shift.length
        return WEEK + later.days[0] * SLOTS + later.shift.start - ends


def shift_templates(open_slot: int, close_slot: int, rules: WorkRules, step: int = 1) -> tuple[Shift, ...]:
    """Shifts that fit between opening and closing (half hours; close 48 with open 0 is round the clock, where shifts
    may run past midnight), starting every `step` half hours, with every break the rules allow.

    Raises BadInput when the desk is open for less than a shift or the rules leave no rest.
    """
    length = round(2 * rules.paid_h) + 1
    around = open_slot == 0 and close_slot == SLOTS
    starts = range(0, SLOTS, step) if around else range(open_slot, close_slot - length + 1, step)
    faults = []
    if not around and close_slot - open_slot < length:
        fix = "Open longer, or shorten the paid day."
        faults.append(Fault("roster", "open hours", f"{open_slot}–{close_slot}", "are shorter than one shift", fix))
    if length + 2 * rules.rest_h > SLOTS:
        faults.append(Fault("roster", "rest_h", str(rules.rest_h), "does not fit between two shifts", "Lower it."))
    if not 1 <= rules.days <= DAYS - 1:
        faults.append(Fault("roster", "days", str(rules.days), "leaves no day of rest", "Use 1 to 6."))
    if faults:
        raise BadInput(faults)
    breaks = range(round(2 * rules.earliest_break_h), round(2 * rules.latest_break_h) + 1)
    return tuple(Shift(start, length, rest) for start in starts for rest in breaks if 0 < rest < length)


def tours(shifts: tuple[Shift, ...], rules: WorkRules, open_days: tuple[int, ...] = tuple(range(DAYS))) -> list[Tour]:
    """Every week a person may work: `rules.days` of the open days, days off together where the rules say so."""
    patterns = [
        days
        for days in itertools.combinations(open_days, min(rules.days, len(open_days)))
        if not rules.together or _consecutive(set(range(DAYS)) - set(days))
    ]
    return [Tour(shift, days) for shift in shifts for days in patterns]


def _consecutive(days_off: set[int]) -> bool:
    """Whether the days off follow each other, around the week's end."""
    gaps = sum((day + 1) % DAYS not in days_off for day in days_off)
    return gaps <= 1
