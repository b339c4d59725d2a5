"""Endpoints over several stations: closed forms, and a simulation of streams that meet at stations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from capacity.queueing import (
    Leg,
    Wait,
    departure_scv,
    ggc_response_quantile,
    ggc_wait,
    network_response_moments,
    network_response_quantile,
    network_response_tail,
)
from capacity.simulation.series import Route, SimulatedStation, simulate_routes

NO_WAIT = Wait(np.zeros(()), np.zeros(()), np.ones(()))


def test_sum_of_exponentials_is_erlang() -> None:
    legs = [Leg(NO_WAIT, 0.02)] * 3
    for q in (0.1, 0.5, 0.95, 0.99, 0.999):
        expected = stats.gamma.ppf(q, 3, scale=0.02)
        assert float(network_response_quantile(q, legs)) == pytest.approx(expected, rel=1e-4)
        assert float(network_response_tail(expected, legs)) == pytest.approx(1 - q, rel=1e-4)


def test_three_visits_are_three_legs() -> None:
    wait = ggc_wait(60.0, 0.01, 1)
    thrice = network_response_quantile(0.95, [Leg(wait, 0.01, 0.5, 3)])
    assert float(thrice) == pytest.approx(float(network_response_quantile(0.95, [Leg(wait, 0.01, 0.5)] * 3)), rel=1e-6)


def test_one_station_is_the_station() -> None:
    wait = ggc_wait(80.0, 0.01, 1, 1.0, 2.0)
    for q in (0.5, 0.95, 0.99):
        alone = float(ggc_response_quantile(q, 80.0, 0.01, 1, 1.0, 2.0))
        assert float(network_response_quantile(q, [Leg(wait, 0.01, 2.0)])) == pytest.approx(alone, rel=1e-2)


def test_tandem_of_exponential_servers() -> None:
    """Two M/M/1 in series: response times are independent exponentials (Reich 1957)."""
    legs = [Leg(ggc_wait(50.0, 0.01, 1), 0.01), Leg(ggc_wait(50.0, 0.012, 1), 0.012)]
    a, b = 1 / 0.01 - 50, 1 / 0.012 - 50
    for t in (0.02, 0.1, 0.2):
        expected = (b * np.exp(-a * t) - a * np.exp(-b * t)) / (b - a)
        assert float(network_response_tail(t, legs)) == pytest.approx(expected, rel=1e-4)


def test_overhead_shifts_everything() -> None:
    legs = [Leg(ggc_wait(50.0, 0.01, 1), 0.01)]
    assert float(network_response_moments(legs, 0.1).mean) == pytest.approx(0.1 + 0.02)
    assert float(network_response_quantile(0.9, legs, 0.1)) == pytest.approx(0.1 + 0.02 * np.log(10), rel=1e-4)
    assert float(network_response_tail(0.09, legs, 0.1)) == 1


def test_overloaded_station_has_no_percentile() -> None:
    legs = [Leg(ggc_wait([50.0, 150.0], 0.01, 1), 0.01)]
    values = network_response_quantile(0.95, legs)
    assert np.isfinite(values[0])
    assert values[1] == np.inf
    assert network_response_tail(1.0, legs)[1] == 1


def test_nothing_to_wait_for_leaves_the_overhead() -> None:
    assert float(network_response_quantile(0.95, [], 0.03)) == pytest.approx(0.03)


@given(rho=st.floats(0.01, 0.9), q=st.floats(0.05, 0.98), visits=st.floats(0.1, 4))
def test_percentiles_rise_with_q_and_load(rho: float, q: float, visits: float) -> None:
    def at(level: float, load: float) -> float:
        return float(
            network_response_quantile(level, [Leg(ggc_wait(load, 1.0, 1), 1.0, 1.0, visits), Leg(NO_WAIT, 0.3)])
        )

    assert at(q, rho) <= at(q + 0.01, rho) * (1 + 1e-6)
    assert at(q, rho) <= at(q, rho * 1.05) * (1 + 1e-6)


def test_departures_of_poisson_and_exponential_are_poisson() -> None:
    np.testing.assert_allclose(departure_scv([0.1, 0.9], [1, 7]), 1.0)
    assert float(departure_scv(0.9, 1, 1.0, 4.0)) > 1 > float(departure_scv(0.9, 1, 1.0, 0.3))


STATIONS = {"edge": SimulatedStation(2), "api": SimulatedStation(1, queues=4), "database": SimulatedStation(4)}
ROUTES = {
    "get": Route(60, [("edge", 0.002, 1), ("api", 0.010, 1), ("database", 0.004, 1)]),
    "submit": Route(20, [("edge", 0.003, 1), ("api", 0.060, 1), ("database", 0.050, 1.5)]),
    "list": Route(30, [("edge", 0.002, 0.5), ("api", 0.020, 0.5), ("database", 0.030, 2)]),
    "page": Route(100, [("edge", 0.002, 1)]),
}


def test_endpoints_against_simulation() -> None:
    """Streams of different demands at shared stations, pods behind a random split: mean and p95 within 8 %."""
    measured = simulate_routes(STATIONS, ROUTES, 500.0, seed=4)
    waits = {}
    for name, station in STATIONS.items():
        parts = [(r.rate, m, scv) for r in ROUTES.values() for s, m, scv in r.visits if s == name]
        rate = sum(p[0] for p in parts)
        mean = sum(r * m for r, m, _ in parts) / rate
        scv = sum(r * m**2 * (1 + s) for r, m, s in parts) / rate / mean**2 - 1
        # a mixture of endpoints is a mixture of laws: the shape `phase`
        waits[name] = ggc_wait(rate / station.queues, mean, station.servers, 1.0, scv, service_shape="phase")
    for name, route in ROUTES.items():
        legs = [Leg(waits[s], m, scv) for s, m, scv in route.visits]
        assert float(network_response_moments(legs).mean) == pytest.approx(measured[name].mean(), rel=0.08)
        for q, tolerance in ((0.95, 0.08), (0.99, 0.12)):
            expected = float(np.quantile(measured[name], q))
            assert float(network_response_quantile(q, legs)) == pytest.approx(expected, rel=tolerance)
