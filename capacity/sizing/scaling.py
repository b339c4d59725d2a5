"""What a calibration knows about scaling: more servers of a station make each call a little dearer.

    d(N) = 1 + s (N - 1) + k N (N - 1)                                                                      (S8)

is the Universal Scalability Law (Gunther 2007; Q14) read as a service time: throughput l N / d(N) of N servers means
that a call takes d(N) times the CPU that it takes on one. N servers carry B Erlangs at utilisation u when
B d(N) <= u N; the least such N is the smaller root of a quadratic, and there is none when the curve's top is too low.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.calibration import ScalabilityFit

Floats = NDArray[np.float64]
Scaling = Mapping[str, ScalabilityFit]
"""Station → its fit; a station without one scales without loss."""


def slowdown(fit: ScalabilityFit | None, servers: ArrayLike) -> Floats:
    """Formula (S8): CPU of a call on `servers` CPU servers over that on one; 1 up to one server and without a fit."""
    n = np.maximum(np.asarray(servers, float), 1.0)
    if fit is None:
        return np.ones_like(n)
    return np.asarray(1 + fit.contention * (n - 1) + fit.coherency * n * (n - 1))


def most_useful(fit: ScalabilityFit | None) -> float:
    """Servers beyond which another one carries nothing more: sqrt((1 - s) / k) (Gunther 2007); inf without a limit."""
    if fit is None or fit.coherency <= 0:
        return float("inf")
    return float(np.sqrt(max(1 - fit.contention, 0.0) / fit.coherency))


def servers_for(fit: ScalabilityFit | None, busy: ArrayLike, limit: float) -> Floats:
    """Least CPU servers that carry `busy` (Erlangs on one server) at utilisation `limit`; inf where none do."""
    load = np.asarray(busy, float)
    plain = np.asarray(load / limit)
    if fit is None:
        return plain
    s, k = fit.contention, fit.coherency
    # B k N^2 + (B s - B k - u) N + B (1 - s) <= 0
    a, b, c = load * k, load * (s - k) - limit, load * (1 - s)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - 4 * a * c)
        found = np.where(a > 0, 2 * c / (-b + root), c / -b)  # the smaller root, without cancellation
        found = np.where((b < 0) & np.isfinite(found), found, np.inf)
    return np.where(plain <= 1, plain, found)
