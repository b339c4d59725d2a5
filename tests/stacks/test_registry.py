"""The registry's stand-in answers with the law that the lease plan assumes of the real one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from capacity.documents import REPOSITORY
from capacity.leaseplan import Deployment, load_lease_plan
from loadtests.target.registry import answer_time_s
from loadtests.target.settings import Settings
from stacks.services import registry_variables


@pytest.mark.parametrize("scv", [0.0, 0.5, 1.0])
def test_mean_and_spread_are_the_plans(scv: float) -> None:
    """Mean and squared coefficient of variation of 40 000 answers, against the station's."""
    plan = load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml")
    deployment = _with_scv(plan.deployment(1, "rack"), scv)
    station = next(s for s in deployment.stations if s.id == "registry")
    given = registry_variables(deployment)
    settings = Settings(
        registry_latency_ms=float(given["REGISTRY_LATENCY_MS"]),
        registry_latency_sigma=float(given["REGISTRY_LATENCY_SIGMA"]),
    )
    draw = random.Random(2018)
    times = np.array([answer_time_s(settings, draw) for _ in range(40_000)]) * 1e3
    assert times.mean() == pytest.approx(station.demand_ms, rel=0.03)
    assert times.var() / times.mean() ** 2 == pytest.approx(scv, rel=0.12, abs=1e-9)


def _with_scv(deployment: Deployment, scv: float) -> Deployment:
    stations = tuple(
        s.model_copy(update={"service_scv": scv}) if s.id == "registry" else s for s in deployment.stations
    )
    return deployment.model_copy(update={"stations": stations})
