"""People: heads and seats by group and phase, the weekly roster of those who work in shifts, and who is on call."""

from __future__ import annotations

from collections import defaultdict

from capacity.leaseplan import LeasePlan, ShiftLine
from capacity.report.estimate import Estimate
from capacity.report.sections.oncall import on_call
from capacity.report.sections.words import count, detail, listing, phase_name, say
from capacity.report.sources import Sources
from capacity.report.values import Block, Column, Heading, Paragraph, Raw, Subheading, Table, Value

WEEK = range(7)


def people(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Heads and seats; then how many work each shift on each day, and their patterns of days; then who is on call."""
    plan = sources.plan
    return (
        Heading("people", say("people.heading")),
        Paragraph(say("people.intro")),
        _needed(plan),
        *((Subheading(say("people.rosters")), _present(plan), _patterns(plan)) if plan.shifts else ()),
        *on_call(plan),
    )


def _phases(plan: LeasePlan) -> dict[int, Value]:
    return {p.id: phase_name(p) for p in plan.phases}


def _needed(plan: LeasePlan) -> Table:
    names = _phases(plan)
    return Table(
        "people",
        say("people.table"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.group"), width=26),
            Column(say("column.heads"), True, 10),
            Column(say("column.seats"), True, 10),
            Column(say("column.rule"), width=30),
            Column(say("column.explanation"), width=60),
        ),
        tuple(
            (
                names.get(s.phase, count(s.phase)),
                say(f"people.{s.group}"),
                count(s.heads),
                count(s.peak_seats),
                say(f"people.rule_{s.rule}"),
                detail(s),
            )
            for s in plan.people
        ),
        note=say("people.note"),
    )


def _hours(shift: str) -> Value:
    first, _, last = shift.partition("–")
    return say("people.hours", first=_clock(first), last=_clock(last)) if last else Raw(shift)


def _clock(text: str) -> Value:
    """`08:00` with the separator of the language."""
    hour, _, minute = text.partition(":")
    return say("people.clock", hour=Raw(hour), minute=Raw(minute))


def _present(plan: LeasePlan) -> Table:
    """People at work by shift and day of the week."""
    names = _phases(plan)
    lines: dict[tuple[int, str, str], list[ShiftLine]] = defaultdict(list)
    for s in plan.shifts:
        lines[s.phase, s.group, s.shift].append(s)

    def row(phase: int, group: str, shift: str) -> tuple[Value, ...]:
        mine = lines[phase, group, shift]
        present = (count(sum(s.people for s in mine if day in s.days)) for day in WEEK)
        return (
            names.get(phase, count(phase)),
            say(f"people.{group}"),
            _hours(shift),
            *present,
            count(sum(s.people for s in mine)),
        )

    return Table(
        "roster",
        say("people.roster"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.group"), width=20),
            Column(say("column.shift"), width=22),
            *(Column(say(f"day.short_{day}"), True, 8) for day in WEEK),
            Column(say("column.rostered"), True, 10),
        ),
        tuple(row(*key) for key in sorted(lines)),
        note=say("people.roster_note"),
    )


def _patterns(plan: LeasePlan) -> Table:
    names = _phases(plan)
    return Table(
        "roster-patterns",
        say("people.patterns"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.group"), width=20),
            Column(say("column.shift"), width=22),
            Column(say("column.working_days"), width=46),
            Column(say("column.days_off"), width=26),
            Column(say("column.people"), True, 10),
        ),
        tuple(
            (
                names.get(s.phase, count(s.phase)),
                say(f"people.{s.group}"),
                _hours(s.shift),
                _days(s.days),
                _days(tuple(day for day in WEEK if day not in s.days)),
                count(s.people),
            )
            for s in plan.shifts
        ),
    )


def _days(days: tuple[int, ...]) -> Value:
    """Names of days; three or more in a row as a span."""
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts: list[Value] = []
    for run in runs:
        if len(run) > 2:
            parts.append(listing((say(f"day.name_{run[0]}"), say(f"day.name_{run[-1]}")), "–"))
        else:
            parts += [say(f"day.name_{day}") for day in run]
    return listing(parts)
