"""Stages of stations that serve calls interleaved: laws that must hold, and what first come first served gets wrong."""

from __future__ import annotations

import pytest

from capacity.leaseplan import Deployment, StationPlan
from capacity.validation.compare import HIGHEST_UTILISATION, compare
from capacity.validation.conditions import UNBOUNDED_MS, Conditions
from capacity.validation.interleaved import simulated
from capacity.validation.predictions import at_stage, predict_stage
from capacity.validation.residual import residual_ms
from tests.capacity.validation.test_predictions import (
    ENDPOINTS,
    PLACE,
    RATES,
    deployment,
    endpoint,
    service,
    stage,
    station,
)

SIGN_IN = endpoint("api.signin", {"api": 30})
ASSET = endpoint("api.asset", {"api": 1})


def interleaved(place: Deployment) -> Deployment:
    def one(plan: StationPlan) -> StationPlan:
        return plan.model_copy(update={"discipline": "fcfs" if plan.kind == "upstream" else "ps"})

    return place.model_copy(update={"stations": tuple(one(s) for s in place.stations)})


def means(place: Deployment, rates: dict[str, float], given: Conditions) -> dict[str, float]:
    endpoints = [*ENDPOINTS, SIGN_IN, ASSET]
    return {e.endpoint: e.mean_ms for e in predict_stage(place, endpoints, rates, given).endpoints}


def test_utilisations_do_not_depend_on_the_discipline() -> None:
    rates = RATES | {"api.nik": 10.0, "gateway.nik": 10.0}
    given = Conditions(background_cores={"api": 0.2})
    turn, shared = (predict_stage(p, ENDPOINTS, rates, given) for p in (PLACE, interleaved(PLACE)))
    assert {s.station: pytest.approx(s.utilisation) for s in turn.stations} == {
        s.station: s.utilisation for s in shared.stations
    }
    for one in shared.stations:
        assert 0 < one.mean_ms < one.p95_ms


def test_a_short_call_beside_long_ones_is_slowed_not_held_up() -> None:
    """At half a core's load, 1 ms takes 2 (Q18); in turn it would wait for half a sign-in every other time."""
    place = deployment([station("api", "pods", 1)], [service("api", 1, 1000)])
    rates = {"api.signin": 16.0, "api.asset": 20.0}
    given = Conditions(service_scv={"api": 0.0})
    shared, turn = means(interleaved(place), rates, given), means(place, rates, given)
    assert shared["api.asset"] == pytest.approx(2.0, rel=0.1)
    assert shared["api.signin"] == pytest.approx(60.0, rel=0.1)
    assert turn["api.asset"] > 4 * shared["api.asset"]


def test_hashes_in_threads_share_the_core_with_the_loop_and_not_with_its_calls() -> None:
    """A sign-in then gets a thread's share of a crowded core, and the loop's calls wait for one another instead."""
    place = interleaved(deployment([station("api", "pods", 1)], [service("api", 1, 1000)]))
    hashed = SIGN_IN.model_copy(update={"in_threads": 0.97})
    rates = {"api.signin": 12.0, "api.asset": 400.0}
    given = Conditions(service_scv={"api": 1.0}, machine_cores=1)
    on_loop, in_thread = (
        {e.endpoint: e.mean_ms for e in predict_stage(place, [one, ASSET], rates, given).endpoints}
        for one in (SIGN_IN, hashed)
    )
    assert in_thread["api.signin"] < 0.85 * on_loop["api.signin"]
    assert in_thread["api.asset"] > 1.1 * on_loop["api.asset"]
    utilisation = {s.station: s.utilisation for s in predict_stage(place, [hashed, ASSET], rates, given).stations}
    assert utilisation["api"] == pytest.approx(0.76)


def test_the_edge_keeps_calls_off_the_busy_pod() -> None:
    """At half load of each of two pods a random split would double all times (Q18)."""
    place = interleaved(deployment([station("api", "pods", 2)], [service("api", 2, 1000)]))
    found = means(place, {"api.signin": 32.0, "api.asset": 40.0}, Conditions(service_scv={"api": 0.0}))
    assert 30 < found["api.signin"] < 50


def test_a_quota_stops_all_of_a_pod() -> None:
    place = interleaved(deployment([station("api", "pods", 0.3)], [service("api", 1, 300)]))
    found = means(place, {"api.signin": 6.0, "api.asset": 1.0}, Conditions())
    assert found["api.signin"] > 60
    assert found["api.asset"] > 10


def test_inner_calls_load_their_stations_once() -> None:
    place = interleaved(PLACE)
    found = means(place, {"api.nik": 1.0, "gateway.nik": 1.0}, Conditions())
    assert found["gateway.nik"] == pytest.approx(3 + 1 + 60, rel=0.15)
    assert found["api.nik"] == pytest.approx(2 + 5 + 64, rel=0.1)


def test_what_else_keeps_the_machine_busy_is_felt() -> None:
    place = interleaved(PLACE)
    rates = {name: rate / 4 for name, rate in RATES.items()}
    alone = means(place, rates, Conditions(machine_cores=2))
    crowded = means(place, rates, Conditions(machine_cores=2, other_busy_cores=0.5))
    for name in RATES:
        assert alone[name] < crowded[name]
    overhead = means(place, rates, Conditions(machine_cores=2, overhead_ms={"api.get": 7.0}))
    assert overhead["api.get"] == pytest.approx(alone["api.get"] + 7.0)


def test_no_steady_state_is_said_and_tells_nothing() -> None:
    place = interleaved(PLACE)
    found = predict_stage(place, ENDPOINTS, {"api.get": 1000.0}, Conditions())
    assert {e.p95_ms for e in found.endpoints} == {UNBOUNDED_MS}
    calm, full = (stage(label, 8 * rate, 8.0, [9e4] * 100) for label, rate in (("calm", 10), ("full", 900)))
    rows = {r.stage: r for r in compare(place, ENDPOINTS, [calm, full], Conditions()) if r.quantity == "p95"}
    assert rows["calm"].telling
    assert not rows["full"].telling
    assert rows["full"].busiest > HIGHEST_UTILISATION


def test_what_was_measured_of_the_machine_takes_the_place_of_the_average() -> None:
    given = Conditions(machine_cores=2, other_busy_cores=0.1)
    assert at_stage(given, stage("one", 300, 60)) == given
    busy = stage("one", 300, 60).model_copy(update={"machine_busy_cores": 0.9})
    assert at_stage(given, busy).other_busy_cores == pytest.approx(0.9)
    assert at_stage(Conditions(), busy) == Conditions()


def test_unexplained_time_is_found_from_medians() -> None:
    place = interleaved(PLACE)
    rates = {"api.nik": 5.0, "gateway.nik": 5.0}
    times = simulated(place, ENDPOINTS, rates, Conditions()).responses["api.nik"]
    seen = stage("low", 4000, 800.0, (times * 1e6 + 5_000)[:4000])
    found = residual_ms(place, ENDPOINTS, [(seen, rates, Conditions())])
    assert found == {"api.nik": pytest.approx(5.0, abs=1.5)}
