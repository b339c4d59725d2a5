"""The exact PH/PH/c solver against LINE, closed forms and Little's law."""

from __future__ import annotations

import numpy as np
import pytest
from line_solver.api.qsys import qsys_mapphc

from capacity.queueing import erlang_c, mmc_wait
from capacity.queueing.phase import PhaseQueue, exact_ggc_wait, fitted, two_phase
from capacity.queueing.shapes import SHAPES, Shape, third_moment


def moments(share: float, rate1: float, rate2: float) -> list[float]:
    """First three moments of the two-phase law from its matrix."""
    start, inverse = np.array([share, 1 - share]), np.linalg.inv(np.array([[rate1, -rate1], [0.0, rate2]]))
    return [float(start @ np.linalg.matrix_power(inverse, k).sum(axis=1)) * f for k, f in ((1, 1), (2, 2), (3, 6))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scv", [0.5, 0.6, 0.9, 1.5, 4.0])
def test_fit_has_the_stated_moments(shape: Shape, scv: float) -> None:
    third = float(third_moment(shape, scv))
    first, second, reached = moments(*fitted(shape, scv))
    assert first == pytest.approx(1)
    assert second == pytest.approx(1 + scv)
    if shape != "lognormal" and scv != 0.5:  # below 1 a lognormal's third moment is out of two phases' reach
        assert reached == pytest.approx(third, rel=1e-6)


def test_scv_below_a_half_needs_more_phases() -> None:
    with pytest.raises(ValueError, match=r"0\.5"):
        two_phase(0.3, 2.0)


@pytest.mark.parametrize(("c", "rho"), [(1, 0.3), (5, 0.8), (40, 0.95)])
def test_markovian_case(c: int, rho: float) -> None:
    exact = exact_ggc_wait(rho * c / 0.2, 0.2, c)
    assert exact.probability == pytest.approx(float(erlang_c(c, rho * c)), rel=1e-9)
    assert exact.mean == pytest.approx(float(mmc_wait(rho * c / 0.2, 0.2, c)), rel=1e-9)
    assert exact.conditional_scv == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("c", "rho", "ca2", "cs2"), [(1, 0.8, 4.0, 4.0), (3, 0.9, 2.0, 0.7), (6, 0.7, 0.6, 3.0)])
def test_against_line(c: int, rho: float, ca2: float, cs2: float) -> None:
    arrival, service = fitted("phase", ca2).at_mean(1 / (rho * c)), fitted("gamma", cs2)
    queue = PhaseQueue(c, arrival, service)
    stay = np.array([[-arrival.rate1, arrival.rate1], [0.0, -arrival.rate2]])
    again = np.outer([0.0, arrival.rate2], [arrival.share, 1 - arrival.share])
    line = qsys_mapphc(
        stay,
        again,
        np.array([service.share, 1 - service.share]),
        np.array([[-service.rate1, service.rate1], [0.0, -service.rate2]]),
        c,
        w_points=[0.0, 0.5, 2.0],
    )
    wait = queue.wait()
    assert wait.probability == pytest.approx(line.probWait, rel=1e-9)
    assert wait.mean == pytest.approx(line.meanWaitingTime, rel=1e-9)
    assert wait.second_moment == pytest.approx(line.waitingTimeMoments[1], rel=1e-8)
    np.testing.assert_allclose(queue.wait_tail(np.array([0.0, 0.5, 2.0])), line.waitingTimeCCDF, rtol=1e-7)


@pytest.mark.parametrize(("c", "rho", "ca2", "cs2"), [(2, 0.9, 4.0, 0.5), (16, 0.8, 0.5, 4.0), (24, 0.9, 3.0, 2.0)])
def test_littles_law(c: int, rho: float, ca2: float, cs2: float) -> None:
    exact = exact_ggc_wait(rho * c, 1.0, c, ca2, cs2)
    assert exact.mean_queue == pytest.approx(rho * c * exact.mean, rel=1e-9)


def test_overload_is_refused() -> None:
    with pytest.raises(ValueError, match="steady state"):
        exact_ggc_wait(4.0, 1.0, 4)
