"""The one-page summary: what is asked, and the figures that carry it."""

from __future__ import annotations

from capacity.leaseplan import LeasePlan
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
    Linked,
    Paragraph,
    Raw,
    Share,
    Signatures,
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
    facts: list[tuple[Value, Value | Linked]] = [
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
        (say("summary.total"), Linked(money(plan, cost.total_idr), "total")),
        (say("summary.rounded"), Linked(money(plan, totals.rounded), "dibulatkan")),
        (
            say("summary.cost_bands"),
            listing((money(plan, cost.p50_idr), money(plan, cost.p80_idr), money(plan, cost.p95_idr)), " / "),
        ),
        (
            say("summary.sufficiency"),
            listing((listing((phase_name(p), Share(p.sufficiency, 1)), ": ") for p in plan.phases), "; "),
        ),
        (say("summary.hindcast"), _hindcast(plan)),
        (say("summary.measured"), _measured(sources)),
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
        Signatures(
            "signatures",
            say("summary.signatures"),
            tuple(say(f"summary.office_{n}") for n in range(1, 4)),
            tuple(say(f"summary.sign_{name}") for name in ("name", "number", "date", "hand")),
        ),
    )


def _hindcast(plan: LeasePlan) -> Value:
    if not plan.hindcast:
        return say("word.none")
    errors = [h.error for h in plan.hindcast]
    return say(
        "summary.hindcast_value",
        low=Share(min(errors), signed=True),
        high=Share(max(errors), signed=True),
        periods=count(len(errors)),
    )


def _measured(sources: Sources) -> Value:
    """What load tests of this plan have shown, phase by phase."""
    passed = {e.phase for e in sources.measured if e.kind == "load_test" and e.verdict == "passed"}
    return listing(
        (
            listing((phase_name(p), say("summary.tested" if p.id in passed else "measured.none")), ": ")
            for p in sources.plan.phases
        ),
        "; ",
    )


def _year(year: int) -> Value:
    return Raw(str(year))
