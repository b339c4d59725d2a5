"""Tightening of single covering rows `sum of weight[m] x lots[m] >= need` over whole lots.

Both keep every whole-number plan and cut fractional ones away, so that the linear relaxation comes close to the
whole-number optimum (docs/model/leasing.md, (L8) and (L9)).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from capacity.leasing.problem import FloatArray, IntArray

LARGEST_TABLE = 1_000_000
EXACT = 1e-9


def attainable(weight: FloatArray, need: FloatArray) -> FloatArray:
    """Raise each need to the least sum of weights that reaches it (the unbounded subset sum, by a bit table).

    `weight`: (models, rows), `need`: (rows,). Rows whose weights are no simple fractions stay as they are.
    """
    raised = need.copy()
    tables: dict[tuple[float, ...], tuple[Fraction, int, int]] = {}
    for n in np.argsort(-need, kind="stable"):
        key = tuple(weight[:, n])
        if key not in tables:
            tables[key] = _sums(key, float(need[n]))
        unit, reach, size = tables[key]
        if not size:
            continue
        wanted = math.ceil(Fraction(float(need[n])) / unit - Fraction(1, 10**6))
        above = reach >> wanted
        if above:
            raised[n] = max(need[n], float(unit * (wanted + (above & -above).bit_length() - 1)))
    return raised


def _sums(weights: tuple[float, ...], need: float) -> tuple[Fraction, int, int]:
    """A unit that divides all weights, a bit table of the sums in it, and the table's size (0: not worth it)."""
    parts = [Fraction(w).limit_denominator(1000) for w in weights if w > 0]
    if not parts or any(
        abs(float(p) - w) > EXACT * w for p, w in zip(parts, [w for w in weights if w > 0], strict=True)
    ):
        return Fraction(1), 0, 0
    common = math.lcm(*(p.denominator for p in parts))
    whole = [int(p * common) for p in parts]
    divisor = math.gcd(*whole)
    unit, steps = Fraction(divisor, common), [w // divisor for w in whole]
    size = math.ceil(Fraction(need) / unit) + max(steps) + 1
    if size > LARGEST_TABLE:
        return unit, 0, 0
    reach, mask = 1, (1 << size) - 1
    for step in steps:
        shift = step
        while shift < size:
            reach = (reach | (reach << shift)) & mask
            shift *= 2
    return unit, reach, size


def rounding_cuts(weight: FloatArray, need: FloatArray) -> tuple[FloatArray, IntArray]:
    """Mixed-integer rounding cuts (Nemhauser & Wolsey 1990) of each row divided by each of its weights.

    For row n and divisor w: with r = weight / w and f = frac(need / w) > 0,
    sum of (floor(r) + min(1, frac(r) / f)) x lots >= ceil(need / w). Returned scaled to a right-hand side of one, as
    (models, cuts), with the row that each cut comes from.
    """
    ratio = weight[:, None, :] / np.where(weight > 0, weight, np.inf)[None, :, :]
    target = need / np.where(weight > 0, weight, np.inf)
    part = target - np.floor(target + EXACT)
    floor = np.floor(ratio + EXACT)
    inside = np.maximum(ratio - floor, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = (floor + np.minimum(1.0, inside / part)) / np.ceil(target - EXACT)
    use = (weight > 0) & (part > 1e-6)
    divisor, row = np.nonzero(use)
    return cut[:, divisor, row], row.astype(np.int64)
