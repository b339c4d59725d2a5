"""What a calibration knows about scaling: the more of a station works at once, the dearer each call becomes.

    N = B d(N),   d(N) = 1 + s (N - 1) + k N (N - 1)                                                        (C8)

is the Universal Scalability Law (Gunther 2007; Q14) read as a service time: N busy CPU servers answer l N / d(N) calls
a second, so that a call takes d(N) times the CPU that it takes when one is busy. A load of B Erlangs at that demand
keeps N >= B servers busy: the smaller root of a quadratic. There is none when B is above the curve's top.

A parameter counts when its interval excludes zero: contention that the measurement cannot tell from none would, spread
over a nation, be a guess dressed as a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.calibration import ScalabilityFit

Floats = NDArray[np.float64]
Scaling = Mapping[str, ScalabilityFit]
"""Station → its fit; a station without one scales without loss."""

_AS_GOOD_AS_ALL = 1e12


def parameters(fit: ScalabilityFit | None) -> tuple[float, float]:
    """Contention s and coherency k as far as they are established; (0, 0) without a fit."""
    if fit is None:
        return 0.0, 0.0
    pairs = ((fit.contention, fit.contention_interval), (fit.coherency, fit.coherency_interval))
    s, k = (value if interval is None or interval[0] > 0 else 0.0 for value, interval in pairs)
    return s, k


def slowdown(fit: ScalabilityFit | None, busy: ArrayLike) -> Floats:
    """d(N) of (C8) at N busy servers; 1 up to one."""
    s, k = parameters(fit)
    n = np.maximum(np.asarray(busy, float), 1.0)
    return np.asarray(1 + s * (n - 1) + k * n * (n - 1))


def most_busy(fit: ScalabilityFit | None) -> float:
    """Busy servers at which the station answers most: sqrt((1 - s) / k) (Gunther 2007); inf without a limit."""
    s, k = parameters(fit)
    return float(np.sqrt(max(1 - s, 0.0) / k)) if k > 0 else float("inf")


def kept_busy(fit: ScalabilityFit | None, load: ArrayLike) -> Floats:
    """N of (C8): servers kept busy by `load` Erlangs at the demand of one busy server; inf where none are enough."""
    b = np.asarray(load, float)
    s, k = parameters(fit)
    if s == k == 0:
        return b
    # B k N^2 + (B (s - k) - 1) N + B (1 - s) = 0, the smaller root without cancellation
    half, last = 1 - b * (s - k), b * (1 - s)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * last / (half + np.sqrt(half * half - 4 * b * k * last))
    found = np.where((half > 0) & np.isfinite(found), found, np.inf)
    return np.where(b <= 1, b, found)


def carried(fit: ScalabilityFit | None, busy: ArrayLike) -> Floats:
    """Erlangs B that `busy` servers carry, or fewer of them where that is more: the inverse of `kept_busy`."""
    n = np.minimum(np.asarray(busy, float), min(max(most_busy(fit), 1.0), _AS_GOOD_AS_ALL))
    return np.asarray(n / slowdown(fit, n))
