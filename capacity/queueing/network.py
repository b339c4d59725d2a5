"""Response time of an endpoint that visits several stations in series.

Waits at different stations are taken as independent (exact in product-form networks, Walrand and Varaiya 1980, for
paths on which requests do not overtake; a good approximation elsewhere). The sum has a Laplace transform in closed
form, a product over the legs; percentiles come from inverting it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import Wait
from capacity.queueing.roots import falling_root
from capacity.queueing.shapes import quantile

Complexes = NDArray[np.complex128]

_TERMS: Final = 15
_AVERAGED: Final = 11
_A: Final = 18.4
"""Discretisation error of the inversion: about exp(-18.4) = 1e-8."""
_SMALL: Final = 1e-9


class Slowing(NamedTuple):
    """Time that a service takes beyond its own, as a gamma process over it: what sharing a server costs.

    `mean`: seconds a second of service. `scale`: of its jumps, seconds; mean x scale is their variance a second.
    """

    mean: Floats
    scale: Floats


NOT_SLOWED: Final = Slowing(np.zeros(()), np.zeros(()))


@dataclass(frozen=True, slots=True)
class Leg:
    """A visit to one station: the station's wait (shared by all endpoints), and this endpoint's own service there.

    `visits` may be any number >= 0; 2.3 visits are two and a third with probability 0.3. `slowing`: of the service.
    """

    wait: Wait
    mean_service: ArrayLike
    cs2: ArrayLike = 1.0
    visits: ArrayLike = 1.0
    slowing: Slowing = NOT_SLOWED


class Moments(NamedTuple):
    """Mean and variance of a response time (seconds, seconds squared)."""

    mean: Floats
    variance: Floats


def network_response_moments(legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Moments:
    """Mean and variance of the sum over the legs.

    `overhead`: constant time that no station's CPU explains (network, upstream latency), seconds. Shapes: broadcast.
    """
    mean = np.asarray(overhead, float)
    variance: Floats = np.zeros(())
    for leg in legs:
        p, m, scv = leg.wait
        service, visits = np.asarray(leg.mean_service, float), np.asarray(leg.visits, float)
        wait = leg.wait.mean
        with np.errstate(invalid="ignore"):
            square = np.where(p > 0, p * m**2 * (1 + scv), 0.0)
            slower, jump = leg.slowing
            taken = service * (1 + slower)
            one = wait + taken
            spread = square - wait**2 + np.asarray(leg.cs2, float) * taken**2 + service * slower * jump
            chance = visits - np.floor(visits)
            mean = mean + visits * one
            variance = variance + visits * spread + chance * (1 - chance) * one**2
    return Moments(np.asarray(mean), np.asarray(variance))


def departure_scv(rho: ArrayLike, c: ArrayLike, ca2: ArrayLike = 1.0, cs2: ArrayLike = 1.0) -> Floats:
    """scv of the times between departures, for the arrivals at the next station.

    Equation (Q17), Whitt 1983 (queueing network analyzer):
    1 + (1 - rho^2)(ca2 - 1) + rho^2 (max(cs2, 0.2) - 1) / sqrt(c). Poisson in, exponential service: Poisson out.
    """
    busy, servers, arrival, spread = (np.asarray(x, float) for x in (rho, c, ca2, cs2))
    kept = (1 - busy**2) * (arrival - 1)
    return np.asarray(1 + kept + busy**2 * (np.maximum(spread, 0.2) - 1) / np.sqrt(servers))


def network_response_tail(t: ArrayLike, legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Floats:
    """P(response time > t); 1 where a station has no steady state. Services follow gamma laws.

    Equation (Q10), by the Euler algorithm of Abate and Whitt (1995) on (1 - product of transforms) / s.
    """
    mean, variance = network_response_moments(legs, overhead)
    finite = np.isfinite(mean) & np.isfinite(variance)
    moving = np.asarray(t, float) - np.asarray(overhead, float)
    inside = _invert(np.maximum(moving, _SMALL), legs)
    return np.where(finite, np.where(moving > 0, np.clip(inside, 0.0, 1.0), 1.0), 1.0)


def network_response_quantile(q: ArrayLike, legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Floats:
    """The q-quantile of an endpoint's response time, seconds; inf where a station has no steady state.

    Secant steps on the logarithm of the tail (Q10) from a gamma law of the same mean and variance, kept inside a
    bracket whose upper end is Cantelli's inequality.
    """
    constant = np.asarray(overhead, float)
    mean, variance = network_response_moments(legs)
    finite = np.isfinite(mean) & np.isfinite(variance) & (mean > 0)
    centre, square = np.where(finite, mean, 1.0), np.where(finite, variance, 1.0)
    p = np.asarray(q, float)
    goal = np.log(np.maximum(1 - p, _SMALL))

    def miss(t: Floats) -> Floats:
        return np.asarray(np.log(np.clip(_invert(t, legs), _SMALL, 1.0)) - goal)

    high = centre + np.sqrt(square * p / (1 - p))
    low, high, start = np.broadcast_arrays(_SMALL * centre, high, quantile("gamma", p, centre, square / centre**2))
    here = falling_root(miss, low, high, start) if len(legs) else centre
    return np.where(finite, constant + here, np.where(mean == 0, constant, np.inf))


def _invert(t: Floats, legs: Sequence[Leg]) -> Floats:
    """P(sum of legs > t) for t > 0, without overhead."""
    rank = max([t.ndim, *(_rank(leg) for leg in legs)])
    k = np.arange(_TERMS + _AVERAGED + 1).reshape(-1, *([1] * rank))
    s = np.asarray((_A + 2j * np.pi * k) / (2 * t), np.complex128)
    values = ((1 - np.exp(_log_transform(s, legs))) / s).real
    signs = np.where(k % 2 == 0, 1.0, -1.0)
    terms = np.exp(_A / 2) / t * signs * values
    terms[0] /= 2
    sums = np.cumsum(terms, axis=0)[_TERMS:]
    weights = special.binom(_AVERAGED, np.arange(_AVERAGED + 1)) / 2.0**_AVERAGED
    return np.asarray(np.tensordot(weights, sums, axes=1))


def _rank(leg: Leg) -> int:
    parts = (leg.wait.probability, leg.mean_service, leg.cs2, leg.visits, leg.slowing.mean)
    return max(np.ndim(part) for part in parts)


def _slowed(s: Complexes, slowing: Slowing) -> Complexes:
    """Exponent of a second of service and its slowing: E[exp(-s T(x))] = exp(-x times this)."""
    mean = np.where(np.isfinite(slowing.mean), slowing.mean, 1.0)
    scale = np.maximum(np.where(np.isfinite(slowing.scale), slowing.scale, 1.0), _SMALL)
    return np.asarray(s + mean * np.log1p(s * scale) / scale) if np.any(mean > 0) else s


def _log_transform(s: Complexes, legs: Sequence[Leg]) -> Complexes:
    """Logarithm of E[exp(-s X)] of the sum over the legs."""
    total: Complexes = np.zeros((), np.complex128)
    for leg in legs:
        p, m, scv = leg.wait
        m = np.where(np.isfinite(m), m, 1.0)
        waits = np.exp(-np.log1p(s * m * scv) / scv)
        cs2 = np.maximum(np.asarray(leg.cs2, float), 1e-6)
        one = np.log(1 - p + p * waits) - np.log1p(_slowed(s, leg.slowing) * np.asarray(leg.mean_service) * cs2) / cs2
        visits = np.asarray(leg.visits, float)
        chance = visits - np.floor(visits)
        total = total + np.floor(visits) * one
        if np.any(chance > 0):
            total = total + np.log(1 - chance + chance * np.exp(one))
    return total
