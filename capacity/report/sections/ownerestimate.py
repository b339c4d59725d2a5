"""The owner's estimate (HPS): recapitulation, lines with the usual columns, and the need of each fiscal year."""

from __future__ import annotations

from collections import defaultdict

from capacity.leaseplan import LeaseLine, LeasePlan, SupportingLine
from capacity.report.estimate import ROUNDING_IDR, Estimate
from capacity.report.sections.words import count, detail, listing, money, say, site
from capacity.report.sources import Sources
from capacity.report.values import (
    Bars,
    Block,
    Both,
    Chart,
    Column,
    Day,
    Heading,
    InWords,
    Live,
    Number,
    Paragraph,
    Product,
    Raw,
    Rupiah,
    Share,
    Subtotal,
    Table,
    Total,
    Value,
)

Row = tuple[Value | Live, ...]
GROUPS = ("servers", "supporting", "setup")
"""The parts of the HPS, in order; their letters are A, B, C."""


def owner_estimate(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Recapitulation; lines with Jumlah, PPN, Total, Dibulatkan and Terbilang; the commitment of each fiscal year."""
    plan = sources.plan
    cost = plan.cost
    groups = _rows(sources)
    blocks: list[Block] = [Heading("hps", say("hps.heading"), leaf=True), Paragraph(say("hps.intro"))]
    if cost.indicative:
        quotations = [x.quotation for x in plan.leases] + [x.quotation for x in plan.supporting]
        bare = sum(1 for x in quotations if not x)
        blocks.append(Paragraph(say("hps.indicative", bare=count(bare), lines=count(len(quotations))), callout=True))
    blocks += [_recapitulation(groups, plan), _lines(groups, plan, totals), *_years(plan)]
    return tuple(blocks)


def _group_name(position: int) -> Value:
    return listing((Raw(f"{chr(ord('A') + position)}."), say(f"hps.group_{GROUPS[position]}")), " ")


def _recapitulation(groups: dict[str, list[Row]], plan: LeasePlan) -> Table:
    rows: list[Row] = []
    first = 0
    for n, name in enumerate(GROUPS):
        lines = groups[name]
        amounts = [cell.value.amount for row in lines if isinstance(cell := row[-1], Product)]
        whole = Subtotal(Rupiah(sum(amounts)), "hps", first, first + len(lines) - 1)
        rows.append((_group_name(n), count(len(lines)), whole))
        first += len(lines)
    return Table(
        "hps-recapitulation",
        say(f"hps.recapitulation{'_indicative' if plan.cost.indicative else ''}"),
        (
            Column(say("column.part"), width=48),
            Column(say("column.lines"), True, 14),
            Column(say("column.amount"), True, 24),
        ),
        tuple(rows),
    )


def _lines(groups: dict[str, list[Row]], plan: LeasePlan, totals: Estimate) -> Table:
    vat = say("hps.vat" if totals.single else "hps.vat_mixed", rate=Share(totals.rate, 0 if totals.single else 2))
    mark = "_indicative" if plan.cost.indicative else ""
    starts: list[tuple[int, Value]] = []
    rows: list[Row] = []
    for n, name in enumerate(GROUPS):
        if groups[name]:
            starts.append((len(rows), _group_name(n)))
        rows += groups[name]
    return Table(
        "hps",
        say("hps.table"),
        (
            Column(say("column.number"), True, 6),
            Column(say("column.description"), width=44),
            Column(say("column.specification"), width=40),
            Column(say("column.volume"), True, 10),
            Column(say("column.unit"), width=10),
            Column(say("column.duration"), True, 11),
            Column(say("column.unit_price"), True, 18),
            Column(say("column.amount"), True, 22),
        ),
        tuple((count(n), *row) for n, row in enumerate(rows, start=1)),
        (
            Total("jumlah", say(f"hps.sum{mark}"), Rupiah(totals.before), "sum"),
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
        groups=tuple(starts),
    )


def _years(plan: LeasePlan) -> tuple[Block, ...]:
    cost = plan.cost
    ceilings = any(y.ceiling_idr is not None for y in cost.years)
    mark = "_indicative" if cost.indicative else ""
    millions = tuple(Number(y.total_idr / 1e6) for y in cost.years)
    labels = tuple(Raw(str(y.year)) for y in cost.years)
    chart = Chart(
        "year-costs",
        say(f"hps.years_chart{mark}"),
        say("certainty.alternative", values=listing(listing(p, ": ") for p in zip(labels, millions, strict=True))),
        Bars(
            (say("column.total"),),
            tuple((a, (b,)) for a, b in zip(labels, millions, strict=True)),
            say("certainty.unit"),
        ),
    )
    table = Table(
        "fiscal-years",
        say(f"hps.years{mark}"),
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
        note=say("hps.years_note"),
    )
    after: list[Block] = [Paragraph(say("hps.year_total", total=money(plan, cost.total_idr)))]
    if not ceilings:
        after.append(Paragraph(say("hps.no_ceiling")))
    return (chart, table, *after)


def _rows(sources: Sources) -> dict[str, list[Row]]:
    """Rent line by line in the plan's order, then set-up once, added up by thing, site and price."""
    plan = sources.plan
    specs = {s.id: Both(s.description_id, s.description_en) for s in sources.inputs.skus}
    groups: dict[str, list[Row]] = {name: [] for name in GROUPS}
    setups: dict[tuple[str, str, int], tuple[Value, int]] = defaultdict(lambda: (Raw(""), 0))

    def rent(group: str, what: Value, spec: Value, unit: Value, x: LeaseLine | SupportingLine) -> None:
        amount = Rupiah(x.quantity * x.months * x.monthly_rent_idr)
        price = Rupiah(x.monthly_rent_idr)
        row = (what, spec, count(x.quantity), unit, count(x.months), price, Product(amount, (3, 5, 6)))
        groups[group].append(row)

    for line in plan.leases:
        what = say("hps.rent", role=say(f"role.{line.role}"), site=site(plan, line.site), start=Day(line.start))
        rent("servers", what, specs.get(line.sku, Raw(line.sku)), say("word.unit"), line)
        key = (line.sku, line.site, line.setup_idr)
        setups[key] = (specs.get(line.sku, Raw(line.sku)), setups[key][1] + line.quantity)
    for extra in plan.supporting:
        title = Both(extra.description_id, extra.description_en)
        what = say("hps.supporting", name=title, site=site(plan, extra.site), start=Day(extra.start))
        rent("supporting", what, detail(extra), Raw(extra.unit), extra)
        key = (extra.item, extra.site, extra.setup_idr)
        setups[key] = (title, setups[key][1] + extra.quantity)
    for (_, where, price), (name, quantity) in setups.items():
        if price:
            amount = Product(Rupiah(quantity * price), (3, 5, 6))
            what = say("hps.setup", site=site(plan, where))
            row = (what, name, count(quantity), say("word.unit"), count(1), Rupiah(price), amount)
            groups["setup"].append(row)
    return groups
