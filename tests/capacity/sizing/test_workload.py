"""Calls and CPU follow from journeys: nothing is lost on the way, and inner calls are counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.calibration import Calibration, MeasuredDemand
from capacity.chains import call_chains
from capacity.evidence import Machine
from capacity.sizing.workload import calibrated, journey_costs, visits_a_journey, workload
from tests.capacity.nation import launch

RATE = st.floats(0, 50)


@given(st.lists(RATE, min_size=6, max_size=6), st.floats(1, 30))
def test_station_load_is_the_sum_over_journeys_of_their_chains(rates: list[float], factor: float) -> None:
    plan = launch()
    by_class = dict(zip((c.id for c in plan.classes), rates, strict=True))
    work = workload(plan, plan.endpoints, by_class, factor)
    chains = call_chains(plan)
    by_id = {e.id: e for e in plan.endpoints}
    for station in plan.stations:
        if station.kind == "upstream":
            continue
        busy = 0.0
        for kind in plan.classes:
            for endpoint, count in visits_a_journey(plan)[kind.id].items():
                f = factor if station.application and by_id[endpoint].application else 1.0
                busy += by_class[kind.id] * count * by_id[endpoint].demand_ms.get(station.id, 0.0) * f / 1e3
        assert float(work.stations[station.id].busy[0]) == pytest.approx(busy, rel=1e-9, abs=1e-12)
    asking = {e.id for e in plan.endpoints if "gateway.nik" in e.calls}
    nik = sum(by_class[k.id] * v.count for k in plan.classes for v in k.journey if v.endpoint in asking)
    assert chains["api.nik"].inner == {"gateway.nik": 1.0}
    assert float(work.endpoint_rates["gateway.nik"][0]) == pytest.approx(nik)
    assert float(work.stations["registry"].rate[0]) == pytest.approx(nik)


def test_costs_a_journey_agree_with_the_workload() -> None:
    plan = launch()
    costs = journey_costs(plan, plan.endpoints)
    rates = np.linspace(1, 6, 6)
    work = workload(plan, plan.endpoints, dict(zip(costs.classes, rates.tolist(), strict=True)), 7.0)
    busy = (costs.fixed + 7.0 * costs.scaled) @ rates
    assert busy == pytest.approx([float(work.stations[s].busy[0]) for s in costs.stations])


def test_a_sign_in_is_not_made_dearer_by_the_application_factor() -> None:
    plan = launch()
    costs = journey_costs(plan, plan.endpoints)
    api, mobile = costs.stations.index("api"), costs.classes.index("mobile")
    sign_in = next(e for e in plan.endpoints if e.id == "api.signin")
    assert costs.fixed[api, mobile] == pytest.approx(sign_in.demand_ms["api"] / 1e3)


def test_measured_demands_replace_estimates_and_a_star_scales_the_rest() -> None:
    plan = launch()
    machine = Machine(cores=2, memory_gib=8, cpu="x", kernel="x")
    measured = Calibration(
        version=1,
        run="r",
        evidence="sha256:0",
        machine=machine,
        demands=(
            MeasuredDemand(station="api", endpoint="api.kbli", demand_ms=9.0, low_ms=8, high_ms=10),
            MeasuredDemand(station="database", endpoint="*", demand_ms=2.0, low_ms=1, high_ms=3),
        ),
    )
    before, after = ({e.id: e for e in x} for x in (plan.endpoints, calibrated(plan, measured)))
    assert after["api.kbli"].demand_ms["api"] == 9.0
    assert after["api.status"].demand_ms["database"] == 2 * before["api.status"].demand_ms["database"]
    assert after["portal.home"] == before["portal.home"]
