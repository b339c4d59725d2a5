"""Recording: exact histograms, in bulk, merged without loss; the timeline that shows stalls."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import histogram
from loadtests.recorder import FOLD_AT, CellKey, Recorder, Tally
from loadtests.timeline import Timeline, buckets_of, upper_us

VALUES = st.lists(st.integers(1, histogram.HIGHEST_US), min_size=1, max_size=200)
KEYS = st.sampled_from([CellKey(0, "portal", "portal.home"), CellKey(1, "mobile", "api.nik")])


@given(VALUES)
def test_recording_many_counts_as_recording_each(values: list[int]) -> None:
    many, each = histogram.new(), histogram.new()
    histogram.record_many(many, np.array(values, dtype=np.int64))
    for value in values:
        each.record_value(value)
    assert histogram.encode(many) == histogram.encode(each)
    assert (many.get_min_value(), many.get_max_value()) == (each.get_min_value(), each.get_max_value())


@settings(max_examples=40)
@given(st.lists(st.tuples(KEYS, st.integers(1, 10**8), st.booleans()), min_size=1, max_size=300), st.integers(1, 5))
def test_workers_samples_add_up_to_those_of_one(samples: list[tuple[CellKey, int, bool]], workers: int) -> None:
    one = Recorder((True, False))
    parts = [Recorder((True, False)) for _ in range(workers)]
    for number, (key, latency, failed) in enumerate(samples):
        for recorder in (one, parts[number % workers]):
            recorder.stages[key.stage].calls += 1
            recorder.sample(key, number / 10, latency, "status 500" if failed else None)
            recorder.late(key.stage, latency // 1000)
    total = Tally(2)
    for part in parts:
        total.add(json.loads(json.dumps(part.take().plain())))
    whole = one.take()
    assert total.cells.keys() == whole.cells.keys()
    for key, cell in whole.cells.items():
        assert histogram.encode(total.cells[key].latency) == histogram.encode(cell.latency)
        assert (total.cells[key].errors, total.cells[key].total_us) == (cell.errors, cell.total_us)
    assert total.stages == whole.stages
    assert total.messages == whole.messages
    assert total.timeline.to_csv() == whole.timeline.to_csv()
    assert histogram.encode(total.lateness) == histogram.encode(whole.lateness)


def test_nothing_is_lost_or_counted_twice_between_folds_and_takes() -> None:
    recorder, key = Recorder((False,)), CellKey(0, "portal", "portal.home")
    counted = 0
    for turn in range(3 * FOLD_AT):
        recorder.sample(key, turn / 100, turn + 1, None)
        if turn % 1000 == 0:
            counted += sum(cell.count for cell in recorder.take().cells.values())
    counted += sum(cell.count for cell in recorder.take().cells.values())
    assert counted == 3 * FOLD_AT
    assert not recorder.take().cells


def test_warm_up_does_not_count_for_lateness() -> None:
    recorder = Recorder((True, False))
    recorder.late(0, 10**6)
    recorder.late(1, 100)
    assert recorder.take().lateness.get_max_value() == pytest.approx(100, abs=1)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_a_bucket_of_the_timeline_is_at_most_a_quarter_wide(values: list[int]) -> None:
    for value, bucket in zip(values, buckets_of(np.array(values, dtype=np.int64)).tolist(), strict=True):
        assert value < upper_us(bucket) <= max(value + 1, value * 1.25 + 1)


def test_a_stall_shows_in_its_own_seconds() -> None:
    timeline = Timeline()
    times = np.arange(0, 10, 0.01)
    latencies = np.where((times >= 3) & (times < 6), (6 - times) * 1e6, 2000).astype(np.int64)
    timeline.add(times, latencies)
    timeline.failed(7.5)
    rows = [line.split(",") for line in timeline.to_csv().splitlines()[1:]]
    assert [row[0] for row in rows] == [str(n) for n in range(10)]
    assert float(rows[2][5]) == 2.0
    assert float(rows[3][5]) == pytest.approx(3000, rel=0.01)
    assert float(rows[6][5]) == 2.0
    assert [row[2] for row in rows] == ["0"] * 7 + ["1", "0", "0"]
