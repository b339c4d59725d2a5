"""Of plans that cost the same, the one whose leases start later: nothing is leased before it is needed for nothing.

A term that runs past the horizon is paid in full, so that it costs the same wherever it starts near the end. The
search sees only the price; here each lifetime is moved to the latest start at which the pool is still carried, the
price is no higher and every rule that couples pools is still kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capacity.leasing.coupling import Coupling
from capacity.leasing.integer import Chain, PoolPlan
from capacity.leasing.lifetimes import MILLION, Lifetimes, Prices, lifetimes
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Mix, Pool
from capacity.leasing.problem import FloatArray

SAME = 1e-12
"""Relative difference below which two prices are the same."""
ROOM = 1e-9


def later(plans: Sequence[PoolPlan], pools: Sequence[Pool], book: Catalogue, rules: Coupling) -> tuple[PoolPlan, ...]:
    """The plans with every lifetime as late as it can start; their cost is not raised."""
    columns = lifetimes(book, Prices.plain(book))
    out = list(plans)
    for n, pool in enumerate(pools):
        others = sum((rules.use(plan) for k, plan in enumerate(out) if k != n), np.zeros(len(rules)))
        limit = np.maximum(rules.limit, others + rules.use(out[n])) + ROOM
        for chain in sorted(out[n].lots, key=lambda chain: (int(book.orders.start[chain[1][0]]), chain)):
            out[n] = _moved(out[n], chain, pool, book, columns, rules, limit - others)
    return tuple(out)


def _moved(
    plan: PoolPlan,
    chain: Chain,
    pool: Pool,
    book: Catalogue,
    columns: Lifetimes,
    rules: Coupling,
    left: FloatArray,
) -> PoolPlan:
    """The plan with as many lots of `chain` as can moved to later lifetimes, the latest first."""
    model, orders = chain
    start = int(book.orders.start[orders[0]])
    end = min(book.months, int(book.orders.start[orders[-1]] + book.orders.stay[orders[-1]]))
    price = float(_paid(book, chain).sum())
    fits = (columns.model == model) & (columns.start > start) & (columns.end >= end)
    fits &= columns.price <= price * (1 + SAME)
    for j in sorted(np.flatnonzero(fits), key=lambda j: (-int(columns.start[j]), float(columns.price[j]))):
        lots = plan.lots.get(chain, 0)
        count = min(lots, max(_spare(plan, mix, model, start, int(columns.start[j]), book) for mix in pool.mixes))
        if count <= 0:
            continue
        attempt = _exchanged(plan, chain, (model, columns.chains[j]), count, book)
        if (rules.use(attempt) <= left).all():
            plan = attempt
    return plan


def _spare(plan: PoolPlan, mix: Mix, model: int, start: int, until: int, book: Catalogue) -> int:
    """Lots of `model` that the pool can do without in months [start, until) by the rows of `mix`; 0 where the plan
    does not keep these rows in the first place."""
    models = {m for m, _ in plan.lots}
    if not models <= set(mix.models.tolist()):
        return 0
    place = int(np.searchsorted(mix.models, model))
    room = _carried(plan, mix, book) - mix.need
    if (room < -ROOM).any():
        return 0
    touched = (mix.month >= start) & (mix.month < until) & (mix.weight[place] > 0)
    if not touched.any():
        return _size(plan)
    return int(np.floor((room[touched] / mix.weight[place, touched]).min() + ROOM))


def _size(plan: PoolPlan) -> int:
    """Lots of all lifetimes."""
    return sum(plan.lots.values())


def _carried(plan: PoolPlan, mix: Mix, book: Catalogue) -> FloatArray:
    """(rows,) what the plan's active lots carry of each row of `mix`."""
    out = np.zeros(len(mix.need))
    for (model, orders), lots in plan.lots.items():
        start = int(book.orders.start[orders[0]])
        end = int(book.orders.start[orders[-1]] + book.orders.stay[orders[-1]])
        place = int(np.searchsorted(mix.models, model))
        active = (mix.month >= start) & (mix.month < end)
        out += lots * mix.weight[place] * active
    return out


def _exchanged(plan: PoolPlan, old: Chain, new: Chain, count: int, book: Catalogue) -> PoolPlan:
    lots = dict(plan.lots)
    lots[old] -= count
    if not lots[old]:
        del lots[old]
    lots[new] = lots.get(new, 0) + count
    base = plan.base.copy()
    base[book.vendor_of[old[0]]] += count * (_base(book, new) - _base(book, old))
    return PoolPlan(lots, plan.paid + count * (_paid(book, new) - _paid(book, old)), base)


def _paid(book: Catalogue, chain: Chain) -> FloatArray:
    """(years,) million rupiah with tax for one lot."""
    model, orders = chain
    start = int(book.orders.start[orders[0]])
    paid = book.orders.paid[list(orders)].sum(axis=0)
    paid[book.year_of[start]] += book.setup[model, start]
    return np.asarray(paid * (book.lot[model] / MILLION))


def _base(book: Catalogue, chain: Chain) -> float:
    """Million rupiah before tax for one lot."""
    model, orders = chain
    return float((book.orders.base[list(orders)].sum() + book.setup_base[model]) * book.lot[model] / MILLION)
