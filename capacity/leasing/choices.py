"""A lease plan seen against draws of demand: what it costs with the servers it lacks, on average, at worst, in regret.

Formulas (L17)–(L20) of docs/model/leasing.md, evaluated for plans that are given, over all draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.leasing.problem import FloatArray, IntArray


@dataclass(frozen=True)
class Short:
    """One pool of a plan: servers `held` (months,) and `asked` (draws, months), and the rupiah of one short a month."""

    held: IntArray
    asked: FloatArray
    price_idr: float


@dataclass(frozen=True)
class Weighed:
    """`total_idr`: (draws,) leases and shortage. `short_share`: share of draws in which a server is ever lacking."""

    total_idr: FloatArray
    expected_idr: float
    cvar_idr: float
    short_share: float


def weighed(lease_idr: int, pools: Sequence[Short], level: float) -> Weighed:
    """Expected cost and CVaR at `level` of a plan over draws of equal weight."""
    lacking = [np.maximum(0.0, pool.asked - pool.held) for pool in pools]
    total = lease_idr + sum(
        (pool.price_idr * short.sum(axis=1) for pool, short in zip(pools, lacking, strict=True)), np.zeros(1)
    )
    ever = np.any([short.max(axis=1) > 0 for short in lacking], axis=0)
    return Weighed(total, float(total.mean()), tail_mean(total, level), float(np.mean(ever)))


def tail_mean(values: FloatArray, level: float) -> float:
    """CVaR of values of equal weight (Rockafellar and Uryasev 2000): the mean of the worst share 1 - level."""
    worst = np.sort(values)[::-1]
    left = (1 - level) * len(worst)
    weight = np.clip(left - np.arange(len(worst)), 0.0, 1.0)
    return float(weight @ worst / left)


def strata(values: FloatArray, edges: Sequence[float]) -> tuple[IntArray, FloatArray]:
    """Draws that stand for all: the middle one of each stratum of `values` between the shares `edges`, with the
    probability of its stratum."""
    order = np.argsort(values, kind="stable")
    cuts = np.round(np.array([0.0, *edges, 1.0]) * len(order)).astype(np.int64)
    cuts = np.unique(cuts)
    middle = order[(cuts[:-1] + cuts[1:]) // 2]
    return middle, np.diff(cuts) / len(order)
