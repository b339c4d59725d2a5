"""The nation's phases at their sizes, simulated call by call: what the formulas promise is kept."""

from __future__ import annotations

import functools

import pytest

from capacity.documents import REPOSITORY
from capacity.leaseplan import LeasePlan, PhasePlan, load_lease_plan
from capacity.validation.conditions import Conditions, StagePrediction
from capacity.validation.interleaved import simulate_stage
from tests.capacity.nation import launch

CALLS = 1_000_000
"""The p95 of an endpoint with a hundredth of them is good to about 2 %, queueing included."""
RARE_PER_S = 1.0
"""Endpoints with fewer calls a second from outside are not compared: too few of them are simulated."""


@functools.cache
def leased() -> LeasePlan:
    return load_lease_plan(REPOSITORY / "capacity" / "plans" / "national.lock.yaml", verify=False)


@functools.cache
def simulated(phase: int, in_threads: bool) -> StagePrediction:
    """`in_threads`: whether hashes run beside the loop, as they do; formulas let all of a pod's work share its core."""
    place = leased().phases[phase - 1].national
    rates = {e.endpoint: e.arrival_rate_per_s for e in place.endpoints}
    given = Conditions(demand_ms=demands(phase), pods_told_apart=False)
    endpoints = leased().endpoints
    if not in_threads:
        endpoints = tuple(e.model_copy(update={"in_threads": 0.0}) for e in endpoints)
    return simulate_stage(place, endpoints, rates, given, calls=CALLS)


def demands(phase: int) -> dict[tuple[str, str], float]:
    """CPU of each call with the application factor of the phase, which the portal's mean demand tells."""
    place = leased().phases[phase - 1].national
    rates = {e.endpoint: e.arrival_rate_per_s for e in place.endpoints}
    portal = next(s for s in place.stations if s.id == "portal")
    grows = {True: 0.0, False: 0.0}
    for e in launch().endpoints:
        grows[e.application] += rates[e.id] * e.demand_ms.get("portal", 0.0)
    factor = (portal.demand_factor * sum(grows.values()) - grows[False]) / grows[True]
    scaled = {s.id for s in launch().stations if s.application}
    return {
        (station, e.id): ms * (factor if e.application and station in scaled else 1.0)
        for e in launch().endpoints
        for station, ms in e.demand_ms.items()
    }


def rows(phase: PhasePlan, in_threads: bool) -> list[tuple[str, float, float]]:
    """Endpoint, p95 predicted by formulas and by simulation, in ms; of those that are called from outside."""
    inner = {name for e in launch().endpoints for name in e.calls}
    ours = {e.endpoint: e.p95_ms for e in phase.national.endpoints}
    stage = simulated(phase.id, in_threads)
    return [
        (e.endpoint, ours[e.endpoint], e.p95_ms)
        for e in stage.endpoints
        if e.arrival_rate_per_s >= RARE_PER_S and e.endpoint not in inner
    ]


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_every_endpoint_keeps_its_slo(phase: int) -> None:
    limits = {e.id: e.slo_p95_ms for e in launch().endpoints}
    for endpoint, _, measured in rows(leased().phases[phase - 1], in_threads=True):
        assert measured <= limits[endpoint] * 1.03, endpoint


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_formulas_are_near_and_on_the_safe_side(phase: int) -> None:
    """What a gamma law says of sharing is a little longer for calls that all cost the same (scv of 0.01): hashes."""
    same = {e.id for e in leased().endpoints if e.scv is not None and e.scv < 0.05}
    for endpoint, predicted, measured in rows(leased().phases[phase - 1], in_threads=False):
        assert 0.95 * measured <= predicted <= (1.25 if endpoint in same else 1.2) * measured, endpoint


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_threads_beside_the_loop_keep_formulas_on_the_safe_side(phase: int) -> None:
    for endpoint, predicted, measured in rows(leased().phases[phase - 1], in_threads=True):
        assert 0.95 * measured <= predicted, endpoint
