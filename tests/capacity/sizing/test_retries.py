"""Retries: none on a healthy service, a collapse on one that is only a little too small."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.demand.peaks import amplification
from capacity.sizing.retries import holds, with_retries
from capacity.sizing.roles import server_sizes
from capacity.sizing.size import size
from capacity.sizing.workload import workload
from tests.capacity.nation import launch

RATES = {"portal": 30.0, "mobile": 3.0, "local_government": 8.0, "callbacks": 11.0, "satgas": 2.0, "priority": 0.1}


def after(pods: float, times: float = 1.0):  # type: ignore[no-untyped-def]
    plan = launch()
    rates = {k: r * times for k, r in RATES.items()}
    work = workload(plan, plan.endpoints, rates, 30.0)
    sizes = server_sizes(plan, work)
    for s in plan.stations:
        if s.kind == "pods":
            sizes[s.id] = size(pods, 1.0)
    return with_retries(plan, plan.endpoints, rates, 30.0, sizes)


def test_a_healthy_service_sees_no_more_than_the_base_failures() -> None:
    found = after(pods=40)
    assert found.stable
    assert found.growth == pytest.approx(1.0, abs=1e-3)


def test_an_overloaded_service_is_called_again_and_collapses() -> None:
    found = after(pods=2)
    assert not found.stable
    assert found.growth > 1.5
    assert max(found.slow.values()) == pytest.approx(1.0)


def test_growth_rises_with_load() -> None:
    growth = [after(pods=6, times=t).growth for t in (0.5, 1.0, 1.5, 2.5)]
    assert growth == sorted(growth)


def test_many_multiples_at_once_hold_as_one_by_one() -> None:
    plan = launch()
    work = workload(plan, plan.endpoints, RATES, 30.0)
    sizes = server_sizes(plan, work) | {s.id: size(8.0, 1.0) for s in plan.stations if s.kind == "pods"}
    times = np.linspace(0.5, 3.0, 11)
    alone = [
        with_retries(plan, plan.endpoints, {k: r * t for k, r in RATES.items()}, 30.0, sizes).stable for t in times
    ]
    assert holds(plan, plan.endpoints, RATES, 30.0, sizes, times).tolist() == alone
    assert alone == sorted(alone, reverse=True)
    assert alone[0]
    assert not alone[-1]


def test_amplification_counts_the_attempts() -> None:
    mobile = next(c for c in launch().classes if c.id == "mobile")
    f = mobile.retries.base_failure
    assert amplification(mobile, 0.0) == pytest.approx(1 + f + f**2 + f**3)
    assert amplification(mobile, 1.0) == pytest.approx(1 + mobile.retries.attempts)
