"""Arrival schedules: the right number at the right times, the same for any number of workers."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from capacity.faults import BadInput
from loadtests.arrivals import Arrival, RateSchedule, RateStage, read_trace, share, write_trace

RATE = st.floats(0, 60)
KIND = st.sampled_from(["poisson", "constant"])


def schedule(*stages: RateStage, seed: int = 1) -> RateSchedule:
    return RateSchedule(tuple(stages), seed)


@settings(max_examples=60)
@given(st.lists(st.tuples(RATE, RATE, KIND), min_size=1, max_size=4), st.integers(1, 5))
def test_any_number_of_workers_offers_the_same_arrivals(
    given_stages: list[tuple[float, float, str]], workers: int
) -> None:
    whole = schedule(
        *(RateStage.linear(f"s{n}", 3.0, (a, b), (b, a), kind) for n, (a, b, kind) in enumerate(given_stages))  # type: ignore[arg-type]
    )
    parts = [list(share(whole, part, workers)) for part in range(workers)]
    assert sorted(itertools.chain(*parts)) == list(whole)
    assert list(whole) == list(whole)


@settings(max_examples=60)
@given(RATE, RATE, KIND, st.integers(0, 2**31))
def test_arrivals_come_in_order_and_within_their_stage(start: float, end: float, kind: str, seed: int) -> None:
    stages = (RateStage.linear("a", 2.0, (start,), (end,), kind), RateStage.linear("b", 2.0, (end,), (start,), kind))  # type: ignore[arg-type]
    arrivals = list(schedule(*stages, seed=seed))
    assert [a.at_s for a in arrivals] == sorted(a.at_s for a in arrivals)
    assert all(2.0 * a.stage <= a.at_s <= 2.0 * (a.stage + 1) + 1e-9 for a in arrivals)


@given(st.floats(0, 200), st.floats(0, 200), st.floats(0.5, 30))
def test_a_constant_stage_has_the_integral_of_its_rate(start: float, end: float, duration: float) -> None:
    stage = RateStage.linear("a", duration, (start,), (end,), "constant")
    assert abs(len(list(schedule(stage))) - stage.expected()) <= 1


def test_constant_arrivals_are_evenly_spaced() -> None:
    times = [a.at_s for a in schedule(RateStage.linear("a", 10.0, (20.0,), (20.0,), "constant"))]
    assert times == pytest.approx([0.025 + 0.05 * n for n in range(200)])


def test_gaps_of_a_poisson_stage_are_exponential() -> None:
    times = np.array([a.at_s for a in schedule(RateStage.linear("a", 200.0, (100.0,), (100.0,)))])
    assert stats.kstest(np.diff(times), "expon", args=(0, 0.01)).pvalue > 1e-3
    assert len(times) == pytest.approx(20_000, abs=5 * math.sqrt(20_000))


def test_a_ramp_follows_the_integral_of_its_rate() -> None:
    # L(t) = t^2 / 2 for a rate that grows from 0 to 100 over 100 s: mapped by L, times are a process of rate one.
    times = np.array([a.at_s for a in schedule(RateStage.linear("a", 100.0, (0.0,), (100.0,)))])
    mapped = times**2 / 2
    assert stats.kstest(mapped, "uniform", args=(0, 5000)).pvalue > 1e-3


def test_a_day_of_points_is_followed_by_each_class_on_its_own() -> None:
    # Twice the rate in the middle third, nothing in the last: mapped by its own integral, a class is of rate one.
    stage = RateStage("day", 300.0, ((20.0, 40.0, 40.0, 0.0), (0.0, 0.0, 30.0, 30.0)))
    arrivals = list(schedule(stage))
    for kind, curve in enumerate(stage.curves):
        times = np.array([a.at_s for a in arrivals if a.kind == kind])
        fine = np.linspace(0, 300, 30_001)
        rates = np.interp(fine, np.linspace(0, 300, len(curve)), curve)
        integral = np.concatenate([[0.0], np.cumsum((rates[1:] + rates[:-1]) / 2 * np.diff(fine))])
        assert integral[-1] == pytest.approx(stage.expected(kind), rel=1e-6)
        mapped = np.interp(times, fine, integral)
        assert stats.kstest(mapped, "uniform", args=(0, integral[-1])).pvalue > 1e-3
        assert len(times) == pytest.approx(stage.expected(kind), abs=5 * math.sqrt(stage.expected(kind)))
    assert stage.peak_rate == pytest.approx(70.0)
    assert stage.expected() == stage.expected(0) + stage.expected(1)


def test_seeds_and_classes_have_arrivals_of_their_own() -> None:
    stage = RateStage.linear("a", 10.0, (10.0, 10.0), (10.0, 10.0))
    one = list(schedule(stage, seed=1))
    assert one != list(schedule(stage, seed=2))
    assert [a.at_s for a in one if a.kind == 0] != [a.at_s for a in one if a.kind == 1]


def test_a_schedule_survives_as_a_trace(tmp_path: Path) -> None:
    original = list(schedule(RateStage.linear("a", 5.0, (10.0, 3.0), (10.0, 3.0))))
    count = write_trace(tmp_path / "trace.csv", original, ("portal", "mobile"))
    replayed = read_trace(tmp_path / "trace.csv", ("portal", "mobile"))
    assert count == len(original) == len(replayed.arrivals)
    assert [a.kind for a in replayed] == [a.kind for a in original]
    assert [a.at_s for a in replayed] == pytest.approx([a.at_s for a in original], abs=1e-6)


def test_every_wrong_row_of_a_trace_is_told(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("at_s,class\n0.5,portal\n0.4,portal\nsoon,portal\n1,tourist\n2,portal\n")
    with pytest.raises(BadInput) as caught:
        read_trace(file, ("portal",))
    assert [fault.path for fault in caught.value.faults] == ["row 3, at_s", "row 4, at_s", "row 5, class"]
    file.write_text("at_s,class\n")
    with pytest.raises(BadInput, match="no arrivals"):
        read_trace(file, ("portal",))


def test_a_worker_outside_its_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="part 2 of 2"):
        share([Arrival(0.0, 0, 0)], 2, 2)
