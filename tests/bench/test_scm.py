"""The array solver of the bench gives the peer's own answer on the peer's own draws, and exact quantiles on ours."""

from __future__ import annotations

import numpy as np
import pytest
from service_capacity_modeling.interface import Interval

from tests.bench.bench_scm import johnson, ours, ours_on_peer_draws, peer


@pytest.mark.parametrize("simulations", [8, 48])
def test_same_plan_as_the_peer_on_its_draws(simulations: int) -> None:
    theirs, weighed = peer(simulations)
    plan, _ = ours_on_peer_draws(simulations)
    assert plan == theirs
    assert ours()[2] == weighed


@pytest.mark.parametrize(
    ("low", "mid", "high"), [(1000, 10_000, 100_000), (0.2, 1.0, 2.0), (1.0, 2.0, 3.0), (1.0, 7.0, 8.0)]
)
def test_stated_quantiles_are_exact_and_rise(low: float, mid: float, high: float) -> None:
    at = johnson(Interval(low=low, mid=mid, high=high, confidence=0.9))
    np.testing.assert_allclose(at(np.array([0.05, 0.5, 0.95])), [low, mid, high], rtol=1e-9)
    values = at(np.linspace(0.001, 0.999, 500))
    assert np.all(np.diff(values) >= 0)
    assert low / 2 <= values[0]
    assert values[-1] <= 2 * high
