"""A stage predicted by simulating how its calls share processors: for stations whose processes serve calls interleaved.

Each pod is a group of its own, event loops and threads, that stops when the quota of a period is used. Edges give a
call from outside to the pod with the fewest of them; for the calls that services make of each other a pod is picked at
random. A call goes through its stations to the deepest, where the calls that it makes of other services, what upstream
agencies take and work in threads come in, and back: half the CPU of the outer ones on each way. Everything on one
machine takes turns on its cores, the load generator among it. Formulas Q18 to Q20 say what such a simulation gives at
one station.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from capacity.leaseplan import Deployment, Endpoint, EndpointPrediction, ServicePlan, StationPlan
from capacity.simulation.sharing import Group, Route, Shared, Step, simulate_sharing
from capacity.validation.conditions import (
    UNBOUNDED_MS,
    Conditions,
    StagePrediction,
    StationPrediction,
    demand_s,
    first_site_services,
    in_ms,
    scv_of,
    touched,
    visits_of,
)

CALLS: Final = 120_000
"""Calls simulated for one stage; the 95th percentile of an endpoint with a hundredth of them is good to 4 %."""
PROBES: Final = 400
"""Calls from outside of an endpoint that only other services call, so that it has a time of its own."""
LONGEST_S: Final = 20_000.0
FULL: Final = 0.995
"""Above, there is no steady state to simulate."""
BACKGROUND_PIECE_S: Final = 0.002
"""CPU of one health check or one turn of housekeeping."""
OTHER_PIECE_S: Final = 0.001
LEAST_THREADS: Final = 2
"""Threads of a pod beside its event loops: as many as the machine has cores, and at least two (`ThreadPoolExecutor` in
`loadtests/target/security.py`)."""
CONNECTIONS: Final = 64
"""Processes of the database, one a connection: more than ever run at once on one machine."""
BACKGROUND: Final = "background of "
OTHERS: Final = "others on the machine"


def simulate_stage(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    call_rates: Mapping[str, float],
    conditions: Conditions,
    label: str = "",
    calls: int = CALLS,
) -> StagePrediction:
    """The stage at given calls a second, inner calls included, from that many simulated calls."""
    known = {e.id: e for e in endpoints}
    plans = {s.id: s for s in deployment.stations}
    seen = visits_of(known, plans, call_rates, conditions)
    busy = {
        name: (sum(v.rate * v.seconds for v in visits) + conditions.background_cores.get(name, 0.0))
        for name, visits in seen.items()
    }
    ours = sum(cores for name, cores in busy.items() if plans[name].kind != "upstream")
    machine = (ours + conditions.other_busy_cores) / (conditions.machine_cores or math.inf)
    busiest = max([machine, *(cores / plans[name].servers for name, cores in busy.items())])
    shared = None if busiest >= FULL else simulated(deployment, endpoints, call_rates, conditions, calls)
    stations = tuple(
        StationPrediction(
            name,
            plans[name].servers,
            sum(v.rate for v in visits),
            busy[name] / plans[name].servers,
            UNBOUNDED_MS if shared is None else in_ms(shared.visits[name].mean()),
            UNBOUNDED_MS if shared is None else in_ms(np.quantile(shared.visits[name], 0.95)),
        )
        for name, visits in seen.items()
    )
    answers = []
    for endpoint in endpoints:
        if (rate := call_rates.get(endpoint.id, 0.0)) > 0:
            overhead = conditions.overhead_ms.get(endpoint.id, 0.0) / 1e3
            times = None if shared is None else shared.responses[endpoint.id] + overhead
            p95, p99 = (UNBOUNDED_MS,) * 2 if times is None else map(in_ms, np.quantile(times, [0.95, 0.99]))
            mean = UNBOUNDED_MS if times is None else in_ms(times.mean())
            answers.append(EndpointPrediction(
                endpoint=endpoint.id, arrival_rate_per_s=rate, mean_ms=mean, p95_ms=p95, p99_ms=p99
            ))  # fmt: skip
    return StagePrediction(label, stations, tuple(answers), busiest)


def simulated(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    call_rates: Mapping[str, float],
    conditions: Conditions,
    calls: int = CALLS,
) -> Shared:
    """Response times without overheads, and of visits at stations, in seconds. The same question is answered once."""
    groups, of_station = _groups(deployment, conditions)
    known = {e.id: e for e in endpoints}
    plans = {s.id: s for s in deployment.stations}
    outside = {e: max(0.0, r) for e, r in _from_outside(known, call_rates).items()}
    total = sum(outside.values())
    duration = min(calls / total, LONGEST_S) if total > 0 else 1.0
    routes = [
        (
            name,
            max(rate, PROBES / duration),
            tuple(_steps(known[name], known, plans, of_station, conditions)),
            _pods_of(known[name], plans, of_station) if conditions.pods_told_apart else (),
        )
        for name, rate in outside.items()
    ]
    for name, cores in conditions.background_cores.items():
        if cores > 0 and name in of_station:
            piece = Step(of_station[name], BACKGROUND_PIECE_S)
            routes.append((BACKGROUND + name, cores / BACKGROUND_PIECE_S, (piece,), ()))
    if conditions.machine_cores is not None:
        others = conditions.other_busy_cores
        if conditions.generator_ms > 0:
            others -= conditions.generator_ms / 1e3 * total
            groups = (*groups, Group())
            half = Step((len(groups) - 1,), conditions.generator_ms / 2e3)
            routes = [(n, r, (half, *steps, half) if n in outside else steps, pods) for n, r, steps, pods in routes]
        if others > 0:
            groups = (*groups, Group(width=conditions.machine_cores))
            routes.append((OTHERS, others / OTHER_PIECE_S, (Step((len(groups) - 1,), OTHER_PIECE_S),), ()))
    return _run(groups, tuple(routes), duration, conditions.machine_cores or math.inf)


@lru_cache(maxsize=16)
def _run(
    groups: tuple[Group, ...],
    routes: tuple[tuple[str, float, tuple[Step, ...], tuple[int, ...]], ...],
    duration: float,
    cores: float,
) -> Shared:
    plain = {name: Route(rate, steps, pods) for name, rate, steps, pods in routes}
    return simulate_sharing(groups, plain, duration, cores=cores)


def _pods_of(
    endpoint: Endpoint, plans: Mapping[str, StationPlan], of_station: Mapping[str, tuple[int, ...]]
) -> tuple[int, ...]:
    """The pods of which the edge gives a call one; none for an endpoint without."""
    found = (of_station[name] for name in touched(endpoint, plans) if plans[name].kind == "pods")
    return next(found, ())


def _groups(deployment: Deployment, conditions: Conditions) -> tuple[tuple[Group, ...], dict[str, tuple[int, ...]]]:
    """The groups, and which of them are a station's."""
    services = first_site_services(deployment)
    groups: list[Group] = []
    of_station = {}
    for plan in deployment.stations:
        if plan.kind != "upstream":
            mine = _station_groups(plan, services, conditions.machine_cores)
            of_station[plan.id] = tuple(range(len(groups), len(groups) + len(mine)))
            groups += mine
    return tuple(groups), of_station


def _station_groups(plan: StationPlan, services: Mapping[str, ServicePlan], cores: int | None) -> list[Group]:
    in_turn = plan.discipline == "fcfs"
    if plan.kind == "pods":
        service = services[plan.service or plan.id]
        threads = max(LEAST_THREADS, cores or 0)
        return [Group(service.processes, service.cpu_millicores / 1e3, in_turn, threads)] * service.replicas
    if cores is not None and plan.role == "database":
        return [Group(CONNECTIONS, plan.servers if plan.servers < cores else math.inf, in_turn)]
    if cores is not None and plan.servers < cores:
        return [Group(cores, plan.servers, in_turn)]
    return [Group(plan.servers, in_turn=in_turn)]


def _from_outside(known: Mapping[str, Endpoint], call_rates: Mapping[str, float]) -> dict[str, float]:
    """Calls a second that are not made by another endpoint."""
    out = {name: rate for name, rate in call_rates.items() if rate > 0}
    for name, rate in call_rates.items():
        for inner, count in known[name].calls.items():
            if inner in out:
                out[inner] -= rate * count
    return out


def _steps(
    endpoint: Endpoint,
    known: Mapping[str, Endpoint],
    plans: Mapping[str, StationPlan],
    of_station: Mapping[str, Sequence[int]],
    conditions: Conditions,
    visits: float = 1.0,
    above: tuple[str, ...] = (),
) -> list[Step]:
    """Every visit of one call, inner calls included; a call that leads back to itself counts once."""
    there: list[Step] = []
    middle: list[Step] = []
    path = touched(endpoint, plans)
    deepest = [name for name in path if plans[name].kind != "upstream"][-1:]
    for name, count in path.items():
        plan = plans[name]
        mean, scv = demand_s(endpoint, plan, conditions), scv_of(endpoint, plan, conditions)
        if plan.kind == "upstream":
            middle.append(Step((), mean, scv, visits * count, "lognormal", name))
            continue
        share = conditions.in_threads.get((name, endpoint.id), endpoint.in_threads)
        if plan.kind == "pods" and share > 0:
            beside = Step(tuple(of_station[name]), mean * share, scv, visits * count, name=name)
            middle.append(replace(beside, in_thread=True))
            mean *= 1 - share
        if name in deepest:
            middle.insert(0, Step(tuple(of_station[name]), mean, scv, visits * count, name=name))
        else:
            # two independent halves have the mean and the variance of one visit
            there.append(Step(tuple(of_station[name]), mean / 2, 2 * scv, visits * count, name=name))
    for inner, count in endpoint.calls.items():
        if inner in known and inner not in above:
            trail = (*above, endpoint.id)
            middle += _steps(known[inner], known, plans, of_station, conditions, visits * count, trail)
    return [*there, *middle, *reversed(there)]
