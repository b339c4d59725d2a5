"""Erlang B, C and A against their closed forms in high precision, against LINE, and by their properties."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_solver.api.qsys import qsys_erlanga, qsys_mmck, qsys_mmk

from capacity.queueing import erlang_a, erlang_a_tail, erlang_b, erlang_c, mmc_wait

mpmath.mp.dps = 40
TOLERANCE = 1e-9

WHOLE = [(1, 0.01), (1, 0.9), (1, 50.0), (2, 1.5), (10, 3.0), (10, 9.9), (64, 40.0), (64, 63.0), (64, 200.0)]
WHOLE += [(500, 300.0), (500, 495.0), (500, 505.0), (500, 5000.0), (4000, 3900.0), (4000, 4100.0)]
REAL = [
    (0.0, 0.5),
    (0.3, 0.1),
    (0.3, 0.29),
    (0.3, 5.0),
    (0.3, 90.0),
    (1.5, 1.2),
    (7.7, 6.0),
    (120.4, 110.0),
    (120.4, 900.0),
]


def closed_form_b(c: int, a: float) -> mpmath.mpf:
    """(a^c / c!) / sum of a^k / k!, summed downwards from 1 with every term a quotient of neighbours."""
    total = term = mpmath.mpf(1)
    for k in range(c, 0, -1):
        term *= mpmath.mpf(k) / mpmath.mpf(a)
        total += term
    return 1 / total


def integral_b(c: float, a: float) -> mpmath.mpf:
    return 1 / mpmath.quad(lambda t: a * mpmath.exp(-a * t) * (1 + t) ** mpmath.mpf(c), [0, 1 / a, 10 / a, mpmath.inf])


def birth_and_death_a(lam: float, mu: float, c: int, theta: float) -> dict[str, mpmath.mpf]:
    """M/M/c+M by summing its birth and death process until the terms vanish."""
    weights = [mpmath.mpf(1)]
    while len(weights) < c + 2 or weights[-1] > mpmath.mpf(10) ** -25 * weights[c]:
        n = len(weights)
        weights.append(weights[-1] * lam / (min(n, c) * mpmath.mpf(mu) + max(n - c, 0) * mpmath.mpf(theta)))
    total = mpmath.fsum(weights)
    queue = mpmath.fsum(max(n - c, 0) * w for n, w in enumerate(weights)) / total
    return {
        "wait": mpmath.fsum(weights[c:]) / total,
        "abandon": queue * theta / lam,
        "queue": queue,
        "busy": mpmath.fsum(min(n, c) * w for n, w in enumerate(weights)) / total / c,
    }


@pytest.mark.parametrize(("c", "a"), WHOLE)
def test_erlang_b_whole_servers(c: int, a: float) -> None:
    assert float(erlang_b(c, a)) == pytest.approx(float(closed_form_b(c, a)), rel=TOLERANCE, abs=0)


@pytest.mark.parametrize(("c", "a"), REAL)
def test_erlang_b_real_servers(c: float, a: float) -> None:
    assert float(erlang_b(c, a)) == pytest.approx(float(integral_b(c, a)), rel=TOLERANCE, abs=0)


@pytest.mark.parametrize(("c", "a"), [(c, a) for c, a in WHOLE if a < c])
def test_erlang_c_and_wait_closed_form(c: int, a: float) -> None:
    b = closed_form_b(c, a)
    rho = mpmath.mpf(a) / c
    waits = b / (1 - rho * (1 - b))
    assert float(erlang_c(c, a)) == pytest.approx(float(waits), rel=TOLERANCE, abs=0)
    assert float(mmc_wait(a / 0.2, 0.2, c)) == pytest.approx(float(waits * mpmath.mpf(0.2) / (c - a)), rel=TOLERANCE)


@pytest.mark.parametrize(("c", "a"), [(c, a) for c, a in WHOLE if c <= 64])
def test_erlang_b_and_c_against_line(c: int, a: float) -> None:
    assert float(erlang_b(c, a)) == pytest.approx(qsys_mmck(a, 1.0, c, c)["lossProbability"], rel=TOLERANCE, abs=0)
    if a < c:
        assert float(mmc_wait(a, 1.0, c)) == pytest.approx(qsys_mmk(a, 1.0, c)["Wq"], rel=TOLERANCE, abs=0)


ABANDONING = [(0.5, 1.0, 1, 0.2), (9.0, 1.0, 10, 0.5), (100.0, 1.0, 90, 0.5), (100.0, 1.0, 110, 2.0)]
ABANDONING += [(40.0, 0.25, 150, 0.01), (30.0, 2.0, 4, 1.0), (5.0, 1.0, 60, 5.0)]


@pytest.mark.parametrize(("lam", "mu", "c", "theta"), ABANDONING)
def test_erlang_a(lam: float, mu: float, c: int, theta: float) -> None:
    ours = erlang_a(lam, 1 / mu, c, 1 / theta)
    exact = birth_and_death_a(lam, mu, c, theta)
    assert float(ours.wait_probability) == pytest.approx(float(exact["wait"]), rel=TOLERANCE, abs=0)
    assert float(ours.abandon_probability) == pytest.approx(float(exact["abandon"]), rel=TOLERANCE, abs=0)
    assert float(ours.mean_queue) == pytest.approx(float(exact["queue"]), rel=TOLERANCE, abs=0)
    assert float(ours.utilisation) == pytest.approx(float(exact["busy"]), rel=TOLERANCE, abs=0)
    line = qsys_erlanga(lam, mu, theta, c)
    assert float(ours.abandon_probability) == pytest.approx(line["probAbandon"], rel=TOLERANCE, abs=1e-15)
    assert float(ours.mean_wait) == pytest.approx(line["meanWait"], rel=TOLERANCE, abs=1e-15)


@pytest.mark.parametrize(("lam", "mu", "c", "theta"), ABANDONING)
@pytest.mark.parametrize("t", [0.0, 0.1, 1.0])
def test_erlang_a_tail_is_the_integral(lam: float, mu: float, c: int, theta: float, t: float) -> None:
    def density(x: mpmath.mpf) -> mpmath.mpf:
        return mpmath.exp(lam / theta * (1 - mpmath.exp(-theta * x)) - c * mu * x)

    rate = max(c * mu - lam, 0.1 * c * mu)
    points = [0, 1 / rate, 5 / rate, 20 / rate, 60 / rate]
    e = 1 / integral_b(c - 1, lam / mu)
    whole = mpmath.quad(density, [*points, mpmath.inf])
    rest = mpmath.quad(density, [t + p for p in points] + [mpmath.inf])
    expected = lam * rest / (e + lam * whole)
    assert float(erlang_a_tail(t, lam, 1 / mu, c, 1 / theta)) == pytest.approx(float(expected), rel=1e-8, abs=1e-30)


def test_erlang_a_becomes_c_with_patience_and_b_without() -> None:
    patient, hasty = erlang_a(8.0, 1.0, 10, 1e6), erlang_a(8.0, 1.0, 10, 1e-7)
    assert float(patient.wait_probability) == pytest.approx(float(erlang_c(10, 8.0)), rel=1e-4)
    assert float(hasty.abandon_probability) == pytest.approx(float(erlang_b(10, 8.0)), rel=1e-4)


def test_erlang_a_beyond_capacity_loses_the_surplus() -> None:
    assert float(erlang_a(200.0, 1.0, 90, 1e4).abandon_probability) == pytest.approx(0.55, rel=1e-6)


SERVERS = st.floats(0.05, 3000)
SHARES = st.floats(0.0, 3.0)


@given(c=SERVERS, rho=SHARES, more=st.floats(1.001, 1.5))
def test_erlang_b_rises_with_load_and_falls_with_servers(c: float, rho: float, more: float) -> None:
    b = float(erlang_b(c, rho * c))
    assert 0 <= b <= 1
    assert float(erlang_b(c, rho * c * more)) >= b * (1 - 1e-12)
    assert float(erlang_b(c * more, rho * c)) <= b * (1 + 1e-12)


@given(c=SERVERS, rho=st.floats(0.01, 0.99), more=st.floats(1.001, 1.5))
def test_erlang_c_lies_above_b_and_is_monotone(c: float, rho: float, more: float) -> None:
    waits = float(erlang_c(c, rho * c))
    assert float(erlang_b(c, rho * c)) <= waits <= 1
    assert float(erlang_c(c, min(rho * more, 1) * c)) >= waits * (1 - 1e-9)
    assert float(erlang_c(c * more, rho * c)) <= waits * (1 + 1e-9)


@given(c=st.floats(1, 400), rho=st.floats(0.01, 2), patience=st.floats(0.05, 100), more=st.floats(1.01, 1.5))
def test_erlang_a_is_monotone(c: float, rho: float, patience: float, more: float) -> None:
    base = erlang_a(rho * c, 1.0, c, patience)
    busier = erlang_a(rho * c * more, 1.0, c, patience)
    assert 0 <= float(base.abandon_probability) <= float(busier.abandon_probability) * (1 + 1e-7) + 1e-12
    assert float(base.utilisation) <= 1 + 1e-9
    assert float(erlang_a(rho * c, 1.0, c + 1, patience).mean_wait) <= float(base.mean_wait) * (1 + 1e-7) + 1e-12


def test_arrays_broadcast_and_limits() -> None:
    grid = erlang_c(np.arange(1, 5)[:, None], np.linspace(0, 3, 7)[None, :])
    assert grid.shape == (4, 7)
    assert np.all(grid[:, 0] == 0)
    assert np.all(grid[0, np.linspace(0, 3, 7) >= 1] == 1)
    assert float(mmc_wait(10, 0.1, 1)) == np.inf
    assert float(erlang_b(0, 3.0)) == pytest.approx(1)


@pytest.mark.parametrize(("c", "a"), [(-1, 1.0), (2, -0.1), (float("nan"), 1.0)])
def test_nonsense_is_refused(c: float, a: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        erlang_b(c, a)
