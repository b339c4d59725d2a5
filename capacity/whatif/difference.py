"""A changed plan beside the plan: money, servers, lease lines, what binds. Values without language or layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.leaseplan import Binding, LeaseLine, LeasePlan, PhasePlan, SupportingLine
from capacity.report.estimate import line_idr
from capacity.report.sections.words import sized
from capacity.report.values import Both, Day, Listing, Number, Raw, Rupiah, Say, Share, Value

Direction = Literal["more", "less", "same"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison. `direction` tells how the changed plan stands to the plan, in more than colour."""

    cells: tuple[Value, ...]
    direction: Direction = "same"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `numeric` counts the columns on the right that hold numbers."""

    anchor: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """What the page shows of a changed plan."""

    indicative: bool
    total: int
    change: int
    servers: int
    servers_change: int
    grids: tuple[Grid, ...]


def difference(old: LeasePlan, new: LeasePlan) -> Difference:
    """Everything that an officer compares, totals first."""
    compared = ("what", "plan", "changed", "difference")
    return Difference(
        new.cost.indicative,
        new.cost.total_idr,
        new.cost.total_idr - old.cost.total_idr,
        len(new.servers),
        len(new.servers) - len(old.servers),
        (
            Grid("money", compared, tuple(_money(old, new)), 3),
            Grid("phases", compared, tuple(_phases(old, new)), 3),
            Grid("servers", compared, tuple(_servers(old, new)), 3),
            Grid("lines", ("line", "lease", "plan", "changed", "difference"), tuple(_lines(old, new)), 3),
            Grid("binds", ("sized", "plan", "changed", "why"), tuple(_binds(old, new))),
            Grid("people", compared, tuple(_people(old, new)), 3),
        ),
    )


def _say(key: str, **values: Value) -> Say:
    return Say(key, values)


def _direction(change: float) -> Direction:
    return "more" if change > 0 else "less" if change < 0 else "same"


def _rupiah(what: Value, before: int, after: int) -> Row:
    return Row((what, Rupiah(before), Rupiah(after), Rupiah(after - before)), _direction(after - before))


def _number(what: Value, before: float, after: float, digits: int = 0) -> Row:
    cells = (what, Number(before, digits), Number(after, digits), Number(after - before, digits))
    return Row(cells, _direction(after - before))


def _money(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    yield _rupiah(_say("whatif.total"), old.cost.total_idr, new.cost.total_idr)
    for band in ("p50", "p80", "p95"):
        what = _say("whatif.cost_band", band=Raw(band.upper()))
        yield _rupiah(what, getattr(old.cost, f"{band}_idr"), getattr(new.cost, f"{band}_idr"))
    before, after = ({y.year: y.total_idr for y in plan.cost.years} for plan in (old, new))
    for year in sorted(before | after):
        yield _rupiah(_say("whatif.year", year=Raw(str(year))), before.get(year, 0), after.get(year, 0))


def _phase(phase: PhasePlan, what: str) -> Value:
    return Listing((_say("word.phase_n", n=Number(phase.id)), _say(what)), ": ")


def _phases(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    for was, now in zip(old.phases, new.phases, strict=True):
        days = (now.start - was.start).days
        yield Row(
            (_phase(now, "whatif.opens"), Day(was.start), Day(now.start), _say("whatif.days", n=Number(days))),
            _direction(days),
        )
        yield _number(_phase(now, "whatif.businesses"), was.businesses, now.businesses)
        bands = (was.registrations_per_day["p95"], now.registrations_per_day["p95"])
        yield _number(_phase(now, "whatif.busiest_day"), *bands)
        change = now.sufficiency - was.sufficiency
        cells = (Share(was.sufficiency, 1), Share(now.sufficiency, 1), Share(change, 1, signed=True))
        yield Row((_phase(now, "whatif.sufficiency"), *cells), _direction(round(change, 3)))


def _servers(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    yield _number(_say("whatif.servers"), len(old.servers), len(new.servers))
    before, after = (Counter((s.site, s.role, s.sku) for s in plan.servers) for plan in (old, new))
    names = {s.id: Both(s.name_id, s.name_en) for s in new.sites}
    for site, role, sku in sorted(before | after, key=lambda k: (k[0] != "primary", k)):
        what = Listing((names.get(site, Raw(site)), _say(f"role.{role}"), Raw(sku)), ", ")
        yield _number(what, before[site, role, sku], after[site, role, sku])


def _lines(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    """Lines that were added, removed or changed; equal ones are left out."""
    for before, after in ((old.leases, new.leases), (old.supporting, new.supporting)):
        yield from _changed_lines(before, after)


def _changed_lines(
    old: Sequence[LeaseLine | SupportingLine], new: Sequence[LeaseLine | SupportingLine]
) -> Iterator[Row]:
    before, after = ({x.id: x for x in lines} for lines in (old, new))
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and _bought(was) == _bought(now):
            continue
        kind = "added" if was is None else "removed" if now is None else "altered"
        sums = [line_idr(x) if x else 0 for x in (was, now)]
        cells = (Raw(name), _say(f"whatif.{kind}"), _bundle(was), _bundle(now), Rupiah(sums[1] - sums[0]))
        yield Row(cells, _direction(sums[1] - sums[0]))


def _bought(line: LeaseLine | SupportingLine) -> tuple[object, ...]:
    return line.quantity, line.start, line.months, line.monthly_rent_idr, line.setup_idr


def _bundle(line: LeaseLine | SupportingLine | None) -> Value:
    if line is None:
        return _say("word.none")
    return _say(
        "whatif.bundle",
        quantity=Number(line.quantity),
        start=Day(line.start),
        months=Number(line.months),
        rent=Rupiah(line.monthly_rent_idr),
    )


def _binds(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    """What sets each size in each phase, where size or rule differ."""
    for was, now in zip(old.phases, new.phases, strict=True):
        before = {b.subject: b for b in was.bindings}
        for b in now.bindings:
            a = before.get(b.subject)
            if a is not None and (a.value, a.rule) == (b.value, b.rule):
                continue
            what = Listing((_say("word.phase_n", n=Number(now.id)), sized(new, b.subject)), ": ")
            change = b.value - a.value if a else b.value
            cells = (what, _bound(a), _bound(b), Both(b.detail_id, b.detail_en))
            yield Row(cells, _direction(change))


def _bound(binding: Binding | None) -> Value:
    if binding is None:
        return _say("word.none")
    return Listing((Number(binding.value), _say(f"rule.{binding.rule}")), ", ")


def _people(old: LeasePlan, new: LeasePlan) -> Iterator[Row]:
    before = {(s.phase, s.group): s.heads for s in old.people}
    for s in new.people:
        if before.get((s.phase, s.group), 0) != s.heads:
            what = Listing((_say("word.phase_n", n=Number(s.phase)), _say(f"people.{s.group}")), ": ")
            yield _number(what, before.get((s.phase, s.group), 0), s.heads)
