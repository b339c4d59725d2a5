"""The best plan of one pool under given prices, over all its mixes, with a proven bound.

Mixes are taken best bound first. Each is relaxed, tightened by rounding cuts, rounded, and searched by branch and cut
only as far as its bound still leaves something to gain over the best plan known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from capacity.leasing.integer import PoolPlan, Relaxed, branch, plan_of, priced, relax, rounded, transferred
from capacity.leasing.lifetimes import Lifetimes, Prices
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Pool
from capacity.leasing.problem import FloatArray

PROFIT = 1e-9
QUICK = 2
"""How many mixes are tightened when the bound need not be best."""


@dataclass(frozen=True)
class PoolAnswer:
    """Best plan of a pool under some prices (million rupiah), its proven bound and the LP's, and the rounded LP.

    `others`: plans met on the way. `tight`: the tightened LP of least bound; `fraction`: what its optimum, in parts of
    lots, pays. `bounds`: proven, of each mix of the pool.
    """

    plan: PoolPlan
    price: float
    bound: float
    lp_bound: float
    rounded: PoolPlan
    others: tuple[PoolPlan, ...]
    tight: Relaxed
    fraction: PoolPlan
    bounds: tuple[float, ...]


@dataclass
class PoolSearch:
    """Looks for plans of one pool; remembers the duals it has seen, which bound its mixes under later prices."""

    pool: Pool
    book: Catalogue
    seen: list[Relaxed] = field(default_factory=list)

    def answer(
        self,
        columns: Lifetimes,
        prices: Prices,
        known: Iterable[PoolPlan],
        allowed: float,
        deadline: float,
        effort: Literal["round", "try", "prove"] = "prove",
    ) -> PoolAnswer | None:
        """The best plan under `prices` (`columns` at these prices), `known` plans among them, until it is proven within
        `allowed` million rupiah of the optimum or `deadline` (time.monotonic) has come. `round` stops after rounding
        the mixes of the best bounds, `try` looks for plans but not for proofs; `prove` expects `known` plans from it.
        None when no mix can carry the needs."""
        work = _Work(self, columns)
        lead = work.lead()
        if lead is None:
            return None
        lp_bound = lead.objective
        for found in work.relaxed.values():
            work.offer(found, rounded(found))
        first = work.plan
        for plan in known:
            if (price := priced(plan, prices)) < work.price - PROFIT:
                work.price, work.plan = price, plan
        tight: list[Relaxed] = []
        others: list[PoolPlan] = []
        for n in work.best_first(allowed):
            mix = self.pool.mixes[n]
            plain = work.relaxed[n]
            cut = plain if mix.exact else relax(mix, columns, tight=True) or plain
            tight.append(cut)
            work.bounds[n] = max(work.bounds[n], cut.objective)
            others.append(work.offer(cut, rounded(cut)))
            if effort != "round" and work.bounds[n] < work.price - allowed and time.monotonic() < deadline:
                plans, proven = branch(cut, work.price, allowed, deadline, effort == "prove")
                work.bounds[n] = max(work.bounds[n], proven)
                others += [work.offer(plain, x) for x in plans]
            if effort != "prove" and len(tight) >= QUICK:
                break
        closest = min(tight, key=lambda r: r.objective)
        fraction = plan_of(self.book, columns, closest.columns, closest.x)
        bound = min(work.price, *work.bounds)
        return PoolAnswer(
            work.plan, work.price, bound, lp_bound, first, tuple(others), closest, fraction, tuple(work.bounds)
        )


class _Work:
    """One call of `answer`: bounds and relaxations of the mixes, and the cheapest plan so far."""

    def __init__(self, search: PoolSearch, columns: Lifetimes) -> None:
        self.search = search
        self.columns = columns
        mixes = search.pool.mixes
        self.bounds = [max([0.0, *(transferred(r, mix, columns) for r in search.seen)]) for mix in mixes]
        self.relaxed: dict[int, Relaxed] = {}
        self.price = np.inf
        self.plan = PoolPlan({}, np.zeros(len(search.book.years)), np.zeros(len(search.book.vendors)))

    def lead(self) -> Relaxed | None:
        """The relaxation of least objective over all mixes."""
        while True:
            least = int(np.argmin(self.bounds))
            if self.bounds[least] == np.inf:
                return None
            if least in self.relaxed:
                return self.relaxed[least]
            self._relax(least)

    def best_first(self, allowed: float) -> Iterator[int]:
        """Relaxed mixes whose bound leaves more than `allowed` to gain, best bound first; the first one in any case."""
        given: set[int] = set()
        while True:
            least = int(np.argmin(self.bounds))
            if least not in self.relaxed:
                self._relax(least)
            elif least in given or (given and self.bounds[least] >= self.price - allowed):
                return
            else:
                given.add(least)
                yield least

    def offer(self, source: Relaxed, x: FloatArray) -> PoolPlan:
        """Take `x` when it is the cheapest yet; returns it as a plan."""
        plan = plan_of(self.search.book, self.columns, source.columns, x.astype(np.int64))
        price = float(source.program.cost @ x)
        if price < self.price - PROFIT:
            self.price, self.plan = price, plan
        return plan

    def _relax(self, n: int) -> None:
        found = relax(self.search.pool.mixes[n], self.columns)
        if found is None:
            self.bounds[n] = np.inf
            return
        self.relaxed[n] = found
        self.bounds[n] = max(self.bounds[n], found.objective)
        if found.mix.exact:
            return
        self.search.seen = [found, *self.search.seen][:3]
        for m, mix in enumerate(self.search.pool.mixes):
            if m not in self.relaxed and self.bounds[m] < np.inf:
                self.bounds[m] = max(self.bounds[m], transferred(found, mix, self.columns))
