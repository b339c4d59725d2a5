"""Held-out stages are foretold with what the other stages measured, and bounds of percentiles cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from capacity.documents import REPOSITORY
from capacity.leaseplan import load_lease_plan
from capacity.validation.compare import accuracy, accuracy_words, compare, conditions, quantile_bounds
from capacity.validation.recalibrate import fit_stations, measured_stages
from capacity.validation.verdict import calls_per_s
from tests.capacity.validation.synthetic import evidence, stage

PLAN = load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml", verify=False)


def test_held_out_stage_is_foretold_from_the_others() -> None:
    """Demands 1.4 times the plan's: the plan is wrong by that much, the measured demands are not."""
    inner = {name for e in PLAN.endpoints for name in e.calls}
    offered = {n: r for n, r in calls_per_s(PLAN, PLAN.phase(3).rack.class_rates_per_s).items() if n not in inner and r}
    stations = ("portal", "api", "database")
    truth = {s: {e.id: 1.4 * e.demand_ms[s] for e in PLAN.endpoints if s in e.demand_ms} for s in stations}
    shares = ((0.3, False), (0.6, False), (1.0, False), (1.5, True))
    found = evidence(
        [stage(PLAN.endpoints, truth, offered, x, seed=n, held_out=out) for n, (x, out) in enumerate(shares)]
    )
    fits = fit_stations(PLAN.endpoints, found)
    last = measured_stages(found, held_out=True)
    assert [s.share for s in last] == [1.5]
    deployment = PLAN.deployment(3, "rack")
    errors = {}
    for own in (False, True):
        rows = compare(deployment, PLAN.endpoints, last, conditions(deployment, PLAN.endpoints, found, fits, own))
        errors[own] = {r.subject: r.error for r in rows if r.quantity == "utilisation"}
        told = accuracy(rows)
    synthetic_cores = {s.id: s.servers for s in deployment.stations}  # the evidence counts one core a station
    for name in stations:
        measured_with, planned = errors[True][name], errors[False][name]
        assert measured_with is not None
        assert planned is not None
        scale = synthetic_cores[name]
        assert (1 + measured_with) / scale == pytest.approx(1.0, abs=0.05)
        assert (1 + planned) / scale > 1.15
    assert told.comparisons > 0
    assert "median error" in accuracy_words(told)


def test_bounds_cover_the_true_quantile() -> None:
    """Over 300 samples of 400 exponential times, the bounds of the p95 hold the true one about nine times in ten."""
    rng = np.random.default_rng(2018)
    truth_ms = -math.log(0.05) * 20
    held = 0
    for _ in range(300):
        times = HdrHistogram(1, 3_600_000_000, 3)
        for value in rng.exponential(20_000, 400):
            times.record_value(int(value) + 1)
        low, high = quantile_bounds(times, 0.95)
        assert low is not None
        assert high is not None
        held += low <= truth_ms * 1.001 and truth_ms * 0.999 <= high
    assert 0.86 <= held / 300 <= 0.98


def test_few_answers_leave_the_upper_bound_open() -> None:
    times = HdrHistogram(1, 3_600_000_000, 3)
    for value in range(1, 21):
        times.record_value(value * 1000)
    low, high = quantile_bounds(times, 0.95)
    assert low is not None
    assert low < 20
    assert high is None
