"""What leasing would cost in each of many draws of demand: quantiles of the cost-least total, between proven bounds.

Solving every draw is needless. A dual solution of one draw's linear program is feasible in all draws, since draws
differ in the needs alone: its value is a lower bound for each (weak duality). A plan of one draw, with single servers
added where another draw needs more, is an upper bound for that. Draws are solved only where the bounds still differ at
the quantiles asked for (formulas (L15) and (L16) of docs/model/leasing.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from capacity.leasing.integer import relax, rounded
from capacity.leasing.lifetimes import MILLION, Lifetimes, Prices, lifetimes
from capacity.leasing.orders import Catalogue, catalogue
from capacity.leasing.pool import Mix, Pool, pools, required
from capacity.leasing.problem import FloatArray, IntArray, Needs, Offers, Rules, check
from capacity.leasing.refusal import refuse_uncovered

DEFICIT = 8
"""Servers that may be added to a known plan to bound another draw; beyond, the draw needs a plan of its own."""
WIDEST = 3
"""Draws solved in a round besides those at the quantiles: the least certain of those that could be there."""


@dataclass(frozen=True)
class CostQuantiles:
    """`idr[n]`: total with tax, over the horizon, that is not exceeded with probability `levels[n]`; the true quantile
    lies between `low_idr[n]` and `idr[n]`. `solved`: linear programs it took."""

    levels: tuple[float, ...]
    idr: tuple[int, ...]
    low_idr: tuple[int, ...]
    solved: int


def cost_quantiles(
    needs: Needs,
    offers: Offers,
    rules: Rules | None = None,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    tolerance: float = 0.002,
    most: int = 400,
) -> CostQuantiles:
    """Quantiles over the scenarios of `needs` (draws, each with its probability) of the cheapest total with one SKU a
    pool, every draw planned with foresight. Rules that couple pools are left out, so that the cost of a draw is what
    its demand asks for. Stops at a bracket of `tolerance` or after `most` linear programs.

    Raises BadInput for a problem stated wrongly, Infeasible when no offer carries a pool.
    """
    rules = rules or Rules()
    check(needs, offers, rules)
    book = catalogue(needs, offers, rules)
    worst = replace(
        needs,
        amount=needs.amount.max(axis=0)[None],
        probability=np.ones(1),
        counts={key: counts.max(axis=0)[None] for key, counts in needs.counts.items()},
    )
    wanted = pools(worst, book, replace(rules, mix="one"))
    refuse_uncovered(worst, offers, rules, book, wanted)
    columns = lifetimes(book, Prices.plain(book))
    bounds = [_PoolBounds.of(needs, pool, book, columns) for pool in wanted]
    solved = 0
    while True:
        low = sum((b.low for b in bounds), np.zeros(len(needs.probability)))
        high = sum((b.high for b in bounds), np.zeros(len(needs.probability)))
        ranks = [(_at(low, needs.probability, level), _at(high, needs.probability, level)) for level in levels]
        lows = tuple(float(low[a]) for a, _ in ranks)
        highs = tuple(float(high[b]) for _, b in ranks)
        wide = [n for n in range(len(levels)) if lows[n] < (1 - tolerance) * highs[n]]
        if not wide or solved >= most:
            break
        before = solved
        unsure = np.zeros(len(low), dtype=bool)
        for n in wide:
            unsure |= (high >= lows[n]) & (low <= highs[n])
        near = np.flatnonzero(unsure)
        widest = near[np.argsort(low[near] - high[near], kind="stable")][:WIDEST]
        for n in wide:
            for draw in dict.fromkeys((*ranks[n], *widest.tolist())):
                for b in bounds:
                    if b.low[draw] < b.high[draw] - 0.5 * tolerance * lows[n] / len(bounds):
                        solved += b.solve(draw, near)
        if solved == before:
            break
    return CostQuantiles(
        tuple(levels),
        tuple(round(v * MILLION) for v in highs),
        tuple(round(v * MILLION) for v in lows),
        solved,
    )


def _at(totals: FloatArray, probability: FloatArray, level: float) -> int:
    """The draw at the quantile: the first, in order of totals, at which the probability reaches `level`."""
    order = np.argsort(totals, kind="stable")
    reached = np.cumsum(probability[order])
    return int(order[min(int(np.searchsorted(reached, level - 1e-12)), len(order) - 1)])


@dataclass
class _ModelBounds:
    """One model in one pool: lots needed by draw and month, and bounds of the cost, million rupiah."""

    mix: Mix
    lots: IntArray
    columns: Lifetimes
    extra: FloatArray
    low: FloatArray
    high: FloatArray

    def solve(self, draw: int, near: IntArray) -> int:
        """Solve one draw; bound the draws `near` by its dual and its plan. How many programs it took."""
        need = self.lots[draw]
        month = np.flatnonzero(need > 0)
        if not len(month):
            self.low[draw] = self.high[draw] = 0.0
            return 0
        mix = Mix(
            self.mix.models, month, np.full(len(month), -1), np.ones((1, len(month))), need[month].astype(float), True
        )
        found = relax(mix, self.columns)
        if found is None:
            self.low[(self.lots == need).all(axis=1)] = np.inf
            return 1
        dual = np.zeros(len(need))
        dual[month] = found.dual / need[month]
        lots = self.lots[near]
        self.low[near] = np.maximum(self.low[near], lots @ np.maximum(dual, 0.0))
        x = rounded(found)
        used = found.columns[x > 0]
        active = np.zeros(len(need), dtype=np.int64)
        for n, count in zip(used, x[x > 0], strict=True):
            active[self.columns.start[n] : self.columns.end[n]] += int(count)
        self.high[near] = np.minimum(self.high[near], float(found.program.cost @ x) + self._added(lots, active))
        return 1

    def _added(self, lots: IntArray, active: IntArray) -> FloatArray:
        """(draws,) cost of single lots that fill what `active` lacks: one lifetime a layer, from its first month short
        to its last. Infinite beyond DEFICIT lots."""
        lack = np.maximum(0, lots - active)
        months = lack.shape[1]
        cost = np.where(lack.max(axis=1, initial=0) > DEFICIT, np.inf, 0.0)
        for layer in range(1, min(DEFICIT, int(lack.max(initial=0))) + 1):
            short = lack >= layer
            some = short.any(axis=1) & np.isfinite(cost)
            first = short.argmax(axis=1)
            last = months - short[:, ::-1].argmax(axis=1)
            cost[some] += self.extra[first[some], last[some]]
        return cost


@dataclass
class _PoolBounds:
    """One pool: the cheapest of its models bounds each draw."""

    models: list[_ModelBounds]

    def __post_init__(self) -> None:
        self._update()

    @classmethod
    def of(cls, needs: Needs, pool: Pool, book: Catalogue, columns: Lifetimes) -> _PoolBounds:
        found = []
        for mix in pool.mixes:
            m = int(mix.models[0])
            need = required(needs, book, pool.site, pool.role, m)
            assert need is not None, "a pool has mixes of usable models only"
            lots = -(-need // book.lot[m])
            extra = _one_lot(columns, m, needs.months)
            draws = len(lots)
            found.append(_ModelBounds(mix, lots, columns, extra, np.zeros(draws), np.full(draws, np.inf)))
        return cls(found)

    def _update(self) -> None:
        self.low = np.asarray(np.min([m.low for m in self.models], axis=0))
        self.high = np.asarray(np.min([m.high for m in self.models], axis=0))

    def solve(self, draw: int, near: IntArray) -> int:
        """Solve the models that could still be the draw's cheapest, best bound first."""
        solved, best = 0, float(self.high[draw])
        for model in sorted(self.models, key=lambda m: float(m.low[draw])):
            if model.low[draw] < best * (1 - 1e-9):
                solved += model.solve(draw, near)
                best = min(best, float(model.high[draw]))
        self._update()
        return solved


def _one_lot(columns: Lifetimes, model: int, months: int) -> FloatArray:
    """(months, months + 1): million rupiah for one lot from the start of month s until at least the end e."""
    least = np.full((months, months + 1), np.inf)
    mine = columns.model == model
    np.minimum.at(least, (columns.start[mine], columns.end[mine]), columns.price[mine])
    return np.asarray(np.minimum.accumulate(least[:, ::-1], axis=1)[:, ::-1])
