"""One pool under uncertainty: what a plan leases and, in each scenario, what it leaves short.

With one SKU a pool the shortage is convex and piecewise linear in the servers held, with kinks at whole numbers: for
given weights of the scenarios the pool's program is totally unimodular (formula (L17) of docs/model/leasing.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from capacity.leasing.integer import Chain
from capacity.leasing.lifetimes import MILLION, Lifetimes
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Pool, required
from capacity.leasing.problem import FloatArray, IntArray, Needs
from capacity.leasing.solver import INFINITY, Program, solve


@dataclass(frozen=True)
class ChancePlan:
    """One pool's plan: leases (million rupiah with tax) and shortage by scenario."""

    lots: tuple[tuple[Chain, int], ...]
    lease: float
    short: FloatArray


@dataclass(frozen=True)
class Rows:
    """Arrays of one model's program: `held` (months, lifetimes), `filled` (months, steps), sizes of the steps in lots,
    `saves` (scenarios, steps) million rupiah a lot, `empty` (scenarios) what holding nothing costs, the minimum."""

    mine: IntArray
    held: FloatArray
    filled: FloatArray
    size: FloatArray
    saves: FloatArray
    empty: FloatArray
    minimum: FloatArray


@dataclass(frozen=True)
class Chance:
    """One pool under uncertainty. For each usable model: servers asked (scenarios, months) and the shortage price."""

    book: Catalogue
    columns: Lifetimes
    minimum: IntArray
    asked: Mapping[int, IntArray]
    price: Mapping[int, float]
    built: dict[int, tuple[Rows, sp.csr_array]] = field(default_factory=dict, compare=False, repr=False)
    """Programs made so far: only the weights change from one answer to the next."""

    @classmethod
    def of(
        cls, needs: Needs, book: Catalogue, shortage_idr: Mapping[str, float], pool: Pool, columns: Lifetimes
    ) -> Chance:
        models = [int(mix.models[0]) for mix in pool.mixes]
        asked = {m: required(needs, book, pool.site, pool.role, m) for m in models}
        price = {m: shortage_idr[book.models[m][0]] / MILLION for m in asked}
        usable = {m: need for m, need in asked.items() if need is not None}
        return cls(book, columns, needs.minimum[pool.site, pool.role], usable, price)

    def best(self, weight: FloatArray) -> tuple[float, ChancePlan]:
        """The least of leases and weighted shortage over the models, and its plan."""
        found = [answer for m in self.asked if (answer := self._alone(m, weight)) is not None]
        return min(found, key=lambda answer: answer[0])

    def rows(self, m: int) -> Rows:
        """The program of one model: lifetimes, and for each month the steps of the shortage curve (formula (L17)).

        A step is a run of lots that the same scenarios still lack, so that a lot in it saves the same in each.
        """
        asked, lot, months = self.asked[m], int(self.book.lot[m]), self.asked[m].shape[1]
        mine = np.flatnonzero(self.columns.model == m)
        row = np.arange(months)[:, None]
        held = ((row >= self.columns.start[mine]) & (row < self.columns.end[mine])) * 1.0
        month: list[int] = []
        size: list[float] = []
        saves: list[FloatArray] = []
        for t in range(months):
            most = -(-int(asked[:, t].max(initial=0)) // lot)
            lacking = np.maximum(0, asked[:, t, None] - np.arange(most + 1) * lot)
            gain = lacking[:, :-1] - lacking[:, 1:]
            begins = [k for k in range(most) if k == 0 or (gain[:, k] != gain[:, k - 1]).any()]
            for begin, until in pairwise([*begins, most]):
                month.append(t)
                size.append(float(until - begin))
                saves.append(self.price[m] * gain[:, begin])
        filled = (np.array(month) == row) * -1.0
        empty = self.price[m] * asked.sum(axis=1)
        return Rows(
            mine,
            np.asarray(held, dtype=np.float64),
            np.asarray(filled.reshape(months, len(size)), dtype=np.float64),
            np.asarray(size, dtype=np.float64),
            np.array(saves, dtype=np.float64).T.reshape(len(asked), len(size)),
            np.asarray(empty, dtype=np.float64),
            np.asarray(-(-self.minimum // lot)).astype(np.float64),
        )

    def plan(self, m: int, mine: IntArray, lots: IntArray) -> ChancePlan:
        """What `lots` of the lifetimes `mine` cost and leave short."""
        held = np.zeros(self.asked[m].shape[1], dtype=np.int64)
        for n, count in zip(mine, lots, strict=True):
            held[self.columns.start[n] : self.columns.end[n]] += int(count) * int(self.book.lot[m])
        short = self.price[m] * np.maximum(0, self.asked[m] - held).sum(axis=1)
        chains = tuple(((m, self.columns.chains[mine[j]]), int(lots[j])) for j in np.flatnonzero(lots))
        return ChancePlan(chains, float(self.columns.price[mine] @ lots), np.asarray(short, dtype=np.float64))

    def _alone(self, m: int, weight: FloatArray) -> tuple[float, ChancePlan] | None:
        if m not in self.built:
            made = self.rows(m)
            below = np.hstack([made.held, np.zeros_like(made.filled)])
            self.built[m] = made, sp.csr_array(np.vstack([np.hstack([made.held, made.filled]), below]))
        r, matrix = self.built[m]
        n, z, months = len(r.mine), len(r.size), len(r.minimum)
        found = solve(
            Program(
                np.concatenate([self.columns.price[r.mine], -(weight @ r.saves)]),
                matrix,
                np.concatenate([np.zeros(months), r.minimum]),
                np.full(2 * months, INFINITY),
                np.zeros(n + z),
                np.concatenate([np.full(n, INFINITY), r.size]),
                np.zeros(n + z, dtype=bool),
            )
        )
        if found.status != "optimal":
            return None
        plan = self.plan(m, r.mine, np.rint(found.x[:n]).astype(np.int64))
        return plan.lease + float(weight @ plan.short), plan
