"""The arithmetic of the owner's estimate (HPS) and of the alternatives. Pure; whole rupiah before and with VAT."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capacity.faults import BadInput, Fault
from capacity.leaseplan import LeaseLine, LeasePlan, SupportingLine
from capacity.leasing.vat import Vat
from capacity.tables import Price

ROUNDING_IDR = 1_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """Totals of the HPS. `rate` x `before` gives `vat` to the rupiah; `single` when one legal rate covers all."""

    before: int
    rate: float
    single: bool
    vat: int
    total: int
    rounded: int


def line_idr(line: LeaseLine | SupportingLine) -> int:
    """Rent over the whole term and set-up of a line, before VAT."""
    return line.quantity * (line.months * line.monthly_rent_idr + line.setup_idr)


def estimate(plan: LeasePlan, vat: Vat) -> Estimate:
    """The totals. BadInput when the lines do not add up to the plan's own total: the report would contradict itself."""
    before = sum(line_idr(x) for x in plan.leases) + sum(line_idr(x) for x in plan.supporting)
    cost = plan.cost
    if before != cost.total_before_vat_idr or before + cost.vat_idr != cost.total_idr:
        problem = "its lines and VAT do not add up to its total"
        raise BadInput([Fault(plan.plan, "cost", f"{before:,} before VAT", problem, "Run `oss plan` again.")])
    legal = float(vat.at(plan.horizon_start).rate)
    single = round(before * legal) == cost.vat_idr
    rate = legal if single else cost.vat_idr / before if before else 0.0
    rounded = cost.total_idr // ROUNDING_IDR * ROUNDING_IDR
    return Estimate(before, rate, single, cost.vat_idr, cost.total_idr, rounded)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to lease the same servers: `key` names it, `difference` is against the plan, before VAT."""

    key: str
    before: int | None
    difference: int | None


def alternatives(plan: LeasePlan, prices: Sequence[Price]) -> tuple[Alternative, ...]:
    """Other ways, priced from the same price book. None where the price book has no such offer for some server."""
    chosen = sum(map(line_idr, plan.leases))

    def priced(key: str, total: int | None) -> Alternative:
        return Alternative(key, total, None if total is None else total - chosen)

    terms = sorted({p.term_months for p in prices})
    shortest, longest = (terms[0], terms[-1]) if terms else (0, 0)
    ways: list[Alternative] = [
        priced("short_terms", _total(plan, _cheapest([p for p in prices if p.term_months == shortest])))
    ]
    if longest != shortest:
        ways.append(priced("year_terms", _total(plan, _cheapest([p for p in prices if p.term_months == 12]))))
    ways.append(priced("all_at_once", sum(_from_start(plan, line) for line in plan.leases)))
    vendors = sorted({p.vendor for p in prices})
    ways += [
        priced(f"vendor:{name}", _total(plan, _cheapest([p for p in prices if p.vendor == name]))) for name in vendors
    ]
    without_drc = sum(line_idr(line) for line in plan.leases if line.site not in _drc(plan))
    ways.append(priced("no_drc", without_drc))
    return tuple(ways)


def _drc(plan: LeasePlan) -> set[str]:
    return {site.id for site in plan.sites if site.kind == "drc"}


def _from_start(plan: LeasePlan, line: LeaseLine) -> int:
    early = (line.start.year - plan.horizon_start.year) * 12 + line.start.month - plan.horizon_start.month
    return line_idr(line) + line.quantity * early * line.monthly_rent_idr


Offer = Callable[[str, int], int | None]


def _cheapest(offers: Sequence[Price]) -> Offer:
    """Least cost to lease one server of a SKU for so many months by back-to-back terms of these offers."""

    def cost(sku: str, months: int) -> int | None:
        least: list[int | None] = [0]
        for month in range(1, months + 1):
            ways = [
                before + p.term_months * p.monthly_rent + (p.setup if month <= p.term_months else 0)
                for p in offers
                if p.sku == sku and (before := least[max(0, month - p.term_months)]) is not None
            ]
            least.append(min(ways) if ways else None)
        return least[months]

    return cost


def _total(plan: LeasePlan, offer: Offer) -> int | None:
    total = 0
    for line in plan.leases:
        cost = offer(line.sku, line.months)
        if cost is None:
            return None
        total += line.quantity * cost
    return total


def first_order(plan: LeasePlan) -> dt.date:
    """The earliest latest-order date of all lines."""
    return min(line.order_date for line in plan.leases)
