"""Processor sharing: laws that hold exactly, and the formulas against a simulation of sharing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.queueing import mmc_wait, sharing_moments, sharing_response_quantile, sharing_slowdown
from capacity.queueing.shapes import SHAPES, Shape
from capacity.simulation.sharing import Group, Route, Step, simulate_sharing

LOADS = st.floats(0.05, 0.8)
SPREADS = st.floats(0.3, 4.0)


def simulated(rho: float, cs2: float, shape: Shape = "gamma", calls: int = 150_000, seed: int = 0) -> np.ndarray:
    """Response times at one shared server, in mean services."""
    route = Route(rho, [Step((0,), 1.0, cs2, shape=shape)])
    return np.asarray(simulate_sharing([Group()], {"call": route}, calls / rho, seed=seed).responses["call"])


@given(load=LOADS, servers=st.integers(1, 64))
def test_with_exponential_services_the_mean_is_that_of_first_come_first_served(load: float, servers: int) -> None:
    busy = load * servers
    assert sharing_slowdown(busy, servers) == pytest.approx(1 + mmc_wait(busy, 1.0, servers), rel=1e-9)


@given(rho=LOADS, cs2=SPREADS, small=st.floats(0.01, 1.0), factor=st.floats(1.0, 50.0))
def test_all_sizes_are_slowed_alike_and_the_long_vary_less(rho: float, cs2: float, small: float, factor: float) -> None:
    short, long = (sharing_moments(x, rho, 1.0, cs2) for x in (small, small * factor))
    assert short.mean / small == pytest.approx(1 / (1 - rho))
    assert long.mean / (small * factor) == pytest.approx(1 / (1 - rho))
    assert long.variance / long.mean**2 <= short.variance / short.mean**2 * (1 + 1e-9)


def test_the_variance_of_exponential_services() -> None:
    """Over all sizes, 1 / (1 - rho)^2 (2 + rho) / (2 - rho) (Coffman, Muntz and Trotter 1970)."""
    x = np.random.default_rng(1).exponential(1.0, 200_000)
    for rho in (0.3, 0.6, 0.8):
        mean, variance = sharing_moments(x, rho, 1.0)
        whole = variance.mean() + mean.var()
        assert whole == pytest.approx((2 + rho) / (2 - rho) / (1 - rho) ** 2, rel=0.02)


@settings(max_examples=8, deadline=None)
@given(rho=LOADS, cs2=SPREADS, shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
def test_the_mean_does_not_depend_on_the_law_of_services(rho: float, cs2: float, shape: Shape, seed: int) -> None:
    assert simulated(rho, cs2, shape, seed=seed).mean() == pytest.approx(1 / (1 - rho), rel=0.08)


@settings(max_examples=8, deadline=None)
@given(rho=LOADS, cs2=SPREADS, shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
def test_percentiles_against_simulation(rho: float, cs2: float, shape: Shape, seed: int) -> None:
    times = simulated(rho, cs2, shape, seed=seed)
    ours = sharing_response_quantile([0.5, 0.95, 0.99], rho, 1.0, cs2, shape)
    assert ours == pytest.approx(np.quantile(times, [0.5, 0.95, 0.99]), rel=0.1)


def test_the_slowdown_of_a_short_call_beside_long_ones() -> None:
    """First come, first served would make the short one wait for half a long one every other time."""
    routes = {"short": Route(5.0, [Step((0,), 0.01, 0.0)]), "long": Route(0.45, [Step((0,), 1.0, 0.0)])}
    times = simulate_sharing([Group()], routes, 200_000).responses
    for name, service in (("short", 0.01), ("long", 1.0)):
        assert times[name].mean() == pytest.approx(service / (1 - 0.5), rel=0.04)


def test_shared_servers_slow_as_erlang_says() -> None:
    times = simulate_sharing([Group(width=3)], {"call": Route(2.4, [Step((0,), 1.0, 2.0)])}, 80_000).responses["call"]
    assert times.mean() == pytest.approx(float(sharing_slowdown(2.4, 3)), rel=0.05)


def test_overload_has_no_steady_state() -> None:
    assert np.isinf(sharing_slowdown(3.0, 3.0))
    assert np.isinf(sharing_response_quantile(0.95, 1.0, 1.0))
    assert np.isinf(sharing_moments(1.0, 2.0, 1.0).mean)
