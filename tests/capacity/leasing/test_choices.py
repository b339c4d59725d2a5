"""Given plans judged over draws: against the definitions, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.leasing.choices import Short, strata, tail_mean, weighed

costs = st.lists(st.integers(0, 1000), min_size=1, max_size=40)


@given(costs, st.sampled_from([0.0, 0.5, 0.9, 0.95]))
def test_the_tail_mean_is_the_least_of_rockafellar_and_uryasevs_function(values: list[int], level: float) -> None:
    cost = np.array(values, dtype=float)
    at = [eta + np.maximum(0, cost - eta).mean() / (1 - level) for eta in cost]
    assert tail_mean(cost, level) == pytest.approx(min(at))


@given(costs)
def test_the_tail_mean_lies_between_mean_and_worst(values: list[int]) -> None:
    cost = np.array(values, dtype=float)
    assert cost.mean() - 1e-9 <= tail_mean(cost, 0.9) <= cost.max() + 1e-9
    assert tail_mean(cost, 0.0) == pytest.approx(cost.mean())


def test_shortage_costs_its_price_for_each_server_and_month() -> None:
    pool = Short(np.array([2, 2, 3]), np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 3.0]]), 10.0)
    found = weighed(100, [pool], 0.5)
    assert found.total_idr.tolist() == [100.0, 130.0]
    assert (found.expected_idr, found.cvar_idr, found.short_share) == (115.0, 130.0, 0.5)


def test_pools_add_up_and_a_plan_without_pools_costs_its_leases() -> None:
    pool = Short(np.array([0]), np.array([[1.0]]), 5.0)
    assert weighed(1, [pool, pool], 0.9).expected_idr == 11.0


@given(st.lists(st.floats(0, 1e9), min_size=20, max_size=300))
def test_strata_part_all_draws_and_each_has_a_draw_of_its_own(values: list[float]) -> None:
    middle, probability = strata(np.array(values), (0.5, 0.9, 0.95))
    assert probability.sum() == pytest.approx(1.0)
    assert (probability > 0).all()
    assert len(set(middle.tolist())) == len(middle)
    ordered = [values[i] for i in middle]
    assert ordered == sorted(ordered)
