"""People infrastructure: support desk, operations, developers, counters, with the weekly rosters.

The desk is sized for the busiest week of a phase at PEOPLE_QUANTILE of the draws: every weekday as busy as the busiest
day, weekends by the profile. Each zone calls by its own clock.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from capacity.assembly.computed import Computed, phase_end, phase_months
from capacity.demand.calendar import ZONES, holiday_dates
from capacity.launch import Phase
from capacity.leaseplan import OnCallRoster, ShiftLine, StaffLine
from capacity.memo import Calls, direct
from capacity.sizing.workload import Floats
from capacity.staffing import (
    Contacts,
    Roster,
    Target,
    WorkRules,
    at_the_desk,
    counters_needed,
    desk_seats,
    on_call_roster,
    weekly_roster,
)

PEOPLE_QUANTILE = 0.8
WEEKDAYS = 5
HOURS_A_WEEK = 168
HOLIDAY_BURDEN = 0.2
"""What a public holiday on a working day adds to the burden of its week on call: one day of five."""
ON_CALL_TURN = 3
"""A person is on call one week in so many."""
Group = Literal["support", "operations", "developers", "counters"]


def staff(all_of: Computed, call: Calls = direct) -> tuple[tuple[StaffLine, ...], tuple[ShiftLine, ...]]:
    """Heads and seats by group and phase, and the shifts of those who work by a roster."""
    lines: list[StaffLine] = []
    shifts: list[ShiftLine] = []
    for phase in all_of.launch.phases:
        desk, erlangs = _desk(all_of, phase, call)
        support = all_of.launch.people.support
        promise = f"{support.answer_share:.0%} / {support.answer_within_s:.0f} s"
        seats = int(desk.needed.max())
        lines.append(
            _line("support", phase.id, desk.heads, seats, "erlang_c", *[f"{erlangs:.1f} Erlang, {promise}"] * 2)
        )
        shifts += _shifts("support", phase.id, desk)
        operations = all_of.launch.people.operations
        hours = operations.seats * HOURS_A_WEEK / support.weekly_hours / (1 - support.shrinkage)
        heads = max(math.ceil(hours), ON_CALL_TURN * operations.on_call_seats)
        lines.append(
            _line(
                "operations",
                phase.id,
                heads,
                operations.seats,
                "round_the_clock",
                f"{operations.seats} kursi 24/7, {operations.on_call_seats} siaga bergilir tiap {ON_CALL_TURN} minggu",
                f"{operations.seats} seats 24/7, {operations.on_call_seats} on call, one week in {ON_CALL_TURN}",
            )
        )
        lines += _stated(all_of, phase)
    return tuple(lines), tuple(shifts)


def on_call(all_of: Computed, people: Sequence[StaffLine]) -> tuple[OnCallRoster, ...]:
    """Who of operations stands by in each week of each phase. Weeks begin on Monday; the first counts to the phase
    that starts in it. Duties of one phase are kept apart from the last ones of the phase before."""
    out: list[OnCallRoster] = []
    rest = ON_CALL_TURN - 1
    for phase in all_of.launch.phases:
        heads = next(line.heads for line in people if line.group == "operations" and line.phase == phase.id)
        first, last = _monday(phase.start), _monday(phase_end(all_of.launch, phase))
        mondays = [first + dt.timedelta(weeks=n) for n in range((last - first).days // 7)]
        free = holiday_dates(first, last)
        weights = tuple(
            1.0 + HOLIDAY_BURDEN * sum(day + dt.timedelta(days=n) in free for n in range(WEEKDAYS)) for day in mondays
        )
        names = tuple(f"{n}" for n in range(1, heads + 1))
        away: dict[str, tuple[int, ...]] = {}
        for ago, week in enumerate(reversed(out[-1].weeks[-rest:]) if out else (), start=1):
            for person in week:
                away.setdefault(f"{person}", tuple(range(min(rest + 1 - ago, len(mondays)))))
        found = on_call_roster(names, weights, all_of.launch.people.operations.on_call_seats, rest, away, seconds=0.0)
        out.append(
            OnCallRoster(
                phase=phase.id,
                start=first,
                people=heads,
                rest_weeks=rest,
                weeks=tuple(tuple(int(name) for name in week) for week in found.weeks),
                burden=tuple(round(b, 3) for b in found.burden),
            )
        )
    return tuple(out)


def _monday(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def _desk(all_of: Computed, phase: Phase, call: Calls) -> tuple[Roster, float]:
    """Roster of the support desk, and the Erlangs of its busiest half hour."""
    launch, support = all_of.launch, all_of.launch.people.support
    months = list(phase_months(launch, phase))
    daily = all_of.found.busiest_day[:, months].max(axis=1) * all_of.draws.contacts * all_of.draws.handling_min
    handling_s = support.handling_min.p50 * 60
    contacts = float(np.quantile(daily, PEOPLE_QUANTILE)) * 60 / handling_s
    reached = [n for n, p in enumerate(launch.phases) if p.id <= phase.id]
    zones = all_of.place.size[:, reached].sum(axis=(0, 1))
    arrivals = at_the_desk(
        Contacts(
            ZONES,
            tuple(float(n) for n in range(len(ZONES))),
            contacts * (zones / zones.sum())[:, None, None] * _week(all_of)[None],
            handling_s,
            support.patience_s,
        )
    ).sum(axis=0)
    hours = np.arange(arrivals.shape[1]) // 2
    arrivals = arrivals * ((hours >= support.open_hour) & (hours < support.close_hour))
    seats = desk_seats(arrivals, handling_s, Target(support.answer_share, support.answer_within_s))
    rules = WorkRules(paid_h=support.weekly_hours / WEEKDAYS)
    roster = call(weekly_roster, seats.seats, rules, support.shrinkage)
    return roster, float(arrivals.max()) / 1800 * handling_s


def _week(all_of: Computed) -> Floats:
    """(7, 48) share of a busy day's contacts that start in each half hour of each day."""
    public = all_of.launch.demand.profiles["public"]
    days = [public.weekday] * 4 + [public.friday or public.weekday] + [public.weekday] * 2
    totals = [1.0] * 5 + [public.saturday_share, public.sunday_share]
    rows = [np.repeat(np.array(d) / sum(d) * total / 2, 2) for d, total in zip(days, totals, strict=True)]
    return np.array(rows)


def _stated(all_of: Computed, phase: Phase) -> Iterator[StaffLine]:
    people, support = all_of.launch.people, all_of.launch.people.support
    developers = people.developers[phase.id - 1]
    yield _line("developers", phase.id, developers, developers, "stated", people.source, people.source)
    visitors = people.counters_visitors_per_day[phase.id - 1]
    open_hours = support.close_hour - support.open_hour - 1
    counters = counters_needed(visitors, people.counter_minutes, open_hours).counters
    yield _line(
        "counters",
        phase.id,
        math.ceil(counters / (1 - support.shrinkage)),
        counters,
        "visitors",
        f"{visitors} pengunjung sehari, {people.counter_minutes:g} menit",
        f"{visitors} visitors a day, {people.counter_minutes:g} minutes",
    )


def _shifts(group: Literal["support", "operations"], phase: int, roster: Roster) -> list[ShiftLine]:
    counted = Counter((tour.shift.name, tour.days) for tour in roster.tours)
    return [
        ShiftLine(group=group, phase=phase, shift=name, days=days, people=count)
        for (name, days), count in sorted(counted.items())
    ]


def _line(group: Group, phase: int, heads: int, seats: int, rule: str, detail_id: str, detail_en: str) -> StaffLine:
    return StaffLine(
        group=group, phase=phase, heads=heads, peak_seats=seats, rule=rule, detail_id=detail_id, detail_en=detail_en
    )
