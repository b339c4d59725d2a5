"""The pool of one role at one site: the program that covers its needs, and the exact LP when it has one SKU.

Formulas (2)–(5) of docs/model/leasing.md. With a_t servers active, s_t starting, e_t ending and n_t new:

    a_t = a_(t-1) + s_t - e_t,    n_t >= s_t - e_t,    a_t >= required_t

After adding slack every column holds one +1 and one -1, so the matrix is that of a network and totally unimodular
(Hoffman & Kruskal 1956; Veinott & Wagner 1962 for interval covers): the LP has an integral optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from capacity.leasing.orders import Catalogue
from capacity.leasing.problem import FloatArray, IntArray, Needs
from capacity.leasing.solver import INFINITY, Program


def required(needs: Needs, book: Catalogue, site: int, role: int, model: int) -> IntArray:
    """(months,) servers needed when the pool holds `model` alone: the amount, the spare ones, and the minimum.

    A need that no number of these servers can carry (a resource it lacks) gives -1 in every month.
    """
    amount = needs.worst[site, role]
    carries = book.capacity[model]
    if np.any((amount > 0).any(axis=0) & (carries <= 0)):
        return np.full(needs.months, -1, dtype=np.int64)
    per_resource = amount / np.where(carries > 0, carries, 1.0)
    count = np.ceil(per_resource.max(axis=1) - 1e-9).astype(np.int64)
    count = np.where(count > 0, count + needs.spare[site, role], 0)
    return np.asarray(np.maximum(count, needs.minimum[site, role]))


@dataclass(frozen=True)
class PoolProgram:
    """The program of a pool of one model. Columns: orders (in lots of `lot` servers), then active, then new."""

    program: Program
    orders: IntArray
    lot: int
    unimodular: bool


def pool_program(needs: Needs, book: Catalogue, model: int, servers: IntArray) -> PoolProgram:
    """Cheapest orders of `model` that keep at least `servers[t]` active in every month t."""
    orders = book.orders
    mine = np.flatnonzero(orders.model == model)
    lot = int(np.gcd.reduce(orders.lot[mine])) if len(mine) else 1
    weight = orders.lot[mine] / lot
    balance = movement(needs.months, orders.start[mine], orders.stay[mine], weight)
    months, n = needs.months, len(mine)
    step = sp.eye_array(months, format="csr") - sp.eye_array(months, k=-1, format="csr")
    nothing = sp.csr_array((months, months))
    matrix = sp.vstack(
        [
            sp.hstack([-balance, step, nothing], format="csr"),
            sp.hstack([-balance, nothing, sp.eye_array(months, format="csr")], format="csr"),
        ],
        format="csr",
    )
    low = np.zeros(2 * months)
    high = np.concatenate([np.zeros(months), np.full(months, INFINITY)])
    lower = np.concatenate([np.zeros(n), -(-servers // lot), np.zeros(months)]).astype(np.float64)
    cost = np.concatenate([orders.cost[mine].sum(axis=1) * weight * lot, np.zeros(months), book.setup[model] * lot])
    same = bool(np.all(weight == 1))
    whole = np.concatenate([np.full(n, not same), np.zeros(2 * months, dtype=bool)])
    program = Program(cost, matrix, low, high, lower, np.full(n + 2 * months, INFINITY), whole)
    return PoolProgram(program, mine, lot, same)


def movement(months: int, start: IntArray, stay: IntArray, weight: FloatArray) -> sp.csr_array:
    """(months, orders): +weight in the month an order starts, -weight in the month after it ends (if within)."""
    column = np.arange(len(start))
    end = start + stay
    inside = end < months
    rows = np.concatenate([start, end[inside]])
    values = np.concatenate([weight, -weight[inside]])
    return sp.csr_array((values, (rows, np.concatenate([column, column[inside]]))), shape=(months, len(start)))
