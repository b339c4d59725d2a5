"""Predicted response times of stations and endpoints at a workload and a size.

Pods sit behind a random split, so each is a queue of its own with 1/n of the station's rate; servers of a role share
one queue. An endpoint's time is the sum over the stations it visits, over its inner calls and its upstream latency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.launch import EndpointPlan, Launch, Station
from capacity.leaseplan import EndpointPrediction, StationPlan
from capacity.queueing import (
    Leg,
    ggc_response_mean,
    ggc_response_quantile,
    ggc_wait,
    max_rate,
    network_response_moments,
    network_response_quantile,
)
from capacity.queueing.ggc import Wait
from capacity.sizing.workload import StationLoad, Workload, call_scv, demand_s

UNBOUNDED_MS = 1e7
"""Shown for a station without a steady state, since a document holds no infinity."""


@dataclass(frozen=True, slots=True)
class Size:
    """`queues` separate queues of `servers` CPU servers each (pods: one queue a replica)."""

    queues: int
    servers: float

    @property
    def total(self) -> float:
        """CPU servers of the station together."""
        return self.queues * self.servers


def wait_at(load: StationLoad, size: Size) -> Wait:
    """Wait at a station whose rate is split evenly over its queues."""
    return ggc_wait(load.rate / size.queues, max(load.mean_s, 1e-9), size.servers, 1.0, load.scv)


def station_plan(
    launch: Launch, station: Station, load: StationLoad, size: Size, slo_ms: tuple[float, float], factor: float
) -> StationPlan:
    """The station as predicted. `slo_ms`: limits on the p95 and p99 of its residence for `capacity_per_s`."""
    args = (load.rate / size.queues, max(load.mean_s, 1e-9), size.servers, 1.0, load.scv)
    slo = ((0.95, slo_ms[0] / 1e3), (0.99, slo_ms[1] / 1e3))
    most = size.queues * float(max_rate(size.servers, args[1], slo, 1.0, load.scv, 0.98))
    busy = load.busy / size.total
    return StationPlan(
        id=station.id,
        kind=station.kind,
        service=station.service,
        role=station.role,
        servers=_r(size.total, 3),
        arrival_rate_per_s=_r(load.rate),
        demand_ms=_r(load.mean_s * 1e3),
        demand_factor=_r(factor),
        utilisation=_r(busy),
        mean_ms=_ms(ggc_response_mean(*args)),
        p95_ms=_ms(ggc_response_quantile(0.95, *args)),
        p99_ms=_ms(ggc_response_quantile(0.99, *args)),
        capacity_per_s=_r(most),
        quota_per_day=station.quota_per_day,
    )


def legs(
    endpoint: EndpointPlan,
    endpoints: Mapping[str, EndpointPlan],
    stations: Mapping[str, Station],
    waits: Mapping[str, Wait],
    factor: float,
    visits: float = 1.0,
    depth: int = 0,
) -> list[Leg]:
    """Every station visit of one call, inner calls and upstreams included."""
    out: list[Leg] = []
    for name in endpoint.demand_ms:
        station = stations[name]
        service = demand_s(endpoint, station, factor)
        out.append(Leg(waits[name], service, call_scv(endpoint, station), visits))
    for called, count in endpoint.calls.items():
        if called in stations:
            upstream = stations[called]
            out.append(Leg(waits[called], upstream.latency_ms / 1e3, upstream.service_scv, visits * count))
        elif depth < 4:
            out += legs(endpoints[called], endpoints, stations, waits, factor, visits * count, depth + 1)
    return out


def endpoint_predictions(
    launch: Launch,
    endpoints: tuple[EndpointPlan, ...],
    work: Workload,
    waits: Mapping[str, Wait],
    overhead_ms: Mapping[str, float],
) -> tuple[EndpointPrediction, ...]:
    """Every endpoint's predicted response time at the workload."""
    by_id = {e.id: e for e in endpoints}
    stations = {s.id: s for s in launch.stations}
    out = []
    for endpoint in endpoints:
        path = legs(endpoint, by_id, stations, waits, work.factor)
        overhead = overhead_ms.get(endpoint.id, 0.0) / 1e3
        out.append(
            EndpointPrediction(
                endpoint=endpoint.id,
                arrival_rate_per_s=_r(work.endpoint_rates[endpoint.id]),
                mean_ms=_ms(network_response_moments(path, overhead).mean),
                p95_ms=_ms(network_response_quantile(0.95, path, overhead)),
                p99_ms=_ms(network_response_quantile(0.99, path, overhead)),
            )
        )
    return tuple(out)


def _r(value: float, digits: int = 4) -> float:
    return float(round(float(value), digits))


def _ms(seconds: object) -> float:
    value = float(np.asarray(seconds, float)) * 1e3
    return _r(value, 2) if np.isfinite(value) else UNBOUNDED_MS
