"""Predicted response times of stations and endpoints at a workload and a size.

An endpoint's time is the sum over the stations it visits, as each serves its calls (`capacity.sizing.serving`), its
inner calls and its upstream latency (C2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from capacity.launch import EndpointPlan, Launch, Station
from capacity.leaseplan import EndpointPrediction, StationPlan
from capacity.queueing import (
    NO_WAIT,
    NOT_SLOWED,
    Leg,
    Slowing,
    Wait,
    ggc_wait,
    network_response_moments,
    network_response_quantile,
    network_response_tail,
    sharing,
)
from capacity.sizing.serving import MIXTURE, Serving, is_interleaved, serving, servings
from capacity.sizing.size import Size
from capacity.sizing.workload import Floats, Workload, call_scv, demand_s

UNBOUNDED_MS = 1e7
"""Shown for a station without a steady state, since a document holds no infinity."""
CAPACITY_LIMIT = 0.98
CAPACITY_STEPS = 16
TAILS = np.array([0.95, 0.99]).reshape(2, 1, 1)


def legs(
    endpoint: EndpointPlan,
    endpoints: Mapping[str, EndpointPlan],
    stations: Mapping[str, Station],
    at: Mapping[str, Serving],
    work: Workload,
    sizes: Mapping[str, Size],
    visits: float = 1.0,
    depth: int = 0,
) -> list[Leg]:
    """Every station visit of one call, inner calls and upstreams included. Formula (C2)."""
    out: list[Leg] = []
    for name in endpoint.demand_ms:
        station = stations[name]
        slow = sizes[name].slow(work.stations[name]) if name in sizes else 1.0
        service, scv = demand_s(endpoint, station, work.factor) * slow, call_scv(endpoint, station)
        out += at[name].legs(service, scv, visits)
    for called, count in endpoint.calls.items():
        if called in stations:
            upstream = stations[called]
            out += at[called].legs(np.asarray(upstream.latency_ms / 1e3), upstream.service_scv, visits * count)
        elif depth < 4:
            out += legs(endpoints[called], endpoints, stations, at, work, sizes, visits * count, depth + 1)
    return out


def station_plans(
    launch: Launch,
    at: Sequence[tuple[Workload, Workload, Mapping[str, Size]]],
    slos_ms: Mapping[str, tuple[float, float]],
) -> list[tuple[StationPlan, ...]]:
    """Stations as predicted, for many deployments in one go.

    Each is (workload, the same rates with the application factor 1, sizes), of which place 0 counts. `slos_ms`: limits
    on the p95 and p99 of a station's residence, for its capacity.
    """
    stations = launch.stations

    def table(value: Callable[[Workload, Workload, Mapping[str, Size], Station], Floats]) -> Floats:
        return np.array([[float(value(*one, s)[0]) for s in stations] for one in at])

    rate = table(lambda work, plain, sizes, s: work.stations[s.id].rate)
    mean = table(lambda work, plain, sizes, s: work.stations[s.id].mean_s * sizes[s.id].slow(work.stations[s.id]))
    scv = table(lambda work, plain, sizes, s: work.stations[s.id].scv)
    plain_busy = table(lambda work, plain, sizes, s: plain.stations[s.id].busy)
    queues = table(lambda work, plain, sizes, s: sizes[s.id].queues)
    servers = table(lambda work, plain, sizes, s: sizes[s.id].servers)
    limits = np.array([slos_ms[s.id] for s in stations]) / 1e3
    shared = np.array([is_interleaved(s) for s in stations])
    here = [_visit(rate / queues, mean, scv, servers, shared)]
    means = np.asarray(network_response_moments(here).mean)
    p95, p99 = np.asarray(network_response_quantile(TAILS, here))
    for d, (work, _, sizes) in enumerate(at):
        for n, s in enumerate(stations):
            if sizes[s.id].throttled:
                one = serving(s, work.stations[s.id].pick(0), sizes[s.id].pick(0))
                visit = one.legs(mean[d, n : n + 1], float(scv[d, n]))
                means[d, n] = network_response_moments(visit).mean[0]
                p95[d, n], p99[d, n] = network_response_quantile(TAILS[..., 0], visit)[:, 0]
    most = queues * _highest_rate(servers, mean, scv, shared, limits)
    return [
        tuple(
            StationPlan(
                id=s.id,
                kind=s.kind,
                service=s.service,
                role=s.role,
                servers=_round(queues[d, n] * servers[d, n], 3),
                arrival_rate_per_s=_round(rate[d, n]),
                demand_ms=_round(mean[d, n] * 1e3),
                demand_factor=_round(rate[d, n] * mean[d, n] / plain_busy[d, n]) if plain_busy[d, n] > 0 else 1.0,
                service_scv=s.service_scv,
                discipline=s.discipline,
                utilisation=_round(rate[d, n] * mean[d, n] / (queues[d, n] * servers[d, n])),
                mean_ms=_ms(means[d, n]),
                p95_ms=_ms(p95[d, n]),
                p99_ms=_ms(p99[d, n]),
                capacity_per_s=_round(most[d, n]),
                quota_per_day=s.quota_per_day,
            )
            for n, s in enumerate(stations)
        )
        for d in range(len(at))
    ]


def _visit(rate: Floats, mean: Floats, scv: Floats, servers: Floats, shared: NDArray[np.bool_]) -> Leg:
    """A call of the mix at each of (D, S) stations, of which those of `shared` (S,) serve interleaved."""
    slowing = sharing(rate * mean, mean, scv, servers).slowing(mean, scv)
    wait = ggc_wait(rate, mean, servers, 1.0, scv, service_shape=MIXTURE)
    return Leg(
        Wait(*(np.where(shared, none, part) for none, part in zip(NO_WAIT, wait, strict=True))),
        mean,
        scv,
        1.0,
        Slowing(*(np.where(shared, part, none) for none, part in zip(NOT_SLOWED, slowing, strict=True))),
    )


def _highest_rate(servers: Floats, mean: Floats, scv: Floats, shared: NDArray[np.bool_], limits: Floats) -> Floats:
    """(D, S) visits a second that one queue carries with p95 and p99 within `limits` (S, 2), by bisection."""
    allowed = np.array([0.05, 0.01]).reshape(2, 1, 1)
    seconds = limits.T[:, None, :]
    low, high = np.zeros(mean.shape), CAPACITY_LIMIT * servers / mean
    rate = high
    for _ in range(CAPACITY_STEPS):
        here = [_visit(rate, mean, scv, servers, shared)]
        good = (network_response_tail(seconds, here) <= allowed).all(axis=0)
        low, high = np.where(good, rate, low), np.where(good, high, rate)
        rate = (low + high) / 2
    return low


def endpoint_predictions(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    sizes: Mapping[str, Size],
    overhead_ms: Mapping[str, float],
) -> tuple[EndpointPrediction, ...]:
    """Every endpoint's predicted response time at workload 0."""
    by_id = {e.id: e for e in endpoints}
    stations = {s.id: s for s in launch.stations}
    at = servings(launch, work, sizes)
    out = []
    for endpoint in endpoints:
        path = legs(endpoint, by_id, stations, at, work, sizes)
        overhead = overhead_ms.get(endpoint.id, 0.0) / 1e3
        tails = np.asarray(network_response_quantile(np.array([[0.95], [0.99]]), path, overhead))
        out.append(
            EndpointPrediction(
                endpoint=endpoint.id,
                arrival_rate_per_s=_round(work.endpoint_rates[endpoint.id][0]),
                mean_ms=_ms(network_response_moments(path, overhead).mean),
                p95_ms=_ms(tails[0]),
                p99_ms=_ms(tails[1]),
            )
        )
    return tuple(out)


def _round(value: object, digits: int = 4) -> float:
    return float(round(float(np.asarray(value, float).reshape(-1)[0]), digits))


def _ms(seconds: object) -> float:
    value = float(np.asarray(seconds, float).reshape(-1)[0]) * 1e3
    return _round(value, 2) if np.isfinite(value) else UNBOUNDED_MS
