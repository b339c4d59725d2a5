"""What the model says of each stage of a load test: from measured calls and demands to utilisation and percentiles.

A stage is predicted from the calls that were offered in it, not from the plan's design rate, so that a verdict on the
model is not a verdict on the load generator. Pods: every replica is a queue of its own behind a random split, under
its CPU quota. Servers: one queue for all their cores. Upstreams: as many servers as they allow connections. Where
everything shares one machine, a call also waits for a core of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from capacity.evidence import StageResult
from capacity.leaseplan import Deployment, Endpoint, EndpointPrediction, ServicePlan, StationPlan
from capacity.queueing import (
    Leg,
    QuotaWait,
    Wait,
    ggc_wait,
    network_response_moments,
    network_response_quantile,
    quota_wait,
)
from capacity.validation.recalibrate import calls_in

UNBOUNDED_MS = 1e7
"""Shown for a station without a steady state, since a document holds no infinity."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the lease plan does not say about where the test ran.

    `demand_ms`: (station, endpoint) → measured CPU ms a call, before the plan's. `service_scv`: station → scv of one
    call's demand, before the plan's. `overhead_ms`: endpoint → time that no CPU explains. `latency_ms`: of upstreams.
    `machine_cores`: cores that all stations share, None where every server is a machine of its own.
    `other_busy_cores`: cores of that machine kept busy by anything else, the load generator for one.
    `background_cores`: station → cores that it burns without any call; shown in its utilisation.
    """

    demand_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)
    service_scv: Mapping[str, float] = field(default_factory=dict)
    overhead_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    machine_cores: int | None = None
    other_busy_cores: float = 0.0
    background_cores: Mapping[str, float] = field(default_factory=dict)


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
    """One stage: its stations (upstreams among them) and the endpoints that were called."""

    label: str
    stations: tuple[StationPrediction, ...]
    endpoints: tuple[EndpointPrediction, ...]


class _Queue(Protocol):
    """A station in steady state, asked for the visit of one endpoint."""

    def legs(self, mean_service: float, cs2: float, visits: float) -> list[Leg]: ...


@dataclass(frozen=True, slots=True)
class _Visit:
    """What one endpoint asks of a station: visits a second, mean seconds and scv of a visit's demand."""

    rate: float
    seconds: float
    scv: float


@dataclass(frozen=True, slots=True)
class _Mix:
    """All visits of a station: rate a second, mean (seconds) and scv of their demands."""

    rate: float
    mean: float
    scv: float


def predict_stages(
    deployment: Deployment, endpoints: Sequence[Endpoint], stages: Iterable[StageResult], conditions: Conditions
) -> tuple[StagePrediction, ...]:
    """One prediction for every stage, at the rates of the calls that it offered (and the inner calls these make)."""
    return tuple(
        predict_stage(
            deployment,
            endpoints,
            {e: n / stage.duration_s for e, n in calls_in(stage, endpoints).items()},
            conditions,
            stage.label,
        )
        for stage in stages
    )


def predict_stage(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    call_rates: Mapping[str, float],
    conditions: Conditions,
    label: str = "",
) -> StagePrediction:
    """The model at given calls a second, inner calls included. Raises ValueError for an unknown endpoint or station."""
    known = {e.id: e for e in endpoints}
    plans = {s.id: s for s in deployment.stations}
    if unknown := sorted(set(call_rates) - set(known)):
        raise ValueError(f"calls of endpoints that the lease plan does not have: {', '.join(unknown)}")
    visits = _visits(known, plans, call_rates, conditions)
    services = {s.id: s for s in deployment.services}
    machine = _machine(visits, plans, conditions)
    queues = {name: _queue(plans[name], services, _mix(visits[name]), conditions) for name in visits}
    out = []
    for name, seen in visits.items():
        mix = _mix(seen)
        legs = [*queues[name].legs(mix.mean, mix.scv, 1.0), *(machine if plans[name].kind != "upstream" else [])]
        busy = (mix.rate * mix.mean + conditions.background_cores.get(name, 0.0)) / plans[name].servers
        out.append(
            StationPrediction(
                name, plans[name].servers, mix.rate, busy,
                _ms(network_response_moments(legs).mean), _ms(network_response_quantile(0.95, legs)),
            )
        )  # fmt: skip
    answers = []
    for endpoint in endpoints:
        if call_rates.get(endpoint.id, 0.0) > 0:
            legs = _path(endpoint, known, plans, queues, machine, conditions)
            overhead = conditions.overhead_ms.get(endpoint.id, 0.0) / 1e3
            p95, p99 = network_response_quantile([0.95, 0.99], legs, overhead)
            mean = network_response_moments(legs, overhead).mean
            answers.append(
                EndpointPrediction(
                    endpoint=endpoint.id,
                    arrival_rate_per_s=call_rates[endpoint.id],
                    mean_ms=_ms(mean),
                    p95_ms=_ms(p95),
                    p99_ms=_ms(p99),
                )
            )
    return StagePrediction(label, tuple(out), tuple(answers))


def _demand_s(endpoint: Endpoint, station: StationPlan, conditions: Conditions) -> float:
    if station.kind == "upstream":
        return conditions.latency_ms.get(station.id, station.demand_ms) / 1e3
    planned = endpoint.demand_ms.get(station.id, 0.0) * station.demand_factor
    return conditions.demand_ms.get((station.id, endpoint.id), planned) / 1e3


def _scv(endpoint: Endpoint, station: StationPlan, conditions: Conditions) -> float:
    own = endpoint.scv if station.kind == "pods" else None
    return conditions.service_scv.get(station.id, station.service_scv if own is None else own)


def _touched(endpoint: Endpoint, plans: Mapping[str, StationPlan]) -> dict[str, float]:
    """Station → visits of one call, without inner calls."""
    here = dict.fromkeys((s for s in endpoint.demand_ms), 1.0)
    here.update({s: n for s, n in endpoint.calls.items() if s in plans})
    if missing := sorted(set(here) - set(plans)):
        raise ValueError(f"{endpoint.id} visits stations that the deployment does not have: {', '.join(missing)}")
    return here


def _visits(
    known: Mapping[str, Endpoint],
    plans: Mapping[str, StationPlan],
    rates: Mapping[str, float],
    conditions: Conditions,
) -> dict[str, list[_Visit]]:
    """Station → what every endpoint asks of it, in the deployment's order."""
    out: dict[str, list[_Visit]] = {name: [] for name in plans}
    for name, rate in rates.items():
        for station, count in _touched(known[name], plans).items():
            plan = plans[station]
            demand, scv = _demand_s(known[name], plan, conditions), _scv(known[name], plan, conditions)
            out[station].append(_Visit(rate * count, demand, scv))
    return {name: seen for name, seen in out.items() if any(v.rate * v.seconds > 0 for v in seen)}


def _mix(seen: Sequence[_Visit]) -> _Mix:
    rate = sum(v.rate for v in seen)
    mean = sum(v.rate * v.seconds for v in seen) / rate
    square = sum(v.rate * v.seconds**2 * (1 + v.scv) for v in seen) / rate
    return _Mix(rate, mean, max(square / mean**2 - 1, 0.0))


@dataclass(frozen=True, slots=True)
class _Shared:
    """One queue for all servers of a station."""

    wait: Wait

    def legs(self, mean_service: float, cs2: float, visits: float) -> list[Leg]:
        return [Leg(self.wait, mean_service, cs2, visits)]


@dataclass(frozen=True, slots=True)
class _Limited:
    """One container of several alike, with its share of the visits and its CPU quota."""

    mix: _Mix
    quota: float
    processes: int

    def legs(self, mean_service: float, cs2: float, visits: float) -> list[Leg]:
        wait: QuotaWait = quota_wait(
            self.mix.rate, self.mix.mean, self.quota, self.mix.scv,
            own_service=mean_service, own_cs2=cs2, processes=self.processes, service_shape="phase",
        )  # fmt: skip
        return wait.legs(mean_service, cs2, visits)


def _queue(plan: StationPlan, services: Mapping[str, ServicePlan], mix: _Mix, conditions: Conditions) -> _Queue:
    """Visits of several endpoints are a mixture of laws: the shape `phase`."""
    if plan.kind == "pods":
        service = services[plan.service or plan.id]
        own = _Mix(mix.rate / service.replicas, mix.mean, mix.scv)
        return _Limited(own, service.cpu_millicores / 1e3, service.processes)
    cores = conditions.machine_cores
    if plan.kind == "server" and cores is not None and plan.servers < cores:
        return _Limited(mix, plan.servers, cores)
    return _Shared(ggc_wait(mix.rate, mix.mean, plan.servers, 1.0, mix.scv, service_shape="phase"))


def _machine(
    visits: Mapping[str, Sequence[_Visit]], plans: Mapping[str, StationPlan], conditions: Conditions
) -> list[Leg]:
    """The wait for a core of the machine that everything shares; nothing where nothing is shared."""
    if conditions.machine_cores is None:
        return []
    seen = [v for name, asked in visits.items() if plans[name].kind != "upstream" for v in asked]
    if not seen:
        return []
    mix = _mix(seen)
    # what else keeps the machine busy comes in pieces like these
    rate = mix.rate + conditions.other_busy_cores / mix.mean
    return [Leg(ggc_wait(rate, mix.mean, conditions.machine_cores, 1.0, mix.scv, service_shape="phase"), 0.0)]


def _path(
    endpoint: Endpoint,
    known: Mapping[str, Endpoint],
    plans: Mapping[str, StationPlan],
    queues: Mapping[str, _Queue],
    machine: Sequence[Leg],
    conditions: Conditions,
    visits: float = 1.0,
    above: tuple[str, ...] = (),
) -> list[Leg]:
    """Every visit of one call, inner calls included; a call that leads back to itself counts once."""
    out: list[Leg] = []
    for name, count in _touched(endpoint, plans).items():
        if name in queues:
            service = _demand_s(endpoint, plans[name], conditions)
            out += queues[name].legs(service, _scv(endpoint, plans[name], conditions), visits * count)
            if plans[name].kind != "upstream":
                out += [Leg(leg.wait, leg.mean_service, leg.cs2, visits * count) for leg in machine]
    for inner, count in endpoint.calls.items():
        if inner in known and inner not in above:
            trail = (*above, endpoint.id)
            out += _path(known[inner], known, plans, queues, machine, conditions, visits * count, trail)
    return out


def _ms(seconds: object) -> float:
    value = float(np.asarray(seconds, float)) * 1e3
    return round(value, 3) if np.isfinite(value) else UNBOUNDED_MS
