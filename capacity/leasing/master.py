"""All pools together under the rules that couple them.

Dantzig & Wolfe (1960): a master program mixes known plans of the pools so that the coupling rows hold; its duals are
multipliers; under the prices that they stand for each pool is planned alone, which gives new plans and, by Lagrange
(Geoffrion 1974), a lower bound for the whole: sum of the pools' bounds - multipliers x limits (formula (L13)). Whole
plans are then chosen one a pool, from all that were met, by a small integer program; while a rule stays broken, its
multiplier rises.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from capacity.leasing.coupling import BROKEN, Coupling
from capacity.leasing.integer import PoolPlan
from capacity.leasing.joint import plan_jointly
from capacity.leasing.lifetimes import Lifetimes, Prices, lifetimes, merged
from capacity.leasing.orders import Catalogue
from capacity.leasing.pricing import PoolAnswer, PoolSearch
from capacity.leasing.problem import Effort, FloatArray
from capacity.leasing.solver import INFINITY, Program, solve

SLACK = 1e-6
AROUND = (4.0, 1.6, 0.6, 2.5, 0.35)

Looking = Literal["round", "try", "prove"]
"""How hard pools are planned under given prices; see `PoolSearch.answer`."""
FIRST_PENALTY = 0.2
CLOSE = 2e-4
"""Relative distance at which multipliers count as found, however wide a gap is asked for."""
PROOFS = 3
"""How often a pool's bound is worked on at the same multipliers."""
CANDIDATES = 3
"""Mixes of each pool that are tried when all pools are planned at once."""


@dataclass(frozen=True)
class Outcome:
    """One plan a pool, what they exceed of each coupling row, and the bounds (million rupiah).

    `rounded`: total of the best rounded LP that keeps the rules. `multiplier`: shadow prices of the rules from the
    relaxations. `answers` are those of the best bound.
    """

    plans: tuple[PoolPlan, ...]
    over: FloatArray
    bound: float
    lp_bound: float
    rounded: float | None
    multiplier: FloatArray
    answers: tuple[PoolAnswer, ...]

    @property
    def total(self) -> float:
        """Million rupiah with tax."""
        return sum(plan.total for plan in self.plans)

    @property
    def gap(self) -> float:
        """(total - bound) / total."""
        return max(0.0, 1.0 - self.bound / self.total) if self.total > 0 else 0.0

    @property
    def kept(self) -> bool:
        """Whether the plans keep every coupling rule."""
        return bool(self.over.max(initial=0) <= SLACK)


@dataclass
class Master:
    """State of the search: plans known of each pool, columns seen, the best bound and its multipliers."""

    searches: tuple[PoolSearch, ...]
    book: Catalogue
    rules: Coupling
    effort: Effort
    plans: list[list[PoolPlan]] = field(default_factory=list)
    fractions: list[list[PoolPlan]] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    bound: float = -INFINITY
    lp_bound: float = -INFINITY
    multiplier: FloatArray = field(default_factory=lambda: np.zeros(0))
    answers: tuple[PoolAnswer, ...] = ()
    shadow: FloatArray = field(default_factory=lambda: np.zeros(0))
    raised: FloatArray = field(default_factory=lambda: np.ones(0))
    proofs: list[int] = field(default_factory=list)
    best: tuple[FloatArray, tuple[PoolAnswer, ...]] = (np.zeros(0), ())
    rounded: float = INFINITY

    def solve(self) -> Outcome:
        """The best plan found until the gap is `effort.gap` or `effort.seconds` are over."""
        started = time.monotonic()
        deadline = started + self.effort.seconds
        self.plans = [[] for _ in self.searches]
        self.fractions = [[] for _ in self.searches]
        self.multiplier, self.raised = np.zeros(len(self.rules)), np.ones(len(self.rules))
        self._price(self.multiplier, deadline, "round")
        self._multipliers(started + 0.3 * self.effort.seconds)
        self._price(self.multiplier, deadline, "try")
        around = list(AROUND) if len(self.rules) else []
        while not self._good(outcome := self._choose()) and time.monotonic() < deadline:
            price, bound = self._at_best()
            plans_lack = outcome.total - price if outcome.kept else INFINITY
            if around and plans_lack >= price - bound:
                self._look_around(around.pop(0), outcome.over > SLACK, deadline)
            elif not self._tighten(deadline):
                if not around:
                    break
                self._look_around(around.pop(0), outcome.over > SLACK, deadline)
        if len(self.rules) and not self._good(self._choose()):
            self._jointly(deadline)
        return self._choose()

    def _at_best(self) -> tuple[float, float]:
        """Lagrangian of the plans known at the best multipliers, and the bound there."""
        multiplier, answers = self.best
        paid = float(multiplier @ self.rules.limit)
        return sum(answer.price for answer in answers) - paid, sum(answer.bound for answer in answers) - paid

    def _look_around(self, factor: float, broken: npt.NDArray[np.bool_], deadline: float) -> None:
        """Look for plans at a multiple of the multipliers, so that some on both sides of every limit are known to
        choose from. Rows that are still broken are raised further each time."""
        self.raised = np.where(broken, self.raised * 2.5, self.raised)
        floor = np.where(broken, FIRST_PENALTY, 0.0)
        at = np.minimum(np.maximum(self.multiplier * factor, floor) * self.raised, self.rules.penalty)
        self._price(at, deadline, "try")

    def _tighten(self, deadline: float) -> bool:
        """Prove more about the pools whose bounds lie farthest below their plans, at the best multipliers. False when
        no pool is left that matters."""
        multiplier, answers = self.best
        price, _ = self._at_best()
        matter = 0.1 * self.effort.gap * max(price, 1e-9) / max(len(answers), 1)
        parts = {n: a.price - a.bound for n, a in enumerate(answers) if self.proofs[n] < PROOFS}
        chosen = [n for n in sorted(parts, key=lambda n: -parts[n]) if parts[n] > matter][: _threads()]
        if not chosen:
            return False
        prices, _ = self.rules.prices(multiplier)
        columns = lifetimes(self.book, prices)

        def one(n: int) -> PoolAnswer:
            allowed = max(0.25 * parts[n], matter)
            until = time.monotonic() + 0.5 * (deadline - time.monotonic())
            return self._answer(n, columns, prices, tuple(self.plans[n]), allowed, until, "prove")

        with ThreadPoolExecutor(_threads()) as threads:
            found = dict(zip(chosen, threads.map(one, chosen), strict=True))
        for n, answer in found.items():
            self.proofs[n] += 1
            self._keep(n, [answer.plan, *answer.others])
        merged_answers = tuple(
            replace(found[n], bound=max(found[n].bound, old.bound)) if n in found else old
            for n, old in enumerate(answers)
        )
        self.best = multiplier, merged_answers
        self.bound = max(self.bound, self._at_best()[1])
        return True

    def _answer(
        self,
        n: int,
        columns: Lifetimes,
        prices: Prices,
        known: tuple[PoolPlan, ...],
        allowed: float,
        deadline: float,
        looking: Looking,
    ) -> PoolAnswer:
        found = self.searches[n].answer(columns, prices, known, allowed, deadline, looking)
        assert found is not None, "pools that nothing can carry are refused before"
        return found

    def _jointly(self, deadline: float) -> None:
        """Plan all pools at once over the mixes that come close to the best and the lifetimes of the best prices."""
        multiplier, answers = self.best
        columns = lifetimes(self.book, Prices.plain(self.book))
        columns = merged(columns, lifetimes(self.book, self.rules.prices(multiplier)[0]))
        candidates = []
        for search, answer in zip(self.searches, answers, strict=True):
            order = np.argsort(answer.bounds, kind="stable")[:CANDIDATES]
            candidates.append([search.pool.mixes[n] for n in order if np.isfinite(answer.bounds[n])])
        left = deadline - time.monotonic()
        plans = plan_jointly(self.book, self.rules, candidates, columns, 0.5 * self.effort.gap, left)
        for n, plan in enumerate(plans or ()):
            self._keep(n, [plan])

    def _good(self, outcome: Outcome) -> bool:
        return outcome.gap <= self.effort.gap and outcome.kept

    def _price(self, multiplier: FloatArray, deadline: float, looking: Looking) -> float:
        """Plan every pool under the prices of `multiplier`; keep the plans and the bound. Returns the Lagrangian of
        the tight relaxations, scaled to what whole plans cost."""
        prices, multiplier = self.rules.prices(multiplier)
        columns = lifetimes(self.book, prices)
        allowed = self._allowed()
        known = [tuple(plans) for plans in self.plans] if looking != "round" else [()] * len(self.plans)

        def one(n: int) -> PoolAnswer:
            return self._answer(n, columns, prices, known[n], allowed[n], deadline, looking)

        largest_first = sorted(range(len(self.searches)), key=lambda n: -allowed[n])
        with ThreadPoolExecutor(_threads()) as threads:
            found = dict(zip(largest_first, threads.map(one, largest_first), strict=True))
        answers = tuple(found[n] for n in range(len(self.searches)))
        for n, answer in enumerate(answers):
            self._keep(n, [answer.plan, answer.rounded, *answer.others])
            if all(np.abs(answer.fraction.paid - known.paid).max() > 1e-6 for known in self.fractions[n]):
                self.fractions[n].append(answer.fraction)
        if looking == "try" or not self.answers:
            part = 1.0 if looking == "try" else 0.3
            self.factor = [1 + part * max(0.0, a.price / max(a.tight.objective, 1e-9) - 1) for a in answers]
        paid = float(multiplier @ self.rules.limit)
        bound = sum(answer.bound for answer in answers) - paid
        self.lp_bound = max(self.lp_bound, sum(answer.lp_bound for answer in answers) - paid)
        if bound > self.bound:
            self.bound, self.best, self.proofs = bound, (multiplier, answers), [0] * len(answers)
        rounded = [answer.rounded for answer in answers]
        if self._over(rounded).max(initial=0) <= SLACK:
            self.rounded = min(self.rounded, sum(plan.total for plan in rounded))
        self.answers = answers
        return float(sum(f * a.tight.objective for f, a in zip(self.factor, answers, strict=True))) - paid

    def _allowed(self) -> list[float]:
        """How far from its optimum each pool's plan may stay: half in proportion to its size, half in equal parts."""
        if not self.answers:
            return [0.0] * len(self.searches)
        bounds = [answer.bound for answer in self.answers]
        equal = sum(bounds) / len(bounds)
        return [0.6 * self.effort.gap * (0.5 * bound + 0.5 * equal) for bound in bounds]

    def _keep(self, n: int, plans: Iterable[PoolPlan]) -> None:
        for plan in plans:
            if all(plan.lots != known.lots for known in self.plans[n]):
                self.plans[n].append(plan)

    def _multipliers(self, deadline: float) -> None:
        """Improve the multipliers: a master LP over the pools' tight relaxations, scaled to what whole plans cost.

        Relaxations answer smoothly to prices, where whole plans jump. Duals are smoothed towards the last ones
        (Wentges 1997). The penalty on broken rows starts low and rises only while they stay broken, so that first
        duals are no wild guesses.
        """
        scale, best, center, stuck = FIRST_PENALTY, -INFINITY, self.multiplier, False
        while len(self.rules) and time.monotonic() < deadline:
            penalty = np.minimum(self.rules.penalty, scale)
            value, dual, broken = self._master_lp(penalty)
            target = min(0.1 * self.effort.gap, CLOSE) * value
            if value - best > target and not stuck:
                known = sum(len(found) for found in self.fractions)
                for multiplier in (0.5 * center + 0.5 * dual, dual):
                    reached = self._price(multiplier, deadline, "round")
                    if reached > best:
                        best, center = reached, multiplier
                    if sum(len(found) for found in self.fractions) > known:
                        break
                else:
                    stuck = True
            elif broken and not (penalty >= self.rules.penalty).all():
                scale, stuck = scale * 4, False
            else:
                break
        self.multiplier = self.shadow = center

    def _program(
        self, plans: list[list[PoolPlan]], factor: list[float], penalty: FloatArray
    ) -> tuple[Program, list[tuple[int, int]]]:
        """Choose from `plans` (times `factor`), one a pool (as far as whole), with slack on the rows at `penalty`."""
        keys = [(n, k) for n, known in enumerate(plans) for k in range(len(known))]
        cost = np.array([factor[n] * plans[n][k].total for n, k in keys])
        pools, rows = len(self.searches), len(self.rules)
        use = np.array([factor[n] * self.rules.use(plans[n][k]) for n, k in keys]).reshape(len(keys), rows).T
        one_a_pool = sp.csr_array(
            (np.ones(len(keys)), ([n for n, _ in keys], range(len(keys)))), shape=(pools, len(keys))
        )
        matrix = sp.vstack(
            [
                sp.hstack([one_a_pool, sp.csr_array((pools, rows))], format="csr"),
                sp.hstack([sp.csr_array(use), -sp.eye_array(rows, format="csr")], format="csr"),
            ],
            format="csr",
        )
        program = Program(
            np.concatenate([cost, penalty]),
            matrix,
            np.concatenate([np.ones(pools), np.full(rows, -INFINITY)]),
            np.concatenate([np.ones(pools), self.rules.limit]),
            np.zeros(len(keys) + rows),
            np.concatenate([np.ones(len(keys)), np.full(rows, INFINITY)]),
            np.concatenate([np.ones(len(keys), bool), np.zeros(rows, bool)]),
        )
        return program, keys

    def _master_lp(self, penalty: FloatArray) -> tuple[float, FloatArray, bool]:
        """The optimum over the relaxations, its multipliers, and whether a coupling row stays broken."""
        program, keys = self._program(self.fractions, self.factor, penalty)
        found = solve(program, relax=True)
        broken = bool(found.x[len(keys) :].max(initial=0) > SLACK)
        return found.objective, np.maximum(0.0, -found.row_dual[len(self.searches) :]), broken

    def _choose(self) -> Outcome:
        """The best choice of one known plan a pool."""
        # Money can be raised more easily than a vendor's share: where rules cannot all be kept, ceilings give way.
        penalty = np.where(np.array(self.rules.years) >= 0, BROKEN, 10 * BROKEN)
        program, keys = self._program(self.plans, [1.0] * len(self.plans), penalty)
        found = solve(program, gap=1e-6, seconds=5.0)
        plans = tuple(self.plans[n][k] for (n, k), x in zip(keys, found.x[: len(keys)], strict=True) if x > 0.5)
        rounded = self.rounded if np.isfinite(self.rounded) else None
        return Outcome(plans, self._over(plans), self.bound, self.lp_bound, rounded, self.shadow, self.best[1])

    def _over(self, plans: Iterable[PoolPlan]) -> FloatArray:
        used = sum((self.rules.use(plan) for plan in plans), np.zeros(len(self.rules)))
        return np.maximum(0.0, used - self.rules.limit)


def _threads() -> int:
    return max(1, min(4, len(os.sched_getaffinity(0))))
