"""Interleaved calls under a CPU quota: limits that hold exactly, and the formulas against the simulated mechanism."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.queueing import NO_WAIT, Leg, network_response_moments, network_response_quantile
from capacity.queueing.quota import PERIOD_S, quota_wait
from capacity.queueing.quotasharing import quota_sharing
from capacity.queueing.sharing import sharing
from capacity.simulation.sharing import Group, Route, Step, simulate_sharing

KINDS = {"short": (0.7, 0.01), "middle": (0.2, 0.06), "long": (0.1, 0.25)}
MEAN = sum(share * x for share, x in KINDS.values())
SCV = sum(share * 1.3 * x**2 for share, x in KINDS.values()) / MEAN**2 - 1


def p95(legs: list[Leg]) -> float:
    return float(network_response_quantile(0.95, legs))


@pytest.mark.parametrize(("quota", "busy"), [(0.3, 0.3), (0.3, 0.8), (0.5, 0.6), (0.8, 0.4), (0.8, 0.7)])
def test_against_the_simulated_mechanism(quota: float, busy: float) -> None:
    rate = busy * quota / MEAN
    routes = {name: Route(rate * share, [Step((0,), x, 0.3)]) for name, (share, x) in KINDS.items()}
    times = simulate_sharing([Group(quota=quota)], routes, 300_000 / rate).responses
    for name, (_, x) in KINDS.items():
        legs = quota_sharing(rate, MEAN, quota, SCV, x, 0.3, service_shape="phase").legs(x, 0.3)
        measured = float(np.quantile(times[name], 0.95))
        assert p95(legs) == pytest.approx(measured, rel=0.1 if name != "short" else 0.5), name
        # in turn, short calls would wait for long ones, and long ones would not wait for the short that overtake
        turn = p95(quota_wait(rate, MEAN, quota, SCV, own_service=x, own_cs2=0.3, service_shape="phase").legs(x, 0.3))
        assert abs(p95(legs) - measured) < abs(turn - measured), name


def test_a_call_of_many_periods_sees_a_slow_server() -> None:
    """x / (quota - load): its share of what the quota leaves, whoever comes meanwhile."""
    length = 300 * 0.3 * PERIOD_S
    legs = quota_sharing(6.0, 0.02, 0.3, 1.0, length, 0.0).legs(length, 0.0)
    assert network_response_moments(legs).mean == pytest.approx(length / (0.3 - 0.12), rel=0.02)


@given(st.floats(0.05, 0.9), st.integers(1, 3), st.floats(0.001, 0.5))
def test_a_quota_that_never_binds_leaves_sharing_alone(busy: float, processes: int, own: float) -> None:
    load = busy * processes
    ours = quota_sharing(load / 0.02, 0.02, float(processes), 2.0, own, 0.5, processes=processes)
    alone = sharing(load, 0.02, 2.0, processes).slowing(own, 0.5)
    assert p95(ours.legs(own, 0.5)) == pytest.approx(p95([Leg(NO_WAIT, own, 0.5, 1.0, alone)]), rel=1e-6)


@given(st.floats(0.1, 0.9), st.floats(0.05, 0.7), st.floats(1.05, 1.4), st.floats(0.002, 0.3))
def test_more_calls_and_less_quota_take_longer(quota: float, busy: float, more: float, own: float) -> None:
    def mean(rate: float, cores: float) -> float:
        legs = quota_sharing(rate, 0.02, cores, 1.0, own, 0.5).legs(own, 0.5)
        return float(network_response_moments(legs).mean)

    rate = busy * quota / 0.02
    assert mean(rate * more, quota) >= mean(rate, quota) * 0.99
    assert mean(rate, quota / more) >= mean(rate, quota) * 0.99


def test_shapes_broadcast_and_overload_has_no_steady_state() -> None:
    law = quota_sharing(np.array([[5.0], [16.0]]), 0.02, 0.3, 1.0, np.array([0.01, 0.05, 0.2]), 0.5)
    assert law.slowing.mean.shape == (2, 3)
    tails = network_response_quantile(0.95, law.legs(np.array([0.01, 0.05, 0.2]), 0.5))
    assert np.all(np.isfinite(tails[0]))
    assert np.all(np.isinf(tails[1]))
