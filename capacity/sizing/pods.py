"""Replicas of every service: the fewest that keep every endpoint within its SLO at the design rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.faults import Infeasible
from capacity.launch import EndpointPlan, Launch
from capacity.queueing import network_response_quantile
from capacity.queueing.ggc import Wait
from capacity.sizing.predict import Size, legs, wait_at
from capacity.sizing.workload import Workload

MOST_REPLICAS = 4096
NO_WAIT = Wait(np.zeros(()), np.zeros(()), np.ones(()))


@dataclass(frozen=True, slots=True)
class Sized:
    """Sizes of all stations, waits at the design rate, and for each service what bound it: rule and endpoint."""

    sizes: Mapping[str, Size]
    waits: Mapping[str, Wait]
    rules: Mapping[str, tuple[str, str]]


def size_stations(
    launch: Launch, endpoints: tuple[EndpointPlan, ...], work: Workload, fixed: Mapping[str, Size]
) -> Sized:
    """Pods for `work`; `fixed` gives the sizes of the stations that are servers or upstreams.

    Services are sized one after another, each against the others' waits as they then stand, inner services first;
    a second pass lets the earlier ones see the later. Raises Infeasible when no number of replicas meets an SLO.
    """
    pods = [s for s in launch.stations if s.kind == "pods"]
    sizes: dict[str, Size] = dict(fixed)
    waits: dict[str, Wait] = {s.id: NO_WAIT for s in launch.stations}
    waits |= {name: wait_at(work.stations[name], size) for name, size in fixed.items()}
    rules: dict[str, tuple[str, str]] = {}
    inner = {called for e in endpoints for called in e.calls}
    order = sorted(pods, key=lambda s: not any(e.id in inner for e in endpoints if e.service == s.service))
    for _ in range(2):
        for station in order:
            service = next(s for s in launch.services if s.id == station.service)
            cores = service.replica_millicores / 1e3
            load = work.stations[station.id]
            least = max(service.min_replicas, int(np.ceil(load.busy / station.max_utilisation / cores - 1e-9)))
            rule = ("minimum", "") if least == service.min_replicas else ("max_utilisation", "")
            mine = [e for e in endpoints if e.service == station.service]

            def broken(replicas: int, name: str = station.id, own: list[EndpointPlan] = mine, c: float = cores) -> str:
                waits[name] = wait_at(work.stations[name], Size(replicas, c))
                return _broken_slo(launch, endpoints, own, waits, work.factor)

            replicas = least
            if broken(least):
                low, high = least, least * 2
                while broken(high):
                    low, high = high, high * 2
                    if high > MOST_REPLICAS:
                        which = broken(low)
                        raise Infeasible(
                            f"no number of {station.service} replicas meets the SLO of {which}",
                            "Raise the SLO, lower the service demand, or raise replica_millicores.",
                        )
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if broken(middle) else (low, middle)
                which = broken(high - 1)
                rule = (which.split(" ")[0], which.split(" ")[1])
                replicas = high
            broken(replicas)
            sizes[station.id] = Size(replicas, cores)
            rules[station.id] = rule
    return Sized(sizes, waits, rules)


def _broken_slo(
    launch: Launch,
    endpoints: tuple[EndpointPlan, ...],
    own: list[EndpointPlan],
    waits: Mapping[str, Wait],
    factor: float,
) -> str:
    """`slo_p95 api.submit` for the first SLO that is broken, or an empty text."""
    by_id = {e.id: e for e in endpoints}
    stations = {s.id: s for s in launch.stations}
    for endpoint in own:
        path = legs(endpoint, by_id, stations, waits, factor)
        p95, p99 = network_response_quantile([0.95, 0.99], path)
        if p95 * 1e3 > endpoint.slo_p95_ms:
            return f"slo_p95 {endpoint.id}"
        if p99 * 1e3 > endpoint.slo_p99_ms:
            return f"slo_p99 {endpoint.id}"
    return ""
