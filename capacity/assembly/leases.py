"""Lease lines, named servers and cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from capacity.assembly.computed import Computed, need_months
from capacity.leaseplan import Cost, FiscalYearCost, LeasedServer, LeaseLine, Sku, SupportingLine
from capacity.leasing.money import quantiles_idr
from capacity.leasing.problem import IntArray
from capacity.sizing.needs import RESOURCES, SiteNeed, ready_months, servers_needed, standing, usable
from capacity.sizing.workload import Floats


def leased_servers(all_of: Computed) -> tuple[LeasedServer, ...]:
    """Every server with the first phase that needs it: the one whose need reaches its index."""
    launch = all_of.launch
    needed: dict[tuple[str, str, str, int], int] = {}
    out = []
    for s in all_of.leased.servers:
        role = launch.role(s.role)  # type: ignore[arg-type]
        for phase in launch.phases:
            key = (s.site, s.role, s.sku, phase.id)
            if key not in needed:
                needs = all_of.needs[s.site, s.role][: need_months(launch, phase).stop]
                needed[key] = max(servers_needed(role, need, all_of.sku(s.sku)) for need in needs)
        first = next((p.id for p in launch.phases if s.index <= needed[s.site, s.role, s.sku, p.id]), 3)
        out.append(
            LeasedServer(
                name=s.name,
                site=s.site,
                role=role.role,
                index=s.index,
                sku=s.sku,
                phase=first,
                leases=s.lines,
                start=all_of.month(s.start),
                end=all_of.month(s.end),
            )
        )
    return tuple(out)


def lease_lines(all_of: Computed) -> tuple[LeaseLine, ...]:
    """Contract lines with their dates: notice and order days from the price book."""
    prices = {(p.vendor, p.sku, p.term_months): p for p in all_of.inputs.prices}
    out = []
    for line in all_of.leased.lines:
        price = prices[line.vendor, line.sku, line.term]
        start, end = all_of.month(line.start), all_of.month(line.end)
        out.append(
            LeaseLine(
                id=line.id,
                vendor=line.vendor,
                sku=line.sku,
                role=all_of.launch.role(line.role).role,  # type: ignore[arg-type]
                site=line.site,
                quantity=line.quantity,
                start=start,
                months=line.months,
                end=end,
                notice_date=end - dt.timedelta(days=price.notice_days),
                order_date=start - dt.timedelta(days=price.lead_time_days),
                monthly_rent_idr=line.monthly_rent_idr,
                setup_idr=line.setup_idr,
                quotation=line.quotation,
                renews=line.renews,
            )
        )
    return tuple(out)


def skus_used(all_of: Computed) -> tuple[Sku, ...]:
    """The contracts' SKUs, as acceptance compares them."""
    used = {s.sku for s in all_of.leased.servers}
    rows = [s for s in all_of.inputs.skus if s.id in used]
    fields = set(Sku.model_fields) - {"description"}
    return tuple(Sku(description=s.description_en, **s.model_dump(include=fields)) for s in rows)


def cost(all_of: Computed, supporting: Sequence[SupportingLine]) -> Cost:
    """Commitment by fiscal year, and the quantiles of what the cost-least plan of each draw would cost."""
    months, beside, setup = supporting_by_month(all_of, supporting)
    vat = all_of.inputs.vat
    money = all_of.leased.money
    extra: dict[int, list[int]] = {}
    for day, rent, once in zip(months, beside, setup, strict=True):
        row = extra.setdefault(day.year, [0, 0, 0])
        row[0] += rent
        row[1] += once
        row[2] += vat.tax_idr(rent + once, day)
    servers = {y.year: y for y in money.years}
    ceilings = {c.year: c.ceiling_idr for c in all_of.launch.leasing.ceilings}
    years = []
    for year in sorted({*servers, *(y for y, row in extra.items() if any(row))}):
        rent, once, tax = extra.get(year, [0, 0, 0])
        y = servers.get(year)
        before = (y.rent_idr, y.setup_idr + y.early_return_idr, y.vat_idr) if y else (0, 0, 0)
        years.append(
            FiscalYearCost(
                year=year,
                rent_idr=before[0] + rent,
                setup_idr=before[1] + once,
                supporting_idr=rent + once,
                vat_idr=before[2] + tax,
                total_idr=before[0] + rent + before[1] + once + before[2] + tax,
                ceiling_idr=ceilings.get(year),
            )
        )
    beside_total, beside_tax = sum(beside) + sum(setup), sum(row[2] for row in extra.values())
    drawn = cost_by_draw(all_of) + beside_total + beside_tax
    p50, p80, p95 = quantiles_idr(drawn)
    return Cost(
        currency="IDR",
        total_before_vat_idr=money.total_before_vat_idr + beside_total,
        supporting_before_vat_idr=beside_total,
        vat_idr=money.vat_idr + beside_tax,
        total_idr=money.total_idr + beside_total + beside_tax,
        p50_idr=p50,
        p80_idr=p80,
        p95_idr=p95,
        years=tuple(years),
        optimality_gap=round(all_of.leased.gap, 6),
        indicative=None in [*(x.quotation for x in all_of.leased.lines), *(x.quotation for x in supporting)],
    )


def supporting_by_month(
    all_of: Computed, supporting: Sequence[SupportingLine]
) -> tuple[list[dt.date], list[int], list[int]]:
    """Months of the horizon, with rent and setup of the supporting lines in each."""
    months = [all_of.month(m) for m in range(all_of.launch.horizon.months)]
    rent = [sum(s.quantity * s.monthly_rent_idr for s in supporting if s.start <= day < s.end) for day in months]
    once = [sum(s.quantity * s.setup_idr for s in supporting if s.start == day) for day in months]
    return months, rent, once


def supporting_by_year(all_of: Computed, supporting: Sequence[SupportingLine]) -> dict[int, int]:
    """Rupiah with tax that supporting lines cost in each year."""
    out: dict[int, int] = {}
    for day, rent, once in zip(*supporting_by_month(all_of, supporting), strict=True):
        out[day.year] = out.get(day.year, 0) + rent + once + all_of.inputs.vat.tax_idr(rent + once, day)
    return out


def cost_by_draw(all_of: Computed) -> Floats:
    """(D,) rupiah with tax: what servers alone would cost had each draw's demand been known, headroom kept.

    A draw's need never falls, so the k-th server stands from its first month to the end, and the cost-least plan is
    the sum over servers of the cheapest chain of terms from that month (L1). Exact for one SKU and vendor a pool.
    """
    total = np.zeros(all_of.draws.count)
    ratio = load_by_draw(all_of)
    for site in all_of.launch.sites:
        for role in all_of.launch.roles:
            mine = [s for s in all_of.leased.servers if s.site == site.id and s.role == role.role]
            if not mine:
                continue
            chain = suffix_costs(all_of, mine[0].sku, mine[0].vendor)
            counts = servers_by_draw(all_of, site.id, role.role, mine[0].sku, ratio)
            new = np.diff(counts, axis=1, prepend=0)
            total += new @ chain
    return total


def suffix_costs(all_of: Computed, sku: str, vendor: str) -> Floats:
    """(M,) rupiah with tax of one server held from month t to the horizon's end, at the cheapest chain of terms."""
    vat, horizon = all_of.inputs.vat, all_of.launch.horizon.months
    terms = [
        p
        for p in all_of.inputs.prices
        if p.sku == sku and p.vendor == vendor and p.term_months in all_of.launch.leasing.terms_months
    ]
    longest = max(p.term_months for p in terms)
    tax = [1 + float(vat.at(all_of.month(m)).rate) for m in range(horizon + longest)]
    best = np.zeros(horizon + longest + 1)
    for t in range(horizon - 1, -1, -1):
        best[t] = min(
            p.monthly_rent * sum(tax[t : t + p.term_months]) + best[min(t + p.term_months, horizon)] for p in terms
        )
    return np.array([best[t] + terms[0].setup * tax[t] for t in range(horizon)])


FOLLOWING = ("worker", "edge")
"""Roles whose need follows the load of the hour. Storage, database and what runs by itself do not."""


def servers_by_draw(all_of: Computed, site: str, role_name: str, sku: str, ratio: Floats | None = None) -> Floats:
    """(D, M) servers of a role by draw, spare ones included. `ratio`: `load_by_draw`, where it is known already."""
    role = all_of.launch.role(role_name)  # type: ignore[arg-type]
    alone = alone_by_draw(all_of, site, role_name, sku, ratio=ratio)
    return np.asarray(np.maximum(alone + role.redundancy, role.min_servers))


def alone_by_draw(
    all_of: Computed,
    site: str,
    role_name: str,
    sku: str,
    draws: slice | IntArray = slice(None),
    ratio: Floats | None = None,
) -> Floats:
    """(D, M) servers that carry a role with nothing lost: the plan's own needs, scaled by the draw's load over the
    design load."""
    launch = all_of.launch
    role = launch.role(role_name)  # type: ignore[arg-type]
    model = all_of.sku(sku)
    needs = np.maximum.accumulate([need.values() for need in all_of.needs[site, role_name]], axis=0)
    ratio = load_by_draw(all_of, draws) if ratio is None else ratio
    if role_name not in FOLLOWING:
        rows = [standing(role, SiteNeed(*row), model)[0] for row in needs]
        return np.broadcast_to(np.array(rows, float), ratio.shape)
    carries = usable(model, role)
    out = np.ones(ratio.shape)
    for name, fixed in (("cores", role.fixed_cores / role.max_utilisation), ("memory_gib", role.fixed_memory_gib)):
        asked = fixed + (needs[:, RESOURCES.index(name)] - fixed) * ratio
        np.maximum(out, np.ceil(asked / carries[name] - 1e-9), out=out)
    return out


def load_by_draw(all_of: Computed, draws: slice | IntArray = slice(None)) -> Floats:
    """(D, M) load that servers must be ready for in a month, over the load that they are designed for."""
    shift = ready_months(all_of.launch)
    load = np.maximum.accumulate(all_of.found.total[draws], axis=1) * all_of.launch.design.headroom
    at_design = np.array([_design_load(all_of, m) for m in range(load.shape[1])])
    ahead = np.minimum(np.arange(load.shape[1]) + shift, load.shape[1] - 1)
    return np.asarray(load[:, ahead] / np.where(at_design[ahead] > 0, at_design[ahead], 1.0))


def _design_load(all_of: Computed, month: int) -> float:
    point = all_of.points[month]
    costs = all_of.found.costs
    pods = np.array(costs.pods)
    rates = np.array([point.class_rates[k] for k in costs.classes])
    return float(rates @ (costs.fixed[pods].sum(axis=0) + point.factor * costs.scaled[pods].sum(axis=0)))
