"""G/G/c, first come first served: waits and response times from two moments of arrivals and service.

`rate` a second, `mean_service` in seconds, `c` servers (real), `ca2` and `cs2` the squared coefficients of variation
of interarrival and service times. Everything broadcasts. Where rate x mean_service >= c there is no steady state and
waits are inf.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from capacity.queueing.erlang import Floats, erlang_c, mmc_wait
from capacity.queueing.shapes import Shape, quantile

_NODES = 32


class Wait(NamedTuple):
    """The waiting time: zero with probability 1 - probability, else of mean and scv as given."""

    probability: Floats
    conditional_mean: Floats
    conditional_scv: Floats


def ggc_wait(
    rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, ca2: ArrayLike = 1.0, cs2: ArrayLike = 1.0
) -> Wait:
    """Moments of the wait. Shapes: broadcast of the arguments."""
    lam, service, servers, arrival, spread = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (rate, mean_service, c, ca2, cs2))
    )
    load = lam * service
    rho = np.minimum(load / servers, 1.0)
    probability = erlang_c(servers, load)
    mean = (arrival + spread) / 2 * mmc_wait(lam, service, servers)
    third = np.where(spread >= 1, 3 * spread * (1 + spread), (2 * spread + 1) * (spread + 1))
    scv = np.maximum(2 * rho - 1 + 4 * (1 - rho) * third / (3 * (spread + 1) ** 2), 0.05)
    with np.errstate(invalid="ignore", divide="ignore"):
        conditional = np.where(probability > 0, mean / probability, 0.0)
    return Wait(probability, conditional, scv)


def ggc_wait_mean(
    rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, ca2: ArrayLike = 1.0, cs2: ArrayLike = 1.0
) -> Floats:
    """Mean wait before service, seconds."""
    wait = ggc_wait(rate, mean_service, c, ca2, cs2)
    return np.asarray(wait.probability * wait.conditional_mean)


def ggc_response_mean(
    rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, ca2: ArrayLike = 1.0, cs2: ArrayLike = 1.0
) -> Floats:
    """Mean response time (wait and service), seconds."""
    return ggc_wait_mean(rate, mean_service, c, ca2, cs2) + np.asarray(mean_service, float)


def ggc_response_tail(
    t: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    shape: Shape = "gamma",
) -> Floats:
    """P(response time > t): the wait's tail convolved with the service time. 1 where there is no steady state."""
    time, lam, service, servers, arrival, spread = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (t, rate, mean_service, c, ca2, cs2))
    )
    wait = ggc_wait(lam, service, servers, arrival, spread)
    total = np.zeros(time.shape)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    u, weights = (nodes + 1) / 2, weights / 2
    for v, weight in zip(u, weights, strict=True):
        # P(S > s) = v^2: nodes crowd towards the tail
        s = quantile(shape, 1 - v * v, service, spread)
        left = time - s
        total += 2 * v * weight * np.where(left < 0, 1.0, wait.probability * _gamma_tail(left, wait))
    return np.where(lam * service < servers, np.clip(total, 0.0, 1.0), 1.0)


def _gamma_tail(t: Floats, wait: Wait) -> Floats:
    shape = 1 / wait.conditional_scv
    with np.errstate(invalid="ignore", divide="ignore"):
        x = shape * np.maximum(t, 0.0) / wait.conditional_mean
    return np.where(wait.conditional_mean > 0, special.gammaincc(shape, np.nan_to_num(x)), 0.0)


def ggc_response_quantile(
    q: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    shape: Shape = "gamma",
) -> Floats:
    """The q-quantile of the response time, seconds; inf where there is no steady state."""
    p, lam, service, servers, arrival, spread = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (q, rate, mean_service, c, ca2, cs2))
    )
    wait = ggc_wait(lam, service, servers, arrival, spread)
    half = (1 + p) / 2
    with np.errstate(invalid="ignore"):
        above = np.where(wait.probability > 1 - half, 1 - (1 - half) / np.maximum(wait.probability, 1e-300), 0.0)
        tail = np.where(np.isfinite(wait.conditional_mean), wait.conditional_mean, 0.0)
    low = np.zeros(p.shape)
    high = quantile(shape, half, service, spread) + quantile("gamma", above, tail, wait.conditional_scv)
    for _ in range(40):
        middle = (low + high) / 2
        over = ggc_response_tail(middle, lam, service, servers, arrival, spread, shape) > 1 - p
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.where(lam * service < servers, high, np.inf)
