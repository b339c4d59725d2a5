"""The named distributions: moments, tails and quantiles belong together, and samples follow them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from capacity.queueing.shapes import SHAPES, Shape, quantile, tail, third_moment
from capacity.simulation.sampling import times

shapes = pytest.mark.parametrize("shape", SHAPES)


@shapes
@given(scv=st.floats(0.05, 10), q=st.floats(0.001, 0.9999), mean=st.floats(1e-3, 1e3))
def test_tail_inverts_quantile(shape: Shape, scv: float, q: float, mean: float) -> None:
    time = float(quantile(shape, q, mean, scv))
    if time > 1e-6 * mean:  # below that a gamma with scv 10 has all its mass at nought
        assert float(tail(shape, time, mean, scv)) == pytest.approx(1 - q, rel=1e-6, abs=1e-9)


@shapes
@given(scv=st.floats(0.05, 6), a=st.floats(0.01, 0.98))
def test_quantiles_rise(shape: Shape, scv: float, a: float) -> None:
    assert float(quantile(shape, a, 1.0, scv)) <= float(quantile(shape, a + 0.01, 1.0, scv))


@shapes
@pytest.mark.parametrize("scv", [0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 4.0])
def test_moments_by_integrating_the_tail(shape: Shape, scv: float) -> None:
    def moment(k: int) -> float:
        # in the logarithm of time, where even the lognormal's tail is short
        value, _ = integrate.quad(
            lambda y: k * np.exp(k * y) * float(tail(shape, np.exp(y), 1.0, scv)), -40, 12, limit=400
        )
        return value

    assert moment(1) == pytest.approx(1.0, rel=1e-6)
    assert moment(2) == pytest.approx(1 + scv, rel=1e-6)
    assert moment(3) == pytest.approx(float(third_moment(shape, scv)), rel=1e-4)


@shapes
@pytest.mark.parametrize("scv", [0.3, 0.5, 0.8, 1.0, 2.0])
def test_samples_follow_the_law(shape: Shape, scv: float) -> None:
    sample = times(shape, 0.2, scv, 400_000, np.random.default_rng(1))
    assert sample.mean() == pytest.approx(0.2, rel=0.01)
    assert sample.var() == pytest.approx(scv * 0.04, rel=0.05)
    for q in (0.1, 0.5, 0.95):
        assert np.quantile(sample, q) == pytest.approx(float(quantile(shape, q, 0.2, scv)), rel=0.02)


@shapes
def test_constant_time(shape: Shape) -> None:
    assert float(quantile(shape, 0.99, 0.3, 0.0)) == 0.3
    assert np.all(times(shape, 0.3, 0.0, 5, np.random.default_rng(0)) == 0.3)
    np.testing.assert_array_equal(tail(shape, [0.29, 0.3, 0.31], 0.3, 0.0), [1.0, 0.0, 0.0])
