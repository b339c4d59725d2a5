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


class _Path(NamedTuple):
    """The legs of a path along the first axis: waits, services, visits and slowing, each (legs, *shape)."""

    probability: Floats
    wait: Floats
    wait_scv: Floats
    service: Floats
    cs2: Floats
    visits: Floats
    slower: Floats
    scale: Floats


def _path(legs: Sequence[Leg]) -> _Path:
    rows = [(*leg.wait, leg.mean_service, leg.cs2, leg.visits, *leg.slowing) for leg in legs]
    shape = np.broadcast_shapes(*{np.shape(part) for row in rows for part in row})
    out = np.empty((len(_Path._fields), len(rows), *shape))
    for leg, row in enumerate(rows):
        for field, part in enumerate(row):
            out[field, leg] = part
    return _Path(*out)


def network_response_moments(legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Moments:
    """Mean and variance of the sum over the legs.

    `overhead`: constant time that no station's CPU explains (network, upstream latency), seconds. Shapes: broadcast.
    """
    own = _moments(_path(legs))
    return Moments(np.asarray(own.mean + np.asarray(overhead, float)), np.asarray(own.variance))


def _moments(path: _Path) -> Moments:
    p, m, scv, service, cs2, visits, slower, scale = path
    with np.errstate(invalid="ignore"):
        wait = np.where(p > 0, p * m, 0.0)
        square = np.where(p > 0, p * m**2 * (1 + scv), 0.0)
        taken = service * (1 + slower)
        one = wait + taken
        spread = square - wait**2 + cs2 * taken**2 + service * slower * scale
        chance = visits - np.floor(visits)
        return Moments((visits * one).sum(axis=0), (visits * spread + chance * (1 - chance) * one**2).sum(axis=0))


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
    path = _path(legs)
    mean, variance = _moments(path)
    finite = np.isfinite(mean) & np.isfinite(variance)
    moving = np.asarray(t, float) - np.asarray(overhead, float)
    inside = _invert(np.maximum(moving, _SMALL), _Transform.of(path))
    return np.where(finite, np.where(moving > 0, np.clip(inside, 0.0, 1.0), 1.0), 1.0)


def network_response_quantile(q: ArrayLike, legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Floats:
    """The q-quantile of an endpoint's response time, seconds; inf where a station has no steady state.

    Secant steps on the logarithm of the tail (Q10) from a gamma law of the same mean and variance, kept inside a
    bracket whose upper end is Cantelli's inequality.
    """
    constant = np.asarray(overhead, float)
    path = _path(legs)
    mean, variance = _moments(path)
    finite = np.isfinite(mean) & np.isfinite(variance) & (mean > 0)
    centre, square = np.where(finite, mean, 1.0), np.where(finite, variance, 1.0)
    p = np.asarray(q, float)
    goal = np.log(np.maximum(1 - p, _SMALL))
    law = _Transform.of(path)

    def miss(t: Floats) -> Floats:
        return np.asarray(np.log(np.clip(_invert(t, law), _SMALL, 1.0)) - goal)

    high = centre + np.sqrt(square * p / (1 - p))
    low, high, start = np.broadcast_arrays(_SMALL * centre, high, quantile("gamma", p, centre, square / centre**2))
    here = falling_root(miss, low, high, start) if len(legs) else centre
    return np.where(finite, constant + here, np.where(mean == 0, constant, np.inf))


_TERM: Final = np.arange(_TERMS + _AVERAGED + 1)
_SIGNS: Final = np.exp(_A / 2) * np.where(_TERM == 0, 0.5, np.where(_TERM % 2 == 0, 1.0, -1.0))
_ABSCISSAE: Final = (_A + 2j * np.pi * _TERM) / 2
# partial sums from _TERMS on, averaged with binomial weights: how much of each term is in the average
_BINOMIAL: Final = special.binom(_AVERAGED, np.arange(_AVERAGED + 1)) / 2.0**_AVERAGED
_WEIGHTS: Final = _SIGNS * np.concatenate([np.ones(_TERMS), np.cumsum(_BINOMIAL[::-1])[::-1]])


@dataclass(frozen=True, slots=True)
class _Transform:
    """Logarithm of E[exp(-s X)], X the sum over a path's legs. `waiting`, `parted`: legs with a wait, and with a visit
    that is made with a probability; the others need no more than the first line of `log`."""

    path: _Path
    waiting: NDArray[np.intp]
    parted: NDArray[np.intp]

    @classmethod
    def of(cls, path: _Path) -> _Transform:
        p, m, scv, service, cs2, visits, slower, scale = path
        bounded = _Path(
            p,
            np.where(np.isfinite(m), m, 1.0),
            scv,
            service,
            np.maximum(cs2, 1e-6),
            visits,
            np.where(np.isfinite(slower), slower, 1.0),
            np.maximum(np.where(np.isfinite(scale), scale, 1.0), _SMALL),
        )
        return cls(bounded, _legs_with(p > 0), _legs_with(visits != np.floor(visits)))

    @property
    def rank(self) -> int:
        """Dimensions of the shape."""
        return self.path.service.ndim - 1

    def log(self, s: Complexes) -> Complexes:
        """At `s` (terms, *shape), of the rank of the path or more."""
        more = s.ndim - 1 - self.rank
        p, m, scv, service, cs2, visits, slower, scale = (
            part.reshape(part.shape[0], *([1] * (more + 1)), *part.shape[1:]) for part in self.path
        )
        slowed = s + slower / scale * np.log1p(s * scale)
        one = np.asarray(np.log1p(slowed * (service * cs2)) / -cs2, np.complex128)
        if len(w := self.waiting):
            one[w] += np.log1p(p[w] * np.expm1(np.log1p(s * (m[w] * scv[w])) / -scv[w]))
        total = np.asarray((np.floor(visits) * one).sum(axis=0))
        if len(w := self.parted):
            chance = visits[w] - np.floor(visits[w])
            total = total + np.log1p(chance * np.expm1(one[w])).sum(axis=0)
        return total


def _legs_with(true: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.flatnonzero(true.any(axis=tuple(range(1, true.ndim))))


def _invert(t: Floats, law: _Transform) -> Floats:
    """P(sum of legs > t) for t > 0, without overhead."""
    rank = max(t.ndim, law.rank)
    s = np.asarray(_ABSCISSAE.reshape(-1, *([1] * rank)) / t, np.complex128)
    values = -(np.expm1(law.log(s)) / s).real
    return np.asarray(np.tensordot(_WEIGHTS, values, axes=1) / t)
