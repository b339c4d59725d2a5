"""The Universal Scalability Law: fits find what made the data, and say how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.queueing import fit_usl, usl

STAGES = np.array([1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0])


@given(rate=st.floats(0.1, 1e4), contention=st.floats(0, 0.5), coherency=st.floats(0, 0.02))
def test_clean_data_give_back_the_law(rate: float, contention: float, coherency: float) -> None:
    found = fit_usl(STAGES, usl(STAGES, rate, contention, coherency), bootstraps=2)
    np.testing.assert_allclose(found.throughput(STAGES), usl(STAGES, rate, contention, coherency), rtol=1e-6)
    assert found.relative_error < 1e-6


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for trial in range(150):
        noisy = usl(STAGES, 100, 0.05, 0.001) * rng.normal(1, 0.02, len(STAGES))
        contention = fit_usl(STAGES, noisy, bootstraps=120, seed=trial).contention
        held += contention.low <= 0.05 <= contention.high
    assert 0.75 <= held / 150 <= 0.99  # stated: 90 %


def test_linear_scaling_has_no_peak_and_a_retrograde_one_has() -> None:
    assert fit_usl(STAGES, 50 * STAGES).peak == np.inf
    assert fit_usl(STAGES, usl(STAGES, 50, 0.02, 0.004)).peak == pytest.approx(np.sqrt(0.98 / 0.004), rel=1e-3)


def test_seed_reproduces() -> None:
    noisy = usl(STAGES, 100, 0.05, 0.001) * np.random.default_rng(1).normal(1, 0.03, len(STAGES))
    assert fit_usl(STAGES, noisy, seed=3) == fit_usl(STAGES, noisy, seed=3)


@pytest.mark.parametrize(
    ("n", "x", "message"),
    [([1, 2], [1, 2], "three"), ([1, 2, 3], [1, 2], "equally"), ([1, 2, 3], [1, -2, 3], "positive")],
)
def test_stages_that_cannot_carry_a_fit(n: list[float], x: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_usl(n, x)
