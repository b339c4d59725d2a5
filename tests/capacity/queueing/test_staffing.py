"""Servers for an SLO, and the highest rate of so many servers: each inverts the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.faults import Infeasible
from capacity.queueing import (
    ggc_response_quantile,
    max_rate,
    meets,
    min_servers,
    square_root_staffing,
)

SERVICE = 0.05
SLO = ((0.95, 0.3), (0.99, 0.5))
few = settings(max_examples=40)


def test_the_answer_meets_the_slo_and_one_fewer_does_not() -> None:
    rates = np.array([0.5, 5.0, 20.0, 100.0, 1000.0, 5000.0])
    c = min_servers(rates, SERVICE, SLO, 1.0, 1.5)
    assert np.all(meets(rates, SERVICE, c, SLO, 1.0, 1.5))
    assert not np.any(meets(rates, SERVICE, np.maximum(c - 1, 1), SLO, 1.0, 1.5)[c > 1])
    assert np.all(ggc_response_quantile(0.95, rates, SERVICE, c, 1.0, 1.5) <= 0.3 * (1 + 1e-6))
    assert np.all(ggc_response_quantile(0.99, rates, SERVICE, c, 1.0, 1.5) <= 0.5 * (1 + 1e-6))


def test_highest_rate_is_the_edge() -> None:
    c = np.array([1, 2, 4, 16, 64])
    edge = max_rate(c, SERVICE, SLO, 1.0, 2.0)
    assert np.all(meets(edge * 0.9999, SERVICE, c, SLO, 1.0, 2.0))
    assert not np.any(meets(edge * 1.001, SERVICE, c, SLO, 1.0, 2.0))
    assert np.all(min_servers(edge * 0.9999, SERVICE, SLO, 1.0, 2.0) <= c)
    assert np.all(min_servers(edge * 1.001, SERVICE, SLO, 1.0, 2.0) > c)


def test_table_for_many_rates_equals_the_search() -> None:
    rates = np.linspace(0, 1500, 400)
    together = min_servers(rates, SERVICE, SLO, 1.0, 1.5, 0.8)
    one_by_one = np.concatenate([min_servers(part, SERVICE, SLO, 1.0, 1.5, 0.8) for part in np.split(rates, 10)])
    np.testing.assert_array_equal(together, one_by_one)


def test_limit_of_utilisation_binds_when_the_slo_is_loose() -> None:
    c = min_servers(1000.0, SERVICE, ((0.95, 10.0),), limit_utilisation=0.7)
    assert int(c) == int(np.ceil(50 / 0.7))
    assert float(max_rate(10, SERVICE, ((0.95, 10.0),), limit_utilisation=0.7)) == pytest.approx(140)


def test_fractions_of_servers_have_a_highest_rate_too() -> None:
    rates = max_rate(np.array([0.3, 0.6, 1.0, 1.5]), 0.01, ((0.95, 0.3),))
    assert np.all(np.diff(rates) > 0)
    assert np.all(rates < np.array([0.3, 0.6, 1.0, 1.5]) / 0.01)


@few
@given(rate=st.floats(0.1, 3000), more=st.floats(1, 2), scv=st.floats(0.5, 2))
def test_more_demand_never_needs_fewer_servers(rate: float, more: float, scv: float) -> None:
    low, high = min_servers(np.array([rate, rate * more]), SERVICE, ((0.95, 0.4),), 1.0, scv)
    assert low <= high


@few
@given(rate=st.floats(0.1, 3000), limit=st.floats(0.25, 1), looser=st.floats(1, 4))
def test_stricter_slo_never_needs_fewer_servers(rate: float, limit: float, looser: float) -> None:
    strict = min_servers(rate, SERVICE, ((0.95, limit), (0.99, 2 * limit)))
    loose = min_servers(rate, SERVICE, ((0.95, limit * looser), (0.99, 2 * limit * looser)))
    assert int(loose) <= int(strict)


def test_slo_below_the_service_time_is_infeasible_and_says_so() -> None:
    with pytest.raises(Infeasible, match="p99 of the service time alone is 230 ms") as caught:
        min_servers(10.0, SERVICE, ((0.95, 0.3), (0.99, 0.2)))
    assert "Raise the SLO" in caught.value.remedy
    assert float(max_rate(4, SERVICE, ((0.99, 0.2),))) == pytest.approx(0, abs=1e-6)


def test_negative_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=">= 0"):
        min_servers(-1.0, SERVICE, SLO)


def test_square_root_staffing() -> None:
    np.testing.assert_allclose(square_root_staffing([100, 400], 1.5), [115, 430])
