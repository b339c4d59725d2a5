"""`cover`: the cheapest lease lines for the needs, with bound, gap and shadow prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from capacity.leasing.coupling import Coupling, coupling
from capacity.leasing.integer import Chain, relax
from capacity.leasing.later import later
from capacity.leasing.lifetimes import MILLION, lifetimes
from capacity.leasing.master import Master, Outcome
from capacity.leasing.money import money
from capacity.leasing.names import name_lines
from capacity.leasing.orders import Catalogue, catalogue
from capacity.leasing.plan import LeaseCover, ShadowPrices
from capacity.leasing.pool import Pool, pools
from capacity.leasing.pricing import PoolSearch
from capacity.leasing.problem import Effort, IntArray, Needs, Offers, Rules, check
from capacity.leasing.refusal import refuse_broken, refuse_uncovered


def cover(needs: Needs, offers: Offers, rules: Rules | None = None, effort: Effort | None = None) -> LeaseCover:
    """Lease lines that carry `needs` in every month at least cost (with tax) under `rules`.

    With several scenarios the plan carries the worst of them; `hedge` weighs cost against shortage instead.
    Raises BadInput for a problem stated wrongly, Infeasible (naming the constraint and how far to relax it) when no
    plan exists.
    """
    rules, effort = rules or Rules(), effort or Effort()
    check(needs, offers, rules)
    book = catalogue(needs, offers, rules)
    wanted = pools(needs, book, rules)
    refuse_uncovered(needs, offers, rules, book, wanted)
    rows = coupling(book, rules)
    outcome = Master(tuple(PoolSearch(pool, book) for pool in wanted), book, rows, effort).solve()
    refuse_broken(needs, rules, book, wanted, rows, outcome)
    outcome = replace(outcome, plans=later(outcome.plans, wanted, book, rows))
    return _written(needs, offers, rules, book, wanted, rows, outcome)


def _written(
    needs: Needs,
    offers: Offers,
    rules: Rules,
    book: Catalogue,
    wanted: tuple[Pool, ...],
    rows: Coupling,
    outcome: Outcome,
) -> LeaseCover:
    placed = placed_of(book, ((pool, plan.lots) for pool, plan in zip(wanted, outcome.plans, strict=True)))
    lines, servers = name_lines(needs, offers, book, placed, rules.reuse_indexes)
    cost = money(lines, needs, rules.vat, rules.ceilings_idr)
    bound = min(outcome.bound * MILLION, float(cost.total_idr))
    return LeaseCover(
        lines=lines,
        servers=servers,
        models=book.models,
        active=_active(needs, book, placed),
        money=cost,
        lp_bound_idr=min(outcome.lp_bound * MILLION, bound),
        bound_idr=bound,
        gap=1 - bound / cost.total_idr if cost.total_idr else 0.0,
        lp_rounded_idr=None if outcome.rounded is None else round(outcome.rounded * MILLION),
        shadow=_shadow(needs, book, wanted, rows, outcome),
        method=_method(rules, rows),
    )


def placed_of(book: Catalogue, plans: Iterable[tuple[Pool, Mapping[Chain, int]]]) -> Counter[tuple[int, int, int]]:
    """(site, role, order) → servers, of each pool's plan in lots of lifetimes."""
    placed: Counter[tuple[int, int, int]] = Counter()
    for pool, plan in plans:
        for (m, chain), lots in plan.items():
            for order in chain:
                placed[pool.site, pool.role, order] += lots * int(book.lot[m])
    return placed


def _method(rules: Rules, rows: Coupling) -> str:
    pools = (
        "one SKU a pool, exact linear programs" if rules.mix == "one" else "mixed SKUs, branch and cut on rounding cuts"
    )
    return f"{pools}; {len(rows)} coupling rules by Dantzig-Wolfe" if len(rows) else pools


def _shadow(needs: Needs, book: Catalogue, wanted: tuple[Pool, ...], rows: Coupling, outcome: Outcome) -> ShadowPrices:
    """Duals of each pool's relaxation (rows are scaled to one, so one per cent of need is 0.01 of a dual)."""
    prices, _ = rows.prices(outcome.multiplier)
    columns = lifetimes(book, prices)
    need = np.zeros((len(needs.sites), len(needs.roles), needs.months))
    for pool, answer in zip(wanted, outcome.answers, strict=True):
        relaxed = relax(answer.tight.mix, columns)
        if relaxed is not None:
            np.add.at(need[pool.site, pool.role], relaxed.mix.month, 0.01 * MILLION * relaxed.dual)
    base = sum(float(plan.base.sum()) for plan in outcome.plans)
    priced = list(zip(rows.years, rows.vendors, outcome.multiplier.tolist(), strict=True))
    return ShadowPrices(
        need,
        {book.years[year]: price for year, _, price in priced if year >= 0},
        {book.vendors[vendor]: 0.01 * MILLION * base * price for _, vendor, price in priced if vendor >= 0},
    )


def _active(needs: Needs, book: Catalogue, placed: Counter[tuple[int, int, int]]) -> IntArray:
    active = np.zeros((len(needs.sites), len(needs.roles), len(book.models), needs.months), dtype=np.int64)
    for (i, r, order), servers in placed.items():
        start = book.orders.start[order]
        active[i, r, book.orders.model[order], start : start + book.orders.stay[order]] += servers
    return active
