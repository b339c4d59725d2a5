"""Requests that visit several stations one after another, simulated, to judge the model's endpoint percentiles.

Every endpoint is a Poisson stream of its own; all streams meet at the stations, first come first served. A station is
one queue for all its servers, or `queues` separate ones among which each visit is spread at random (pods behind a
random split). Visits are simulated in order of time, so that streams overtake each other between stations as they do.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape
from capacity.simulation.sampling import times


@dataclass(frozen=True, slots=True)
class SimulatedStation:
    """`servers` whole servers in each of `queues` queues."""

    servers: int
    queues: int = 1


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: calls a second, and the stations it visits in order with mean service (seconds) and scv at each."""

    rate: float
    visits: Sequence[tuple[str, float, float]]


def simulate_routes(
    stations: dict[str, SimulatedStation],
    routes: dict[str, Route],
    duration: float,
    *,
    warmup: float = 0.1,
    seed: int = 0,
    service_shape: Shape = "gamma",
) -> dict[str, Floats]:
    """Response times (seconds) of every endpoint, of requests that arrive within `duration` less its warm-up share."""
    rng = np.random.default_rng(seed)
    names = list(routes)
    arrivals, services = {}, {}
    for name in names:
        count = rng.poisson(routes[name].rate * duration)
        arrivals[name] = np.sort(rng.random(count) * duration)
        services[name] = [times(service_shape, m, scv, count, rng) for _, m, scv in routes[name].visits]
    free = {s: [[0.0] * station.servers for _ in range(station.queues)] for s, station in stations.items()}
    pick = {s: rng.integers(0, stations[s].queues, 1 << 16).tolist() for s in stations}
    picked = dict.fromkeys(stations, 0)
    done = {name: np.empty(len(arrivals[name])) for name in names}
    events = [
        (float(at), number, index, 0)
        for number, name in enumerate(names)
        for index, at in enumerate(arrivals[name].tolist())
    ]
    heapq.heapify(events)
    while events:
        now, number, index, step = heapq.heappop(events)
        name = names[number]
        visits = routes[name].visits
        station = visits[step][0]
        picked[station] = (picked[station] + 1) & 0xFFFF
        servers = free[station][pick[station][picked[station]]]
        finish = max(now, servers[0]) + float(services[name][step][index])
        heapq.heapreplace(servers, finish)
        if step + 1 < len(visits):
            heapq.heappush(events, (finish, number, index, step + 1))
        else:
            done[name][index] = finish
    return {n: (done[n] - arrivals[n])[arrivals[n] > warmup * duration] for n in names}
