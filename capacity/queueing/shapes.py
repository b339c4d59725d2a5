"""Two-moment distributions of times: a mean, a squared coefficient of variation (scv) and a named shape.

A percentile of response times depends on the shape of the service times and not on two moments alone, so the shape is
an argument wherever a percentile is computed.

    gamma      every scv > 0, Erlang-like below 1 and bursty above: the default
    lognormal  every scv > 0, the heaviest tail of the three
    phase      below scv 1 a mixture of Erlang k-1 and Erlang k of equal rate (Tijms 1994, section A.4);
               above 1 a mixture of two exponentials with balanced means (ibid.)

scv 0 is a constant time in every shape.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from capacity.queueing.erlang import Floats
from capacity.queueing.roots import falling_root

Shape = Literal["gamma", "lognormal", "phase"]
SHAPES: tuple[Shape, ...] = ("gamma", "lognormal", "phase")

CONSTANT_SCV = 1e-9
"""An scv below this is a constant time."""


def quantile(shape: Shape, q: ArrayLike, mean: ArrayLike, scv: ArrayLike) -> Floats:
    """The q-quantile of a time with that mean and scv. Shapes: broadcast of q, mean and scv; unit of `mean`."""
    p, centre, spread = np.broadcast_arrays(*(np.asarray(x, float) for x in (q, mean, scv)))
    floor = np.maximum(spread, CONSTANT_SCV)
    if shape == "lognormal":
        sigma2 = np.log1p(floor)
        unit = np.exp(np.sqrt(sigma2) * special.ndtri(p) - sigma2 / 2)
    elif shape == "gamma":
        unit = floor * special.gammaincinv(1 / floor, p)
    else:
        unit = _phase_quantile(p, floor)
    return np.asarray(centre * np.where(spread > CONSTANT_SCV, unit, 1.0))


def tail(shape: Shape, t: ArrayLike, mean: ArrayLike, scv: ArrayLike) -> Floats:
    """P(time > t). Shapes: broadcast of t, mean and scv."""
    time, centre, spread = np.broadcast_arrays(*(np.asarray(x, float) for x in (t, mean, scv)))
    floor = np.maximum(spread, CONSTANT_SCV)
    x = np.maximum(time, 0.0) / centre
    if shape == "lognormal":
        sigma2 = np.log1p(floor)
        with np.errstate(divide="ignore"):
            value = special.ndtr(-(np.log(x) + sigma2 / 2) / np.sqrt(sigma2))
    elif shape == "gamma":
        value = special.gammaincc(1 / floor, x / floor)
    else:
        value = _phase_tail(x, floor)
    return np.where(time < 0, 1.0, np.where(spread > CONSTANT_SCV, value, np.where(x < 1, 1.0, 0.0)))


def partial_mean(shape: Shape, t: ArrayLike, mean: ArrayLike, scv: ArrayLike) -> Floats:
    """E[min(time, t)], the integral of the tail up to t. Shapes: broadcast of t, mean and scv."""
    x, centre, spread = np.broadcast_arrays(*(np.asarray(x, float) for x in (t, mean, scv)))
    floor = np.maximum(spread, CONSTANT_SCV)
    z = np.maximum(x, 0.0) / centre
    if shape == "lognormal":
        sigma = np.sqrt(np.log1p(floor))
        with np.errstate(divide="ignore"):
            value = special.ndtr(np.log(z) / sigma - sigma / 2) + z * special.ndtr(-(np.log(z) / sigma + sigma / 2))
    elif shape == "gamma":
        value = special.gammainc(1 / floor + 1, z / floor) + z * special.gammaincc(1 / floor, z / floor)
    else:
        k, share, rate = erlang_mixture(floor)
        y = rate * z
        few = (k - 1) / rate * special.gammainc(k, y) + z * special.gammaincc(k - 1, y)
        many = k / rate * special.gammainc(k + 1, y) + z * special.gammaincc(k, y)
        p = balanced_share(floor)
        mixed = -(np.expm1(-2 * p * z) + np.expm1(-2 * (1 - p) * z)) / 2
        value = np.where(floor > 1, mixed, share * few + (1 - share) * many)
    return np.asarray(centre * np.where(spread > CONSTANT_SCV, value, np.minimum(z, 1.0)))


def third_moment(shape: Shape, scv: ArrayLike) -> Floats:
    """E[X^3] / E[X]^3 of a time with that scv."""
    s = np.asarray(scv, float)
    if shape == "lognormal":
        return np.asarray((1 + s) ** 3)
    if shape == "gamma":
        return np.asarray((1 + s) * (1 + 2 * s))
    mixture = erlang_mixture(s)
    k, rate = mixture.stages, mixture.rate
    below = (mixture.share * (k - 1) * k * (k + 1) + (1 - mixture.share) * k * (k + 1) * (k + 2)) / rate**3
    p = balanced_share(s)
    return np.asarray(np.where(s > 1, 6 / 8 * (1 / p**2 + 1 / (1 - p) ** 2), below))


def transform(shape: Shape, s: ArrayLike, scv: ArrayLike) -> tuple[Floats, Floats]:
    """E[exp(-s X)] and its derivative in s, of a time X of unit mean with that scv. Shapes: broadcast of s and scv."""
    z, spread = np.broadcast_arrays(np.asarray(s, float), np.maximum(np.asarray(scv, float), CONSTANT_SCV))
    if shape == "gamma":
        value = np.exp(-np.log1p(z * spread) / spread)
        return value, -value / (1 + z * spread)
    if shape == "lognormal":
        nodes, weights = np.polynomial.hermite_e.hermegauss(48)
        sigma2 = np.log1p(spread)
        times = np.exp(np.sqrt(sigma2)[..., None] * nodes - sigma2[..., None] / 2)
        density = weights / weights.sum() * np.exp(-z[..., None] * times)
        return density.sum(axis=-1), -(times * density).sum(axis=-1)
    p = balanced_share(spread)
    fast, slow = 2 * p, 2 * (1 - p)
    above = p * fast / (fast + z) + (1 - p) * slow / (slow + z)
    above_slope = -(p * fast / (fast + z) ** 2 + (1 - p) * slow / (slow + z) ** 2)
    k, share, rate = erlang_mixture(spread)
    stage = rate / (rate + z)
    below = (share + (1 - share) * stage) * stage ** (k - 1)
    below_slope = -(share * (k - 1) + (1 - share) * k * stage) * stage**k / rate
    return np.where(spread > 1, above, below), np.where(spread > 1, above_slope, below_slope)


class ErlangMixture(NamedTuple):
    """Of unit mean: k-1 stages with probability `share`, else k stages, all of one rate."""

    stages: Floats
    share: Floats
    rate: Floats


def erlang_mixture(scv: ArrayLike) -> ErlangMixture:
    """The mixture for scv <= 1 (values above are taken as 1). 1/k <= scv <= 1/(k-1) gives k."""
    s = np.clip(np.asarray(scv, float), 1e-3, 1.0)
    k = np.maximum(np.ceil(1 / s - 1e-12), 2.0)
    share = (k * s - np.sqrt(np.maximum(k * (1 + s) - k**2 * s, 0.0))) / (1 + s)
    share = np.clip(share, 0.0, 1.0)
    return ErlangMixture(k, share, k - share)


def balanced_share(scv: ArrayLike) -> Floats:
    """Probability p of the faster exponential, of rate 2p at unit mean; the other has rate 2 (1-p). For scv >= 1."""
    s = np.maximum(np.asarray(scv, float), 1.0)
    return np.asarray((1 + np.sqrt((s - 1) / (s + 1))) / 2)


def _phase_tail(x: Floats, scv: Floats) -> Floats:
    mixture = erlang_mixture(scv)
    z = mixture.rate * x
    below = mixture.share * special.gammaincc(mixture.stages - 1, z)
    below = below + (1 - mixture.share) * special.gammaincc(mixture.stages, z)
    p = balanced_share(scv)
    above = p * np.exp(-2 * p * x) + (1 - p) * np.exp(-2 * (1 - p) * x)
    return np.where(scv > 1, above, below)


def _phase_quantile(p: Floats, scv: Floats) -> Floats:
    """In units of the mean; the slow exponential bounds it above, and a gamma law is where the search starts."""
    slow = np.where(scv > 1, 2 * (1 - balanced_share(scv)), 0.5)
    high = -np.log1p(-p) / slow + 1.0
    start = scv * special.gammaincinv(1 / scv, p)
    goal = np.log1p(-p)

    def miss(x: Floats) -> Floats:
        return np.log(np.maximum(_phase_tail(x, scv), np.finfo(float).tiny)) - goal

    return falling_root(miss, np.zeros(p.shape), high, np.minimum(start, high))
