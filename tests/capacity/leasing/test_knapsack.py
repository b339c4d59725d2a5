"""Tightened rows keep every whole-number plan and cut fractional ones away."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from capacity.leasing.knapsack import attainable, rounding_cuts

WEIGHTS = st.lists(st.integers(1, 12), min_size=1, max_size=3)


@given(WEIGHTS, st.integers(1, 30), st.sampled_from([1.0, 0.5, 0.1]))
def test_attainable_is_the_least_reachable_sum(weights: list[int], need: int, unit: float) -> None:
    raised = attainable(np.array(weights)[:, None] * unit, np.array([need * unit]))[0]
    sums = {
        sum(w * n for w, n in zip(weights, counts, strict=True))
        for counts in itertools.product(*(range(need // w + 2) for w in weights))
    }
    assert np.isclose(raised, min(s for s in sums if s >= need) * unit)


@given(WEIGHTS, st.floats(0.5, 30))
def test_rounding_cuts_keep_every_whole_plan(weights: list[int], need: float) -> None:
    weight, needs = np.array(weights, dtype=float)[:, None], np.array([need])
    cuts, source = rounding_cuts(weight, needs)
    assert set(source.tolist()) <= {0}
    for counts in itertools.product(*(range(int(need // w) + 2) for w in weights)):
        if weight[:, 0] @ counts >= need:
            assert (np.array(counts) @ cuts >= 1 - 1e-9).all()


def test_rounding_cut_closes_the_gap_of_a_single_weight() -> None:
    cuts, _ = rounding_cuts(np.array([[4.0]]), np.array([9.0]))
    assert np.allclose(cuts, 1 / 3), "9 units in servers of 4 take 3, not 2.25"


@given(WEIGHTS, st.integers(1, 30))
def test_fractions_without_simple_denominator_are_left_alone(weights: list[int], need: int) -> None:
    odd = np.array(weights)[:, None] * np.pi
    assume(need > 0)
    assert attainable(odd, np.array([float(need)]))[0] >= need
