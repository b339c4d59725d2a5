"""A calibration that shows contention makes pods carry less: more replicas, or a plan that says they cannot help."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.calibration import Calibration, ScalabilityFit
from capacity.evidence import Machine
from capacity.faults import Infeasible
from capacity.planner import solve
from capacity.queueing.scalability import usl
from capacity.sizing.pods import size_stations
from capacity.sizing.roles import server_sizes
from capacity.sizing.scaling import Scaling, carried, kept_busy, most_busy, slowdown
from capacity.sizing.workload import workload
from tests.capacity.nation import launch, national

RATES = {"portal": 30.0, "mobile": 3.0, "local_government": 8.0, "callbacks": 11.0, "satgas": 2.0, "priority": 0.1}


def fit(station: str = "api", contention: float = 0.0, coherency: float = 0.0) -> ScalabilityFit:
    return ScalabilityFit(station=station, rate_per_s=100.0, contention=contention, coherency=coherency)


@given(st.floats(0, 0.2), st.floats(0, 0.01), st.floats(1, 200))
def test_slowdown_is_the_law_read_as_a_service_time(s: float, k: float, n: float) -> None:
    assert float(n / slowdown(fit(contention=s, coherency=k), n)) == pytest.approx(float(usl(n, 1.0, s, k)))


@given(st.floats(0, 0.1), st.floats(0, 0.002), st.floats(0.1, 30))
def test_busy_servers_solve_the_law_and_carry_the_load(s: float, k: float, load: float) -> None:
    law = fit(contention=s, coherency=k)
    n = float(kept_busy(law, load))
    if not np.isfinite(n):
        assert load > float(carried(law, np.inf)) * (1 - 1e-9)
        return
    assert n >= load * (1 - 1e-12)
    assert n == pytest.approx(load * float(slowdown(law, n)), rel=1e-6)
    assert n <= max(most_busy(law), 1.0) * (1 + 1e-6)
    assert float(carried(law, n)) == pytest.approx(load, rel=1e-6)


def test_without_a_fit_nothing_changes() -> None:
    assert float(kept_busy(None, 6.0)) == 6.0
    assert float(slowdown(None, 50)) == 1.0
    assert most_busy(fit(contention=0.3)) == float("inf")
    assert most_busy(fit(contention=0.19, coherency=0.0001)) == pytest.approx(90.0)


def test_what_the_measurement_cannot_tell_from_none_does_not_count() -> None:
    unsure = fit(contention=0.2).model_copy(update={"contention_interval": (0.0, 0.5)})
    sure = fit(contention=0.2).model_copy(update={"contention_interval": (0.1, 0.3)})
    assert float(slowdown(unsure, 11)) == 1.0
    assert float(slowdown(sure, 11)) == pytest.approx(3.0)


def replicas(scaling: Scaling, times: float = 3.0) -> dict[str, int]:
    plan = launch()
    work = workload(plan, plan.endpoints, {k: r * times for k, r in RATES.items()}, 25.0)
    sized = size_stations(plan, plan.endpoints, work, server_sizes(plan, work, scaling), {}, scaling)
    return {s.id: int(sized.sizes[s.id].queues[0]) for s in plan.stations if s.kind == "pods"}


def test_contention_needs_more_replicas_of_that_service_alone() -> None:
    plain, contended = replicas({}), replicas({"api": fit(contention=0.04)})
    assert contended["api"] > plain["api"]
    assert {k: v for k, v in contended.items() if k != "api"} == {k: v for k, v in plain.items() if k != "api"}


def test_a_service_that_does_not_scale_so_far_says_so() -> None:
    with pytest.raises(Infeasible, match=r"api does not scale to its load: .* Erlangs come"):
        replicas({"api": fit(contention=0.02, coherency=0.05)})
    with pytest.raises(Infeasible, match="database does not scale to its load"):
        replicas({"database": fit("database", contention=0.5, coherency=0.5)})


def test_the_plan_takes_the_calibration_into_account() -> None:
    machine = Machine(cores=2, memory_gib=8, cpu="x", kernel="x")
    laws = (fit("api", contention=0.03), fit("database", contention=0.02))
    measured = Calibration(version=1, run="r", evidence="sha256:0", machine=machine, demands=(), scalability=laws)
    inputs = national()
    plain, scaled = (solve(dataclasses.replace(inputs, calibration=c), 200)[1].phases[-1] for c in (None, measured))
    api, before = ({s.id: s for s in p.national.services if s.site == "primary"}["api"] for p in (scaled, plain))
    assert api.replicas > before.replicas
    station = {s.id: s for s in scaled.national.stations}
    assert station["api"].demand_factor > {s.id: s for s in plain.national.stations}["api"].demand_factor
    assert station["api"].utilisation <= 0.6
    assert station["database"].demand_factor > {s.id: s for s in plain.national.stations}["database"].demand_factor
