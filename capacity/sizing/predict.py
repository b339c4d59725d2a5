"""Predicted response times of stations and endpoints at a workload and a size.

Pods sit behind a random split, so each is a queue of its own with 1/n of the station's rate; servers of a role share
one queue. A pod with a quota below one core runs at full speed until the period's quota is used, then stops. An
endpoint's time is the sum over the stations it visits, its inner calls and its upstream latency (C2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from capacity.calibration import ScalabilityFit
from capacity.faults import Infeasible
from capacity.launch import EndpointPlan, Launch, Station
from capacity.leaseplan import EndpointPrediction, StationPlan
from capacity.queueing import (
    Leg,
    ggc_response_mean,
    ggc_response_quantile,
    ggc_wait,
    network_response_moments,
    network_response_quantile,
    network_response_tail,
    quota_wait,
)
from capacity.queueing.ggc import Wait
from capacity.queueing.quota import PERIOD_S
from capacity.queueing.shapes import Shape
from capacity.sizing.scaling import carried, kept_busy, most_busy, slowdown
from capacity.sizing.workload import Floats, StationLoad, Workload, call_scv, demand_s

UNBOUNDED_MS = 1e7
"""Shown for a station without a steady state, since a document holds no infinity."""
CAPACITY_LIMIT = 0.98
CAPACITY_STEPS = 16
LONG_SHARE = 0.25
"""Of a period's quota: calls above it are solved by themselves."""
MIXTURE: Final[Shape] = "phase"
"""Shape of a station's services: visits of several endpoints are a mixture of laws."""


@dataclass(frozen=True, slots=True)
class Size:
    """`queues` (W,) separate queues of `servers` CPU servers each (pods: one queue a replica).

    `processes`: of a pod; one process uses one core at most, so that a pod whose servers (its CPU quota) are fewer than
    its processes is stopped, not slowed. `fit`: how the station scales (C8), where a calibration knows.
    """

    queues: Floats
    servers: Floats
    processes: int = 0
    fit: ScalabilityFit | None = None

    @property
    def total(self) -> Floats:
        """CPU servers of the station together."""
        return np.asarray(self.queues * self.servers)

    def busy(self, load: StationLoad) -> Floats:
        """CPU servers that the load keeps busy, as the station scales; inf where it does not scale so far."""
        return kept_busy(self.fit, load.busy)

    def slow(self, load: StationLoad) -> Floats:
        """CPU of a call at this load over that when one server is busy."""
        return slowdown(self.fit, np.minimum(self.busy(load), self.total))

    def carries(self, limit: float) -> Floats:
        """Erlangs, at the demand of one busy server, that the station carries at utilisation `limit`."""
        return carried(self.fit, self.total * limit)

    @property
    def throttled(self) -> bool:
        """Whether these are pods that their CPU quota stops."""
        return bool(np.any(self.servers < self.processes))

    def pick(self, w: int) -> Size:
        """Workload `w` alone."""
        one = slice(w, w + 1)
        return Size(self.queues[one], self.servers[one], self.processes, self.fit)


def size(queues: Floats | float, servers: Floats | float) -> Size:
    """A size from numbers or arrays."""
    q, c = np.broadcast_arrays(np.atleast_1d(np.asarray(queues, float)), np.atleast_1d(np.asarray(servers, float)))
    return Size(q, c)


def pods(replicas: Floats | float, cores: float, processes: int, fit: ScalabilityFit | None = None) -> Size:
    """`replicas` pods with `cores` and `processes` each, as they scale together."""
    plain = size(replicas, cores)
    return Size(plain.queues, plain.servers, processes, fit)


def busy_or_infeasible(station: str, fit: ScalabilityFit | None, load: Floats) -> Floats:
    """CPU servers that each load keeps busy (C8). Raises Infeasible when the station does not scale to one of them."""
    busy = kept_busy(fit, load)
    if not np.all(np.isfinite(busy)):
        top, most = float(carried(fit, np.inf)), float(np.max(load))
        raise Infeasible(
            f"{station} does not scale to its load: {most:.1f} Erlangs come, {top:.1f} are the most that it carries at "
            f"any size (USL of the calibration, at {most_busy(fit):.0f} busy CPU servers)",
            f"Lower the load of {station} by {1 - top / most:.0%}, divide it, or remove what its calls contend for and "
            "calibrate again.",
        )
    return busy


def wait_at(load: StationLoad, at: Size) -> Wait:
    """Wait at a station whose rate is split evenly over its queues."""
    mean = load.mean_s * at.slow(load)
    return ggc_wait(load.rate / at.queues, mean, at.servers, 1.0, load.scv, service_shape=MIXTURE)


@dataclass(frozen=True, slots=True)
class Throttled:
    """Pods whose CPU quota is below what their processes could use: waits then depend on the call."""

    load: StationLoad
    size: Size

    def legs(self, service_s: Floats, scv: float, visits: float) -> list[Leg]:
        """Waiting at full speed, stops for want of quota, and the call's own service.

        A call that uses a good part of one period's quota is stopped more often than a short one: it is solved by
        itself, all others share the wait of the mix.
        """
        rate, quota = self.load.rate / self.size.queues, self.size.servers
        long = bool(np.max(service_s / quota) > LONG_SHARE * PERIOD_S)
        own, spread = (service_s, scv) if long else (None, None)
        wait = quota_wait(
            rate, self.load.mean_s * self.size.slow(self.load), quota, self.load.scv,
            own_service=own, own_cs2=spread, processes=self.size.processes, service_shape=MIXTURE,
        )  # fmt: skip
        return wait.legs(service_s, scv, visits)


def station_waits(work: Workload, sizes: Mapping[str, Size]) -> dict[str, Wait | Throttled]:
    """How calls wait at every station of a workload."""
    return {
        name: Throttled(work.stations[name], at) if at.throttled else wait_at(work.stations[name], at)
        for name, at in sizes.items()
    }


def legs(
    endpoint: EndpointPlan,
    endpoints: Mapping[str, EndpointPlan],
    stations: Mapping[str, Station],
    waits: Mapping[str, Wait | Throttled],
    work: Workload,
    sizes: Mapping[str, Size],
    visits: float = 1.0,
    depth: int = 0,
) -> list[Leg]:
    """Every station visit of one call, inner calls and upstreams included. Formula (C2)."""
    out: list[Leg] = []
    for name in endpoint.demand_ms:
        station, wait = stations[name], waits[name]
        slow = sizes[name].slow(work.stations[name]) if name in sizes else 1.0
        service, scv = demand_s(endpoint, station, work.factor) * slow, call_scv(endpoint, station)
        out += wait.legs(service, scv, visits) if isinstance(wait, Throttled) else [Leg(wait, service, scv, visits)]
    for called, count in endpoint.calls.items():
        if called in stations:
            upstream, wait = stations[called], waits[called]
            if isinstance(wait, Wait):
                out.append(Leg(wait, upstream.latency_ms / 1e3, upstream.service_scv, visits * count))
        elif depth < 4:
            out += legs(endpoints[called], endpoints, stations, waits, work, sizes, visits * count, depth + 1)
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
    each = (rate / queues, mean, servers, 1.0, scv)
    means = ggc_response_mean(*each, service_shape=MIXTURE)
    p95, p99 = ggc_response_quantile(np.array([0.95, 0.99]).reshape(2, 1, 1), *each, service_shape=MIXTURE)
    for d, (_, _, sizes) in enumerate(at):
        for n, s in enumerate(stations):
            if sizes[s.id].throttled:
                one, processes = (each[0][d, n], mean[d, n], servers[d, n], scv[d, n]), sizes[s.id].processes
                wait = quota_wait(*one, processes=processes, service_shape=MIXTURE)
                means[d, n] = mean[d, n] + wait.mean
                tails = network_response_quantile(np.array([0.95, 0.99]), wait.legs(mean[d, n], scv[d, n]))
                p95[d, n], p99[d, n] = tails
    most = queues * _highest_rate(servers, mean, scv, limits)
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


def _highest_rate(servers: Floats, mean: Floats, scv: Floats, limits: Floats) -> Floats:
    """(D, S) visits a second that one queue carries with p95 and p99 within `limits` (S, 2), by bisection."""
    allowed = np.array([0.05, 0.01]).reshape(2, 1, 1)
    seconds = limits.T[:, None, :]
    low, high = np.zeros(mean.shape), CAPACITY_LIMIT * servers / mean
    rate = high
    for _ in range(CAPACITY_STEPS):
        wait = ggc_wait(rate, mean, servers, 1.0, scv, service_shape=MIXTURE)
        good = (network_response_tail(seconds, [Leg(wait, mean, scv)]) <= allowed).all(axis=0)
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
    waits = station_waits(work, sizes)
    out = []
    for endpoint in endpoints:
        path = legs(endpoint, by_id, stations, waits, work, sizes)
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
