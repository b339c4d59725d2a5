"""One mix of a pool: its linear relaxation, what that bounds in other mixes, rounding, and branch and cut."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.leasing.lifetimes import Lifetimes, Prices
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Mix, covering
from capacity.leasing.problem import FloatArray, IntArray
from capacity.leasing.solver import Program, Solution, solve

NEAR = 0.05
"""Part of the distance from the tight relaxation to the best plan known that a column tried first may add."""

FEW_NODES = 30

Chain = tuple[int, tuple[int, ...]]
"""A model and the orders of one lifetime."""


@dataclass(frozen=True)
class PoolPlan:
    """A whole-number plan of one pool: lots of each lifetime, million rupiah paid by year, and before tax by vendor."""

    lots: Mapping[Chain, int]
    paid: FloatArray
    base: FloatArray

    @property
    def total(self) -> float:
        """Million rupiah, with tax."""
        return float(self.paid.sum())


@dataclass(frozen=True)
class Relaxed:
    """The LP of one mix. `columns` index the lifetimes; `dual[n]`: million rupiah per unit of row n's need."""

    mix: Mix
    program: Program
    columns: IntArray
    objective: float
    x: FloatArray
    dual: FloatArray


def plan_of(book: Catalogue, columns: Lifetimes, chosen: IntArray, counts: IntArray | FloatArray) -> PoolPlan:
    """The plan that takes `counts` lots of the columns `chosen` (of fractions only what they pay is kept)."""
    some = counts > 1e-9
    chosen, counts = chosen[some], counts[some]
    paid = counts @ columns.paid[chosen] if len(chosen) else np.zeros(len(book.years))
    base = np.zeros(len(book.vendors))
    np.add.at(base, book.vendor_of[columns.model[chosen]], counts * columns.base[chosen])
    lots: Counter[Chain] = Counter()
    whole = np.issubdtype(counts.dtype, np.integer)
    for n, count in zip(chosen, counts, strict=True) if whole else ():
        lots[int(columns.model[n]), columns.chains[n]] += int(count)
    return PoolPlan(dict(lots), paid, base)


def priced(plan: PoolPlan, prices: Prices) -> float:
    """Million rupiah of `plan` under `prices`."""
    return float(plan.paid @ prices.year + plan.base @ prices.vendor)


def relax(mix: Mix, columns: Lifetimes, tight: bool = False) -> Relaxed | None:
    """The linear relaxation of a mix; None when the mix cannot carry the needs at all."""
    program, mine = covering(mix, columns, tight)
    found: Solution = solve(program, relax=True)
    if found.status != "optimal":
        return None
    return Relaxed(mix, program, mine, found.objective, found.x, found.row_dual)


def transferred(relaxed: Relaxed, mix: Mix, columns: Lifetimes) -> float:
    """A lower bound for `mix` from the duals of another mix's relaxation, at almost no cost (formula (L10)).

    Duals belong to rows (month, resource). Carried over to the rows of `mix` and scaled by the smallest ratio of a
    column's price to its dual value, they are feasible there; weak duality does the rest. `relaxed` may stem from
    other prices. Zero when the rows have nothing in common.
    """
    known = relaxed.mix
    if mix.exact or known.exact:
        return 0.0
    value = dict(
        zip(
            zip(known.month.tolist(), known.resource.tolist(), strict=True),
            relaxed.dual[: len(known.need)] / known.need,
            strict=True,
        )
    )
    rows = zip(mix.month.tolist(), mix.resource.tolist(), strict=True)
    dual = np.array([value.get(row, 0.0) for row in rows]) * mix.need
    share = np.minimum(mix.weight / mix.need, 1.0) * dual
    months = int(columns.end.max(initial=0))
    by_month = np.zeros((len(mix.models), months + 1))
    np.add.at(by_month.T, mix.month + 1, share.T)
    reach = by_month.cumsum(axis=1)
    mine = np.isin(columns.model, mix.models)
    place = np.searchsorted(mix.models, columns.model[mine])
    worth = reach[place, columns.end[mine]] - reach[place, columns.start[mine]]
    paying = worth > 1e-12
    scale = float((columns.price[mine][paying] / worth[paying]).min(initial=np.inf))
    return float(dual.sum()) * scale if np.isfinite(scale) else 0.0


def rounded(relaxed: Relaxed) -> FloatArray:
    """A whole-number plan from the LP's: round down, add the lots that cover what is missing at the least price for
    each unit of it, then drop, dearest first, what turned out not to be needed. Exact LPs come back unchanged."""
    program = relaxed.program
    matrix = program.matrix.toarray()
    x = np.floor(relaxed.x + 1e-7)
    missing = np.maximum(0.0, program.low - matrix @ x)
    while (missing > 1e-9).any():
        useful = np.minimum(matrix, missing[:, None]).sum(axis=0)
        with np.errstate(divide="ignore"):
            score = np.where(useful > 1e-12, program.cost / np.maximum(useful, 1e-300), np.inf)
        best = int(np.argmin(score))
        x[best] += 1
        missing = np.maximum(0.0, missing - matrix[:, best])
    spare = matrix @ x - program.low
    for n in sorted(np.flatnonzero(x > 0), key=lambda n: (-program.cost[n], n)):
        used = matrix[:, n] > 0
        if used.any():
            drop = min(x[n], np.floor((spare[used] / matrix[used, n]).min() + 1e-9))
            if drop > 0:
                x[n] -= drop
                spare -= drop * matrix[:, n]
    return np.asarray(x)


def branch(
    tight: Relaxed, known: float, allowed: float, deadline: float, prove: bool
) -> tuple[list[FloatArray], float]:
    """Plans (best last) and a proven bound by branch and cut over the columns of small reduced cost in the tight
    relaxation: a plan with any other costs at least the relaxation and that reduced cost.

    To find plans, reduced costs next to nothing do: nearly all good plans are made of such columns, and it takes little
    time. To `prove` that no plan beats `known` by more than `allowed`, those that such a plan could hold.
    """
    reach = known - allowed - tight.objective if prove else NEAR * (known - tight.objective)
    return _narrow(tight, reach, known, allowed, deadline, None if prove else FEW_NODES)


def _narrow(
    tight: Relaxed, reach: float, known: float, allowed: float, deadline: float, nodes: int | None
) -> tuple[list[FloatArray], float]:
    """Branch and cut over the columns of reduced cost up to `reach`. The rounding cuts stay among the rows: with them
    the root of the search alone comes close to the optimum."""
    program = tight.program
    reduced = program.cost - program.matrix.T @ tight.dual
    keep = np.flatnonzero(reduced <= reach + 1e-9)
    small = Program(
        program.cost[keep],
        program.matrix[:, keep],
        program.low,
        program.high,
        program.lower[keep],
        program.upper[keep],
        program.whole[keep],
    )
    found = solve(small, allowed / max(known, 1e-9), deadline - time.monotonic(), nodes=nodes)
    plans = []
    for solution in (*found.earlier, found.x):
        if len(solution):
            x = np.zeros(len(program.cost))
            x[keep] = np.rint(solution)
            plans.append(x)
    return plans, min(found.bound, known, tight.objective + reach)
