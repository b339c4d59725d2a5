"""What is leased, what it costs (HPS), how it is specified, and when it must be ordered, renewed or ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from capacity.leaseplan import LeaseLine, LeasePlan, SupportingLine
from capacity.report.estimate import ROUNDING_IDR, Estimate
from capacity.report.sections.words import count, listing, money, phase_name, say, site
from capacity.report.sources import Sources
from capacity.report.values import (
    Block,
    Both,
    Bullets,
    Chart,
    Column,
    Day,
    Heading,
    InWords,
    Paragraph,
    Product,
    Raw,
    Rupiah,
    Say,
    Share,
    Span,
    Table,
    Timeline,
    Total,
    Value,
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
                Both(s.detail_id, s.detail_en),
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
        Timeline(spans, plan.horizon_start, end, tuple((phase_name(p), p.start) for p in plan.phases)),
    )
    return (
        Heading("leased", say("leased.heading")),
        Paragraph(say("leased.intro", servers=count(len(plan.servers)), lines=count(len(plan.leases)))),
        servers,
        supporting,
        chart,
    )


def _spans(plan: LeasePlan, where: str) -> Iterator[Span]:
    name = site(plan, where)
    for x in plan.leases:
        if x.site == where:
            yield Span(say("leased.server_role", role=say(f"role.{x.role}")), name, x.quantity, x.start, x.end)
    for s in plan.supporting:
        if s.site == where:
            yield Span(Both(s.description_id, s.description_en), name, s.quantity, s.start, s.end)


def owner_estimate(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """HPS: the usual columns, Jumlah, PPN, Total, Dibulatkan and Terbilang; then the commitment of each fiscal year."""
    plan = sources.plan
    cost = plan.cost
    vat = say("hps.vat" if totals.single else "hps.vat_mixed", rate=Share(totals.rate, 0 if totals.single else 2))
    mark = "_indicative" if cost.indicative else ""
    table = Table(
        "hps",
        say("hps.table"),
        (
            Column(say("column.number"), True, 6),
            Column(say("column.description"), width=44),
            Column(say("column.specification"), width=48),
            Column(say("column.volume"), True, 10),
            Column(say("column.unit"), width=10),
            Column(say("column.duration"), True, 10),
            Column(say("column.unit_price"), True, 18),
            Column(say("column.amount"), True, 22),
        ),
        tuple((count(n), *row) for n, row in enumerate(_rows(sources), start=1)),
        (
            Total("jumlah", say("hps.sum"), Rupiah(totals.before), "sum"),
            Total("ppn", vat, Rupiah(totals.vat), "rate", ("jumlah",), rate=totals.rate),
            Total("total", say(f"hps.total{mark}"), Rupiah(totals.total), "plus", ("jumlah", "ppn")),
            Total(
                "dibulatkan",
                say(f"hps.rounded{mark}", unit=Rupiah(ROUNDING_IDR)),
                Rupiah(totals.rounded),
                "rounded",
                ("total",),
                unit=ROUNDING_IDR,
            ),
        ),
        inputs=(3, 5, 6),
        words=InWords(totals.rounded),
        note=say("hps.note"),
    )
    ceilings = any(y.ceiling_idr is not None for y in cost.years)
    years = Table(
        "fiscal-years",
        say("hps.years"),
        (
            Column(say("column.year"), width=10),
            Column(say("column.rent"), True, 22),
            Column(say("column.setup"), True, 20),
            Column(say("column.of_supporting"), True, 22),
            Column(say("column.vat"), True, 20),
            Column(say("column.total"), True, 22),
            *((Column(say("column.ceiling"), True, 22),) if ceilings else ()),
        ),
        tuple(
            (
                Raw(str(y.year)),
                *(Rupiah(v) for v in (y.rent_idr, y.setup_idr, y.supporting_idr, y.vat_idr, y.total_idr)),
                *((say("word.none") if y.ceiling_idr is None else Rupiah(y.ceiling_idr),) if ceilings else ()),
            )
            for y in cost.years
        ),
    )
    blocks: list[Block] = [Heading("hps", say("hps.heading")), Paragraph(say("hps.intro"))]
    if cost.indicative:
        quotations = [x.quotation for x in plan.leases] + [x.quotation for x in plan.supporting]
        bare = sum(1 for x in quotations if not x)
        blocks.append(Paragraph(say("hps.indicative", bare=count(bare), lines=count(len(quotations))), callout=True))
    blocks += [table, years, Paragraph(say("hps.year_total", total=money(plan, cost.total_idr)))]
    if not ceilings:
        blocks.append(Paragraph(say("hps.no_ceiling")))
    return tuple(blocks)


def _rows(sources: Sources) -> list[tuple[Value | Product, ...]]:
    """Rent line by line in the plan's order, then set-up once, added up by thing, site and price."""
    plan = sources.plan
    specs = {s.id: Both(s.description_id, s.description_en) for s in sources.inputs.skus}
    rows: list[tuple[Value | Product, ...]] = []
    setups: dict[tuple[str, str, int], tuple[Value, int]] = defaultdict(lambda: (Raw(""), 0))

    def rent(what: Value, spec: Value, unit: Value, x: LeaseLine | SupportingLine) -> None:
        amount = Rupiah(x.quantity * x.months * x.monthly_rent_idr)
        price = Rupiah(x.monthly_rent_idr)
        rows.append((what, spec, count(x.quantity), unit, count(x.months), price, Product(amount, (3, 5, 6))))

    for line in plan.leases:
        what = say("hps.rent", role=say(f"role.{line.role}"), site=site(plan, line.site), start=Day(line.start))
        rent(what, specs.get(line.sku, Raw(line.sku)), say("word.unit"), line)
        key = (line.sku, line.site, line.setup_idr)
        setups[key] = (specs.get(line.sku, Raw(line.sku)), setups[key][1] + line.quantity)
    for extra in plan.supporting:
        title = Both(extra.description_id, extra.description_en)
        what = say("hps.supporting", name=title, site=site(plan, extra.site), start=Day(extra.start))
        rent(what, Both(extra.detail_id, extra.detail_en), Raw(extra.unit), extra)
        key = (extra.item, extra.site, extra.setup_idr)
        setups[key] = (title, setups[key][1] + extra.quantity)
    for (_, where, price), (name, quantity) in setups.items():
        if price:
            amount = Product(Rupiah(quantity * price), (3, 5, 6))
            what = say("hps.setup", site=site(plan, where))
            rows.append((what, name, count(quantity), say("word.unit"), count(1), Rupiah(price), amount))
    return rows


def specification(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Minimum specification of each model, without any maker's name, and what every server must have."""
    plan = sources.plan
    names = {s.id: Both(s.description_id, s.description_en) for s in sources.inputs.skus}
    number = {s.id: sum(1 for x in plan.servers if x.sku == s.id) for s in plan.skus}
    table = Table(
        "specification",
        say("spec.table"),
        (
            Column(say("column.model"), width=16),
            Column(say("column.description"), width=46),
            Column(say("column.quantity"), True, 10),
            Column(say("column.cores"), True, 10),
            Column(say("column.memory"), True, 12),
            Column(say("column.disks"), width=20),
            Column(say("column.nics"), width=20),
            Column(say("column.height"), True, 10),
            Column(say("column.power"), True, 12),
        ),
        tuple(
            (
                Raw(s.id),
                names.get(s.id, Raw(s.description)),
                count(number[s.id]),
                count(s.cores),
                count(s.memory_gib),
                say("spec.disks", n=count(s.disks), gb=count(s.disk_gb)),
                say("spec.nics", n=count(s.nics), gbit=count(s.nic_gbit_s)),
                count(s.rack_units),
                count(s.power_w),
            )
            for s in plan.skus
        ),
        note=say("spec.note"),
    )
    must: tuple[Say, ...] = tuple(say(f"spec.must_{n}") for n in range(1, 7))
    return (
        Heading("specification", say("spec.heading")),
        Paragraph(say("spec.intro")),
        table,
        Paragraph(say("spec.must")),
        Bullets(must),
    )


def renewals(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Dates to act on, by the day of notice."""
    plan = sources.plan
    lines = sorted(plan.leases, key=lambda x: (x.notice_date, x.order_date, x.id))
    return (
        Heading("renewals", say("renewals.heading")),
        Paragraph(say("renewals.intro")),
        Table(
            "renewals",
            say("renewals.table"),
            (
                Column(say("column.order_by"), width=20),
                Column(say("column.start"), width=20),
                Column(say("column.notice_by"), width=20),
                Column(say("column.end"), width=20),
                Column(say("column.line"), width=46),
                Column(say("column.quantity"), True, 10),
                Column(say("column.provider"), width=18),
            ),
            tuple(
                (
                    Day(x.order_date),
                    Day(x.start),
                    Day(x.notice_date),
                    Day(x.end),
                    listing((say(f"role.{x.role}"), site(plan, x.site), Raw(x.sku))),
                    count(x.quantity),
                    Raw(x.vendor),
                )
                for x in lines
            ),
            note=say("renewals.note"),
        ),
    )
