"""How sure the report is: certainty of cost and time, alternatives, and risks."""

from __future__ import annotations

from capacity.leaseplan import PhasePlan
from capacity.report.estimate import Alternative, Estimate, alternatives, first_order, line_idr
from capacity.report.sections.extremes import extremes
from capacity.report.sections.weighing import weighing
from capacity.report.sections.words import count, listing, money, phase_name, say
from capacity.report.sources import Sources
from capacity.report.values import (
    Bars,
    Block,
    Chart,
    Column,
    Day,
    Heading,
    Number,
    Paragraph,
    Raw,
    Rupiah,
    Share,
    Table,
    Value,
)

SUFFICIENT = 0.95


def certainty(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Quantiles of cost; probability that capacity suffices; days between the last delivery and each opening."""
    plan = sources.plan
    cost = plan.cost
    bands = (("P50", cost.p50_idr), ("P80", cost.p80_idr), ("P95", cost.p95_idr))
    millions: tuple[Value, ...] = tuple(Number(v / 1e6) for _, v in (*bands, ("", cost.total_idr)))
    labels: tuple[Value, ...] = (*(Raw(name) for name, _ in bands), say("certainty.plan"))
    chart = Chart(
        "cost-bands",
        say("certainty.chart_indicative" if cost.indicative else "certainty.chart"),
        say(
            "certainty.alternative", values=listing(listing(pair, ": ") for pair in zip(labels, millions, strict=True))
        ),
        Bars(
            (say("certainty.cost"),),
            tuple((a, (b,)) for a, b in zip(labels, millions, strict=True)),
            say("certainty.unit"),
        ),
    )
    table = Table(
        "certainty",
        say("certainty.table"),
        (
            Column(say("column.phase"), width=10),
            Column(say("column.sufficiency"), True, 16),
            *(Column(say("certainty.nib", band=Raw(b)), True, 16) for b in ("P50", "P80", "P95")),
            Column(say("column.last_delivery"), width=20),
            Column(say("column.opens"), width=20),
            Column(say("column.slack"), True, 12),
        ),
        tuple(_certain(sources, p) for p in plan.phases),
        note=say("certainty.note"),
    )
    hindcast = Table(
        "hindcast",
        say("certainty.hindcast"),
        (
            Column(say("column.period"), width=14),
            Column(say("column.published"), True, 18),
            Column(say("column.predicted"), True, 18),
            Column(say("column.error"), True, 12),
        ),
        tuple(
            (Raw(h.period), count(h.published_per_day), count(h.predicted_per_day), Share(h.error, signed=True))
            for h in plan.hindcast
        ),
        note=say("certainty.hindcast_note", fitted=listing(Raw(x) for x in plan.hindcast[0].fitted_on))
        if plan.hindcast
        else None,
    )
    return (
        Heading("certainty", say("certainty.heading")),
        Paragraph(
            say(
                "certainty.intro",
                draws=count(plan.draws),
                p50=money(plan, cost.p50_idr),
                p80=money(plan, cost.p80_idr),
                p95=money(plan, cost.p95_idr),
            )
        ),
        chart,
        table,
        *((hindcast,) if plan.hindcast else ()),
        *extremes(plan),
    )


def _certain(sources: Sources, p: PhasePlan) -> tuple[Value, ...]:
    starts = [x.start for x in sources.plan.leases if x.start <= p.start]
    last = max(starts, default=p.start)
    bands: tuple[Value, ...] = tuple(count(p.registrations_per_day[b]) for b in ("p50", "p80", "p95"))
    return (phase_name(p), Share(p.sufficiency, 1), *bands, Day(last), Day(p.start), count((p.start - last).days))


def alternatives_weighed(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Other ways to lease the same servers, with the price of each and why it was not taken; then risk and rules."""
    plan = sources.plan
    chosen = sum(map(line_idr, plan.leases))
    weighed = alternatives(plan, sources.inputs.prices)

    def row(a: Alternative) -> tuple[Value, ...]:
        kind, _, vendor = a.key.partition(":")
        name = say(f"alternative.{kind}", **({"vendor": Raw(vendor)} if vendor else {}))
        if a.before is None or a.difference is None:
            return name, say("word.none"), say("word.none"), say("alternative.not_offered")
        reason = f"alternative.{kind}_why" if kind in ("no_drc", "all_at_once") else "alternative.dearer"
        if kind not in ("no_drc", "all_at_once") and a.difference <= 0:
            reason = "alternative.same"
        limit = sources.inputs.launch.leasing.vendor_share_max
        if vendor and limit < 1 and a.difference <= 0:
            return name, Rupiah(a.before), Rupiah(a.difference), say("alternative.vendor_share", share=Share(limit))
        return name, Rupiah(a.before), Rupiah(a.difference), say(reason)

    return (
        Heading("alternatives", say("alternative.heading")),
        Paragraph(say("alternative.intro", chosen=money(plan, chosen))),
        Table(
            "alternatives",
            say("alternative.table_indicative" if plan.cost.indicative else "alternative.table"),
            (
                Column(say("column.alternative"), width=52),
                Column(say("column.before_vat"), True, 22),
                Column(say("column.difference"), True, 22),
                Column(say("column.why_not"), width=60),
            ),
            tuple(row(a) for a in weighed),
        ),
        Paragraph(say("alternative.gap", gap=Share(plan.cost.optimality_gap, 2))),
        Paragraph(say("alternative.phasing")),
        *weighing(sources, totals),
    )


def risks(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Risks that the plan's own figures show, with the answer to each."""
    plan = sources.plan
    rows: list[tuple[Value, ...]] = []

    def risk(name: str, **values: Value) -> None:
        rows.append(
            (
                count(len(rows) + 1),
                say(f"risk.{name}", **values),
                say(f"risk.{name}_effect"),
                say(f"risk.{name}_answer"),
                say(f"risk.{name}_owner"),
            )
        )

    for p in plan.phases:
        for b in p.bindings:
            if b.rule == "quota":
                risk("quota", station=Raw(b.station or ""), phase=phase_name(p), calls=count(b.value))
    weak = [p for p in plan.phases if p.sufficiency < SUFFICIENT]
    if weak:
        shares = listing((listing((phase_name(p), Share(p.sufficiency, 1)), ": ") for p in weak), "; ")
        risk("sufficiency", phases=shares)
    if plan.cost.indicative:
        risk("prices")
    priced = max((p.price_date for p in sources.inputs.prices), default=plan.horizon_start)
    late = sum(1 for x in plan.leases if x.order_date < priced)
    if late:
        risk("order", lines=count(late), first=Day(first_order(plan)), priced=Day(priced))
    vendors = {p.vendor for p in sources.inputs.prices if p.vendor_is_placeholder}
    if vendors & {x.vendor for x in plan.leases}:
        risk("placeholder")
    if plan.hindcast:
        worst = max(plan.hindcast, key=lambda h: abs(h.error))
        risk("demand", period=Raw(worst.period), error=Share(worst.error, signed=True))
    ends = max(x.end for x in plan.leases)
    risk("end", day=Day(ends))
    if not sources.measured:
        risk("unmeasured")
    return (
        Heading("risks", say("risk.heading")),
        Table(
            "risks",
            say("risk.table"),
            (
                Column(say("column.number"), True, 6),
                Column(say("column.risk"), width=56),
                Column(say("column.effect"), width=40),
                Column(say("column.answer"), width=56),
                Column(say("column.owner"), width=20),
            ),
            tuple(rows),
        ),
    )
