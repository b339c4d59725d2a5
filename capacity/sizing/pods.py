"""Replicas of every service: the fewest that keep every endpoint within its SLO, for many workloads at once.

    n_s = max(n_min, least n with N_s <= u n c, least n with P(T_e > p95), P(T_e > p99) within the SLO)     (C3)

N_s CPU servers are busy (C8), a replica has c. A service gets at least its minimum and what keeps each replica below
the station's highest utilisation u; then replicas are added (doubling, then bisection) until the p95 and p99 of every
endpoint of the service hold. A service is sized after those that it calls, so that it sees how long they take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from capacity.faults import Infeasible
from capacity.launch import EndpointPlan, Launch, Service, Station
from capacity.queueing import NO_WAIT, Leg, network_response_quantile, network_response_tail
from capacity.sizing.predict import legs
from capacity.sizing.scaling import Scaling
from capacity.sizing.serving import InTurn, Serving, serving, servings
from capacity.sizing.size import Size, busy_or_infeasible, pods
from capacity.sizing.workload import Floats, Workload

MOST_REPLICAS = 4096
LEVELS = np.array([[0.95], [0.99]])
ALLOWED = np.array([[0.05], [0.01]])
"""Shares of calls that may take longer than the p95 and the p99 of the SLO."""


@dataclass(frozen=True, slots=True)
class Sized:
    """`sizes[s]` of all stations, (W,) each, and how they serve their calls at the workloads' rates."""

    sizes: Mapping[str, Size]
    serving: Mapping[str, Serving]
    least: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def pick(self, w: int) -> Sized:
        """Workload `w` alone."""
        one = slice(w, w + 1)
        return Sized(
            {name: at.pick(w) for name, at in self.sizes.items()},
            {name: self.serving[name].pick(w) for name in self.sizes},
            {name: counts[one] for name, counts in self.least.items()},
        )


@dataclass
class _Sizing:
    """Sizes while they are being found, and how stations serve at them."""

    launch: Launch
    endpoints: Sequence[EndpointPlan]
    work: Workload
    overhead_ms: Mapping[str, float]
    scaling: Scaling
    sizes: dict[str, Size]
    serving: dict[str, Serving]

    def set(self, station: Station, replicas: Floats) -> None:
        service = service_of(self.launch, station.service)
        cores = service.replica_millicores / 1e3
        at = pods(replicas, cores, service.processes, self.scaling.get(station.id))
        self.sizes[station.id] = at
        self.serving[station.id] = serving(station, self.work.stations[station.id], at)

    def broken(self, own: Sequence[EndpointPlan]) -> tuple[NDArray[np.bool_], str]:
        """(W,) whether any SLO of `own` is broken, and the rule of the first one in workload 0."""
        out = np.zeros(self.work.factor.shape, bool)
        first = ""
        for endpoint in own:
            limits = np.array([[endpoint.slo_p95_ms], [endpoint.slo_p99_ms]]) / 1e3
            over = network_response_tail(limits, *self._path(endpoint)) > ALLOWED
            over = np.broadcast_to(over, (2, len(out)))
            if not first and over[:, 0].any():
                first = f"{'slo_p95' if over[0, 0] else 'slo_p99'} {endpoint.id}"
            out = out | over.any(axis=0)
        return out, first

    def furthest(self, own: Sequence[EndpointPlan]) -> tuple[EndpointPlan, str, float, float]:
        """The endpoint furthest beyond its SLO in any workload: it, the quantile's name, predicted ms, limit in ms."""
        rows = []
        for endpoint in own:
            predicted = np.asarray(network_response_quantile(LEVELS, *self._path(endpoint))).reshape(2, -1).max(axis=1)
            limits = (endpoint.slo_p95_ms, endpoint.slo_p99_ms)
            for name, ms, limit in zip(("p95", "p99"), predicted * 1e3, limits, strict=True):
                rows.append((float(ms) / limit, endpoint, name, float(ms), limit))
        return max(rows, key=lambda row: row[0])[1:]

    def _path(self, endpoint: EndpointPlan) -> tuple[list[Leg], float]:
        by_id = {e.id: e for e in self.endpoints}
        stations = {s.id: s for s in self.launch.stations}
        path = legs(endpoint, by_id, stations, self.serving, self.work, self.sizes)
        return path, self.overhead_ms.get(endpoint.id, 0.0) / 1e3


def service_of(launch: Launch, identity: str | None) -> Service:
    """The service of that id."""
    return next(s for s in launch.services if s.id == identity)


def size_stations(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    fixed: Mapping[str, Size],
    overhead_ms: Mapping[str, float],
    scaling: Scaling | None = None,
) -> Sized:
    """Pods for every workload; `fixed` gives the sizes of the stations that are servers or upstreams.

    Raises Infeasible when no number of replicas meets an SLO.
    """
    _check_upstreams(launch, work)
    at: dict[str, Serving] = {s.id: InTurn(NO_WAIT) for s in launch.stations} | servings(launch, work, fixed)
    state = _Sizing(launch, endpoints, work, overhead_ms, scaling or {}, dict(fixed), at)
    least = {station.id: _size_service(state, station) for station in _inner_first(launch, endpoints)}
    return Sized(state.sizes, state.serving, least)


def _check_upstreams(launch: Launch, work: Workload) -> None:
    """An upstream whose connections are all busy makes every caller wait without end, whatever is leased."""
    for station in launch.stations:
        busy, allowed = float(np.max(work.stations[station.id].busy)), float(station.connections or 1)
        if station.kind == "upstream" and busy >= allowed:
            more, faster = busy / station.max_utilisation, station.latency_ms * station.max_utilisation * allowed / busy
            raise Infeasible(
                f"the {allowed:.0f} connections that {station.id} allows bind: {busy:.1f} calls at once are asked for, "
                f"at {station.latency_ms:g} ms each",
                f"Agree with {station.id} on {math.ceil(more)} connections or more, or on {faster:,.0f} ms a call.",
            )


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
    found = [s for s in launch.stations if s.kind == "pods"]
    return sorted(found, key=lambda s: order.index(s.service or ""))


def _size_service(state: _Sizing, station: Station) -> NDArray[np.int64]:
    """Find the replicas of one service, leave them in `state`, and return the least by utilisation and minimum."""
    service = service_of(state.launch, station.service)
    cores = service.replica_millicores / 1e3
    own = [e for e in state.endpoints if e.service == service.id]
    fit = state.scaling.get(station.id)
    busy = busy_or_infeasible(station.id, fit, state.work.stations[station.id].busy)
    wanted = busy / station.max_utilisation / cores
    least = np.maximum(service.min_replicas, np.ceil(wanted - 1e-9)).astype(np.int64)
    low, high = least - 1, least.copy()
    while True:
        state.set(station, high.astype(float))
        bad, _ = state.broken(own)
        if not bad.any():
            break
        if high[bad].max() >= MOST_REPLICAS:
            raise _beyond_help(state, service, own, int(high[bad].max()))
        low, high = np.where(bad, high, low), np.where(bad, np.minimum(2 * high, MOST_REPLICAS), high)
    while np.any(high - low > 1):
        middle = np.where(high - low > 1, (low + high) // 2, high)
        state.set(station, middle.astype(float))
        bad, _ = state.broken(own)
        low, high = np.where(bad, middle, low), np.where(bad, high, middle)
    state.set(station, high.astype(float))
    return least


def _beyond_help(state: _Sizing, service: Service, own: Sequence[EndpointPlan], replicas: int) -> Infeasible:
    endpoint, name, predicted, limit = state.furthest(own)
    return Infeasible(
        f"no number of {service.id} replicas meets the SLO slo_{name} {endpoint.id}: "
        f"{predicted:,.0f} ms with {replicas:,} replicas, {limit:,.0f} ms allowed",
        f"Raise slo_{name}_ms of {endpoint.id} to {predicted * 1.02:,.0f} at least, or lower its service demand, "
        f"the application factor or what its upstreams take.",
    )


def binding_rule(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    sized: Sized,
    station: Station,
    overhead_ms: Mapping[str, float],
    scaling: Scaling | None = None,
) -> tuple[str, str]:
    """What forbids one replica fewer in workload 0: `slo_p95` or `slo_p99` (endpoint), `max_utilisation`, `minimum`."""
    service = service_of(launch, station.service)
    replicas = float(sized.sizes[station.id].queues[0])
    if replicas <= service.min_replicas:
        return "minimum", ""
    if replicas <= float(sized.least[station.id][0]):
        return "max_utilisation", ""
    state = _Sizing(launch, endpoints, work, overhead_ms, scaling or {}, dict(sized.sizes), dict(sized.serving))
    state.set(station, np.array([replicas - 1]))
    _, which = state.broken([e for e in endpoints if e.service == service.id])
    rule, _, endpoint = which.partition(" ")
    return (rule, endpoint) if rule else ("max_utilisation", "")
