"""Why no plan exists: which constraint to relax, and by how much."""

from __future__ import annotations

import datetime as dt
import time

import numpy as np

from capacity.faults import Infeasible
from capacity.leasing.coupling import Coupling
from capacity.leasing.lifetimes import MILLION, Prices, lifetimes
from capacity.leasing.master import SLACK, Outcome
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Pool, required, wanted
from capacity.leasing.pricing import PoolSearch
from capacity.leasing.problem import Needs, Offers, Rules


def refuse_uncovered(needs: Needs, offers: Offers, rules: Rules, book: Catalogue, pools: tuple[Pool, ...]) -> None:
    """Raises Infeasible for pools that no offer can carry, or none in time."""
    reasons = [reason for pool in pools if (reason := _uncovered(needs, offers, rules, book, pool))]
    if reasons:
        raise Infeasible("; ".join(r[0] for r in reasons), " ".join(dict.fromkeys(r[1] for r in reasons)))


def _uncovered(needs: Needs, offers: Offers, rules: Rules, book: Catalogue, pool: Pool) -> tuple[str, str] | None:
    site, role = needs.sites[pool.site], needs.roles[pool.role]
    usable = [m for m in range(len(book.models)) if required(needs, book, pool.site, pool.role, m) is not None]
    if not usable:
        return (
            f"no offer can carry role {role} at site {site}",
            f"Add an offer for role {role} at site {site} that has every resource it needs.",
        )
    month = int(np.flatnonzero(wanted(needs, pool.site, pool.role))[0])
    first = min(usable, key=lambda m: (book.first[m], m))
    if book.first[first] <= month:
        return None
    sku, vendor = book.models[first]
    lead = min(o.lead_time_days for o in offers if (o.sku, o.vendor) == (sku, vendor))
    assert rules.earliest_order is not None, "only an order date can make an offer late"
    order_by = needs.month(month) - dt.timedelta(days=lead)
    return (
        f"role {role} at site {site} is needed from {needs.month(month)}, but the first offer to arrive ({sku} of "
        f"{vendor}, lead time {lead} days) can start on {needs.month(int(book.first[first]))}",
        f"Order by {order_by} ({(rules.earliest_order - order_by).days} days before the earliest order date), move the "
        f"need by {int(book.first[first]) - month} month(s), or find a vendor with a lead time of at most "
        f"{max(0, (needs.month(month) - rules.earliest_order).days)} days.",
    )


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
            proven = max(0.0, least - float(rows.limit[n]))
            broken.append(
                f"fiscal year {year} needs at least Rp {_idr(least)} (proven), its ceiling is Rp {_idr(rows.limit[n])}"
                if proven > SLACK
                else f"no plan was found inside the ceiling of fiscal year {year}, Rp {_idr(rows.limit[n])}"
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
    return f"{round(million * MILLION):,}".replace(",", ".")
