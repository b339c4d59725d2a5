"""The one-page summary: what is asked, and the figures that carry it."""

from __future__ import annotations

from capacity.report.estimate import Estimate, first_order
from capacity.report.sections.words import count, listing, money, phase_name, say
from capacity.report.sources import Sources
from capacity.report.values import (
    Block,
    Bullets,
    Column,
    Day,
    Heading,
    InWords,
    Paragraph,
    Raw,
    Share,
    Subheading,
    Table,
    Value,
)


def summary(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """The decision asked for, then the key figures."""
    plan = sources.plan
    cost = plan.cost
    last = plan.phases[-1]
    decisions: list[Value] = [
        say(
            "summary.approve_lease",
            servers=count(len(plan.servers)),
            sites=count(len(plan.sites)),
            start=Day(plan.horizon_start),
            months=count(plan.horizon_months),
        ),
        say("summary.approve_amount", amount=money(plan, totals.rounded), words=InWords(totals.rounded)),
    ]
    if len(cost.years) > 1:
        first, final = cost.years[0].year, cost.years[-1].year
        decisions.append(say("summary.approve_years", first=_year(first), last=_year(final)))
    if cost.indicative:
        decisions.append(say("summary.seek_quotations"))
    if any(b.rule == "quota" for p in plan.phases for b in p.bindings):
        decisions.append(say("summary.settle_quota"))
    facts: list[tuple[Value, Value]] = [
        (say("summary.businesses"), count(sum(p.businesses for p in plan.phases))),
        (say("summary.openings"), listing((listing((phase_name(p), Day(p.start)), ": ") for p in plan.phases), "; ")),
        (
            say("summary.busiest_day"),
            say(
                "summary.busiest_day_value",
                p50=count(last.registrations_per_day["p50"]),
                p95=count(last.registrations_per_day["p95"]),
            ),
        ),
        (say("summary.servers"), count(len(plan.servers))),
        (say("summary.total"), money(plan, cost.total_idr)),
        (say("summary.rounded"), money(plan, totals.rounded)),
        (
            say("summary.cost_bands"),
            listing((money(plan, cost.p50_idr), money(plan, cost.p80_idr), money(plan, cost.p95_idr)), " / "),
        ),
        (
            say("summary.sufficiency"),
            listing((listing((phase_name(p), Share(p.sufficiency, 1)), ": ") for p in plan.phases), "; "),
        ),
        (say("summary.first_order"), Day(first_order(plan))),
    ]
    return (
        Heading("summary", say("summary.heading")),
        Paragraph(say("summary.purpose", start=Day(plan.horizon_start), months=count(plan.horizon_months))),
        Subheading(say("summary.decision")),
        Bullets(tuple(decisions)),
        *((Paragraph(say("summary.indicative"), callout=True),) if cost.indicative else ()),
        Table(
            "key-figures",
            say("summary.key_figures"),
            (Column(say("column.figure"), width=44), Column(say("column.value"), width=70)),
            tuple(facts),
        ),
        Paragraph(say("summary.predicted")),
    )


def _year(year: int) -> Value:
    return Raw(str(year))
