"""People infrastructure: support desk, operations, developers, counters."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from capacity.assembly.computed import Computed, phase_months
from capacity.leaseplan import StaffLine
from capacity.queueing import erlang_c

PEOPLE_QUANTILE = 0.8
HOURS_A_WEEK = 168


def staff(all_of: Computed) -> tuple[StaffLine, ...]:
    """Heads and seats by group and phase."""
    launch = all_of.launch
    people, support = launch.people, launch.people.support
    profile = launch.demand.profiles["public"].weekday
    out = []
    for phase in launch.phases:
        months = list(phase_months(launch, phase))
        contacts = all_of.found.busiest_day[:, months].max(axis=1) * all_of.draws.contacts
        open_hours = profile[support.open_hour : support.close_hour]
        load = contacts * max(open_hours) / sum(open_hours) * all_of.draws.handling_min / 60
        erlangs = float(np.quantile(load, PEOPLE_QUANTILE))
        seats = _seats(erlangs, support.answer_share, support.answer_within_s, support.handling_min.p50 * 60)
        heads = math.ceil(
            seats * (support.close_hour - support.open_hour) * 7 / support.weekly_hours / (1 - support.shrinkage)
        )
        text = f"{erlangs:.1f} Erlang, {support.answer_share:.0%} / {support.answer_within_s:.0f} s"
        out.append(_line("support", phase.id, heads, seats, "erlang_c", text, text))
        operations = people.operations
        around = math.ceil(operations.seats * HOURS_A_WEEK / support.weekly_hours / (1 - support.shrinkage))
        out.append(
            _line(
                "operations",
                phase.id,
                around + operations.on_call_seats,
                operations.seats,
                "round_the_clock",
                f"{operations.seats} kursi 24/7 dan {operations.on_call_seats} siaga",
                f"{operations.seats} seats 24/7 and {operations.on_call_seats} on call",
            )
        )
        developers = people.developers[phase.id - 1]
        out.append(_line("developers", phase.id, developers, developers, "stated", people.source, people.source))
        visitors = people.counters_visitors_per_day[phase.id - 1]
        counters = math.ceil(visitors * people.counter_minutes / 60 / (support.close_hour - support.open_hour - 1))
        out.append(
            _line(
                "counters",
                phase.id,
                counters,
                counters,
                "visitors",
                f"{visitors} pengunjung sehari, {people.counter_minutes:g} menit",
                f"{visitors} visitors a day, {people.counter_minutes:g} minutes",
            )
        )
    return tuple(out)


def _seats(erlangs: float, share: float, within_s: float, handling_s: float) -> int:
    """Fewest agents that answer `share` of the contacts within `within_s` (Erlang C)."""
    seats = max(1, math.ceil(erlangs))
    while True:
        if erlangs < seats:
            late = float(erlang_c(seats, erlangs)) * math.exp(-(seats - erlangs) * within_s / handling_s)
            if 1 - late >= share:
                return seats
        seats += 1


def _line(
    group: Literal["support", "operations", "developers", "counters"],
    phase: int,
    heads: int,
    seats: int,
    rule: str,
    detail_id: str,
    detail_en: str,
) -> StaffLine:
    return StaffLine(
        group=group, phase=phase, heads=heads, peak_seats=seats, rule=rule, detail_id=detail_id, detail_en=detail_en
    )
