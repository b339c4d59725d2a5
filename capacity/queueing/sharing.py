"""A server that all its requests share: processor sharing, the discipline of a process that serves calls interleaved.

A request of x CPU seconds is slowed by the others that are there, not held up until those before it are done. Hence a
short call beside a long one is fast, which first come, first served does not allow, and the mean does not depend on
the law of services at all.

  M/G/c-PS  E[T(x)] = x (1 + C(c, a) / (c - a)), C of Erlang (Q2)                                         (Q18)
            (Cohen 1979: generalised processor sharing is insensitive; c = 1: Kleinrock 1967, x / (1 - rho))
  M/G/c-PS  Var[T(x)] = 2 (1 + rho - C) / (c - a)^2 integral_0^x (x - t) P(W > t) dt, W the wait of M/G/c (Q19)
            (c = 1: 2 / (1 - rho)^2 times the integral, Ott 1984, in this form Zwart and Boxma 2000; more servers:
            exact for short x, where T(x) / x = max(N + 1, c) / c)
  percentile  T(x) - x taken as a gamma law of these two moments, x averaged over the law of services      (Q20)
  legs        T(x) - x taken as a gamma process over x, whose variance at the mean of a gamma law of x,
              2 (1 + rho - C) / (c - a)^2 C w E[x - w (1 - exp(-x / w))], is that of (Q19), w = E[W | W > 0] (Q21)

`capacity.simulation.sharing` simulates it, with CPU quotas and a machine that stations share.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from capacity.queueing.erlang import Floats, erlang_c
from capacity.queueing.ggc import ggc_wait, wait_tail
from capacity.queueing.network import Moments, Slowing
from capacity.queueing.roots import falling_root
from capacity.queueing.shapes import Shape, quantile

_NODES: Final = 24
_SIZES: Final = 48


def sharing_slowdown(load: ArrayLike, servers: ArrayLike = 1.0) -> Floats:
    """Mean time of a request over its own service, whatever its size and the law of services; inf when overloaded.

    Equation (Q18). `load` in erlangs. Shapes: broadcast.
    """
    a, c = np.broadcast_arrays(np.asarray(load, float), np.asarray(servers, float))
    stable = a < c
    spare = np.where(stable, c - a, 1.0)
    return np.where(stable, 1 + erlang_c(c, np.where(stable, a, 0.0)) / spare, np.inf)


def sharing_moments(
    service: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    cs2: ArrayLike = 1.0,
    servers: ArrayLike = 1.0,
    shape: Shape = "gamma",
) -> Moments:
    """Mean and variance of the time of a request that needs `service` seconds where requests share servers.

    Equations (Q18), (Q19). `mean_service` and `cs2` are those of all requests. Shapes: broadcast; inf when overloaded.
    """
    x, lam, m, scv, c = np.broadcast_arrays(
        *(np.asarray(v, float) for v in (service, rate, mean_service, cs2, servers))
    )
    stable = lam * m < c
    calm = np.where(stable, lam, 0.0)
    wait = ggc_wait(calm, m, c, 1.0, scv, service_shape=shape)
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    node, weight = (node + 1) / 2, weight / 2
    inner = sum(w * (1 - u) * wait_tail(x * u, wait) for u, w in zip(node, weight, strict=True))
    variance = 2 * x**2 * inner * _shaking(calm * m, c)
    return Moments(np.where(stable, x * sharing_slowdown(calm * m, c), np.inf), np.where(stable, variance, np.inf))


def _shaking(load: Floats, servers: Floats) -> Floats:
    """The factor of (Q19): (1 + rho - C) / (c - a)^2, that is 1 / (1 - rho)^2 for one server."""
    return np.asarray((1 + load / servers - erlang_c(servers, load)) / (servers - load) ** 2)


class Sharing(NamedTuple):
    """What requests of any size meet at shared servers: (Q21) for all sizes. See `sharing`.

    `mean`: seconds lost a second of service. `growth`: of (Q19) for long requests, variance over `mean`, seconds.
    `memory`: CPU seconds after which a request has met others than those that it found.
    """

    mean: Floats
    growth: Floats
    memory: Floats

    def slowing(self, service: ArrayLike, cs2: ArrayLike = 1.0) -> Slowing:
        """Of requests whose services follow a gamma law of mean `service` seconds and that `cs2`. Equation (Q21)."""
        size, law = np.asarray(service, float), np.maximum(np.asarray(cs2, float), 1e-6)
        safe = np.where(size > 0, size, 1.0)
        # E[x - memory (1 - exp(-x / memory))] over the law of x
        beyond = safe + self.memory * np.expm1(-np.log1p(law * safe / self.memory) / law)
        scale = np.where(size > 0, self.growth * np.maximum(beyond, 0.0) / safe, 0.0)
        return Slowing(*np.broadcast_arrays(self.mean, scale))


def sharing(load: ArrayLike, mean_service: ArrayLike, cs2: ArrayLike = 1.0, servers: ArrayLike = 1.0) -> Sharing:
    """How shared servers slow their requests.

    Equation (Q21): (Q19) with an exponential law of W given W > 0. `load` in erlangs; `mean_service` (seconds) and
    `cs2` are those of all requests. Shapes: broadcast; a mean of inf when overloaded.
    """
    a, m, scv, c = np.broadcast_arrays(*(np.asarray(v, float) for v in (load, mean_service, cs2, servers)))
    stable = a < c
    calm = np.where(stable, a, 0.0)
    mean = sharing_slowdown(calm, c) - 1
    wait = ggc_wait(calm / m, m, c, 1.0, scv, service_shape="phase")
    memory = np.maximum(wait.conditional_mean, 1e-12)
    variance = 2 * wait.probability * memory * _shaking(calm, c)
    growth = np.where(mean > 0, variance / np.where(mean > 0, mean, 1.0), 0.0)
    return Sharing(np.where(stable, mean, np.inf), growth, memory)


def sharing_response_quantile(
    q: ArrayLike, rate: ArrayLike, mean_service: ArrayLike, cs2: ArrayLike = 1.0, shape: Shape = "gamma"
) -> Floats:
    """The q-quantile of the time at one shared server, over requests of all sizes, seconds; inf when overloaded.

    Equation (Q20). Shapes: broadcast.
    """
    p, lam, m, scv = np.broadcast_arrays(*(np.asarray(v, float) for v in (q, rate, mean_service, cs2)))
    stable = lam * m < 1
    calm = np.where(stable, lam, 0.0)
    v, weight = np.polynomial.legendre.leggauss(_SIZES)
    v, weight = (v + 1) / 2, weight / 2
    sizes = [np.maximum(quantile(shape, 1 - u**2, m, scv), 1e-9 * m) for u in v]  # more of them where they are long
    shares = 2 * v * weight
    laws = []
    for x in sizes:
        mean, variance = sharing_moments(x, calm, m, scv, shape=shape)
        extra = np.maximum(mean - x, 1e-12 * m)
        laws.append((x, extra, np.maximum(variance, 1e-12 * m**2) / extra**2))

    def miss(t: Floats) -> Floats:
        above = sum(
            share * np.where(t <= x, 1.0, special.gammaincc(1 / spread, np.maximum(t - x, 0.0) / (extra * spread)))
            for share, (x, extra, spread) in zip(shares, laws, strict=True)
        )
        return np.asarray(np.log(np.maximum(above, 1e-12)) - np.log(1 - p))

    start = quantile(shape, p, m, scv) * sharing_slowdown(calm * m)
    found = falling_root(miss, 1e-6 * m, 200 * start, start)
    return np.where(stable, found, np.inf)
