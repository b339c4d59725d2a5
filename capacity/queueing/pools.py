"""Closed networks by exact mean value, and pools: a bounded number of requests inside a part of the system.

Threads of a server or connections of a database pool let at most N requests in; the rest wait outside for a permit.
The inside is a closed network whose throughput X(n) with n requests is exact for product-form stations; seen from
outside it is one server whose rate depends on n (flow equivalence, Chandy, Herzog and Woo 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from capacity.queueing.erlang import Floats


class Closed(NamedTuple):
    """A closed network at populations 0 .. N; the population is the last axis."""

    throughput: Floats
    """requests a second"""
    response: Floats
    """seconds, think time excluded; 0 at population 0"""


def closed_network(
    demands: Sequence[ArrayLike], servers: Sequence[int], population: int, think: ArrayLike = 0.0
) -> Closed:
    """One class of N requests circling among stations (Buzen 1973, with several servers a station; exact).

    `demands`: seconds of service a cycle at each station (each may be an array: draws); `servers` of each station;
    `think` seconds spent outside them. Equation (Q15): X(n) = G(n-1)/G(n), G the convolution over stations of
    f_k(j) = f_k(j-1) D_k / min(j, c_k). Shapes out: broadcast of demands, then N + 1.
    Raises ValueError for lists of different lengths, no demand at all, or a population below 1.
    """
    if len(demands) != len(servers):
        raise ValueError("one number of servers for each demand")
    if population < 1:
        raise ValueError("a closed network has a population of 1 at least")
    loads = [np.asarray(d, float) for d in demands]
    delay = np.asarray(think, float)
    shape = np.broadcast_shapes(delay.shape, *(d.shape for d in loads))
    unit = np.maximum(sum(loads, start=np.zeros(shape)) + delay, 0.0)
    if not np.all(unit > 0):
        raise ValueError("demands must be positive somewhere")
    # in units of the whole cycle and in logarithms, so that G neither overflows nor vanishes
    population_to = np.arange(1, population + 1)
    log_g = np.full((*shape, population + 1), -np.inf)
    log_g[..., 0] = 0.0
    for load, divisor in [
        *((d, np.minimum(population_to, c)) for d, c in zip(loads, servers, strict=True)),
        (delay, population_to),
    ]:
        steps = np.log(np.maximum(load / unit, 1e-300))[..., None] - np.log(divisor)
        own = np.zeros((*shape, population + 1))
        own[..., 1:] = np.cumsum(np.broadcast_to(steps, (*shape, population)), axis=-1)
        log_g = _convolve(log_g, own)
    throughput = np.zeros((*shape, population + 1))
    throughput[..., 1:] = np.exp(log_g[..., :-1] - log_g[..., 1:]) / unit[..., None]
    response = np.zeros_like(throughput)
    response[..., 1:] = np.arange(1, population + 1) / throughput[..., 1:] - delay[..., None]
    return Closed(throughput, np.maximum(response, 0.0))


def _convolve(log_a: Floats, log_b: Floats) -> Floats:
    """Convolution of two non-negative sequences, all by their logarithms."""
    out = np.empty(log_a.shape)
    for n in range(log_a.shape[-1]):
        terms = log_a[..., : n + 1] + log_b[..., n::-1]
        out[..., n] = np.logaddexp.reduce(terms, axis=-1)
    return out


class Pool(NamedTuple):
    """Open arrivals at a pool of N permits. Times in seconds."""

    wait_probability: Floats
    """of finding no free permit"""
    conditional_wait: Floats
    """mean wait for a permit of those who wait; that wait is exponential"""
    mean_wait: Floats
    mean_inside: Floats
    """mean time from permit to end"""
    in_use: Floats
    """mean permits in use over N"""
    capacity: Floats
    """arrival rate a second that cannot be passed: X(N)"""


def pool(rate: ArrayLike, throughput: ArrayLike) -> Pool:
    """Poisson arrivals at a pool whose inside serves n requests at X(n) a second.

    `throughput`: (..., N + 1) as `closed_network` gives it with no think time outside the pool; `rate` broadcasts
    with its leading axes. inf at and beyond X(N).
    Equation (Q16): a birth and death process with death rates X(min(n, N)).
    """
    lam, curve = np.asarray(rate, float), np.asarray(throughput, float)
    shape = np.broadcast_shapes(lam.shape, curve.shape[:-1])
    lam, curve = np.broadcast_to(lam, shape), np.broadcast_to(curve, (*shape, curve.shape[-1]))
    permits = curve.shape[-1] - 1
    capacity = curve[..., permits]
    stable = lam < capacity
    arriving = np.where(stable, lam, 0.5 * capacity)
    log_ratio = np.log(np.maximum(arriving, 1e-300))[..., None] - np.log(curve[..., 1:])
    log_weight = np.concatenate([np.zeros((*shape, 1)), np.cumsum(log_ratio, axis=-1)], axis=-1)
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    idle = 1 - arriving / capacity
    last = weight[..., permits]
    total = weight[..., :permits].sum(axis=-1) + last / idle
    waits = last / idle / total
    conditional = 1 / (capacity - arriving)
    inside = (np.arange(permits) * weight[..., :permits]).sum(axis=-1) / total + permits * waits
    mean_inside = np.where(lam > 0, inside / np.where(lam > 0, arriving, 1.0), 1 / curve[..., 1])
    return Pool(
        np.where(stable, waits, 1.0),
        np.where(stable, conditional, np.inf),
        np.where(stable, waits * conditional, np.inf),
        np.where(stable, mean_inside, permits / capacity),
        np.where(stable, inside / permits, 1.0),
        np.asarray(capacity),
    )
