"""The pool of one role at one site: which mixes of models could carry its needs, and the covering rows of each.

A mix is a set of models that the pool may hold, with the rows that its active servers must satisfy in each month
(docs/model/leasing.md, (L5)–(L7)). The spare servers of N+k are k of the largest model of the mix, so that needs stand
after the loss of any k servers; enumerating mixes by their largest model keeps that rule linear and its relaxation
tight. A mix of one model counts whole servers: its rows form an interval matrix, totally unimodular (Veinott & Wagner
1962; Hoffman & Kruskal 1956), so that its linear program is exact.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from capacity.leasing.knapsack import attainable, rounding_cuts
from capacity.leasing.lifetimes import Lifetimes
from capacity.leasing.orders import Catalogue
from capacity.leasing.problem import FloatArray, IntArray, Needs, Rules
from capacity.leasing.solver import INFINITY, Program

ROUNDING = 1e-9


@dataclass(frozen=True)
class Mix:
    """`models` the pool may hold; row n: sum of `weight[m, n]` over lots active in `month[n]` >= `need[n]`.

    `resource[n]` is the row's resource, or -1 where it counts servers or shares. `exact`: the LP is integral.
    """

    models: IntArray
    month: IntArray
    resource: IntArray
    weight: FloatArray
    need: FloatArray
    exact: bool


@dataclass(frozen=True)
class Pool:
    """One role at one site with the mixes that can carry it; none when no offer can."""

    site: int
    role: int
    mixes: tuple[Mix, ...]


def pools(needs: Needs, book: Catalogue, rules: Rules) -> tuple[Pool, ...]:
    """The pools that need any server at all."""
    return tuple(
        Pool(i, r, _mixes(needs, book, rules, i, r))
        for i in range(len(needs.sites))
        for r in range(len(needs.roles))
        if wanted(needs, i, r).any()
    )


def wanted(needs: Needs, site: int, role: int) -> np.typing.NDArray[np.bool_]:
    """(months,) whether the pool needs any server in a month."""
    name = needs.roles[role]
    some = np.asarray(needs.minimum[site, role] > 0)
    if name in needs.counted_roles:
        for (counted, _), counts in needs.counts.items():
            if counted == name:
                some = some | (counts[:, site] > 0).any(axis=0)
        return some
    return np.asarray(some | (needs.amount[:, site, role].max(axis=0) > 0).any(axis=1))


def standing(needs: Needs, book: Catalogue, site: int, role: int, model: int) -> IntArray | None:
    """(scenarios, months) servers of `model` that carry the load alone with nothing lost; None when it cannot."""
    name, sku = needs.roles[role], book.models[model][0]
    if not book.fits[site, role, model]:
        return None
    if name in needs.counted_roles:
        counts = needs.counts.get((name, sku))
        return None if counts is None else counts[:, site]
    amount, carries = needs.amount[:, site, role], book.capacity[model]
    if any(amount[:, :, q].any() for q in np.flatnonzero(carries <= 0)):
        return None
    count = np.zeros(amount.shape[:2])
    for q in np.flatnonzero(carries > 0):
        np.maximum(count, amount[:, :, q] / carries[q], out=count)
    return np.asarray(np.ceil(count - ROUNDING).astype(np.int64))


def required(needs: Needs, book: Catalogue, site: int, role: int, model: int) -> IntArray | None:
    """(scenarios, months) servers a pool of `model` alone must hold: the load, the spare ones, and the minimum."""
    alone = standing(needs, book, site, role, model)
    if alone is None:
        return None
    with_spare = np.where(alone > 0, alone + needs.spare[site, role], 0)
    return np.asarray(np.maximum(with_spare, needs.minimum[site, role]))


def _mixes(needs: Needs, book: Catalogue, rules: Rules, site: int, role: int) -> tuple[Mix, ...]:
    need_of = {m: required(needs, book, site, role, m) for m in range(len(book.models))}
    usable = [m for m, need in need_of.items() if need is not None]
    alone = tuple(_alone(m, book, need) for m in usable if (need := need_of[m]) is not None)
    if rules.mix == "one" or len(usable) == 1:
        return alone
    rows = _rows(needs, book, site, role, usable)
    if rules.mix == "two":
        sets = [np.array(pair, dtype=np.int64) for pair in itertools.combinations(usable, 2)]
    else:
        sets = _by_largest(rows, usable)
    return alone + tuple(_mixed(book, rows, usable, chosen) for chosen in sets if len(chosen) > 1)


def _alone(model: int, book: Catalogue, need: IntArray) -> Mix:
    """Rows in lots: formula (L5)."""
    lots = -(-need.max(axis=0) // book.lot[model])
    month = np.flatnonzero(lots > 0)
    return Mix(
        np.array([model], dtype=np.int64),
        month,
        np.full(len(month), -1, dtype=np.int64),
        np.ones((1, len(month))),
        lots[month].astype(np.float64),
        True,
    )


@dataclass(frozen=True)
class _Rows:
    """Rows over all usable models before any spare, weights a server; `spare`: how many servers may be lost."""

    month: IntArray
    resource: IntArray
    weight: FloatArray
    need: FloatArray
    spare: IntArray


def _rows(needs: Needs, book: Catalogue, site: int, role: int, usable: list[int]) -> _Rows:
    """Formulas (L6) and (L7): load rows, and the minimum rows in servers."""
    month: list[int] = []
    resource: list[int] = []
    weight: list[FloatArray] = []
    need: list[float] = []
    spare: list[int] = []

    def add(t: int, q: int, carries: FloatArray, amount: float, lost: int) -> None:
        month.append(t)
        resource.append(q)
        weight.append(carries)
        need.append(amount)
        spare.append(lost)

    k = int(needs.spare[site, role])
    if needs.roles[role] in needs.counted_roles:
        alone = np.array(
            [c.max(axis=0) for m in usable if (c := standing(needs, book, site, role, m)) is not None], dtype=np.float64
        )
        for t in np.flatnonzero((alone > 0).any(axis=0)):
            add(int(t), -1, np.where(alone[:, t] > 0, 1 / np.maximum(alone[:, t], 1), 1.0), 1.0, k)
    else:
        amount = needs.amount[:, site, role].max(axis=0)
        for t, q in zip(*np.nonzero(amount > 0), strict=True):
            add(int(t), int(q), book.capacity[usable, q], float(amount[t, q]), k)
    for t in np.flatnonzero(needs.minimum[site, role] > 0):
        add(int(t), -1, np.ones(len(usable)), float(needs.minimum[site, role, t]), 0)
    return _Rows(
        np.array(month, dtype=np.int64),
        np.array(resource, dtype=np.int64),
        np.array(weight).T.reshape(len(usable), -1),
        np.array(need),
        np.array(spare, dtype=np.int64),
    )


def _by_largest(rows: _Rows, usable: list[int]) -> list[IntArray]:
    """Every set of models that a bound on the largest model can leave; one set when nothing need be spare."""
    models = np.array(usable, dtype=np.int64)
    with_spare = rows.spare > 0
    if not with_spare.any():
        return [models]
    share = rows.weight / rows.need
    sizes = np.stack(
        [share[:, with_spare & (rows.resource == q)].mean(axis=1) for q in np.unique(rows.resource[with_spare])],
        axis=1,
    )
    limits = [np.unique(sizes[:, q]) for q in range(sizes.shape[1])]
    sets = {
        tuple(models[(sizes <= np.array(bound) * (1 + ROUNDING)).all(axis=1)]) for bound in itertools.product(*limits)
    }
    return [np.array(chosen, dtype=np.int64) for chosen in sorted(sets, key=lambda s: (len(s), s)) if chosen]


def _mixed(book: Catalogue, rows: _Rows, usable: list[int], chosen: IntArray) -> Mix:
    weight = rows.weight[[usable.index(m) for m in chosen]]
    need = rows.need + rows.spare * weight.max(axis=0)
    weight = weight * book.lot[chosen][:, None]
    need = attainable(weight, need)
    keep = _binding(rows.month, weight / need)
    return Mix(chosen, rows.month[keep], rows.resource[keep], weight[:, keep], need[keep], False)


def _binding(month: IntArray, share: FloatArray) -> IntArray:
    """Rows that no other row of their month implies. `share[m, n]`: part of row n's need that one lot of m carries;
    a row whose shares are nowhere smaller than another's holds as soon as that one does."""
    keep: list[int] = []
    for t in np.unique(month):
        rows = [int(n) for n in np.flatnonzero(month == t)]
        for n in rows:
            smaller = [o for o in rows if o != n and (share[:, o] <= share[:, n] * (1 + ROUNDING)).all()]
            if not any(o < n or (share[:, o] < share[:, n] * (1 - ROUNDING)).any() for o in smaller):
                keep.append(n)
    return np.array(sorted(keep), dtype=np.int64)


def covering(mix: Mix, columns: Lifetimes, tight: bool = False) -> tuple[Program, IntArray]:
    """The covering program of a mix over the lifetimes of its models, and which columns those are.

    Rows are scaled to a right-hand side of one; a weight above the whole need is cut to it (no integer plan is lost).
    With `tight`, the rounding cuts of every row stand beside it.
    """
    mine = np.flatnonzero(np.isin(columns.model, mix.models))
    start, end = columns.start[mine], columns.end[mine]
    place = np.searchsorted(mix.models, columns.model[mine])
    share, month = np.minimum(mix.weight / mix.need, 1.0), mix.month
    if tight and not mix.exact:
        cuts, source = rounding_cuts(mix.weight, mix.need)
        share, month = np.concatenate([share, cuts], axis=1), np.concatenate([month, month[source]])
    active = (month[:, None] >= start) & (month[:, None] < end)
    rows = sp.csr_array(np.where(active, share[place].T, 0.0))
    n, m = len(mine), len(month)
    program = Program(
        columns.price[mine], rows, np.ones(m), np.full(m, INFINITY), np.zeros(n), np.full(n, INFINITY), np.ones(n, bool)
    )
    return program, mine
