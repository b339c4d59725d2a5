"""FCFS G/G/c by the recursion of Kiefer and Wolfowitz (1955): exact waits, one step a customer.

The workload vector is kept as the times at which each server comes free, in a binary heap, so that a customer costs
O(log c). It simulates first come first served with one queue, and nothing else; that is why it is fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape
from capacity.simulation.output import Estimate, batch_mean, batch_quantile
from capacity.simulation.sampling import times

CHUNK = 1 << 18


@njit(cache=True)
def _advance(free: Floats, now: float, gaps: Floats, services: Floats, waits: Floats) -> float:
    """Serve customers in order; `free` is the heap of times at which servers come free. The last arrival time."""
    c = free.shape[0]
    for i in range(gaps.shape[0]):
        now += gaps[i]
        first = free[0]
        start = first if first > now else now
        waits[i] = start - now
        until = start + services[i]
        parent = 0
        while True:
            child = 2 * parent + 1
            if child >= c:
                break
            if child + 1 < c and free[child + 1] < free[child]:
                child += 1
            if free[child] >= until:
                break
            free[parent] = free[child]
            parent = child
        free[parent] = until
    return now


class FcfsQueue:
    """A running G/G/c queue of whole servers: state carries over from one batch of customers to the next."""

    def __init__(self, servers: int) -> None:
        self._free = np.zeros(servers)
        self._now = 0.0

    def waits(self, gaps: Floats, services: Floats) -> Floats:
        """Waits of the next customers, given the gaps between arrivals and their services; same shape and unit."""
        out = np.empty_like(gaps)
        self._now = _advance(self._free, self._now, gaps, services, out)
        # times are kept relative to the last arrival, so that long runs lose no precision
        self._free -= self._now
        self._now = 0.0
        return out


@dataclass(frozen=True, slots=True)
class Run:
    """Waits and responses of one run after its warm-up, in order of arrival, seconds."""

    waits: Floats
    responses: Floats

    def wait_probability(self) -> Estimate:
        """Share of customers that waited."""
        return batch_mean((self.waits > 0).astype(float))

    def wait_mean(self) -> Estimate:
        """Mean wait, seconds."""
        return batch_mean(self.waits)

    def wait_quantile(self, q: float) -> Estimate:
        """q-quantile of the wait, seconds."""
        return batch_quantile(self.waits, q)

    def response_mean(self) -> Estimate:
        """Mean response time, seconds."""
        return batch_mean(self.responses)

    def response_quantile(self, q: float) -> Estimate:
        """q-quantile of the response time, seconds."""
        return batch_quantile(self.responses, q)


def simulate_ggc(
    rate: float,
    mean_service: float,
    c: int,
    ca2: float = 1.0,
    cs2: float = 1.0,
    *,
    customers: int = 1_000_000,
    warmup: float = 0.1,
    seed: int = 0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Run:
    """One run of G/G/c from empty. `warmup`: share of the customers that is dropped from the start.

    Raises ValueError when there is no steady state (rate x mean_service >= c) or c is not a whole number.
    """
    if c != int(c) or c < 1:
        raise ValueError(f"the simulation needs whole servers, not c = {c}")
    if rate * mean_service >= c:
        raise ValueError(f"no steady state: offered load {rate * mean_service:g} >= c = {c}")
    rng = np.random.default_rng(seed)
    queue = FcfsQueue(int(c))
    waits, responses = np.empty(customers), np.empty(customers)
    for begin in range(0, customers, CHUNK):
        part = slice(begin, min(begin + CHUNK, customers))
        size = part.stop - part.start
        services = times(service_shape, mean_service, cs2, size, rng)
        waits[part] = queue.waits(times(arrival_shape, 1 / rate, ca2, size, rng), services)
        np.add(waits[part], services, out=responses[part])
    keep = int(customers * warmup)
    return Run(waits[keep:], responses[keep:])
