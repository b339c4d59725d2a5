"""Output analysis of one long run: batch means with a confidence interval (Law 2015, chapter 9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from capacity.queueing.erlang import Floats


class Estimate(NamedTuple):
    """A point estimate and the half-width of its confidence interval, in one unit."""

    value: float
    half_width: float

    @property
    def relative(self) -> float:
        """Half-width over value; inf when the value is 0."""
        return self.half_width / abs(self.value) if self.value else float("inf")


def batch_mean(values: Floats, batches: int = 32, confidence: float = 0.95) -> Estimate:
    """Mean of a correlated series; the last incomplete batch is left out. ValueError for fewer values than batches."""
    return _interval(_batches(values, batches).mean(axis=1), confidence)


def batch_quantile(values: Floats, q: float, batches: int = 32, confidence: float = 0.95) -> Estimate:
    """The q-quantile of a correlated series: of the whole, with an interval from the quantiles of its batches."""
    parts = _batches(values, batches)
    width = _interval(np.quantile(parts, q, axis=1), confidence).half_width
    return Estimate(float(np.quantile(parts, q)), width)


def _batches(values: Floats, batches: int) -> Floats:
    size = len(values) // batches
    if size == 0:
        raise ValueError(f"{len(values)} values do not fill {batches} batches")
    return values[: size * batches].reshape(batches, size)


def _interval(parts: Floats, confidence: float) -> Estimate:
    n = len(parts)
    factor = float(stats.t.ppf((1 + confidence) / 2, n - 1))
    return Estimate(float(parts.mean()), factor * float(parts.std(ddof=1)) / np.sqrt(n))
