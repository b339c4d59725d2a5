"""All pools and the coupling rules in one integer program: the last resort when choosing among known plans fails.

Each pool takes one of a few mixes (a binary each, formula (L14)); its covering rows are those of the mix. No pool may
hold more lots than its peak could ever ask for: idle servers of one vendor would bring down the share of another.
Columns that look too dear under the best multipliers are left out, so that the program stays small; it proves nothing
by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class _Block:
    """One mix of one pool: its covering rows over the columns `mine`, which of them are active in each month of need,
    and the lots of its smallest model that its peak asks for."""

    pool: int
    cover: sp.csr_array
    mine: IntArray
    active: sp.csr_array
    most: float


def _block(pool: int, mix: Mix, columns: Lifetimes) -> _Block:
    program, mine = covering(mix, columns)
    months = np.unique(mix.month)[:, None]
    active = (months >= columns.start[mine]) & (months < columns.end[mine])
    with np.errstate(divide="ignore"):
        alone = np.where(mix.weight > 0, mix.need / mix.weight, 0.0).max(axis=1, initial=0.0)
    return _Block(pool, program.matrix, mine, sp.csr_array(active * 1.0), float(np.ceil(alone.max() - 1e-9)))


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
    blocks = [_block(n, mix, columns) for n, mixes in enumerate(candidates) for mix in mixes]
    chosen = np.concatenate([block.mine for block in blocks]) if blocks else np.zeros(0, dtype=np.int64)
    if not len(chosen) or len(chosen) > SMALL or seconds <= 0:
        return None
    found = solve(_program(rules, blocks, chosen, columns, len(candidates)), gap=gap, seconds=seconds)
    if not len(found.x):
        return None
    lots = np.rint(found.x[: len(chosen)]).astype(np.int64)
    parts: list[list[tuple[IntArray, IntArray]]] = [[] for _ in candidates]
    place = 0
    for block in blocks:
        parts[block.pool].append((block.mine, lots[place : place + len(block.mine)]))
        place += len(block.mine)
    return tuple(
        plan_of(book, columns, np.concatenate([m for m, _ in part]), np.concatenate([c for _, c in part]))
        for part in parts
    )


def _program(
    rules: Coupling,
    blocks: list[_Block],
    chosen: IntArray,
    columns: Lifetimes,
    pools: int,
) -> Program:
    lots, mixes, rows = len(chosen), len(blocks), len(rules)
    cover = sp.block_diag([block.cover for block in blocks], format="csr")
    active = sp.block_diag([block.active for block in blocks], format="csr")
    uses = _spread([block.cover.shape[0] for block in blocks], [-1.0] * mixes)
    peaks = _spread([block.active.shape[0] for block in blocks], [-block.most for block in blocks])
    one_mix = sp.csr_array((np.ones(mixes), ([block.pool for block in blocks], range(mixes))), shape=(pools, mixes))
    taken: FloatArray = rules.columns(columns)[:, chosen]
    matrix = sp.vstack(
        [
            sp.hstack([cover, uses, sp.csr_array((cover.shape[0], rows))], format="csr"),
            sp.hstack([active, peaks, sp.csr_array((active.shape[0], rows))], format="csr"),
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
        np.concatenate(
            [np.zeros(cover.shape[0]), np.full(active.shape[0], -INFINITY), np.ones(pools), np.full(rows, -INFINITY)]
        ),
        np.concatenate([np.full(cover.shape[0], INFINITY), np.zeros(active.shape[0]), np.ones(pools), rules.limit]),
        np.zeros(lots + mixes + rows),
        np.concatenate([np.full(lots, INFINITY), np.ones(mixes), np.full(rows, INFINITY)]),
        np.concatenate([np.ones(lots + mixes, bool), np.zeros(rows, bool)]),
    )


def _spread(heights: Sequence[int], values: Sequence[float]) -> sp.csr_array:
    """(sum of heights, blocks): the value of each block in all of its rows."""
    column = np.repeat(np.arange(len(heights)), heights)
    return sp.csr_array(
        (np.repeat(values, heights), (np.arange(len(column)), column)), shape=(len(column), len(heights))
    )
