"""The CPU quota model against a simulation of the scheduler's mechanism, and by its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.queueing import ggc_response_quantile, ggc_wait_mean, quota_response_quantile, quota_wait
from capacity.simulation.quota import simulate_quota

# quota (cores), CPU seconds a request, utilisation of the quota, scv, processes
CASES = [
    (0.3, 0.005, 0.3, 1.0, 1),
    (0.3, 0.005, 0.5, 1.0, 1),
    (0.3, 0.005, 0.7, 1.0, 1),
    (0.3, 0.005, 0.85, 4.0, 1),
    (0.3, 0.020, 0.5, 1.0, 1),
    (0.3, 0.060, 0.5, 1.0, 1),
    (0.1, 0.005, 0.6, 1.0, 1),
    (0.5, 0.010, 0.8, 1.0, 1),
    (0.8, 0.010, 0.8, 1.0, 1),
    (0.6, 0.010, 0.7, 1.0, 2),
]


@pytest.mark.parametrize(("quota", "service", "rho", "scv", "processes"), CASES)
def test_against_the_mechanism(quota: float, service: float, rho: float, scv: float, processes: int) -> None:
    """Mean wait within 5 %, 95th percentile of the response within 12 %, both beyond the simulation's own error."""
    rate = rho * quota / service
    run = simulate_quota(rate, service, quota, scv, processes=processes, customers=600_000, seed=2)
    mean, p95 = run.wait_mean(), run.response_quantile(0.95)
    ours = float(quota_wait(rate, service, quota, scv, processes=processes).mean)
    assert abs(ours - mean.value) <= 0.05 * mean.value + mean.half_width
    ours = float(quota_response_quantile(0.95, rate, service, quota, scv, processes=processes))
    assert abs(ours - p95.value) <= 0.12 * p95.value + p95.half_width


def test_a_calm_container_answers_at_full_speed() -> None:
    """At 1 % of its quota a request of 5 ms takes about 5 ms, and not 5 / 0.3."""
    assert float(quota_response_quantile(0.5, 0.6, 0.005, 0.3)) == pytest.approx(0.005 * np.log(2), rel=0.05)


@pytest.mark.parametrize("quota", [1.0, 2.5])
def test_a_quota_of_whole_processes_never_binds(quota: float) -> None:
    wait = quota_wait(70.0, 0.01, quota)
    assert float(wait.mean) == pytest.approx(float(ggc_wait_mean(70.0, 0.01, 1)))
    assert float(wait.stopped.probability) == 0
    assert float(quota_response_quantile(0.95, 70.0, 0.01, quota)) == pytest.approx(
        float(ggc_response_quantile(0.95, 70.0, 0.01, 1)), rel=1e-3
    )


def test_capacity_is_the_quota() -> None:
    means = quota_wait([50.0, 59.0, 59.9, 60.0, 80.0], 0.005, 0.3).mean
    assert np.all(np.diff(means[:3]) > 0)
    assert means[2] > 0.5
    assert np.all(np.isinf(means[3:]))
    assert float(quota_response_quantile(0.95, 80.0, 0.005, 0.3)) == np.inf


@settings(max_examples=25)
@given(quota=st.floats(0.1, 0.9), share=st.floats(0.005, 1.0), rho=st.floats(0.05, 0.8), more=st.floats(1.02, 1.15))
def test_more_load_waits_longer_and_more_quota_less(quota: float, share: float, rho: float, more: float) -> None:
    service = share * quota * 0.1
    rate = rho * quota / service
    wait = float(quota_wait(rate, service, quota).mean)
    assert float(quota_wait(rate * more, service, quota).mean) >= wait * 0.999
    assert float(quota_wait(rate, service, min(quota * more, 1.0)).mean) <= wait * 1.02


def test_shapes_broadcast() -> None:
    wait = quota_wait(np.array([[10.0], [20.0]]), 0.005, np.array([0.2, 0.3, 0.4]))
    assert wait.mean.shape == (2, 3)
    assert float(wait.mean[1, 2]) == pytest.approx(float(quota_wait(20.0, 0.005, 0.4).mean))


def test_simulation_without_a_binding_quota_is_m_g_1() -> None:
    run = simulate_quota(70.0, 0.01, 1.0 - 1e-12, customers=400_000)
    mean = run.wait_mean()
    assert abs(mean.value - 0.7 * 0.01 / 0.3) <= 2 * mean.half_width


def test_simulation_refuses_overload() -> None:
    with pytest.raises(ValueError, match="steady state"):
        simulate_quota(61.0, 0.005, 0.3)
