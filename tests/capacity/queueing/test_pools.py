"""Closed networks against LINE and the repairman's closed form; pools against Erlang C."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_solver.api.pfqn import pfqn_mva

from capacity.queueing import closed_network, erlang_b, erlang_c, mmc_wait, pool


@pytest.mark.parametrize(("population", "think"), [(1, 5.0), (30, 5.0), (300, 5.0), (300, 0.0)])
def test_single_server_stations_against_line(population: int, think: float) -> None:
    demands = [0.01, 0.03, 0.005]
    ours = closed_network(demands, [1, 1, 1], population, think)
    theirs = float(
        np.ravel(pfqn_mva(np.array([[d] for d in demands]), np.array([population]), np.array([think]))[0])[0]
    )
    assert ours.throughput[-1] == pytest.approx(theirs, rel=1e-9)
    assert ours.response[-1] == pytest.approx(population / theirs - think, rel=1e-7)


def test_machine_repair_is_engset() -> None:
    """N machines, c repairmen: the number broken is a truncated birth and death process."""
    n, c, think, demand = 12, 3, 2.0, 0.7
    weights = [1.0]
    for k in range(1, n + 1):
        weights.append(weights[-1] * (n - k + 1) / think / (min(k, c) / demand))
    busy = sum(min(k, c) * w for k, w in enumerate(weights)) / sum(weights)
    assert closed_network([demand], [c], n, think).throughput[-1] == pytest.approx(busy / demand, rel=1e-9)


@given(
    demands=st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=4),
    servers=st.data(),
    population=st.integers(1, 40),
    think=st.floats(0, 5),
)
def test_throughput_is_bounded_and_rises(
    demands: list[float], servers: st.DataObject, population: int, think: float
) -> None:
    c = servers.draw(st.lists(st.integers(1, 6), min_size=len(demands), max_size=len(demands)))
    curve = closed_network(demands, c, population, think).throughput
    bottleneck = min(k / d for k, d in zip(c, demands, strict=True))
    n = np.arange(1, population + 1)
    assert np.all(curve[1:] <= np.minimum(bottleneck, n / (sum(demands) + think)) * (1 + 1e-9))
    assert np.all(np.diff(curve) >= -1e-9 * bottleneck)


def test_draws_are_vectorised() -> None:
    demand = np.array([0.1, 0.2, 0.4])
    together = closed_network([0.05, demand], [2, 1], 10, 1.0).throughput
    assert together.shape == (3, 11)
    for row, d in zip(together, demand, strict=True):
        np.testing.assert_allclose(row, closed_network([0.05, float(d)], [2, 1], 10, 1.0).throughput)


def test_pool_with_enough_servers_inside_is_m_m_c() -> None:
    """N permits over N servers: the pool is M/M/N."""
    inside = closed_network([0.1], [8], 8).throughput
    found = pool(70.0, inside)
    assert found.wait_probability == pytest.approx(float(erlang_c(8, 7.0)))
    assert found.mean_wait == pytest.approx(float(mmc_wait(70.0, 0.1, 8)))
    assert found.mean_inside == pytest.approx(0.1)
    assert found.in_use == pytest.approx(7 / 8)


def test_pool_nested_over_a_slower_station() -> None:
    """20 connections over 4 CPU servers: capacity is the CPU's, and time inside grows with the load."""
    inside = closed_network([0.02, 0.03], [4, 50], 20).throughput
    assert pool(1.0, inside).capacity == pytest.approx(200, rel=0.01)
    quiet, busy = pool(20.0, inside), pool(190.0, inside)
    assert quiet.mean_inside == pytest.approx(0.05, rel=0.01)
    assert busy.mean_inside > 1.3 * quiet.mean_inside
    assert pool(250.0, inside).mean_wait == np.inf


@given(rate=st.floats(0.1, 60), more=st.floats(1.001, 1.5))
def test_pool_waits_rise_with_load(rate: float, more: float) -> None:
    inside = closed_network([0.05, 0.1], [4, 8], 20).throughput
    assert pool(rate, inside).mean_wait <= pool(rate * more, inside).mean_wait


@pytest.mark.parametrize(("demands", "servers", "population"), [([0.1], [1, 2], 3), ([0.1], [1], 0), ([0.0], [1], 3)])
def test_nonsense_is_refused(demands: list[float], servers: list[int], population: int) -> None:
    with pytest.raises(ValueError, match=r"demand|population"):
        closed_network(demands, servers, population)


def test_erlang_b_is_a_closed_network_seen_at_its_limit() -> None:
    """With endless think time and population the closed network forgets that it is closed."""
    a, c, n = 5.0, 8, 400
    curve = closed_network([1.0], [n], n, n / a - 1.0).throughput
    assert curve[-1] == pytest.approx(a, rel=1e-6)
    assert 0 < float(erlang_b(c, a)) < 1
