"""All pools and the coupling rules in one integer program: the last resort when choosing among known plans fails.

Each pool takes one of a few mixes (a binary each, formula (L14)); its covering rows are those of the mix. Columns that
look too dear under the best multipliers are left out, so that the program stays small; it proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from capacity.leasing.coupling import BROKEN, Coupling
from capacity.leasing.integer import PoolPlan, plan_of
from capacity.leasing.lifetimes import Lifetimes
from capacity.leasing.orders import Catalogue
from capacity.leasing.pool import Mix, covering
from capacity.leasing.problem import FloatArray, IntArray
from capacity.leasing.solver import INFINITY, Program, solve

SMALL = 20_000
"""Columns beyond which branch and cut on the whole would find nothing in the time there is."""


def plan_jointly(
    book: Catalogue,
    rules: Coupling,
    candidates: Sequence[Sequence[Mix]],
    columns: Lifetimes,
    gap: float,
    seconds: float,
) -> tuple[PoolPlan, ...] | None:
    """One plan a pool, out of `candidates` (mixes of each pool), that keeps the rules at least cost (beyond them, at
    the penalty). None when nothing was found in `seconds`, or the program is too large to try."""
    blocks: list[tuple[int, sp.csr_array, IntArray]] = []
    for n, mixes in enumerate(candidates):
        for mix in mixes:
            program, mine = covering(mix, columns)
            blocks.append((n, program.matrix, mine))
    chosen = np.concatenate([mine for _, _, mine in blocks]) if blocks else np.zeros(0, dtype=np.int64)
    if not len(chosen) or len(chosen) > SMALL or seconds <= 0:
        return None
    found = solve(_program(rules, blocks, chosen, columns, len(candidates)), gap=gap, seconds=seconds)
    if not len(found.x):
        return None
    lots = np.rint(found.x[: len(chosen)]).astype(np.int64)
    parts: list[list[tuple[IntArray, IntArray]]] = [[] for _ in candidates]
    place = 0
    for n, _, mine in blocks:
        parts[n].append((mine, lots[place : place + len(mine)]))
        place += len(mine)
    return tuple(
        plan_of(book, columns, np.concatenate([m for m, _ in part]), np.concatenate([c for _, c in part]))
        for part in parts
    )


def _program(
    rules: Coupling,
    blocks: list[tuple[int, sp.csr_array, IntArray]],
    chosen: IntArray,
    columns: Lifetimes,
    pools: int,
) -> Program:
    lots, mixes, rows = len(chosen), len(blocks), len(rules)
    cover = sp.block_diag([matrix for _, matrix, _ in blocks], format="csr")
    heights = [matrix.shape[0] for _, matrix, _ in blocks]
    uses = sp.csr_array(
        (-np.ones(sum(heights)), (range(sum(heights)), np.repeat(range(mixes), heights))), shape=(sum(heights), mixes)
    )
    one_mix = sp.csr_array((np.ones(mixes), ([n for n, _, _ in blocks], range(mixes))), shape=(pools, mixes))
    taken: FloatArray = rules.columns(columns)[:, chosen]
    matrix = sp.vstack(
        [
            sp.hstack([cover, uses, sp.csr_array((cover.shape[0], rows))], format="csr"),
            sp.hstack([sp.csr_array((pools, lots)), one_mix, sp.csr_array((pools, rows))], format="csr"),
            sp.hstack(
                [sp.csr_array(taken), sp.csr_array((rows, mixes)), -sp.eye_array(rows, format="csr")], format="csr"
            ),
        ],
        format="csr",
    )
    return Program(
        np.concatenate([columns.paid[chosen].sum(axis=1), np.zeros(mixes), np.full(rows, BROKEN)]),
        matrix,
        np.concatenate([np.zeros(cover.shape[0]), np.ones(pools), np.full(rows, -INFINITY)]),
        np.concatenate([np.full(cover.shape[0], INFINITY), np.ones(pools), rules.limit]),
        np.zeros(lots + mixes + rows),
        np.concatenate([np.full(lots, INFINITY), np.ones(mixes), np.full(rows, INFINITY)]),
        np.concatenate([np.ones(lots + mixes, bool), np.zeros(rows, bool)]),
    )
