"""What is leased: servers standing in each phase, what supports them, and all of it over time."""

from __future__ import annotations

from collections.abc import Iterator

from capacity.leaseplan import LeasePlan
from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, detail, phase_name, say, site
from capacity.report.sources import Sources
from capacity.report.values import (
    Block,
    Both,
    Chart,
    Column,
    Day,
    Heading,
    Paragraph,
    Raw,
    Span,
    Table,
    Timeline,
)


def leased(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Servers standing in each phase, supporting lines, and all of it over time."""
    plan = sources.plan
    groups = sorted({(s.site, s.role, s.sku) for s in plan.servers}, key=lambda g: (g[0] != "primary", g))
    standing = {p.id: set(p.national.servers) for p in plan.phases}

    def number(group: tuple[str, str, str], phase: int) -> int:
        return sum(1 for s in plan.servers if (s.site, s.role, s.sku) == group and s.name in standing[phase])

    servers = Table(
        "servers",
        say("leased.servers"),
        (
            Column(say("column.site"), width=28),
            Column(say("column.role"), width=26),
            Column(say("column.model"), width=18),
            *(Column(phase_name(p), True, 10) for p in plan.phases),
        ),
        tuple(
            (site(plan, g[0]), say(f"role.{g[1]}"), Raw(g[2]), *(count(number(g, p.id)) for p in plan.phases))
            for g in groups
        ),
    )
    supporting = Table(
        "supporting",
        say("leased.supporting"),
        (
            Column(say("column.site"), width=28),
            Column(say("column.description"), width=46),
            Column(say("column.quantity"), True, 10),
            Column(say("column.unit"), width=10),
            Column(say("column.phase"), width=10),
            Column(say("column.start"), width=18),
            Column(say("column.months"), True, 10),
            Column(say("column.basis"), width=34),
        ),
        tuple(
            (
                site(plan, s.site),
                Both(s.description_id, s.description_en),
                count(s.quantity),
                Raw(s.unit),
                say("word.phase_n", n=count(s.phase)),
                Day(s.start),
                count(s.months),
                detail(s),
            )
            for s in plan.supporting
        ),
    )
    end = max([*(x.end for x in plan.leases), *(x.end for x in plan.supporting)])
    spans = tuple(span for where in plan.sites for span in _spans(plan, where.id))
    chart = Chart(
        "timeline",
        say("leased.timeline"),
        say(
            "leased.timeline_alternative",
            lines=count(len(spans)),
            first=Day(min(s.start for s in spans)),
            last=Day(end),
        ),
        Timeline(
            spans,
            plan.horizon_start,
            end,
            tuple((phase_name(p), p.start) for p in plan.phases),
            (say("leased.kind_servers"), say("leased.kind_supporting")),
        ),
    )
    return (
        Heading("leased", say("leased.heading"), leaf=True),
        Paragraph(say("leased.intro", servers=count(len(plan.servers)), lines=count(len(plan.leases)))),
        chart,
        servers,
        supporting,
    )


def _spans(plan: LeasePlan, where: str) -> Iterator[Span]:
    name = site(plan, where)
    for x in plan.leases:
        if x.site == where:
            yield Span(say("leased.server_role", role=say(f"role.{x.role}")), name, x.quantity, x.start, x.end)
    for s in plan.supporting:
        if s.site == where:
            yield Span(Both(s.description_id, s.description_en), name, s.quantity, s.start, s.end, kind=1)
