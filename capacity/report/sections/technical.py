"""What the terms of reference (KAK) need: specification of each model and device, and when to order, renew or end."""

from __future__ import annotations

from collections.abc import Iterator

from capacity.leaseplan import LeasePlan, Sku
from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, listing, phase_name, say, site
from capacity.report.sources import Sources
from capacity.report.values import (
    Block,
    Both,
    Bullets,
    Column,
    Day,
    Heading,
    Number,
    Paragraph,
    Raw,
    Say,
    Subheading,
    Table,
    Value,
)
from capacity.tables import SkuRow, Supporting

MEDIA = ("NVMe", "SSD", "HDD")


def specification(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Minimum specification of each model and device, without any maker's name, and what every delivery must meet."""
    plan = sources.plan
    rows = {s.id: s for s in sources.inputs.skus}
    must: tuple[Say, ...] = tuple(say(f"spec.must_{n}") for n in range(1, 7))
    open_points: tuple[Say, ...] = tuple(say(f"spec.open_{n}") for n in range(1, 6))
    return (
        Heading("specification", say("spec.heading"), leaf=True),
        Paragraph(say("spec.intro")),
        *(_model(plan, sku, rows.get(sku.id)) for sku in plan.skus),
        _devices(sources),
        Subheading(say("spec.must")),
        Bullets(must),
        Subheading(say("spec.open")),
        Bullets(open_points),
    )


def _model(plan: LeasePlan, sku: Sku, row: SkuRow | None) -> Table:
    name = Both(row.description_id, row.description_en) if row else Raw(sku.description)
    requirements = tuple(_requirements(plan, sku, row))
    return Table(
        f"spec-{sku.id}",
        say("spec.model", model=Raw(sku.id), name=name),
        (
            Column(say("column.number"), True, 6),
            Column(say("column.requirement"), width=26),
            Column(say("column.demanded"), width=52),
            Column(say("column.checked_by"), width=44),
        ),
        tuple((count(n), *cells) for n, cells in enumerate(requirements, start=1)),
    )


def _requirements(plan: LeasePlan, sku: Sku, row: SkuRow | None) -> Iterator[tuple[Value, Value, Value]]:
    """(what, the value demanded, how it is checked) for one model."""
    mine = [s for s in plan.servers if s.sku == sku.id]
    roles = sorted({s.role for s in mine})
    places = (
        listing((site(plan, x.id), count(sum(1 for s in mine if s.site == x.id))), ": ")
        for x in plan.sites
        if any(s.site == x.id for s in mine)
    )

    def demanded(name: str, value: Value, check: str) -> tuple[Value, Value, Value]:
        return say(f"spec.{name}"), value, say(f"spec.check_{check}")

    media = next((m for m in MEDIA if row and m in row.description_en), "")
    disks = say("spec.disks", n=count(sku.disks), gb=count(sku.disk_gb), media=Raw(media))
    yield demanded("use", listing(say(f"role.{role}") for role in roles), "papers")
    yield demanded("number", listing((count(len(mine)), listing(places, "; ")), " – "), "papers")
    yield demanded("form", say("spec.form_value", u=count(sku.rack_units)), "site")
    yield demanded("processor", say("spec.processor_value", n=count(sku.cores)), "bmc")
    yield demanded("memory", say("spec.memory_value", gib=count(sku.memory_gib)), "bmc")
    yield demanded("storage", disks, "bmc")
    if row:
        yield demanded("iops", say("spec.iops_value", n=count(row.iops)), "load")
    gbit = Number(sku.nic_gbit_s, 0 if sku.nic_gbit_s == int(sku.nic_gbit_s) else 1)
    yield demanded("network", say("spec.nics", n=count(sku.nics), gbit=gbit), "bmc")
    yield demanded("management", say("spec.management_value"), "bmc")
    yield demanded("power", say("spec.power_value", w=count(sku.power_w)), "site")


def _devices(sources: Sources) -> Table:
    plan = sources.plan
    known: dict[str, Supporting] = {s.id: s for s in sources.inputs.supporting}
    items = dict.fromkeys(x.item for x in plan.supporting)
    places = [s.id for s in plan.sites]

    def quantity(item: str, where: str) -> Value:
        found = sum(x.quantity for x in plan.supporting if (x.item, x.site) == (item, where))
        return count(found) if found else say("word.none")

    def row(item: str) -> tuple[Value, ...]:
        one = next(x for x in plan.supporting if x.item == item)
        source = known.get(item)
        unit = say("word.none")
        if source:
            kind = Say(f"spec.of_{source.capacity_unit}", {"n": count(source.capacity)}, Raw(source.capacity_unit))
            unit = kind if source.kind != "bandwidth" else say("spec.of_bandwidth")
        name = Both(one.description_id, one.description_en)
        return name, unit, Raw(one.unit), *(quantity(item, where) for where in places)

    return Table(
        "spec-supporting",
        say("spec.devices"),
        (
            Column(say("column.description"), width=44),
            Column(say("column.carries"), width=36),
            Column(say("column.unit"), width=10),
            *(Column(site(plan, where), True, 16) for where in places),
        ),
        tuple(row(item) for item in items),
        note=say("spec.devices_note"),
    )


def renewals(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Dates to act on, by the day of notice."""
    plan = sources.plan
    lines = sorted(plan.leases, key=lambda x: (x.notice_date, x.order_date, x.id))
    openings = listing((listing((phase_name(p), Day(p.start)), ": ") for p in plan.phases), "; ")
    return (
        Heading("renewals", say("renewals.heading")),
        Paragraph(say("renewals.intro", openings=openings)),
        Table(
            "renewals",
            say("renewals.table"),
            (
                Column(say("column.order_by"), width=20),
                Column(say("column.start"), width=20),
                Column(say("column.notice_by"), width=20),
                Column(say("column.end"), width=20),
                Column(say("column.line"), width=46),
                Column(say("column.quantity"), True, 12),
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
