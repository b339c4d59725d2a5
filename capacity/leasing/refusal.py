"""Why no plan exists: which constraint to relax, and by how much."""

from __future__ import annotations

import datetime as dt
import math
import time
from dataclasses import dataclass

import numpy as np

from capacity.faults import Infeasible
from capacity.leasing.coupling import Coupling
from capacity.leasing.lifetimes import MILLION, Prices, lifetimes
from capacity.leasing.master import SLACK, Outcome
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Pool, required, wanted
from capacity.leasing.pricing import PoolSearch
from capacity.leasing.problem import Needs, Offers, Rules


@dataclass(frozen=True)
class _Late:
    """Why a pool cannot be carried in time: needed from `month`, served from `first` by the quickest model."""

    month: int
    first: int
    lead_time_days: int
    model: tuple[str, str]


def refuse_uncovered(needs: Needs, offers: Offers, rules: Rules, book: Catalogue, pools: tuple[Pool, ...]) -> None:
    """Raises Infeasible for pools that no offer can carry, or none in time."""
    reasons: list[tuple[str, str]] = []
    late: dict[tuple[int, int, int], list[tuple[Pool, _Late]]] = {}
    for pool in pools:
        usable = [m for m in range(len(book.models)) if required(needs, book, pool.site, pool.role, m) is not None]
        if not usable:
            where = _where(needs, [pool])
            reasons.append((f"no offer can carry {where}", f"Add an offer for {where} with every resource it needs."))
        elif found := _late(needs, offers, book, pool, usable):
            late.setdefault((found.month, found.first, found.lead_time_days), []).append((pool, found))
    reasons += [_late_words(needs, rules, together) for together in late.values()]
    if reasons:
        raise Infeasible("; ".join(r[0] for r in reasons), " ".join(dict.fromkeys(r[1] for r in reasons)))


def _late(needs: Needs, offers: Offers, book: Catalogue, pool: Pool, usable: list[int]) -> _Late | None:
    month = int(np.flatnonzero(wanted(needs, pool.site, pool.role))[0])
    first = min(usable, key=lambda m: (book.first[m], m))
    if book.first[first] <= month:
        return None
    lead = min(o.lead_time_days for o in offers if (o.sku, o.vendor) == book.models[first])
    return _Late(month, int(book.first[first]), lead, book.models[first])


def _late_words(needs: Needs, rules: Rules, together: list[tuple[Pool, _Late]]) -> tuple[str, str]:
    """Pools that are late by the same: one sentence and one remedy."""
    one = together[0][1]
    assert rules.earliest_order is not None, "only an order date can make an offer late"
    order_by = needs.month(one.month) - dt.timedelta(days=one.lead_time_days)
    offers = "; ".join(dict.fromkeys(f"{late.model[0]} of {late.model[1]}" for _, late in together))
    verb, arrive = ("is", "the first offer to arrive") if len(together) == 1 else ("are", "the first offers to arrive")
    return (
        f"{_where(needs, [pool for pool, _ in together])} {verb} needed from {needs.month(one.month)}, but {arrive} "
        f"({offers}, lead time {one.lead_time_days} days) can start on {needs.month(one.first)}",
        f"Order by {order_by} ({(rules.earliest_order - order_by).days} days before the earliest order date), move the "
        f"need by {one.first - one.month} month(s), or find a vendor with a lead time of at most "
        f"{max(0, (needs.month(one.month) - rules.earliest_order).days)} days.",
    )


def _where(needs: Needs, pools: list[Pool]) -> str:
    """`role worker at site primary`, `roles edge, worker at sites primary, drc`."""
    sites = list(dict.fromkeys(needs.sites[pool.site] for pool in pools))
    by_site = {site: [needs.roles[p.role] for p in pools if needs.sites[p.site] == site] for site in sites}
    if len({tuple(roles) for roles in by_site.values()}) > 1:
        return " and ".join(_named("role", roles) + f" at site {site}" for site, roles in by_site.items())
    return f"{_named('role', by_site[sites[0]])} at {_named('site', sites)}"


def _named(kind: str, names: list[str]) -> str:
    return f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def refuse_broken(
    needs: Needs, rules: Rules, book: Catalogue, pools: tuple[Pool, ...], rows: Coupling, outcome: Outcome
) -> None:
    """Raises Infeasible when the best plan found still breaks a coupling rule. Whether any plan could keep it is
    proven where a bound on that rule alone shows it; else the message says how far the nearest plan is."""
    if outcome.kept:
        return
    broken, remedy = [], []
    for n in np.flatnonzero(outcome.over > SLACK):
        by = float(outcome.over[n])
        if rows.years[n] >= 0:
            year = book.years[rows.years[n]]
            least = least_paid(book, pools, rows.years[n])
            beside = rules.beside_idr.get(year, 0) / MILLION
            words = f", Rp {_idr(beside)} of it beside the servers" if beside else ""
            ceiling = f"Rp {_idr(float(rows.limit[n]) + beside)}"
            broken.append(
                f"fiscal year {year} needs at least Rp {_idr(least + beside)} (proven{words}), its ceiling is {ceiling}"
                if least - float(rows.limit[n]) > SLACK
                else f"no plan was found inside the ceiling of fiscal year {year}, {ceiling}{words}"
            )
            remedy.append(f"raise the ceiling of {year} by Rp {_idr(by)}")
        else:
            vendor = book.vendors[rows.vendors[n]]
            base = sum(float(plan.base.sum()) for plan in outcome.plans)
            got = sum(float(plan.base[rows.vendors[n]]) for plan in outcome.plans)
            broken.append(
                f"no plan was found that leaves vendor {vendor} at most {rows.share[n]:.0%} of the commitment"
            )
            remedy.append(f"allow vendor {vendor} {np.ceil(1000 * got / base) / 10:.1f} %, or add offers of others")
    steps = " and ".join(remedy)
    raise Infeasible("; ".join(broken), f"{steps[0].upper()}{steps[1:]}: with that a plan is known.")


def least_paid(book: Catalogue, pools: tuple[Pool, ...], year: int) -> float:
    """A lower bound, in million rupiah, of what any plan pays in a year: each pool planned for that year alone."""
    weight = np.zeros(len(book.years))
    weight[year] = 1.0
    prices = Prices(weight, np.zeros(len(book.vendors)))
    columns = lifetimes(book, prices)
    answers = [PoolSearch(pool, book).answer(columns, prices, (), 0.0, time.monotonic(), "round") for pool in pools]
    return sum(answer.bound for answer in answers if answer is not None)


def _idr(million: float) -> str:
    """Whole rupiah, rounded up, so that a remedy is never a rupiah short."""
    return f"{math.ceil(round(million * MILLION, 3)):,}".replace(",", ".")
