"""A fit finds what was put in: the common factor always, single demands as far as the stages can tell them apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.evidence import Evidence
from capacity.validation.recalibrate import calls_in, fit_station, fit_stations, fixed_work_ms, pace
from tests.capacity.validation.synthetic import endpoint, evidence, stage

PLANNED = (
    endpoint("api.draft", {"api": 4.0, "database": 2.0}),
    endpoint("api.status", {"api": 2.0, "database": 1.0}),
    endpoint("api.nik", {"api": 3.0}, calls={"gateway.nik": 1.0}),
    endpoint("gateway.nik", {"gateway": 2.5}),
)
RATES = {"api.draft": 5.0, "api.status": 10.0, "api.nik": 4.0}
SHARES = (0.0, 0.3, 0.6, 0.9, 1.2)


def run(factor: float, background: float = 0.02) -> Evidence:
    truth = {
        station: {e.id: e.demand_ms[station] * factor for e in PLANNED if station in e.demand_ms}
        for station in ("api", "database", "gateway")
    }
    stages = [stage(PLANNED, truth, RATES, share, seed=n, background=background) for n, share in enumerate(SHARES)]
    return evidence(stages)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 5.0))
def test_common_factor_is_recovered(factor: float) -> None:
    fits = fit_stations(PLANNED, run(factor))
    assert set(fits) == {"api", "database", "gateway"}
    for station, fit in fits.items():
        for name, (demand, low, high) in fit.demands_ms.items():
            planned = next(e for e in PLANNED if e.id == name).demand_ms[station]
            assert demand == pytest.approx(factor * planned, rel=0.02)
            assert low <= demand <= high


def test_background_is_not_taken_for_demand() -> None:
    quiet, busy = (fit_stations(PLANNED, run(1.0, background))["api"] for background in (0.0, 0.3))
    assert busy.background_cores == pytest.approx(0.3, rel=0.05)
    assert busy.factor == pytest.approx(quiet.factor, rel=0.05)


def test_one_busy_stage_is_enough_beside_an_idle_one() -> None:
    made = run(3.0, background=0.05)
    few = made.model_copy(update={"stages": (made.stages[0], made.stages[-1])})
    fit = fit_stations(PLANNED, few)["api"]
    assert fit.background_cores == pytest.approx(0.05, abs=0.004)
    assert fit.factor == pytest.approx(3.0, rel=0.1)


def test_inner_calls_count_at_the_station_that_serves_them() -> None:
    counted = calls_in(run(1.0).stages[1], PLANNED)
    assert counted["gateway.nik"] == counted["api.nik"] > 0


def test_station_that_was_not_measured_has_no_fit() -> None:
    assert fit_station("edge", (endpoint("api.draft", {"edge": 0.2}),), run(1.0).stages) is None


def test_mix_that_changes_between_stages_tells_endpoints_apart() -> None:
    truth = {"api": {"api.draft": 8.0, "api.status": 2.0}}
    mixes = (
        {"api.draft": 20.0, "api.status": 1.0},
        {"api.draft": 1.0, "api.status": 40.0},
        {"api.draft": 10.0, "api.status": 10.0},
    )
    idle = stage(PLANNED, truth, {}, 0.0, seed=9)
    made = evidence([idle, *(stage(PLANNED, truth, mix, 1.0, seed=n, duration_s=600) for n, mix in enumerate(mixes))])
    demands = fit_stations(PLANNED[:2], made)["api"].demands_ms
    assert demands["api.draft"][0] == pytest.approx(8.0, rel=0.15)
    assert demands["api.status"][0] == pytest.approx(2.0, rel=0.25)


SIGN_IN = endpoint("api.sign-in", {"api": 26.0, "database": 1.0}).model_copy(update={"in_threads": 25 / 26})


def with_sign_ins(hash_ms: float, loops: float, told: bool) -> Evidence:
    """A run in which a hash took `hash_ms` and loops `loops` times the plan; `told`: CPU of threads was measured."""
    planned = (*PLANNED[:2], SIGN_IN)
    truth = {"api": {"api.draft": 4 * loops, "api.status": 2 * loops, "api.sign-in": loops + hash_ms}}
    truth["database"] = {"api.draft": 2 * loops, "api.status": loops, "api.sign-in": loops}
    rates = {"api.draft": 5.0, "api.status": 10.0, "api.sign-in": 3.0}
    stages = []
    for number, share in enumerate(SHARES):
        made = stage(planned, truth, rates, share, seed=number)
        hashes_s = sum(r.count for r in made.endpoints if r.endpoint == SIGN_IN.id) * hash_ms / 1e3
        threads_s = {"api": hashes_s, "database": 0.0} if told else {}
        stations = (r.model_copy(update={"thread_cpu_seconds": threads_s.get(r.station)}) for r in made.stations)
        stages.append(made.model_copy(update={"stations": tuple(stations)}))
    return evidence(stages)


@settings(max_examples=8, deadline=None)
@given(st.floats(3.0, 80.0), st.floats(0.5, 2.0))
def test_threads_and_loops_have_factors_of_their_own(hash_ms: float, loops: float) -> None:
    fits = fit_stations((*PLANNED[:2], SIGN_IN), with_sign_ins(hash_ms, loops, told=True))
    demands = {name: found[0] for name, found in fits["api"].demands_ms.items()}
    assert demands["api.sign-in"] == pytest.approx(loops + hash_ms, rel=0.03)
    assert demands["api.draft"] == pytest.approx(4 * loops, rel=0.03)
    assert fits["api"].in_threads["api.sign-in"] == pytest.approx(hash_ms / (loops + hash_ms), rel=0.03)
    assert fits["api"].in_threads["api.draft"] == 0
    assert fits["database"].in_threads == {}, "nothing ran in threads there, whatever the plan has"
    assert fits["database"].factor == pytest.approx(loops, rel=0.03)


def test_a_program_that_works_in_threads_alone_is_fitted_whole() -> None:
    made = with_sign_ins(25.0, 1.0, told=True)
    threaded = tuple(
        s.model_copy(update={
            "stations": tuple(r.model_copy(update={"thread_cpu_seconds": 0.99 * r.cpu_seconds}) for r in s.stations)
        })
        for s in made.stages
    )  # fmt: skip
    planned = (*PLANNED[:2], SIGN_IN)
    fit = fit_stations(planned, made.model_copy(update={"stages": threaded}))["api"]
    assert fit == fit_stations(planned, with_sign_ins(25.0, 1.0, told=False))["api"]


def test_without_the_cpu_of_threads_all_work_shares_the_error_of_the_plan() -> None:
    told, untold = (
        fit_stations((*PLANNED[:2], SIGN_IN), with_sign_ins(5.0, 1.0, told))["api"] for told in (True, False)
    )
    assert untold.in_threads == {}
    assert untold.factor == pytest.approx(told.factor, rel=0.03)
    assert untold.demands_ms["api.draft"][0] < 0.8 * told.demands_ms["api.draft"][0]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0.7, 1.5), min_size=len(SHARES), max_size=len(SHARES)))
def test_the_pace_of_the_machine_is_taken_out_of_demands(paces: list[float]) -> None:
    """Stages in which all work took more CPU, service and fixed piece alike, give the demands of the mean pace."""
    made = run(2.0)
    stages = [
        s.model_copy(update={
            "fixed_work_ms": 0.6 * p,
            "stations": tuple(r.model_copy(update={"cpu_seconds": r.cpu_seconds * p}) for r in s.stations),
        })
        for s, p in zip(made.stages, paces, strict=True)
    ]  # fmt: skip
    fit = fit_stations(PLANNED, made.model_copy(update={"stages": tuple(stages)}))["api"]
    assert fit.factor == pytest.approx(2.0 * sum(paces) / len(paces), rel=0.02)


def test_a_pace_that_was_not_timed_everywhere_counts_nowhere() -> None:
    made = run(2.0)
    timed = made.stages[0].model_copy(update={"fixed_work_ms": 9.0})
    assert fixed_work_ms([timed, made.stages[1]]) is None
    assert pace(timed, None) == pace(made.stages[1], 0.6) == 1.0
