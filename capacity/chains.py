"""What one call of an endpoint costs over everything it calls: CPU at each station, and calls of each upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from capacity.launch import EndpointPlan, Launch


@dataclass(frozen=True, slots=True)
class Chain:
    """One call with all its inner calls. `demand_ms`: station → CPU ms; `upstream_calls`: upstream → calls."""

    demand_ms: Mapping[str, float]
    upstream_calls: Mapping[str, float]
    latency_ms: float
    inner: Mapping[str, float] = field(default_factory=dict)

    def service_ms(self) -> float:
        """Response time when nothing waits."""
        return sum(self.demand_ms.values()) + self.latency_ms


def call_chains(launch: Launch) -> dict[str, Chain]:
    """Endpoint → its chain. A call that leads back to itself counts once, so that a cycle cannot hang the plan."""
    endpoints = {e.id: e for e in launch.endpoints}
    latency = {s.id: s.latency_ms for s in launch.stations if s.kind == "upstream"}
    return {e.id: _chain(e, endpoints, latency, ()) for e in launch.endpoints}


def _chain(
    endpoint: EndpointPlan, endpoints: Mapping[str, EndpointPlan], latency: Mapping[str, float], path: tuple[str, ...]
) -> Chain:
    demand = dict(endpoint.demand_ms)
    upstream: dict[str, float] = {}
    inner: dict[str, float] = {}
    waiting = 0.0
    for name, count in endpoint.calls.items():
        if name in latency:
            upstream[name] = upstream.get(name, 0.0) + count
            waiting += count * latency[name]
        elif name in endpoints and name not in path:
            inner[name] = inner.get(name, 0.0) + count
            called = _chain(endpoints[name], endpoints, latency, (*path, endpoint.id))
            for station, ms in called.demand_ms.items():
                demand[station] = demand.get(station, 0.0) + count * ms
            for station, calls in called.upstream_calls.items():
                upstream[station] = upstream.get(station, 0.0) + count * calls
            for other, calls in called.inner.items():
                inner[other] = inner.get(other, 0.0) + count * calls
            waiting += count * called.latency_ms
    return Chain(demand, upstream, waiting, inner)
