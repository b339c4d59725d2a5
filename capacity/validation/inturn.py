"""A stage predicted from formulas, for stations that serve calls in turn, first come first served.

Pods: every replica is a queue of its own behind a random split, under its CPU quota. Servers: one queue for all their
cores. Upstreams: as many servers as they allow connections. Where everything shares one machine, a call also waits for
a core of the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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
from capacity.validation.conditions import (
    Conditions,
    StagePrediction,
    StationPrediction,
    Visited,
    demand_s,
    first_site_services,
    in_ms,
    scv_of,
    touched,
    visits_of,
)


class _Queue(Protocol):
    """A station in steady state, asked for the visit of one endpoint."""

    def legs(self, mean_service: float, cs2: float, visits: float) -> list[Leg]: ...


@dataclass(frozen=True, slots=True)
class _Mix:
    """All visits of a station: rate a second, mean (seconds) and scv of their demands."""

    rate: float
    mean: float
    scv: float


def formula_stage(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    call_rates: Mapping[str, float],
    conditions: Conditions,
    label: str = "",
) -> StagePrediction:
    """The stage at given calls a second, inner calls included; overheads as `Conditions` has them, constant."""
    known = {e.id: e for e in endpoints}
    plans = {s.id: s for s in deployment.stations}
    visits = visits_of(known, plans, call_rates, conditions)
    services = first_site_services(deployment)
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
                in_ms(network_response_moments(legs).mean), in_ms(network_response_quantile(0.95, legs)),
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
                    mean_ms=in_ms(mean),
                    p95_ms=in_ms(p95),
                    p99_ms=in_ms(p99),
                )
            )
    return StagePrediction(label, tuple(out), tuple(answers), max((s.utilisation for s in out), default=0.0))


def _mix(seen: Sequence[Visited]) -> _Mix:
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
    visits: Mapping[str, Sequence[Visited]], plans: Mapping[str, StationPlan], conditions: Conditions
) -> list[Leg]:
    """The wait for a core of the machine that everything shares; nothing where nothing is shared."""
    if conditions.machine_cores is None:
        return []
    seen = [v for name, asked in visits.items() if plans[name].kind != "upstream" for v in asked]
    if not seen:
        return []
    mix = _mix(seen)
    # what else keeps the machine busy comes in pieces like these
    others = conditions.other_busy_cores + sum(conditions.background_cores.values())
    rate = mix.rate + others / mix.mean
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
    for name, count in touched(endpoint, plans).items():
        if name in queues:
            service = demand_s(endpoint, plans[name], conditions)
            out += queues[name].legs(service, scv_of(endpoint, plans[name], conditions), visits * count)
            if plans[name].kind != "upstream":
                out += [Leg(leg.wait, leg.mean_service, leg.cs2, visits * count) for leg in machine]
    for inner, count in endpoint.calls.items():
        if inner in known and inner not in above:
            trail = (*above, endpoint.id)
            out += _path(known[inner], known, plans, queues, machine, conditions, visits * count, trail)
    return out
