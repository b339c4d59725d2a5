"""Predictions of load-test stages: laws that must hold, and agreement with simulations of what is predicted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from capacity.evidence import EndpointResult, StageResult
from capacity.leaseplan import Deployment, Endpoint, ServicePlan, StationPlan
from capacity.simulation.quota import simulate_quota
from capacity.simulation.series import Route, SimulatedStation, simulate_routes
from capacity.validation.conditions import UNBOUNDED_MS, Conditions, StagePrediction
from capacity.validation.predictions import predict_stage, predict_stages

ZERO = {"arrival_rate_per_s": 0, "demand_ms": 0, "utilisation": 0, "mean_ms": 0, "p95_ms": 0, "p99_ms": 0}


def station(name: str, kind: str, servers: float, demand_factor: float = 1.0, demand_ms: float = 0) -> StationPlan:
    place = {"service": name} if kind == "pods" else {}
    return StationPlan.model_validate(
        ZERO
        | place
        | {"id": name, "kind": kind, "servers": servers, "demand_factor": demand_factor, "capacity_per_s": 0}
        | {"demand_ms": demand_ms}
    )


def service(name: str, replicas: int, millicores: int, processes: int = 1) -> ServicePlan:
    return ServicePlan(
        id=name,
        site="primary",
        namespace=name,
        replicas=replicas,
        min_available=1,
        cpu_millicores=millicores,
        memory_mib=128,
        processes=processes,
    )


def endpoint(name: str, demand_ms: dict[str, float], calls: dict[str, float] | None = None) -> Endpoint:
    return Endpoint(
        id=name,
        service=name.split(".")[0],
        method="GET",
        path="/",
        demand_ms=demand_ms,
        calls=calls or {},
        slo_p95_ms=500,
        slo_p99_ms=1000,
    )


def deployment(stations: list[StationPlan], services: list[ServicePlan]) -> Deployment:
    return Deployment(
        scale="rack",
        load_factor=1.0,
        class_rates_per_s={},
        servers=(),
        services=tuple(services),
        stations=tuple(stations),
        endpoints=(),
    )


PLACE = deployment(
    [
        station("edge", "server", 2),
        station("api", "pods", 4),
        station("gateway", "pods", 2),
        station("database", "server", 4),
        station("registry", "upstream", 64, demand_ms=60),
    ],
    [service("api", 4, 1000), service("gateway", 2, 1000)],
)
ENDPOINTS = [
    endpoint("api.get", {"edge": 2, "api": 10, "database": 4}),
    endpoint("api.submit", {"edge": 3, "api": 60, "database": 50}),
    endpoint("api.list", {"edge": 2, "api": 20, "database": 30}),
    endpoint("api.nik", {"edge": 2, "api": 5}, {"gateway.nik": 1}),
    endpoint("gateway.nik", {"gateway": 3, "database": 1}, {"registry": 1}),
]
RATES = {"api.get": 60.0, "api.submit": 20.0, "api.list": 30.0}


def by_station(found: StagePrediction) -> dict[str, float]:
    return {s.station: s.utilisation for s in found.stations}


def stage(label: str, count: int, seconds: float, times_us: Iterable[float] = ()) -> StageResult:
    """A stage in which `api.nik` was called so often; the times of its answers, where they matter."""
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in times_us:
        histogram.record_value(int(value))
    result = EndpointResult(
        endpoint="api.nik", traffic_class="portal", count=count, errors=0, mean_ms=1, p50_ms=1, p95_ms=1, p99_ms=1,
        max_ms=1, histogram=histogram.encode().decode(),
    )  # fmt: skip
    return StageResult(
        label=label,
        warmup=False,
        held_out=False,
        started=dt.datetime(2018, 7, 9, tzinfo=dt.UTC),
        duration_s=seconds,
        share=1.0,
        offered_journeys_per_s=1,
        achieved_journeys_per_s=1,
        offered_calls_per_s=count / seconds,
        achieved_calls_per_s=count / seconds,
        unsent=0,
        endpoints=(result,),
    )


def test_utilisation_law() -> None:
    found = predict_stage(PLACE, ENDPOINTS, RATES | {"api.nik": 10.0, "gateway.nik": 10.0}, Conditions())
    busy = by_station(found)
    assert busy["edge"] == pytest.approx((60 * 2 + 20 * 3 + 30 * 2 + 10 * 2) / 1e3 / 2)
    assert busy["api"] == pytest.approx((60 * 10 + 20 * 60 + 30 * 20 + 10 * 5) / 1e3 / 4)
    assert busy["gateway"] == pytest.approx(10 * 3 / 1e3 / 2)
    assert busy["registry"] == pytest.approx(10 * 60 / 1e3 / 64)


def test_measured_demands_come_before_planned_ones() -> None:
    measured = Conditions(demand_ms={("api", "api.get"): 20.0})
    assert by_station(predict_stage(PLACE, ENDPOINTS, {"api.get": 50.0}, measured))["api"] == pytest.approx(0.25)


def test_endpoints_against_simulation() -> None:
    """Whole-core pods behind a random split, and shared servers: means within 8 %, p95 within 10 %."""
    stations = {"edge": SimulatedStation(2), "api": SimulatedStation(1, queues=4), "database": SimulatedStation(4)}
    routes = {e.id: Route(RATES[e.id], [(s, ms / 1e3, 1.0) for s, ms in e.demand_ms.items()]) for e in ENDPOINTS[:3]}
    measured = simulate_routes(stations, routes, 400.0, seed=6)
    for answer in predict_stage(PLACE, ENDPOINTS, RATES, Conditions()).endpoints:
        times = measured[answer.endpoint]
        assert answer.mean_ms / 1e3 == pytest.approx(times.mean(), rel=0.08)
        assert answer.p95_ms / 1e3 == pytest.approx(float(np.quantile(times, 0.95)), rel=0.10)
        assert answer.p99_ms / 1e3 == pytest.approx(float(np.quantile(times, 0.99)), rel=0.15)


def test_pods_under_a_quota_against_the_mechanism() -> None:
    """Two pods of 300 m: each a container of its own with half the calls, quick until its quota is used."""
    place = deployment([station("api", "pods", 0.6)], [service("api", 2, 300)])
    call = [endpoint("api.status", {"api": 5.0})]
    (answer,) = predict_stage(place, call, {"api.status": 84.0}, Conditions()).endpoints
    run = simulate_quota(42.0, 0.005, 0.3, customers=600_000)
    assert answer.mean_ms / 1e3 == pytest.approx(run.response_mean().value, rel=0.06)
    assert answer.p95_ms / 1e3 == pytest.approx(run.response_quantile(0.95).value, rel=0.10)
    (calm,) = predict_stage(place, call, {"api.status": 1.0}, Conditions()).endpoints
    assert calm.mean_ms == pytest.approx(5.0, rel=0.05)


def test_long_calls_stop_where_short_ones_do_not() -> None:
    """At the same calm pod, a sign-in of 32 ms outlasts a budget of 30 ms; a status of 2 ms does not."""
    place = deployment([station("api", "pods", 0.3)], [service("api", 1, 300)])
    calls = [endpoint("api.signin", {"api": 32.0}), endpoint("api.status", {"api": 2.0})]
    conditions = Conditions(service_scv={"api": 0.05})
    found = predict_stage(place, calls, {"api.signin": 0.2, "api.status": 0.5}, conditions)
    means = {e.endpoint: e.mean_ms for e in found.endpoints}
    assert means["api.status"] < 5
    assert means["api.signin"] > 45


def test_inner_calls_and_upstream_latency_are_part_of_the_answer() -> None:
    found = predict_stage(PLACE, ENDPOINTS, {"api.nik": 1.0, "gateway.nik": 1.0}, Conditions())
    means = {e.endpoint: e.mean_ms for e in found.endpoints}
    assert means["gateway.nik"] == pytest.approx(3 + 1 + 60, rel=0.02)
    assert means["api.nik"] == pytest.approx(2 + 5 + 64, rel=0.02)


def test_overhead_and_a_shared_machine_add_time() -> None:
    alone = predict_stage(PLACE, ENDPOINTS, RATES, Conditions()).endpoints[0]
    slower = predict_stage(PLACE, ENDPOINTS, RATES, Conditions(overhead_ms={"api.get": 7.0})).endpoints[0]
    assert slower.p95_ms == pytest.approx(alone.p95_ms + 7, rel=1e-3)
    shared = predict_stage(PLACE, ENDPOINTS, RATES, Conditions(machine_cores=8, other_busy_cores=2.0)).endpoints[0]
    assert shared.mean_ms > alone.mean_ms


def test_more_calls_take_longer_and_overload_has_no_end() -> None:
    previous = 0.0
    for factor in (0.2, 0.6, 1.0, 1.3):
        (answer, *_) = predict_stage(
            PLACE, ENDPOINTS, {e: r * factor for e, r in RATES.items()}, Conditions()
        ).endpoints
        assert answer.p95_ms > previous
        previous = answer.p95_ms
    overloaded = predict_stage(PLACE, ENDPOINTS, {"api.submit": 80.0}, Conditions())
    assert overloaded.endpoints[0].p95_ms == UNBOUNDED_MS
    assert by_station(overloaded)["api"] == pytest.approx(1.2)


def test_stages_take_their_rates_from_what_was_offered() -> None:
    first, second = predict_stages(PLACE, ENDPOINTS, [stage("half", 300, 60), stage("full", 600, 60)], Conditions())
    assert (first.label, second.label) == ("half", "full")
    assert by_station(first)["gateway"] == pytest.approx(5 * 3 / 1e3 / 2)
    assert {e.endpoint for e in first.endpoints} == {"api.nik", "gateway.nik"}
    assert by_station(second)["api"] == pytest.approx(2 * by_station(first)["api"])


def test_unknown_endpoints_and_stations_are_named() -> None:
    with pytest.raises(ValueError, match=r"api\.put"):
        predict_stage(PLACE, ENDPOINTS, {"api.put": 1.0}, Conditions())
    stray = [endpoint("api.lost", {"nowhere": 1.0})]
    with pytest.raises(ValueError, match="nowhere"):
        predict_stage(PLACE, stray, {"api.lost": 1.0}, Conditions())
