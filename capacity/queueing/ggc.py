"""G/G/c, first come first served: waits and response times from two moments and a shape of arrivals and service.

`rate` a second, `mean_service` in seconds, `c` servers (real), `ca2` and `cs2` the squared coefficients of variation
of interarrival and service times. Everything broadcasts. Where rate x mean_service >= c there is no steady state and
waits are inf.

A wait is nought with probability 1 - P and else follows a gamma law of a mean and an scv. The three numbers come from
Erlang C, the root sigma of GI/M/1 and the heavy-traffic law, each times a fitted correction
(`capacity.queueing.corrections`). Accuracy, and where it does not hold: docs/model/queueing.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from capacity.queueing.corrections import correction
from capacity.queueing.erlang import Floats, erlang_c
from capacity.queueing.roots import falling_root
from capacity.queueing.shapes import Shape, quantile, tail, transform

_NODES: Final = 24
_NEWTON_STEPS: Final = 25


class Wait(NamedTuple):
    """A waiting time: zero with probability 1 - probability, else gamma of that mean (seconds) and scv."""

    probability: Floats
    conditional_mean: Floats
    conditional_scv: Floats

    @property
    def mean(self) -> Floats:
        """Mean over all arrivals, those that do not wait included."""
        with np.errstate(invalid="ignore"):
            return np.where(self.probability > 0, self.probability * self.conditional_mean, 0.0)


NO_WAIT: Final = Wait(np.zeros(()), np.zeros(()), np.ones(()))


def ggc_wait(
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Wait:
    """The wait before service. Shapes: broadcast of the arguments.

    Equations (Q6) to (Q8), with `baseline` and the correction surfaces f:
    logit P = baseline + f_P, E[W | W > 0] = baseline exp(f_m), scv[W | W > 0] = exp(f_k).
    """
    lam, service, servers, arrival, spread = (np.asarray(x, float) for x in (rate, mean_service, c, ca2, cs2))
    load = lam * service
    stable = load < servers
    base = baseline(np.where(stable, load, 0.5 * servers), servers, arrival, spread, arrival_shape)
    place = (base.t, servers, arrival, spread)
    shapes = (arrival_shape, service_shape)
    probability = special.expit(base.logit_probability + correction("probability", *shapes, *place))
    conditional = service * base.mean * np.exp(correction("mean", *shapes, *place))
    scv = np.exp(correction("scv", *shapes, *place))
    probability, conditional, scv = np.broadcast_arrays(probability, conditional, scv)
    return Wait(
        np.where(load > 0, np.where(stable, probability, 1.0), 0.0),
        np.where(stable, conditional, np.inf),
        np.asarray(scv),
    )


class Baseline(NamedTuple):
    """What theory gives before correction, for unit mean service."""

    t: Floats
    """-ln C(c, a)"""
    logit_probability: Floats
    mean: Floats


def baseline(load: Floats, c: Floats, ca2: Floats, cs2: Floats, arrival_shape: Shape) -> Baseline:
    """Exact for M/M/c, M/G/1, GI/M/1 (P and mean), for the mean of positive waits in GI/M/c, and in heavy traffic.

    Equation (Q6): logit P = logit C(c, a) + (1 + h)/2 (logit sigma - logit rho), h = c^-1/2 and at most 1.
    Equation (Q7): E[W | W > 0] = (1/(1 - sigma) + (cs2 - 1)/(2 (1 - rho))) / c.
    """
    rho = load / c
    markov = np.clip(erlang_c(c, load), np.finfo(float).tiny, 1 - 1e-15)
    t = -np.log(markov)
    sigma = gim1_root(rho, ca2, arrival_shape)
    weight = (1 + np.minimum(c**-0.5, 1.0)) / 2
    idle = np.maximum(1 - rho, 1e-15)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = special.logit(sigma) - special.logit(np.minimum(rho, 1 - 1e-15))
    shift = np.where(rho > 0, np.nan_to_num(shift, neginf=-700.0), 0.0)
    mean = (1 / np.maximum(1 - sigma, 1e-15) + (cs2 - 1) / (2 * idle)) / c
    return Baseline(t, special.logit(markov) + weight * shift, np.maximum(mean, 1e-12))


def gim1_root(rho: Floats, ca2: Floats, arrival_shape: Shape) -> Floats:
    """The root sigma in (0, 1) of sigma = A*((1 - sigma)/rho), A* the transform of unit-mean interarrival times.

    Equation (Q8); P(wait) of GI/M/1 (Kendall 1953). Newton from 0 rises to the root, as the function is convex.
    Poisson arrivals give rho itself.
    """
    poisson = np.all(ca2 == 1) and arrival_shape != "lognormal"
    if poisson:
        return rho
    safe = np.clip(rho, 1e-6, 1 - 1e-9)
    sigma = np.zeros(np.broadcast(rho, ca2).shape)
    for _ in range(_NEWTON_STEPS):
        value, slope = transform(arrival_shape, (1 - sigma) / safe, ca2)
        sigma = sigma + (value - sigma) / np.maximum(1 + slope / safe, 1e-12)
        sigma = np.clip(sigma, 0.0, 1 - 1e-12)
    return np.where(rho > 0, sigma, 0.0)


def ggc_wait_mean(
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Floats:
    """Mean wait before service, seconds."""
    return ggc_wait(rate, mean_service, c, ca2, cs2, arrival_shape, service_shape).mean


def ggc_response_mean(
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Floats:
    """Mean response time (wait and service), seconds."""
    wait = ggc_wait_mean(rate, mean_service, c, ca2, cs2, arrival_shape, service_shape)
    return np.asarray(wait + np.asarray(mean_service, float))


def ggc_response_tail(
    t: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Floats:
    """P(response time > t). 1 where there is no steady state."""
    wait = ggc_wait(rate, mean_service, c, ca2, cs2, arrival_shape, service_shape)
    return response_tail(t, wait, mean_service, cs2, service_shape)


def ggc_response_quantile(
    q: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Floats:
    """The q-quantile of the response time, seconds; inf where there is no steady state."""
    wait = ggc_wait(rate, mean_service, c, ca2, cs2, arrival_shape, service_shape)
    return response_quantile(q, wait, mean_service, cs2, service_shape)


def response_tail(
    t: ArrayLike, wait: Wait, mean_service: ArrayLike, cs2: ArrayLike = 1.0, shape: Shape = "gamma"
) -> Floats:
    """P(wait + service > t) for an independent service time, by quadrature over the service. Shapes: broadcast.

    Equation (Q9): P(R > t) = (1 - P) P(S > t) + P E[P(W > t - S | W > 0)], the mean over nodes S at tail
    probabilities v^2 with v of Gauss and Legendre.
    """
    finite, law = _finite(wait)
    return np.where(finite, _sum_tail(law, mean_service, cs2, shape)(np.asarray(t, float)), 1.0)


def _finite(wait: Wait) -> tuple[NDArray[np.bool_], Wait]:
    """Where the wait has a law, and the wait with something harmless elsewhere."""
    finite = np.isfinite(wait.conditional_mean) | (wait.probability == 0)
    return finite, Wait(wait.probability, np.where(finite, wait.conditional_mean, 1.0), wait.conditional_scv)


def _sum_tail(law: Wait, mean_service: ArrayLike, cs2: ArrayLike, shape: Shape) -> Callable[[Floats], Floats]:
    """(Q9) as a function of t; the nodes are found once."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    v = (nodes + 1) / 2
    services = [quantile(shape, 1 - above, mean_service, cs2) for above in v**2]
    positive = Wait(np.ones(()), law.conditional_mean, law.conditional_scv)

    def over(time: Floats) -> Floats:
        waiting: Floats = np.zeros(())
        for service, weight in zip(services, v * weights, strict=True):
            left = time - service
            waiting = waiting + weight * np.where(left < 0, 1.0, wait_tail(np.maximum(left, 0.0), positive))
        alone = tail(shape, time, mean_service, cs2)
        waiting = np.maximum(waiting, alone)  # the quadrature may miss it by a tenth of a percent
        return np.asarray(np.clip((1 - law.probability) * alone + law.probability * waiting, 0.0, 1.0))

    return over


def wait_tail(t: ArrayLike, wait: Wait) -> Floats:
    """P(wait > t), t >= 0."""
    shape = 1 / wait.conditional_scv
    scale = np.maximum(wait.conditional_mean * wait.conditional_scv, np.finfo(float).tiny)
    return np.asarray(wait.probability * special.gammaincc(shape, np.asarray(t, float) / scale))


def wait_quantile(q: ArrayLike, wait: Wait) -> Floats:
    """The q-quantile of the wait, seconds; 0 where fewer than 1 - q wait."""
    p = np.asarray(q, float)
    above = np.clip(1 - (1 - p) / np.maximum(wait.probability, np.finfo(float).tiny), 0.0, 1.0)
    finite = np.isfinite(wait.conditional_mean)
    positive = quantile("gamma", above, np.where(finite, wait.conditional_mean, 1.0), wait.conditional_scv)
    return np.where(above > 0, np.where(finite, positive, np.inf), 0.0)


def response_quantile(
    q: ArrayLike, wait: Wait, mean_service: ArrayLike, cs2: ArrayLike = 1.0, shape: Shape = "gamma"
) -> Floats:
    """The q-quantile of wait + service, seconds; inf where the wait has no steady state. From (Q9)."""
    p = np.asarray(q, float)
    finite, law = _finite(wait)
    half = (1 + p) / 2
    # P(R > w + s) <= P(W > w) + P(S > s)
    high = quantile(shape, half, mean_service, cs2) + wait_quantile(half, law)
    alone, queue = quantile(shape, p, mean_service, cs2), wait_quantile(p, law)
    over = _sum_tail(law, mean_service, cs2, shape)
    goal = np.log(1 - p)

    def miss(t: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(over(t), np.finfo(float).tiny)) - goal)

    low, high, start = np.broadcast_arrays(0.99 * np.maximum(alone, queue), high, np.hypot(alone, queue))
    return np.where(finite, falling_root(miss, low, high, start), np.inf)
