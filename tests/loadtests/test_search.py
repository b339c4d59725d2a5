"""The capacity search against targets whose capacity is known, and the judgement of a probe."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.evidence import StageResult
from loadtests.search import BATCHES, Found, Probe, Try, judge, judge_rule, probe_profile, search
from loadtests.thresholds import parse
from tests.loadtests.test_page import evidence
from tests.loadtests.test_thresholds import endpoint, stage

RULE = parse("p(95) < 800 ms")


def target(capacity: float, generator: float = 1e9, unsure: float = 0.0) -> tuple[list[float], Try]:
    """A target that keeps the rules up to `capacity`, and a generator that can offer up to `generator`."""
    tried: list[float] = []

    def probe(share: float, seconds: float) -> Probe:
        tried.append(share)
        outcome = "invalid" if share > generator else "kept" if share <= capacity else "broken"
        sure = seconds > 10 or abs(share - capacity) > unsure * capacity
        return Probe(share, seconds, share * 2, share * 10, outcome, sure, (), "p(95) < 800 ms")  # type: ignore[arg-type]

    return tried, probe


def found(capacity: float, start: float = 1.0, most: float = 64.0, **more: float) -> tuple[list[float], Found]:
    tried, probe = target(capacity, **more)
    return tried, search(probe, start, most, 0.1, 10.0)


@settings(max_examples=80)
@given(st.floats(0.02, 40), st.floats(0.1, 4))
def test_the_capacity_lies_between_what_kept_and_what_broke(capacity: float, start: float) -> None:
    tried, result = found(capacity, start)
    assert result.kept is not None
    assert result.broken is not None
    assert result.kept.share <= capacity < result.broken.share <= result.kept.share * 1.1 + 1e-9
    assert len(tried) <= 24
    assert result.statement.count("confidence") == 1


def test_nothing_above_the_most_is_ever_offered() -> None:
    tried, result = found(1000.0, most=5.0)
    assert max(tried) == 5.0
    assert result.broken is None
    assert "the most that was allowed" in result.statement


def test_a_generators_own_limit_is_not_taken_for_the_targets() -> None:
    tried, result = found(1000.0, generator=6.0)
    assert result.broken is None
    assert result.kept is not None
    assert result.kept.share * 1.1 >= 6.0 / 1.1
    assert "the generator's own limit" in result.statement
    assert len(tried) < 12


def test_a_target_that_keeps_no_rule_ends_the_search() -> None:
    tried, result = found(0.0)
    assert result.kept is None
    assert "no rate kept the rules" in result.statement
    assert len(tried) < 10


def test_what_is_not_sure_is_tried_again_for_longer() -> None:
    tried, result = found(3.0, unsure=0.3)
    assert len(tried) > len(set(tried))
    assert result.kept is not None
    assert result.kept.sure


def batch(number: int, slow: int) -> StageResult:
    return stage(f"batch-{number}", endpoint("api.nik", "mobile", [100.0] * (200 - slow) + [900.0] * slow))


@pytest.mark.parametrize(
    ("slow", "kept", "sure"),
    [
        ([2, 3, 2, 3, 2, 3], True, True),
        ([30, 28, 31, 30, 29, 32], False, True),
        ([2, 20, 3, 14, 4, 9], True, False),
        ([2, 30, 3, 24, 4, 9], False, False),
    ],
)
def test_a_rule_is_sure_only_when_its_batches_agree(slow: list[int], kept: bool, sure: bool) -> None:
    judged = judge_rule(RULE, [batch(n, count) for n, count in enumerate(slow)])
    assert judged is not None
    assert judged.value == pytest.approx(sum(slow) / 200 / len(slow))
    assert (judged.kept, judged.sure) == (kept, sure)
    assert judged.low <= judged.value <= judged.high


def test_the_limits_cover_the_true_share_as_often_as_they_say() -> None:
    draw, covered = random.Random(3), 0
    for _ in range(300):
        slow = [sum(draw.random() < 0.05 for _ in range(200)) for _ in range(BATCHES)]
        judged = judge_rule(RULE, [batch(n, count) for n, count in enumerate(slow)])
        assert judged is not None
        covered += judged.high >= 0.05
    assert 0.90 <= covered / 300 <= 0.99


def test_a_probe_is_a_warm_up_and_equal_batches() -> None:
    profile = probe_profile(2.0, 24.0, ["errors < 1 %"])
    assert [s.warmup for s in profile.stages] == [True] + [False] * BATCHES
    assert {s.share for s in profile.stages} == {2.0}
    assert sum(s.duration_s for s in profile.stages if not s.warmup) == pytest.approx(24.0)


def test_a_probe_tells_the_rule_that_is_broken_the_most() -> None:
    stages = tuple(batch(n, slow) for n, slow in enumerate([30, 28, 31, 30, 29, 32]))
    run = evidence("failed", "").model_copy(update={"stages": stages})
    judged = judge(1.0, 24.0, 2.0, run, [RULE, parse("p(99) < 800 ms"), parse("errors < 1 %")])
    assert (judged.outcome, judged.sure, judged.journeys_per_s) == ("broken", True, 2.0)
    assert judged.reason.startswith("p(99) < 800 ms: 15.0%")
    assert judged.reason.endswith("1.0% may be, and 1 more rule")


def test_an_invalid_run_says_nothing_about_its_rate() -> None:
    late = evidence("invalid", "the generator was late").model_copy(update={"stages": (batch(0, 0),)})
    judged = judge(1.0, 24.0, 2.0, late, [RULE])
    assert (judged.outcome, judged.reason) == ("invalid", "the generator was late")
