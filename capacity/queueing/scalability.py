"""The Universal Scalability Law, fitted to load-test stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from capacity.queueing.erlang import Floats

_NARROW: Final = 1e-12


class Interval(NamedTuple):
    """A fitted value with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scalability:
    """X(N) = rate N / (1 + contention (N - 1) + coherency N (N - 1))."""

    rate: Interval
    contention: Interval
    coherency: Interval
    relative_error: float
    """root mean square of (fitted / measured - 1)"""

    def throughput(self, n: ArrayLike) -> Floats:
        """Fitted throughput at N."""
        return usl(n, self.rate.value, self.contention.value, self.coherency.value)

    @property
    def peak(self) -> float:
        """N at which throughput is highest (Gunther 2007, section 4.4); inf when it never falls."""
        kappa = self.coherency.value
        return float(np.sqrt((1 - min(self.contention.value, 1.0)) / kappa)) if kappa > _NARROW else float("inf")


def usl(n: ArrayLike, rate: ArrayLike, contention: ArrayLike, coherency: ArrayLike) -> Floats:
    """Equation (Q14), Gunther 2007: throughput of N servers (or at N concurrent requests). Broadcasts."""
    servers = np.asarray(n, float)
    slowdown = 1 + np.asarray(contention, float) * (servers - 1)
    slowdown = slowdown + np.asarray(coherency, float) * servers * (servers - 1)
    return np.asarray(np.asarray(rate, float) * servers / slowdown)


def fit_usl(
    n: ArrayLike, throughput: ArrayLike, *, bootstraps: int = 300, confidence: float = 0.9, seed: int = 0
) -> Scalability:
    """Bounded least squares on relative errors, with intervals by resampling the residuals.

    `n`: servers or concurrency of each stage (at least three different values), `throughput` a second. Rate > 0,
    contention and coherency >= 0. Raises ValueError when the stages cannot carry a fit.
    """
    servers, measured = np.asarray(n, float), np.asarray(throughput, float)
    if servers.shape != measured.shape or servers.ndim != 1:
        raise ValueError("n and throughput must be equally long lists")
    if not (np.all(servers > 0) and np.all(measured > 0)):
        raise ValueError("n and throughput must be positive")
    if len(np.unique(servers)) < 3:
        raise ValueError(f"three unknowns need stages at three sizes at least, not {len(np.unique(servers))}")
    best = _fit(servers, measured)
    fitted = usl(servers, *best)
    residuals = measured / fitted - 1
    rng = np.random.default_rng(seed)
    inflated = residuals * np.sqrt(len(servers) / max(len(servers) - 3, 1))
    draws = np.array(
        [_fit(servers, fitted * np.maximum(1 + rng.choice(inflated, len(servers)), 0.05)) for _ in range(bootstraps)]
    )
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    parts = [Interval(float(b), float(min(lo, b)), float(max(h, b))) for b, lo, h in zip(best, low, high, strict=True)]
    return Scalability(parts[0], parts[1], parts[2], float(np.sqrt(np.mean((fitted / measured - 1) ** 2))))


def _fit(servers: Floats, measured: Floats) -> Floats:
    """(rate, contention, coherency): N / X is linear in 1/rate, contention/rate and coherency/rate, all >= 0.

    Non-negative least squares on relative errors: a convex problem with one answer, whatever the start.
    """
    columns = np.array([np.ones_like(servers), servers - 1, servers * (servers - 1)]).T
    parts, _ = optimize.nnls(columns * (measured / servers)[:, None], np.ones_like(servers))
    base = max(parts[0], _NARROW)
    return np.array([1 / base, parts[1] / base, parts[2] / base])
