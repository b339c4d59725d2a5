"""What is needed by phase: provinces, demand with its bands, and what binds each size."""

from __future__ import annotations

from capacity.leaseplan import Binding, LeasePlan, PhasePlan
from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, detail, listing, phase_name, say, site, sized
from capacity.report.sources import Sources
from capacity.report.tilemap import tiles
from capacity.report.values import (
    Bars,
    Block,
    Both,
    Chart,
    Column,
    Day,
    Heading,
    Hour,
    Number,
    Paragraph,
    Raw,
    Subheading,
    Table,
    TileMap,
    Value,
)

BANDS = ("p50", "p80", "p95")


def needs(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Provinces and phases on a map, demand with bands, what binds, and what each site must provide."""
    plan = sources.plan
    return (
        Heading("needs", say("needs.heading"), leaf=True),
        Paragraph(say("needs.intro", draws=count(plan.draws))),
        _map(sources),
        _phases(sources),
        Paragraph(Both(sources.inputs.launch.statement_id, sources.inputs.launch.statement_en)),
        _busiest_days(plan),
        _demand(plan),
        Subheading(say("needs.binds")),
        Paragraph(say("needs.binds_intro")),
        _bindings(plan),
        _sites(plan),
    )


def _names(sources: Sources) -> dict[str, str]:
    return {p.code: p.province for p in sources.inputs.provinces}


def _map(sources: Sources) -> Chart:
    plan = sources.plan
    phases = {code: p.id for p in plan.phases for code in p.provinces}
    counts = listing((listing((phase_name(p), count(len(p.provinces))), ": ") for p in plan.phases), "; ")
    return Chart(
        "province-map",
        say("needs.map"),
        say("needs.map_alternative", counts=counts),
        TileMap(tiles(phases, _names(sources)), tuple(phase_name(p) for p in plan.phases)),
    )


def _phases(sources: Sources) -> Table:
    names = _names(sources)
    return Table(
        "phases",
        say("needs.phases"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.opens"), width=20),
            Column(say("column.provinces"), width=90),
            Column(say("column.businesses"), True, 16),
        ),
        tuple(
            (
                phase_name(p),
                Day(p.start),
                listing(Raw(names.get(code, code)) for code in p.provinces),
                count(p.businesses),
            )
            for p in sources.plan.phases
        ),
    )


def _busiest_days(plan: LeasePlan) -> Chart:
    return Chart(
        "busiest-days",
        say("needs.busiest_days"),
        say(
            "needs.busiest_days_alternative",
            values=listing(
                (
                    listing((phase_name(p), listing((count(p.registrations_per_day[b]) for b in BANDS), " / ")), ": ")
                    for p in plan.phases
                ),
                "; ",
            ),
        ),
        Bars(
            tuple(Raw(b.upper()) for b in BANDS),
            tuple((phase_name(p), tuple(count(p.registrations_per_day[b]) for b in BANDS)) for p in plan.phases),
            say("needs.busiest_days_unit"),
        ),
    )


def _demand(plan: LeasePlan) -> Table:
    classes = {c.id: Both(c.name_id, c.name_en) for c in plan.classes}
    return Table(
        "demand",
        say("needs.demand"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.class"), width=34),
            *(Column(Raw(b.upper()), True, 10) for b in BANDS),
            Column(say("column.design"), True, 14),
            Column(say("column.peak_hour"), width=22),
        ),
        tuple(
            (
                phase_name(p),
                classes.get(d.traffic_class, Raw(d.traffic_class)),
                *(Number(v, 2) for v in (d.p50_per_s, d.p80_per_s, d.p95_per_s, d.design_per_s)),
                Hour(d.peak_hour),
            )
            for p in plan.phases
            for d in p.demand
        ),
        note=say("needs.demand_note"),
    )


def _bindings(plan: LeasePlan) -> Table:
    return Table(
        "bindings",
        say("needs.bindings"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.sized"), width=54),
            Column(say("column.quantity"), True, 12),
            Column(say("column.rule"), width=36),
            Column(say("column.explanation"), width=52),
        ),
        tuple(
            (phase_name(p), *_binding(plan, p, b))
            for p in plan.phases
            for b in p.bindings
            if b.subject.split(".")[0] in ("servers", "upstream")
        ),
    )


def _binding(plan: LeasePlan, phase: PhasePlan, b: Binding) -> tuple[Value, ...]:
    return sized(plan, b.subject), count(b.value), say(f"rule.{b.rule}"), detail(b)


def _sites(plan: LeasePlan) -> Table:
    return Table(
        "sites",
        say("needs.sites"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.site"), width=28),
            Column(say("column.racks"), True, 8),
            Column(say("column.rack_units"), True, 10),
            Column(say("column.power_kw"), True, 12),
            Column(say("column.domestic"), True, 14),
            Column(say("column.international"), True, 14),
            Column(say("column.sessions"), True, 12),
            Column(say("column.documents_tb"), True, 12),
            Column(say("column.backups_tb"), True, 12),
        ),
        tuple(
            (
                phase_name(p),
                site(plan, s.site),
                count(s.racks),
                count(s.rack_units),
                Number(s.power_w / 1000, 1),
                Number(s.domestic_mbit_s, 1),
                Number(s.international_mbit_s, 1),
                count(s.load_balancer_sessions),
                Number(s.documents_gb / 1000, 1),
                Number(s.backups_gb / 1000, 1),
            )
            for p in plan.phases
            for s in p.sites
        ),
    )
