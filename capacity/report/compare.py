"""What changed between two lease plans, line by line, and which inputs differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from capacity.leaseplan import LeaseLine, LeasePlan, PhasePlan, SupportingLine
from capacity.report.estimate import line_idr
from capacity.report.sections.words import assumption_name, detail, listing, phase_name, say, site
from capacity.report.values import Both, Day, Number, Quoted, Raw, Rupiah, Share, Value

Row = tuple[Value, Value, Value, Value, Value]
_NONE = say("word.none")


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of (what, before, after, difference, why), and the names of inputs whose hash differs, came or went."""

    rows: tuple[Row, ...]
    inputs: tuple[str, ...]

    def named_inputs(self) -> tuple[Value, ...]:
        """Each input that differs, with what it holds."""
        return tuple(listing((Raw(name), say(f"compare.input_{_kind(name)}")), ": ") for name in self.inputs)


def changes(old: LeasePlan, new: LeasePlan) -> Changes:
    """Totals first, then years, phases, assumptions, lease lines, supporting lines and people; each with its cause."""
    names = sorted(set(old.inputs) | set(new.inputs))
    differing = tuple(n for n in names if old.inputs.get(n) != new.inputs.get(n))
    rows = (
        *_totals(old, new),
        *_phases(old, new),
        *_assumptions(old, new),
        *_lines(old, new, old.leases, new.leases),
        *_lines(old, new, old.supporting, new.supporting),
    )
    return Changes((*rows, *_people(old, new)), differing)


INPUTS = ("provinces", "usage", "skus", "prices", "supporting", "taxes", "calendar", "calibration")


def _kind(name: str) -> str:
    """What an input file holds, by its name; the launch plan itself otherwise."""
    return next((kind for kind in INPUTS if kind in name.rsplit("/", 1)[-1]), "plan")


def _money(what: Value, before: int, after: int) -> Iterator[Row]:
    if before != after:
        yield what, Rupiah(before), Rupiah(after), Rupiah(after - before), _NONE


def _number(what: Value, before: float, after: float, digits: int = 0, why: Value = _NONE) -> Iterator[Row]:
    if before != after:
        yield what, Number(before, digits), Number(after, digits), Number(after - before, digits), why


def _totals(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    def marked(what: Value) -> Value:
        indicative = old.cost.indicative or new.cost.indicative
        return say("compare.indicative", what=what) if indicative else what

    yield from _money(marked(say("summary.total")), old.cost.total_idr, new.cost.total_idr)
    for band in ("p50", "p80", "p95"):
        what = marked(listing((say("certainty.cost"), Raw(band.upper())), " "))
        yield from _money(what, getattr(old.cost, f"{band}_idr"), getattr(new.cost, f"{band}_idr"))
    before, after = ({y.year: y.total_idr for y in plan.cost.years} for plan in (old, new))
    for year in sorted(before | after):
        yield from _money(marked(say("compare.year", year=Raw(str(year)))), before.get(year, 0), after.get(year, 0))
    yield from _number(say("summary.servers"), len(old.servers), len(new.servers))


def _phases(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before = {p.id: p for p in old.phases}
    stated = say("compare.why_stated")
    for p in new.phases:
        was = before.get(p.id)
        if was is None:
            continue

        def named(name: str, phase: PhasePlan = p) -> Value:
            return listing((phase_name(phase), say(name)), ": ")

        if was.start != p.start:
            yield named("column.opens"), Day(was.start), Day(p.start), Number((p.start - was.start).days), stated
        if set(was.provinces) != set(p.provinces):
            gone, come = sorted(set(was.provinces) - set(p.provinces)), sorted(set(p.provinces) - set(was.provinces))
            left = say("compare.leave", provinces=Raw(" ".join(gone))) if gone else _NONE
            joined = say("compare.join", provinces=Raw(" ".join(come))) if come else _NONE
            yield named("column.provinces"), left, joined, Number(len(come) - len(gone)), stated
        moved = say("compare.why_provinces") if was.businesses != p.businesses else say("compare.why_demand")
        bands = (was.registrations_per_day["p95"], p.registrations_per_day["p95"])
        yield from _number(listing((named("certainty.predicted_nib"), Raw("P95")), " "), *bands, why=moved)
        if was.sufficiency != p.sufficiency:
            change = Share(p.sufficiency - was.sufficiency, 1, signed=True)
            yield named("column.sufficiency"), Share(was.sufficiency, 1), Share(p.sufficiency, 1), change, _NONE


def _assumptions(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before, after = ({a.id: a for a in plan.assumptions} for plan in (old, new))
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was and now and was.value == now.value:
            continue
        what = assumption_name(name)
        left, right = (Quoted(a.value) if a else _NONE for a in (was, now))
        kept = now or was
        yield say("compare.assumption", name=what), left, right, _NONE, Quoted(kept.source) if kept else _NONE


Lines = tuple[LeaseLine, ...] | tuple[SupportingLine, ...]


Line = LeaseLine | SupportingLine


def _lines(old: LeasePlan, new: LeasePlan, first: Lines, second: Lines) -> Iterator[Row]:
    for was, now in _pairs(list(first), list(second)):
        if was and now and _seen(was) == _seen(now):
            continue
        sums = [line_idr(x) if x else 0 for x in (was, now)]
        yield _what(new, was or now), _line(was), _line(now), Rupiah(sums[1] - sums[0]), _why(old, new, was, now)


def _seen(line: Line) -> tuple[object, ...]:
    """All of a line that the comparison shows."""
    return line.vendor, line.quantity, line.start, line.months, line.monthly_rent_idr, line.setup_idr


def _thing(line: Line) -> tuple[str, str]:
    return line.site, line.role if isinstance(line, LeaseLine) else line.item


def _pairs(old: list[Line], new: list[Line]) -> Iterator[tuple[Line | None, Line | None]]:
    """Lines that belong together: the same id, else the same thing at the same site from the same day."""
    partners: dict[str, Line] = {}
    keys: tuple[Callable[[Line], object], ...] = (
        lambda x: x.id,
        lambda x: (*_thing(x), x.start, x.months),
        lambda x: (*_thing(x), x.start),
    )
    free = list(new)
    for key in keys:
        for line in old:
            match = next((x for x in free if key(x) == key(line)), None) if line.id not in partners else None
            if match:
                partners[line.id] = match
                free.remove(match)
    yield from ((line, partners.get(line.id)) for line in old)
    yield from ((None, line) for line in free)


def _what(plan: LeasePlan, line: Line | None) -> Value:
    """The thing leased, its site, and its first day."""
    assert line
    if isinstance(line, LeaseLine):
        return say("hps.rent", role=say(f"role.{line.role}"), site=site(plan, line.site), start=Day(line.start))
    name = Both(line.description_id, line.description_en)
    return say("hps.supporting", name=name, site=site(plan, line.site), start=Day(line.start))


def _line(line: Line | None) -> Value:
    if line is None:
        return _NONE
    return say(
        "compare.line",
        quantity=Number(line.quantity),
        months=Number(line.months),
        rent=Rupiah(line.monthly_rent_idr),
        vendor=Raw(line.vendor),
    )


def _why(old: LeasePlan, new: LeasePlan, was: Line | None, now: Line | None) -> Value:
    """What moved a line: its own price, the need at its site, the day a phase opens, or else the cheapest choice."""
    line = now or was
    assert line
    rents = {(x.vendor, x.months, x.monthly_rent_idr, x.setup_idr) for x in (was, now) if x}
    if was and now and (was.vendor, was.months) == (now.vendor, now.months) and len(rents) > 1:
        return say("compare.why_price")
    if isinstance(line, SupportingLine):
        return detail(line) if now else say("compare.why_gone")
    for a, b in zip(old.phases, new.phases, strict=False):
        found = [next((x for x in p.bindings if x.subject == f"servers.{line.site}.{line.role}"), None) for p in (a, b)]
        before, after = found
        if before and after and before.value != after.value:
            return say(
                "compare.why_need",
                phase=phase_name(b),
                before=Number(before.value),
                after=Number(after.value),
                detail=detail(after),
            )
    if [p.start for p in old.phases] != [p.start for p in new.phases]:
        return say("compare.why_opening")
    priced = any(old.inputs.get(n) != new.inputs.get(n) for n in new.inputs if _kind(n) == "prices")
    return say("compare.why_prices" if priced else "compare.why_choice")


def _people(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before = {(s.phase, s.group): s.heads for s in old.people}
    for s in new.people:
        what = listing((say("word.phase_n", n=Number(s.phase)), say(f"people.{s.group}")), ": ")
        yield from _number(what, before.get((s.phase, s.group), 0), s.heads, why=detail(s))
