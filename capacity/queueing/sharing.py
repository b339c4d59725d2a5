"""A server that all its requests share: processor sharing, the discipline of a process that serves calls interleaved.

A request of x CPU seconds is slowed by the others that are there, not held up until those before it are done. Hence a
short call beside a long one is fast, which first come, first served does not allow, and the mean does not depend on
the law of services at all.

  M/G/c-PS  E[T(x)] = x (1 + C(c, a) / (c - a)), C of Erlang (Q2)                                         (Q18)
            (Cohen 1979: generalised processor sharing is insensitive; c = 1: Kleinrock 1967, x / (1 - rho))
  M/G/1-PS  Var[T(x)] = 2 / (1 - rho)^2 integral_0^x (x - t) P(W > t) dt, W the wait of M/G/1 FCFS        (Q19)
            (Ott 1984; in this form Zwart and Boxma 2000)
  percentile  T(x) - x taken as a gamma law of these two moments, x averaged over the law of services      (Q20)

`capacity.simulation.sharing` simulates it, with CPU quotas and a machine that stations share.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from capacity.queueing.erlang import Floats, erlang_c
from capacity.queueing.ggc import ggc_wait, wait_tail
from capacity.queueing.network import Moments
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
    service: ArrayLike, rate: ArrayLike, mean_service: ArrayLike, cs2: ArrayLike = 1.0, shape: Shape = "gamma"
) -> Moments:
    """Mean and variance of the time of a request that needs `service` seconds at one shared server.

    Equations (Q18), (Q19). `mean_service` and `cs2` are those of all requests. Shapes: broadcast; inf when overloaded.
    """
    x, lam, m, scv = np.broadcast_arrays(*(np.asarray(v, float) for v in (service, rate, mean_service, cs2)))
    rho = lam * m
    stable = rho < 1
    wait = ggc_wait(np.where(stable, lam, 0.0), m, 1, 1.0, scv, service_shape=shape)
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    node, weight = (node + 1) / 2, weight / 2
    inner = sum(w * (1 - u) * wait_tail(x * u, wait) for u, w in zip(node, weight, strict=True))
    spare = np.where(stable, 1 - rho, 1.0)
    return Moments(np.where(stable, x / spare, np.inf), np.where(stable, 2 * x**2 * inner / spare**2, np.inf))


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
        mean, variance = sharing_moments(x, calm, m, scv, shape)
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
