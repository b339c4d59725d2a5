"""What a drill's figures say: of a restored database, and of errors after a power cut."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.documents import to_json, validate
from capacity.evidence import Evidence, Machine
from capacity.faults import BadInput
from infra.drills.evidence import Bound, drill_evidence, step_of
from infra.drills.failover import QUIET_S, STRAY, Second, disturbance, read_timeline, victim
from infra.drills.restore import differing
from tests.infra import plans
from tests.infra.fleet_sample import fleet, server

TABLE = st.tuples(st.integers(0, 50), st.integers(-5, 5).map(str)).map(list)
PRINT = st.dictionaries(st.sampled_from(["public.a", "public.b", "public.c"]), TABLE)


@given(PRINT)
def test_a_copy_of_a_quiet_database_is_that_database(live: dict[str, list[Any]]) -> None:
    assert differing(live, live, live) == ()


@given(PRINT, PRINT)
def test_of_a_quiet_database_nothing_else_passes(live: dict[str, list[Any]], copy: dict[str, list[Any]]) -> None:
    assert bool(differing(live, live, copy)) is (live != copy)


@given(PRINT, PRINT)
def test_either_end_of_the_backup_passes(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> None:
    assert differing(before, after, before) == ()
    assert differing(before, after, after) == ()


def test_lost_and_invented_rows_are_told_with_their_counts() -> None:
    before, after = {"public.a": [10, "1"]}, {"public.a": [14, "2"]}
    assert differing(before, after, {"public.a": [12, "7"]}) == ()
    assert "9 rows, the live one had 10 to 14" in differing(before, after, {"public.a": [9, "7"]})[0]
    assert "15 rows" in differing(before, after, {"public.a": [15, "7"]})[0]
    assert differing(before, before, {"public.a": [10, "2"]}) == ("public.a has 10 rows for 10, checksum 2 for 1",)
    assert differing(before, before, {}) == ("public.a is missing",)


def seconds(failing: set[int], until: int = 100, errors: int = 2) -> list[Second]:
    return [Second(n, 10, errors if n in failing else 0) for n in range(until)]


def test_recovery_is_the_end_of_the_last_failing_second() -> None:
    found = disturbance(seconds({20, 21, 23}, errors=10), cut_s=20.25, on_s=80.0)
    assert found.recovery_s == pytest.approx(3.75)
    assert found.errors == 30
    assert found.share == pytest.approx(30 / 600)
    assert found.share_on_return == 0


def test_errors_until_the_power_is_back_are_no_recovery() -> None:
    assert disturbance(seconds(set(range(20, 80))), 20.0, 80.0).recovery_s is None
    assert disturbance(seconds({20, 78}, errors=10), 20.0, 80.0).recovery_s is None


def test_a_lone_error_long_after_the_cut_is_stray() -> None:
    failing = seconds(set(range(20, 60)), errors=10)
    stray = [Second(s.second, s.calls, 1) if s.second == 76 else s for s in failing]
    assert disturbance(stray, 20.0, 80.0).recovery_s == disturbance(failing, 20.0, 80.0).recovery_s == 40.0


def test_errors_before_the_cut_count_for_nothing_and_those_after_the_return_apart() -> None:
    found = disturbance(seconds({3, 85}), 20.0, 80.0)
    assert found == disturbance(seconds({85}), 20.0, 80.0)
    assert (found.recovery_s, found.errors) == (0.0, 0)
    assert found.share_on_return == pytest.approx(2 / 200)


@given(st.sets(st.integers(0, 99)), st.floats(0, 60), st.floats(70, 95), st.integers(1, 10))
def test_after_recovery_few_calls_fail_and_before_it_more_did(
    failing: set[int], cut: float, on: float, errors: int
) -> None:
    timeline = seconds(failing, errors=errors)
    found = disturbance(timeline, cut, on).recovery_s

    def share(since: float) -> float:
        rest = [s for s in timeline if int(since) <= s.second < int(on)]
        return sum(s.errors for s in rest) / sum(s.calls for s in rest)

    if found is None:
        assert share(int(on) - QUIET_S) > STRAY or any(n >= int(on) - QUIET_S - 1 for n in failing)
    else:
        assert 0 <= found <= on - cut
        assert share(cut + found + 1e-9) <= STRAY
        if found > 0:
            assert share(cut) > STRAY


def test_a_timeline_is_read_as_it_is_written() -> None:
    text = "second,calls,errors,p50_ms,p99_ms,max_ms\n0,3,0,1,2,3\n1,0,1,0,0,0\n"
    assert read_timeline(text) == [Second(0, 3, 0), Second(1, 0, 1)]


def test_a_bound_that_nothing_was_measured_for_is_broken() -> None:
    assert not Bound("recovery", None, 90, "s").result().passed
    assert Bound("RTO", 90.0, 90, "s").result().passed
    assert not Bound("RTO", 90.1, 90, "s").result().passed


def test_evidence_of_a_drill_says_what_the_gate_asks_for() -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    event = {"name": "unpack", "started": now.timestamp(), "seconds": 1.5, "result": "done"}
    outputs = fleet()
    made = drill_evidence(
        "restore_drill",
        outputs,
        plans.plan(),
        Machine(cores=2, memory_gib=8, cpu="x", kernel="y"),
        "primary-database-01",
        [step_of(event)],
        [Bound("RTO", 12.0, 10.0, "s"), Bound("tables that differ", 0, 0, "")],
        ["public.a is missing"],
        now,
        now,
    )
    assert (made.kind, made.phase, made.plan_hash) == ("restore_drill", outputs.phase, outputs.plan_hash)
    assert made.verdict == "failed"
    assert made.reasons == ("broken: RTO <= 10 s (measured 12 s)", "public.a is missing")
    assert made.drill is not None
    assert made.drill.steps[0].started == now
    assert validate(Evidence, made.model_dump(mode="json"), "evidence") == made
    assert "password" not in to_json(made)


def test_the_last_worker_is_switched_off_when_another_can_take_over() -> None:
    workers = [server("worker", n) for n in (1, 2, 3)]
    outputs = fleet(*workers)
    assert victim(outputs, "").name == "primary-worker-03"
    assert victim(outputs, "primary-worker-01").name == "primary-worker-01"
    with pytest.raises(BadInput, match="is no worker of this fleet"):
        victim(outputs, "primary-edge-01")
    with pytest.raises(BadInput, match="the only worker of its site"):
        victim(fleet(workers[0]), "")
