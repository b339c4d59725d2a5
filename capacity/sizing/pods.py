"""Replicas of every service: the fewest that keep every endpoint within its SLO, for many workloads at once.

A service gets at least its minimum and what keeps each replica below the station's highest utilisation; then replicas
are added (doubling, then bisection) until the p95 and p99 of every endpoint of the service hold. A service is sized
after those that it calls, so that it sees how long they take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from capacity.faults import Infeasible
from capacity.launch import EndpointPlan, Launch, Service, Station
from capacity.queueing import network_response_tail
from capacity.queueing.ggc import Wait
from capacity.sizing.predict import Size, legs, size, wait_at
from capacity.sizing.workload import Floats, Workload

MOST_REPLICAS = 4096
ALLOWED = np.array([[0.05], [0.01]])
"""Shares of calls that may take longer than the p95 and the p99 of the SLO."""


@dataclass(frozen=True, slots=True)
class Sized:
    """`sizes[s]` of all stations, (W,) each, and the waits at the workloads' rates."""

    sizes: Mapping[str, Size]
    waits: Mapping[str, Wait]
    least: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass
class _Sizing:
    """Sizes and waits while they are being found."""

    launch: Launch
    endpoints: Sequence[EndpointPlan]
    work: Workload
    overhead_ms: Mapping[str, float]
    sizes: dict[str, Size]
    waits: dict[str, Wait]

    def set(self, station: Station, replicas: Floats, cores: float) -> None:
        self.sizes[station.id] = size(replicas, cores)
        self.waits[station.id] = wait_at(self.work.stations[station.id], self.sizes[station.id])

    def broken(self, own: Sequence[EndpointPlan]) -> tuple[NDArray[np.bool_], str]:
        """(W,) whether any SLO of `own` is broken, and the rule of the first one in workload 0."""
        by_id = {e.id: e for e in self.endpoints}
        stations = {s.id: s for s in self.launch.stations}
        out = np.zeros(self.work.factor.shape, bool)
        first = ""
        for endpoint in own:
            path = legs(endpoint, by_id, stations, self.waits, self.work.factor)
            overhead = self.overhead_ms.get(endpoint.id, 0.0) / 1e3
            limits = np.array([[endpoint.slo_p95_ms], [endpoint.slo_p99_ms]]) / 1e3
            over = network_response_tail(limits, path, overhead) > ALLOWED
            over = np.broadcast_to(over, (2, len(out)))
            if not first and over[:, 0].any():
                first = f"{'slo_p95' if over[0, 0] else 'slo_p99'} {endpoint.id}"
            out = out | over.any(axis=0)
        return out, first


def service_of(launch: Launch, identity: str | None) -> Service:
    """The service of that id."""
    return next(s for s in launch.services if s.id == identity)


def size_stations(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    fixed: Mapping[str, Size],
    overhead_ms: Mapping[str, float],
) -> Sized:
    """Pods for every workload; `fixed` gives the sizes of the stations that are servers or upstreams.

    Raises Infeasible when no number of replicas meets an SLO.
    """
    none = Wait(np.zeros(()), np.zeros(()), np.ones(()))
    state = _Sizing(launch, endpoints, work, overhead_ms, dict(fixed), {s.id: none for s in launch.stations})
    state.waits |= {name: wait_at(work.stations[name], at) for name, at in fixed.items()}
    least = {station.id: _size_service(state, station) for station in _inner_first(launch, endpoints)}
    return Sized(state.sizes, state.waits, least)


def _inner_first(launch: Launch, endpoints: Sequence[EndpointPlan]) -> list[Station]:
    """Pods in an order in which a service comes after those that its endpoints call."""
    service = {e.id: e.service for e in endpoints}
    calls: dict[str, set[str]] = {s.id: set() for s in launch.services}
    for e in endpoints:
        calls[e.service] |= {service[c] for c in e.calls if c in service} - {e.service}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError:
        order = sorted(calls)
    pods = [s for s in launch.stations if s.kind == "pods"]
    return sorted(pods, key=lambda s: order.index(s.service or ""))


def _size_service(state: _Sizing, station: Station) -> NDArray[np.int64]:
    """Find the replicas of one service, leave them in `state`, and return the least by utilisation and minimum."""
    service = service_of(state.launch, station.service)
    cores = service.replica_millicores / 1e3
    own = [e for e in state.endpoints if e.service == service.id]
    busy = state.work.stations[station.id].busy
    least = np.maximum(service.min_replicas, np.ceil(busy / station.max_utilisation / cores - 1e-9)).astype(np.int64)
    low, high = least - 1, least.copy()
    while True:
        state.set(station, high.astype(float), cores)
        bad, which = state.broken(own)
        if not bad.any():
            break
        low, high = np.where(bad, high, low), np.where(bad, 2 * high, high)
        if high.max() > MOST_REPLICAS:
            raise Infeasible(
                f"no number of {service.id} replicas meets the SLO ({which or 'of a later month'})",
                "Raise that SLO, lower the service demand or the application factor, or raise replica_millicores.",
            )
    while np.any(high - low > 1):
        middle = np.where(high - low > 1, (low + high) // 2, high)
        state.set(station, middle.astype(float), cores)
        bad, _ = state.broken(own)
        low, high = np.where(bad, middle, low), np.where(bad, high, middle)
    state.set(station, high.astype(float), cores)
    return least


def binding_rule(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    sized: Sized,
    station: Station,
    overhead_ms: Mapping[str, float],
) -> tuple[str, str]:
    """What forbids one replica fewer in workload 0: `slo_p95` or `slo_p99` (endpoint), `max_utilisation`, `minimum`."""
    service = service_of(launch, station.service)
    replicas = float(sized.sizes[station.id].queues[0])
    if replicas <= service.min_replicas:
        return "minimum", ""
    if replicas <= float(sized.least[station.id][0]):
        return "max_utilisation", ""
    state = _Sizing(launch, endpoints, work, overhead_ms, dict(sized.sizes), dict(sized.waits))
    state.set(station, np.array([replicas - 1]), service.replica_millicores / 1e3)
    _, which = state.broken([e for e in endpoints if e.service == service.id])
    rule, _, endpoint = which.partition(" ")
    return (rule, endpoint) if rule else ("max_utilisation", "")
