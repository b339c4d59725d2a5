"""Replicas: enough for the SLO and no more; more load never needs fewer, a stricter SLO neither."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.faults import Infeasible
from capacity.launch import EndpointPlan
from capacity.queueing import network_response_quantile
from capacity.sizing.pods import Sized, binding_rule, size_stations
from capacity.sizing.predict import endpoint_predictions, legs
from capacity.sizing.roles import server_sizes
from capacity.sizing.serving import serving
from capacity.sizing.size import size
from capacity.sizing.workload import Workload, workload
from tests.capacity.nation import launch

RATES = {
    "portal": 30.0,
    "mobile": 3.0,
    "local_government": 8.0,
    "callbacks": 11.0,
    "satgas": 2.0,
    "priority": 0.1,
}


def sized_for(times: float, factor: float = 30.0, endpoints: tuple[EndpointPlan, ...] | None = None) -> Sized:
    return size_stations(launch(), endpoints or launch().endpoints, work_of(times, factor), fixed(times, factor), {})


def work_of(times: float, factor: float = 30.0) -> Workload:
    return workload(launch(), launch().endpoints, {k: r * times for k, r in RATES.items()}, factor)


def fixed(times: float, factor: float):  # type: ignore[no-untyped-def]
    return server_sizes(launch(), work_of(times, factor))


def replicas(sized: Sized) -> dict[str, int]:
    return {s.id: int(sized.sizes[s.id].queues[0]) for s in launch().stations if s.kind == "pods"}


def quantiles(sized: Sized, times: float, endpoint: str) -> tuple[float, float]:
    by_id = {e.id: e for e in launch().endpoints}
    stations = {s.id: s for s in launch().stations}
    path = legs(by_id[endpoint], by_id, stations, sized.serving, work_of(times), sized.sizes)
    p95, p99 = (float(np.asarray(network_response_quantile(q, path)).reshape(-1)[0]) for q in (0.95, 0.99))
    return p95 * 1e3, p99 * 1e3


@pytest.mark.parametrize("times", [0.2, 1.0, 4.0])
def test_every_endpoint_is_within_its_slo(times: float) -> None:
    sized = sized_for(times)
    for e in launch().endpoints:
        p95, p99 = quantiles(sized, times, e.id)
        assert p95 <= e.slo_p95_ms * 1.001, e.id
        assert p99 <= e.slo_p99_ms * 1.001, e.id


def test_one_replica_fewer_would_break_the_rule_that_is_named() -> None:
    plan = launch()
    form = next(e for e in plan.endpoints if e.id == "portal.form")
    limits = (form.slo_p95_ms * 0.3, form.slo_p99_ms * 0.3)
    tight = tuple(
        e.model_copy(update={"slo_p95_ms": limits[0], "slo_p99_ms": limits[1]}) if e.id == form.id else e
        for e in plan.endpoints
    )
    work = workload(plan, tight, {k: r * 3 for k, r in RATES.items()}, 30.0)
    sized = size_stations(plan, tight, work, server_sizes(plan, work), {})
    portal = next(s for s in plan.stations if s.id == "portal")
    rule, endpoint = binding_rule(plan, tight, work, sized, portal, {})
    assert (rule, endpoint) in {("slo_p95", "portal.form"), ("slo_p99", "portal.form")}
    fewer = dict(sized.serving)
    at = sized.sizes["portal"]
    fewer["portal"] = serving(portal, work.stations["portal"], size(at.queues - 1, at.servers))
    by_id, stations = {e.id: e for e in tight}, {s.id: s for s in plan.stations}
    path = legs(by_id["portal.form"], by_id, stations, fewer, work, sized.sizes)
    over = [float(np.asarray(network_response_quantile(q, path)).reshape(-1)[0]) * 1e3 for q in (0.95, 0.99)]
    assert over[0] > limits[0] or over[1] > limits[1]
    satgas = next(s for s in plan.stations if s.id == "satgas")
    assert binding_rule(plan, tight, work, sized, satgas, {})[0] in ("minimum", "max_utilisation")


def test_in_turn_short_calls_wait_for_long_ones_and_interleaved_they_do_not() -> None:
    plan = launch()
    in_turn = plan.model_copy(
        update={"stations": tuple(s.model_copy(update={"discipline": "fcfs"}) for s in plan.stations)}
    )
    work = work_of(1.0)
    sizes = {**server_sizes(plan, work), **{s.id: size(12.0, 1.0) for s in plan.stations if s.kind == "pods"}}
    times = {
        (e.endpoint, how): e.p95_ms
        for how, one in (("interleaved", plan), ("in turn", in_turn))
        for e in endpoint_predictions(one, plan.endpoints, work, sizes, {})
    }
    assert times["portal.asset", "interleaved"] < 0.2 * times["portal.asset", "in turn"]
    assert times["portal.apply", "interleaved"] > times["portal.apply", "in turn"]


@settings(max_examples=15)
@given(st.floats(0.05, 5), st.floats(1.01, 4))
def test_more_load_never_needs_fewer_replicas(times: float, more: float) -> None:
    few, many = replicas(sized_for(times)), replicas(sized_for(times * more))
    assert all(many[name] >= few[name] for name in few)


@settings(max_examples=15)
@given(st.floats(0.5, 3), st.floats(0.45, 0.99))
def test_a_stricter_slo_never_needs_fewer_replicas(times: float, strict: float) -> None:
    plan = launch()
    tight = tuple(
        e.model_copy(update={"slo_p95_ms": e.slo_p95_ms * strict, "slo_p99_ms": e.slo_p99_ms * strict})
        for e in plan.endpoints
    )
    loose = replicas(sized_for(times))
    try:
        strictly = replicas(sized_for(times, endpoints=tight))
    except Infeasible:
        return  # no number of replicas would do: certainly not fewer
    assert all(strictly[name] >= loose[name] for name in loose)


def test_many_workloads_at_once_are_sized_like_one_by_one() -> None:
    plan = launch()
    times = np.array([0.3, 1.0, 2.7])
    work = workload(plan, plan.endpoints, {k: r * times for k, r in RATES.items()}, np.array([24.0, 30.0, 36.0]))
    together = size_stations(plan, plan.endpoints, work, server_sizes(plan, work), {})
    for n, (t, f) in enumerate(zip(times, (24.0, 30.0, 36.0), strict=True)):
        alone = size_stations(plan, plan.endpoints, work_of(t, f), fixed(t, f), {})
        for s in plan.stations:
            assert together.sizes[s.id].queues[n] == alone.sizes[s.id].queues[0]


def test_an_slo_that_the_cpu_alone_breaks_is_infeasible_and_says_so() -> None:
    plan = launch()
    heavy = tuple(
        e.model_copy(update={"slo_p95_ms": 40.0, "slo_p99_ms": 45.0}) if e.id == "api.submit" else e
        for e in plan.endpoints
    )
    work = workload(plan, heavy, RATES, 36.0)
    with pytest.raises(Infeasible, match=r"api replicas meets the SLO slo_p99 api.submit: \d+ ms"):
        size_stations(plan, heavy, work, server_sizes(plan, work), {})


def test_an_upstream_whose_connections_bind_is_named_with_what_to_ask_for() -> None:
    plan = launch()
    few = tuple(s.model_copy(update={"connections": 3}) if s.id == "registry" else s for s in plan.stations)
    narrow = plan.model_copy(update={"stations": few})
    rates = {k: r * 3 for k, r in RATES.items()}
    work = workload(narrow, plan.endpoints, rates, 20.0)
    with pytest.raises(Infeasible, match="the 3 connections that registry allows bind") as raised:
        size_stations(narrow, plan.endpoints, work, server_sizes(narrow, work), {})
    assert "connections or more, or on" in str(raised.value.remedy)


def test_pods_with_a_quota_below_a_core_are_stopped_and_not_slowed() -> None:
    """Half a core runs at full speed until its budget is used: calm, it answers sooner than a server of half speed."""
    plan = launch()
    small = tuple(s.model_copy(update={"replica_millicores": 500}) for s in plan.services)
    halved = plan.model_copy(update={"services": small})
    work = workload(halved, plan.endpoints, {k: 0.02 * r for k, r in RATES.items()}, 1.0)
    sized = size_stations(halved, plan.endpoints, work, server_sizes(halved, work), {})
    assert sized.sizes["api"].throttled
    by_id, stations = {e.id: e for e in plan.endpoints}, {s.id: s for s in plan.stations}
    path = legs(by_id["api.signin"], by_id, stations, sized.serving, work, sized.sizes)
    p50 = float(np.asarray(network_response_quantile(0.5, path)).reshape(-1)[0])
    assert p50 < 0.032 / 0.5
