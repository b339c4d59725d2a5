"""What a prediction of one stage starts from and ends in: where the test ran, who asks what of which station."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from capacity.leaseplan import Deployment, Endpoint, EndpointPrediction, ServicePlan, StationPlan

UNBOUNDED_MS = 1e7
"""Shown for a station without a steady state, since a document holds no infinity."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the lease plan does not say about where the test ran.

    `demand_ms`: (station, endpoint) → measured CPU ms a call, before the plan's. `in_threads`: likewise the share of it
    that threads beside the event loops use. `service_scv`: station → scv of one call's demand, before the plan's.
    `overhead_ms`: endpoint → time that no CPU explains. `latency_ms`: of upstreams. `machine_cores`: cores that all
    stations share, None where every server is a machine of its own. `other_busy_cores`: cores of that machine kept busy
    by anything but stations. `generator_ms`: CPU of the load generator for a call, part of them. `background_cores`:
    station → cores that it burns without any call; shown in its utilisation.
    `fixed_work_ms`: CPU of the fixed piece of work when `demand_ms` was measured. `pace`: CPU that work takes now over
    what it took then. `pods_told_apart`: whether the edge chooses among pods, which takes one pod of a service a
    worker, as on racks; else among workers, and pods behind them at random.
    """

    demand_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)
    in_threads: Mapping[tuple[str, str], float] = field(default_factory=dict)
    service_scv: Mapping[str, float] = field(default_factory=dict)
    overhead_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    machine_cores: int | None = None
    other_busy_cores: float = 0.0
    generator_ms: float = 0.0
    background_cores: Mapping[str, float] = field(default_factory=dict)
    fixed_work_ms: float | None = None
    pace: float = 1.0
    pods_told_apart: bool = True


@dataclass(frozen=True, slots=True)
class StationPrediction:
    """One station in one stage. `servers`: CPU servers together; times of one visit, waiting and service."""

    station: str
    servers: float
    arrival_rate_per_s: float
    utilisation: float
    mean_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class StagePrediction:
    """One stage: its stations (upstreams among them) and the endpoints that were called.

    `busiest`: utilisation of the busiest station, or of the machine that all share.
    """

    label: str
    stations: tuple[StationPrediction, ...]
    endpoints: tuple[EndpointPrediction, ...]
    busiest: float = 0.0


def interleaved(deployment: Deployment) -> bool:
    """Whether any of its stations serves calls interleaved."""
    return any(station.discipline == "ps" for station in deployment.stations if station.kind != "upstream")


def first_site_services(deployment: Deployment) -> dict[str, ServicePlan]:
    """Services by their id; of those deployed at several sites the first, which is the primary site's."""
    return {s.id: s for s in reversed(deployment.services)}


@dataclass(frozen=True, slots=True)
class Visited:
    """What one endpoint asks of a station: visits a second, mean seconds and scv of a visit's demand."""

    rate: float
    seconds: float
    scv: float


def demand_s(endpoint: Endpoint, station: StationPlan, conditions: Conditions) -> float:
    """Mean seconds of one visit: CPU, or an upstream's latency."""
    if station.kind == "upstream":
        return conditions.latency_ms.get(station.id, station.demand_ms) / 1e3
    planned = endpoint.demand_ms.get(station.id, 0.0) * station.demand_factor
    measured = conditions.demand_ms.get((station.id, endpoint.id))
    return (planned if measured is None else measured * conditions.pace) / 1e3


def scv_of(endpoint: Endpoint, station: StationPlan, conditions: Conditions) -> float:
    """Squared coefficient of variation of one visit's demand."""
    own = endpoint.scv if station.kind == "pods" else None
    return conditions.service_scv.get(station.id, station.service_scv if own is None else own)


def touched(endpoint: Endpoint, plans: Mapping[str, StationPlan]) -> dict[str, float]:
    """Station → visits of one call, without inner calls."""
    here = dict.fromkeys((s for s in endpoint.demand_ms), 1.0)
    here.update({s: n for s, n in endpoint.calls.items() if s in plans})
    if missing := sorted(set(here) - set(plans)):
        raise ValueError(f"{endpoint.id} visits stations that the deployment does not have: {', '.join(missing)}")
    return here


def visits_of(
    known: Mapping[str, Endpoint],
    plans: Mapping[str, StationPlan],
    rates: Mapping[str, float],
    conditions: Conditions,
) -> dict[str, list[Visited]]:
    """Station → what every endpoint asks of it, in the deployment's order."""
    out: dict[str, list[Visited]] = {name: [] for name in plans}
    for name, rate in rates.items():
        for station, count in touched(known[name], plans).items():
            plan = plans[station]
            demand, scv = demand_s(known[name], plan, conditions), scv_of(known[name], plan, conditions)
            out[station].append(Visited(rate * count, demand, scv))
    return {name: seen for name, seen in out.items() if any(v.rate * v.seconds > 0 for v in seen)}


def in_ms(seconds: object) -> float:
    """Milliseconds as a document shows them."""
    value = float(np.asarray(seconds, float)) * 1e3
    return round(value, 3) if np.isfinite(value) else UNBOUNDED_MS
