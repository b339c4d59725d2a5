"""What changed between two lease plans, line by line, and which inputs differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from capacity.leaseplan import LeaseLine, LeasePlan, PhasePlan, SupportingLine
from capacity.report.estimate import line_idr
from capacity.report.sections.words import phase_name, say
from capacity.report.values import Day, Listing, Number, Raw, Rupiah, Share, Value

Row = tuple[Value, Value, Value, Value]
_NONE = say("word.none")


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of (what, before, after, difference), and the names of inputs whose hash differs, came or went."""

    rows: tuple[Row, ...]
    inputs: tuple[str, ...]


def changes(old: LeasePlan, new: LeasePlan) -> Changes:
    """Totals first, then years, phases, lease lines, supporting lines and people."""
    names = sorted(set(old.inputs) | set(new.inputs))
    differing = tuple(n for n in names if old.inputs.get(n) != new.inputs.get(n))
    rows = (
        *_totals(old, new),
        *_phases(old, new),
        *_lines(old.leases, new.leases),
        *_lines(old.supporting, new.supporting),
    )
    return Changes((*rows, *_people(old, new)), differing)


def _money(what: Value, before: int, after: int) -> Iterator[Row]:
    if before != after:
        yield what, Rupiah(before), Rupiah(after), Rupiah(after - before)


def _number(what: Value, before: float, after: float, digits: int = 0) -> Iterator[Row]:
    if before != after:
        yield what, Number(before, digits), Number(after, digits), Number(after - before, digits)


def _totals(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    yield from _money(say("summary.total"), old.cost.total_idr, new.cost.total_idr)
    for band in ("p50", "p80", "p95"):
        what = Listing((say("certainty.cost"), Raw(band.upper())), " ")
        yield from _money(what, getattr(old.cost, f"{band}_idr"), getattr(new.cost, f"{band}_idr"))
    before, after = ({y.year: y.total_idr for y in plan.cost.years} for plan in (old, new))
    for year in sorted(before | after):
        yield from _money(Raw(str(year)), before.get(year, 0), after.get(year, 0))
    yield from _number(say("summary.servers"), len(old.servers), len(new.servers))


def _phases(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before = {p.id: p for p in old.phases}
    for p in new.phases:
        was = before.get(p.id)
        if was is None:
            continue

        def named(name: str, phase: PhasePlan = p) -> Value:
            return Listing((phase_name(phase), say(name)), ": ")

        if was.start != p.start:
            yield named("column.opens"), Day(was.start), Day(p.start), Number((p.start - was.start).days)
        if set(was.provinces) != set(p.provinces):
            gone, come = (sorted(a - b) for a, b in _pairs(set(was.provinces), set(p.provinces)))
            yield named("column.provinces"), Raw(" ".join(gone)), Raw(" ".join(come)), _NONE
        bands = (was.registrations_per_day["p95"], p.registrations_per_day["p95"])
        yield from _number(Listing((named("certainty.predicted_nib"), Raw("P95")), " "), *bands)
        if was.sufficiency != p.sufficiency:
            change = Share(p.sufficiency - was.sufficiency, 1, signed=True)
            yield named("column.sufficiency"), Share(was.sufficiency, 1), Share(p.sufficiency, 1), change


def _pairs(a: Any, b: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (a, b), (b, a)


def _lines(
    old: tuple[LeaseLine, ...] | tuple[SupportingLine, ...], new: tuple[LeaseLine, ...] | tuple[SupportingLine, ...]
) -> Iterator[Row]:
    before, after = ({x.id: x for x in lines} for lines in (old, new))
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        sums = [line_idr(x) if x else 0 for x in (was, now)]
        yield Raw(name), _line(was), _line(now), Rupiah(sums[1] - sums[0])


def _line(line: LeaseLine | SupportingLine | None) -> Value:
    if line is None:
        return _NONE
    return Listing((Raw(f"{line.quantity} x {line.months} x"), Rupiah(line.monthly_rent_idr)), " ")


def _people(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before = {(s.phase, s.group): s.heads for s in old.people}
    for s in new.people:
        what = Listing((say("word.phase_n", n=Number(s.phase)), say(f"people.{s.group}")), ": ")
        yield from _number(what, before.get((s.phase, s.group), 0), s.heads)
