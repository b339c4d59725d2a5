"""Modified offered load against exact results for M_t/G/infinity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from capacity.queueing import modified_offered_load
from capacity.queueing.shapes import SHAPES, Shape, partial_mean, tail


def test_sinusoid_with_exponential_service() -> None:
    """Eick, Massey and Whitt (1993): m(t) = L + A (sin gt - g cos gt) / (1 + g^2) for unit mean service."""
    step, g = 0.01, 0.5
    t = np.arange(0, 80, step)
    load = modified_offered_load(10 + 5 * np.sin(g * (t + step / 2)), step, 1.0)
    end = t + step
    exact = 10 + 5 * (np.sin(g * end) - g * np.cos(g * end)) / (1 + g**2)
    np.testing.assert_allclose(load[2000:], exact[2000:], atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scv", [0.4, 1.0, 3.0])
def test_step_up_fills_as_the_service_time_says(shape: Shape, scv: float) -> None:
    """From rate 0 to 1 at time 0: m(t) = E[min(S, t)]."""
    load = modified_offered_load(np.r_[np.zeros(5), np.ones(40)], 0.25, 1.0, scv, shape)
    np.testing.assert_allclose(load[5:], partial_mean(shape, np.arange(1, 41) * 0.25, 1.0, scv), rtol=1e-6)
    np.testing.assert_allclose(load[:5], 0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scv", [0.3, 1.0, 4.0])
def test_partial_mean_is_the_integral_of_the_tail(shape: Shape, scv: float) -> None:
    for t in (0.05, 0.7, 3.0):
        value, _ = integrate.quad(lambda x: float(tail(shape, x, 1.0, scv)), 0, t, limit=200)
        assert float(partial_mean(shape, t, 1.0, scv)) == pytest.approx(value, rel=1e-6)


@given(rate=st.floats(1e-6, 100), service=st.floats(1e-3, 50), steps=st.integers(1, 30))
def test_constant_rate_gives_rate_times_service(rate: float, service: float, steps: int) -> None:
    np.testing.assert_allclose(modified_offered_load(np.full(steps, rate), 1.0, service), rate * service, rtol=1e-9)


def test_short_services_follow_the_rate_and_long_ones_lag() -> None:
    rate = np.r_[np.ones(10), 5 * np.ones(4), np.ones(10)]
    np.testing.assert_allclose(modified_offered_load(rate, 1800.0, 0.05), rate * 0.05, rtol=1e-3)
    lagging = modified_offered_load(rate, 1800.0, 5400.0)
    assert lagging.max() < rate.max() * 5400
    assert lagging[14] > 2 * rate[14] * 5400


def test_leading_axes_are_draws() -> None:
    rates = np.random.default_rng(0).random((3, 2, 20))
    together = modified_offered_load(rates, 60.0, 90.0)
    np.testing.assert_allclose(together[2, 1], modified_offered_load(rates[2, 1], 60.0, 90.0))


@pytest.mark.parametrize(("step", "service"), [(0.0, 1.0), (1.0, 0.0)])
def test_nonsense_is_refused(step: float, service: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        modified_offered_load([1.0], step, service)
