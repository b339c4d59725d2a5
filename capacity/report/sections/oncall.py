"""Operations on call: how the duty is shared in each phase, and who stands by in each week."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from capacity.leaseplan import LeasePlan, OnCallRoster
from capacity.report.sections.words import count, listing, phase_name, say
from capacity.report.values import Block, Column, Day, Number, Paragraph, Subheading, Table, Value

WEEKS_A_ROW = 13
"""A quarter of a year."""


def on_call(plan: LeasePlan) -> tuple[Block, ...]:
    """The burden of each phase, then the weeks; nothing without a roster."""
    rosters = [r for r in plan.on_call if r.weeks]
    if not rosters:
        return ()
    names = {p.id: phase_name(p) for p in plan.phases}
    return (
        Subheading(say("people.on_call")),
        Paragraph(say("people.on_call_intro")),
        _burden(rosters, names),
        _weeks(rosters, names),
    )


def _burden(rosters: list[OnCallRoster], names: dict[int, Value]) -> Table:
    def row(r: OnCallRoster) -> tuple[Value, ...]:
        return (
            names.get(r.phase, count(r.phase)),
            Day(r.start),
            *(count(n) for n in (len(r.weeks), r.people, max(map(len, r.weeks)), r.rest_weeks)),
            *(Number(b, 1) for b in (min(r.burden, default=0.0), max(r.burden, default=0.0))),
        )

    return Table(
        "on-call",
        say("people.on_call_table"),
        (
            Column(say("column.phase"), width=10),
            Column(say("people.on_call_start"), width=22),
            *(Column(say(f"people.on_call_{what}"), True, 12) for what in ("weeks", "people", "seats", "rest")),
            *(Column(say(f"people.on_call_{what}"), True, 16) for what in ("least", "most")),
        ),
        tuple(row(r) for r in rosters),
        note=say("people.on_call_note"),
    )


def _weeks(rosters: list[OnCallRoster], names: dict[int, Value]) -> Table:
    longest = min(WEEKS_A_ROW, max(len(r.weeks) for r in rosters))

    def rows(r: OnCallRoster) -> Iterator[tuple[Value, ...]]:
        for first in range(0, len(r.weeks), WEEKS_A_ROW):
            part = r.weeks[first : first + WEEKS_A_ROW]
            duties = [listing(map(count, week), "/") if week else say("word.none") for week in part]
            gaps = [say("word.none")] * (longest - len(part))
            yield names.get(r.phase, count(r.phase)), Day(r.start + dt.timedelta(weeks=first)), *duties, *gaps

    return Table(
        "on-call-weeks",
        say("people.on_call_roster"),
        (
            Column(say("column.phase"), width=10),
            Column(say("people.on_call_from"), width=20),
            *(Column(say("people.week_n", n=count(n)), width=8) for n in range(1, longest + 1)),
        ),
        tuple(row for r in rosters for row in rows(r)),
        note=say("people.on_call_roster_note"),
    )
