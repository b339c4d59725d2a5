"""Distributions that reproduce three stated quantiles exactly.

First choice, the metalog of three terms (Keelin 2016, "The Metalog Distributions", Decision Analysis 13(4)), on the
stated values themselves, on their logarithm above a lower bound, or on their logit between two bounds:

    M(y) = a1 + a2 logit(y) + a3 (y - 1/2) logit(y)                                                       (D2)

It is a distribution only where M rises everywhere; for the symmetric triplet (10, 50, 90 %) that is a condition on the
place of the median alone (Keelin 2016, section 4):

    k < r < 1 - k,   r = (m50 - m10) / (m90 - m10),   k = (1 - 1.66711 (1/2 - 0.1)) / 2 = 0.16658          (D3)

Else a Johnson quantile-parameterised distribution (Hadlock and Bickel 2017, Decision Analysis 14(1)), which exists for
every rising triplet: with z = Phi^-1(y), c = Phi^-1(0.9),

    S (lower bound):  x = l + theta exp(lambda sinh(asinh(delta z) + asinh(n c delta)))                    (D4)
    B (two bounds):   x = l + (u - l) Phi(xi + lambda sinh(delta (z + n c)))                               (D5)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from capacity.launch import Quantiles

Floats = NDArray[np.float64]

LEVEL = 0.1
"""The stated levels are LEVEL, 1/2 and 1 - LEVEL."""
FEASIBLE_K = (1 - 1.66711 * (0.5 - LEVEL)) / 2
C = float(special.ndtri(1 - LEVEL))


class Distribution(Protocol):
    """A distribution by its quantile function."""

    def quantile(self, y: ArrayLike) -> Floats:
        """The y-quantile, 0 < y < 1; shape of `y`."""


@dataclass(frozen=True, slots=True)
class Metalog:
    """Formula (D2) on x, log(x - lower) or logit((x - lower) / (upper - lower)). Bounds None: not there."""

    a: tuple[float, float, float]
    lower: float | None
    upper: float | None

    def quantile(self, y: ArrayLike) -> Floats:
        """The y-quantile."""
        p = np.asarray(y, float)
        logit = special.logit(p)
        m = self.a[0] + self.a[1] * logit + self.a[2] * (p - 0.5) * logit
        if self.lower is None:
            return np.asarray(m)
        if self.upper is None:
            return np.asarray(self.lower + np.exp(m))
        return np.asarray(self.lower + (self.upper - self.lower) * special.expit(m))


@dataclass(frozen=True, slots=True)
class JohnsonS:
    """J-QPD-S, formula (D4): bounded below."""

    lower: float
    theta: float
    delta: float
    lam: float
    n: float

    def quantile(self, y: ArrayLike) -> Floats:
        """The y-quantile."""
        z = special.ndtri(np.asarray(y, float))
        if self.n == 0:
            return np.asarray(self.lower + self.theta * np.exp(self.lam * self.delta * z))
        bent = np.arcsinh(self.delta * z) + np.arcsinh(self.n * C * self.delta)
        return np.asarray(self.lower + self.theta * np.exp(self.lam * np.sinh(bent)))


@dataclass(frozen=True, slots=True)
class JohnsonB:
    """J-QPD-B, formula (D5): bounded on both sides."""

    lower: float
    upper: float
    xi: float
    delta: float
    lam: float
    n: float

    def quantile(self, y: ArrayLike) -> Floats:
        """The y-quantile."""
        z = special.ndtri(np.asarray(y, float))
        if self.n == 0:
            inner = self.xi + self.lam * self.delta * z
        else:
            inner = self.xi + self.lam * np.sinh(self.delta * (z + self.n * C))
        return np.asarray(self.lower + (self.upper - self.lower) * special.ndtr(inner))


def metalog(low: float, mid: float, high: float, lower: float | None = None, upper: float | None = None) -> Metalog:
    """The metalog through the three quantiles. Feasible or not: see `metalog_feasible`."""
    g10, g50, g90 = (_transform(v, lower, upper) for v in (low, mid, high))
    spread = g90 - g10
    r = (g50 - g10) / spread
    span = np.log((1 - LEVEL) / LEVEL)
    return Metalog(
        (g50, float(0.5 * spread / span), float((1 - 2 * r) * spread / ((1 - 2 * LEVEL) * span))), lower, upper
    )


def metalog_feasible(
    low: float, mid: float, high: float, lower: float | None = None, upper: float | None = None
) -> bool:
    """Condition (D3): whether the metalog through the three quantiles rises everywhere."""
    g10, g50, g90 = (_transform(v, lower, upper) for v in (low, mid, high))
    return bool(FEASIBLE_K < (g50 - g10) / (g90 - g10) < 1 - FEASIBLE_K)


def johnson(low: float, mid: float, high: float, lower: float, upper: float | None = None) -> JohnsonS | JohnsonB:
    """The Johnson distribution through the three quantiles; exists for lower < low < mid < high < upper."""
    if upper is None:
        g10, g50, g90 = (float(np.log(v - lower)) for v in (low, mid, high))
        n = float(np.sign(g10 + g90 - 2 * g50))
        theta = {1.0: low, 0.0: mid, -1.0: high}[n] - lower
        narrow = min(g50 - g10, g90 - g50)
        if n == 0:
            return JohnsonS(lower, theta, (g90 - g10) / (2 * C), 1.0, n)
        delta = float(np.sinh(np.arccosh((g90 - g10) / (2 * narrow))) / C)
        return JohnsonS(lower, theta, delta, narrow / (delta * C), n)
    b10, b50, b90 = (float(special.ndtri((v - lower) / (upper - lower))) for v in (low, mid, high))
    n = float(np.sign(b10 + b90 - 2 * b50))
    xi = {1.0: b10, 0.0: b50, -1.0: b90}[n]
    if n == 0:
        return JohnsonB(lower, upper, xi, (b90 - b10) / (2 * C), 1.0, n)
    delta = float(np.arccosh((b90 - b10) / (2 * min(b50 - b10, b90 - b50))) / C)
    return JohnsonB(lower, upper, xi, delta, (b90 - b10) / float(np.sinh(2 * delta * C)), n)


def distribution(stated: Quantiles) -> Distribution:
    """The distribution of a stated input: metalog where feasible, else Johnson."""
    low, mid, high = stated.p10, stated.p50, stated.p90
    if metalog_feasible(low, mid, high, stated.lower, stated.upper):
        return metalog(low, mid, high, stated.lower, stated.upper)
    return johnson(low, mid, high, stated.lower, stated.upper)


def _transform(value: float, lower: float | None, upper: float | None) -> float:
    if lower is None:
        return value
    if upper is None:
        return float(np.log(value - lower))
    return float(special.logit((value - lower) / (upper - lower)))
