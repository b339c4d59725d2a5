"""Response time of an endpoint that visits several stations in series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import Wait
from capacity.queueing.shapes import quantile


@dataclass(frozen=True, slots=True)
class Leg:
    """A visit to one station: the station's wait (shared by all endpoints), and this endpoint's own service there."""

    wait: Wait
    mean_service: ArrayLike
    cs2: ArrayLike = 1.0
    visits: ArrayLike = 1.0


class Moments(NamedTuple):
    """Mean and variance of a response time (seconds, seconds squared)."""

    mean: Floats
    variance: Floats


def network_response_moments(legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Moments:
    """Mean and variance of the sum over the legs, as if waits at different stations were independent.

    `overhead`: constant time that no station's CPU explains (network, upstream latency), seconds.
    """
    mean = np.asarray(overhead, float)
    variance = np.zeros(())
    for leg in legs:
        p, m, scv = leg.wait
        service, visits = np.asarray(leg.mean_service, float), np.asarray(leg.visits, float)
        wait_mean = p * m
        wait_variance = p * m**2 * (1 + scv) - wait_mean**2
        mean = mean + visits * (wait_mean + service)
        variance = variance + visits * (wait_variance + np.asarray(leg.cs2, float) * service**2)
    return Moments(np.asarray(mean), np.asarray(variance))


def network_response_quantile(q: ArrayLike, legs: Sequence[Leg], overhead: ArrayLike = 0.0) -> Floats:
    """The q-quantile of an endpoint's response time, seconds; inf where a station has no steady state."""
    mean, variance = network_response_moments(legs, overhead)
    constant = np.asarray(overhead, float)
    moving = np.maximum(mean - constant, 1e-12)
    finite = np.isfinite(moving) & np.isfinite(variance)
    with np.errstate(invalid="ignore"):
        scv = np.where(finite, variance / moving**2, 1.0)
    body = quantile("gamma", q, np.where(finite, moving, 1.0), scv)
    return np.where(finite, constant + body, np.inf)
