"""Server lifetimes: from a first lease through renewals to the last return, each at its least price.

Replacing single orders by whole lifetimes turns the lease cover into a pure covering problem (docs/model/leasing.md,
(L4)): a lifetime of model m over months [s, e) costs the setup plus the shortest path from s to e over orders, by
dynamic programming. A lifetime that ends at the horizon may run past it; what is committed is paid in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.leasing.orders import Catalogue
from capacity.leasing.problem import FloatArray, IntArray


@dataclass(frozen=True)
class Prices:
    """Multipliers that stand for the rules that couple pools. `year[y]`: price of a rupiah paid in year y (1 where no
    ceiling binds). `vendor[v]`: surcharge on a rupiah before tax that goes to vendor v."""

    year: FloatArray
    vendor: FloatArray

    @classmethod
    def plain(cls, book: Catalogue) -> Prices:
        """Nothing binds: every rupiah counts once."""
        return cls(np.ones(len(book.years)), np.zeros(len(book.vendors)))


@dataclass(frozen=True)
class Lifetimes:
    """Columns of the covering problem, each for one lot of servers.

    `price`: million rupiah under `Prices`. `paid[n, y]`: million rupiah with tax in year y. `base`: million rupiah
    before tax. `chains[n]`: the orders, in time order.
    """

    model: IntArray
    start: IntArray
    end: IntArray
    price: FloatArray
    paid: FloatArray
    base: FloatArray
    chains: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.model)


MILLION = 1e6


def order_prices(book: Catalogue, prices: Prices) -> FloatArray:
    """(orders,) rupiah a server under `prices`."""
    orders = book.orders
    surcharge = prices.vendor[book.vendor_of[orders.model]]
    return np.asarray(orders.paid @ prices.year + surcharge * orders.base.sum(axis=1))


def setup_prices(book: Catalogue, prices: Prices) -> FloatArray:
    """(models, months) rupiah for a new server under `prices`."""
    year = prices.year[book.year_of[: book.months]]
    return np.asarray(book.setup * year + (prices.vendor[book.vendor_of] * book.setup_base)[:, None])


def lifetimes(book: Catalogue, prices: Prices) -> Lifetimes:
    """All lifetimes that could be worth having under `prices`: the least price for each (model, start, end), without
    those that a longer one matches. Shortest paths on the months, for all models and starts at once."""
    months, models = book.months, len(book.models)
    orders = book.orders
    price = order_prices(book, prices)
    arc = np.full((models, months, months + 1), np.inf)
    arc_order = np.full((models, months, months + 1), -1, dtype=np.int64)
    dearest_first = np.lexsort((-np.arange(len(price)), -price))
    end = np.minimum(orders.start + orders.stay, months)
    at = (orders.model[dearest_first], orders.start[dearest_first], end[dearest_first])
    arc[at], arc_order[at] = price[dearest_first], dearest_first

    best = np.full((models, months, months + 1), np.inf)
    came_from = np.full((models, months, months + 1), -1, dtype=np.int64)
    starts = np.arange(months)
    best[:, starts, starts] = setup_prices(book, prices)
    for u in range(months):
        through = best[:, : u + 1, u, None] + arc[:, None, u, :]
        better = through < best[:, : u + 1]
        best[:, : u + 1] = np.where(better, through, best[:, : u + 1])
        came_from[:, : u + 1][better] = u

    longer = np.minimum.accumulate(best[:, :, ::-1], axis=2)[:, :, ::-1]
    undominated = np.isfinite(best)
    undominated[:, :, :-1] &= best[:, :, :-1] < longer[:, :, 1:] * (1 - 1e-12)
    undominated[:, starts, starts] = False
    model, start, finish = np.nonzero(undominated)
    chains = tuple(
        _chain(came_from[m, s], arc_order[m], int(s), int(e)) for m, s, e in zip(model, start, finish, strict=True)
    )
    return _columns(book, model, start, finish, best[undominated], chains)


def _chain(came_from: IntArray, arc_order: IntArray, start: int, end: int) -> tuple[int, ...]:
    chain: list[int] = []
    while end != start:
        before = int(came_from[end])
        chain.append(int(arc_order[before, end]))
        end = before
    return tuple(reversed(chain))


def _columns(
    book: Catalogue,
    model: IntArray,
    start: IntArray,
    end: IntArray,
    price: FloatArray,
    chains: tuple[tuple[int, ...], ...],
) -> Lifetimes:
    lot = book.lot[model] / MILLION
    column = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    flat = np.array([order for chain in chains for order in chain], dtype=np.int64)
    paid, base = np.zeros((len(model), len(book.years))), book.setup_base[model].astype(np.float64)
    np.add.at(paid, column, book.orders.paid[flat])
    np.add.at(base, column, book.orders.base[flat].sum(axis=1))
    paid[np.arange(len(model)), book.year_of[start]] += book.setup[model, start]
    return Lifetimes(model, start, end, price * lot, paid * lot[:, None], base * lot, chains)


def merged(one: Lifetimes, other: Lifetimes) -> Lifetimes:
    """The columns of both, each chain once."""
    known = set(zip(one.model.tolist(), one.chains, strict=True))
    keys = zip(other.model.tolist(), other.chains, strict=True)
    new = np.array([n for n, key in enumerate(keys) if key not in known], dtype=np.int64)
    return Lifetimes(
        np.concatenate([one.model, other.model[new]]),
        np.concatenate([one.start, other.start[new]]),
        np.concatenate([one.end, other.end[new]]),
        np.concatenate([one.price, other.price[new]]),
        np.concatenate([one.paid, other.paid[new]]),
        np.concatenate([one.base, other.base[new]]),
        one.chains + tuple(other.chains[n] for n in new),
    )
