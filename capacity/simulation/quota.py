"""A container under a CPU quota of the Linux scheduler (CFS bandwidth control), event by event.

In every period (100 ms unless changed) the container may use `quota x period` seconds of CPU. Its processes run at
full speed until that is used, then all of them stop until the next period begins; unused quota does not carry over
(Turner, Rao and Rao 2010, "CPU bandwidth control for CFS"). Requests queue first come first served for `processes`.
Left out: slices of 5 ms by which each core draws on the quota, and other containers on the same cores.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape
from capacity.simulation.fcfs import Run
from capacity.simulation.sampling import times


@njit(cache=True)
def _finish_times(arrivals: Floats, services: Floats, budget: float, period: float, processes: int) -> Floats:
    n = arrivals.shape[0]
    done = np.empty(n)
    left = np.zeros(processes)
    holder = np.full(processes, -1)
    now = 0.0
    credit = budget
    renewal = period
    arrived = 0  # requests that are in the system or gone
    started = 0
    finished = 0
    while finished < n:
        running = 0
        soonest = np.inf
        for k in range(processes):
            if holder[k] < 0 and started < arrived:
                holder[k] = started
                left[k] = services[started]
                started += 1
            if holder[k] >= 0:
                running += 1
                soonest = min(soonest, left[k])
        if running == 0:
            # idle: jump to the next arrival, over whole periods
            now = arrivals[arrived]
            arrived += 1
            if now >= renewal:
                renewal = (np.floor(now / period) + 1) * period
                credit = budget
            continue
        step = renewal - now
        event = 0
        if arrived < n and arrivals[arrived] - now < step:
            step = arrivals[arrived] - now
            event = 1
        if credit > 0:
            if soonest < step:
                step = soonest
                event = 2
            if credit / running < step:
                step = credit / running
                event = 3
            credit -= step * running
            for k in range(processes):
                if holder[k] >= 0:
                    left[k] -= step
        now += step
        if event == 0:
            now = renewal
            renewal += period
            credit = budget
        elif event == 1:
            now = arrivals[arrived]
            arrived += 1
        elif event == 3:
            credit = 0.0
        for k in range(processes):
            if holder[k] >= 0 and left[k] <= 1e-12:
                done[holder[k]] = now
                holder[k] = -1
                finished += 1
    return done


def simulate_quota(
    rate: float,
    mean_service: float,
    quota: float,
    cs2: float = 1.0,
    *,
    period: float = 0.1,
    processes: int = 1,
    customers: int = 400_000,
    warmup: float = 0.1,
    seed: int = 0,
    service_shape: Shape = "gamma",
) -> Run:
    """Poisson arrivals at one container. `quota` in cores (300 m: 0.3); `mean_service` CPU seconds at full speed.

    Waits in the result are response less service time: queueing and throttling together. Raises ValueError when the
    offered load is not below the quota or the processes.
    """
    if rate * mean_service >= min(quota, processes):
        raise ValueError(f"no steady state: offered load {rate * mean_service:g} is not below the quota {quota:g}")
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(times("gamma", 1 / rate, 1.0, customers, rng))
    services = times(service_shape, mean_service, cs2, customers, rng)
    responses = _finish_times(arrivals, services, quota * period, period, processes) - arrivals
    keep = int(customers * warmup)
    waits = responses - services
    waits[waits < 1e-9] = 0.0  # rounding
    return Run(waits[keep:], responses[keep:])
