"""The Universal Scalability Law is found again in stages that were made with it."""

from __future__ import annotations

import pytest

from capacity.evidence import Evidence
from capacity.queueing import usl
from capacity.validation.recalibrate import StationFit
from capacity.validation.scalability import scalability
from tests.capacity.validation.synthetic import endpoint, evidence, stage

PLANNED = (endpoint("api.status", {"api": 10.0}),)
NO_IDLING = {"api": StationFit("api", 1.0, 0.0, {})}


def run(contention: float, coherency: float, shares: tuple[float, ...] = (0.5, 1, 2, 4, 6)) -> Evidence:
    """Stages that keep `share` cores busy, and have the calls that the law allows for that."""
    stages = []
    for number, cores in enumerate(shares):
        calls = float(usl(cores, 100.0, contention, coherency))
        truth = {"api": {"api.status": cores / calls * 1e3}}
        stages.append(stage(PLANNED, truth, {"api.status": calls}, 1.0, seed=number, duration_s=600))
    return evidence(stages)


@pytest.mark.parametrize(("contention", "coherency"), [(0.0, 0.0), (0.05, 0.0), (0.03, 0.01)])
def test_the_law_is_found_again_within_its_interval(contention: float, coherency: float) -> None:
    (fit,) = scalability(PLANNED, run(contention, coherency).stages, NO_IDLING)
    assert fit.station == "api"
    assert fit.rate_per_s == pytest.approx(100.0, rel=0.05)
    for value, found, interval in (
        (contention, fit.contention, fit.contention_interval),
        (coherency, fit.coherency, fit.coherency_interval),
    ):
        assert interval is not None
        assert interval[0] <= found <= interval[1]
        assert interval[0] - 0.01 <= value <= interval[1] + 0.01
        assert interval[1] > 0, "an interval of no width would pretend to certainty"


def test_two_stages_carry_no_fit() -> None:
    assert scalability(PLANNED, run(0.0, 0.0, (0.5, 1.0)).stages, NO_IDLING) == ()
