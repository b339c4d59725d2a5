"""The grammar of rules, and what they make of measured stages."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.evidence import EndpointResult, StageResult
from capacity.faults import BadInput
from loadtests import histogram
from loadtests.thresholds import evaluate, parse, parse_all
from tests.loadtests.plans import national


def endpoint(name: str, kind: str, latencies_ms: list[float], errors: int = 0) -> EndpointResult:
    made = histogram.new()
    for value in latencies_ms:
        made.record_value(int(value * 1e3))
    at = made.get_percentile_to_value_dict([50, 95, 99])
    return EndpointResult(
        endpoint=name,
        traffic_class=kind,
        count=len(latencies_ms),
        errors=errors,
        mean_ms=sum(latencies_ms) / len(latencies_ms),
        p50_ms=at[50] / 1e3,
        p95_ms=at[95] / 1e3,
        p99_ms=at[99] / 1e3,
        max_ms=max(latencies_ms),
        histogram=histogram.encode(made),
    )


def stage(label: str, *endpoints: EndpointResult, warmup: bool = False, unsent: int = 0) -> StageResult:
    return StageResult(
        label=label,
        warmup=warmup,
        held_out=False,
        started=dt.datetime(2018, 7, 9, tzinfo=dt.UTC),
        duration_s=10,
        share=1,
        offered_journeys_per_s=1,
        achieved_journeys_per_s=1,
        offered_calls_per_s=10,
        achieved_calls_per_s=9,
        unsent=unsent,
        endpoints=endpoints,
    )


STAGES = (
    stage("warm", endpoint("api.submit", "mobile", [9000.0] * 10), warmup=True),
    stage("design", endpoint("api.submit", "mobile", [100.0] * 90 + [700.0] * 10, errors=1), unsent=0),
    stage("beyond", endpoint("portal.home", "portal", [1500.0] * 100, errors=4), unsent=2),
)


@pytest.mark.parametrize(
    ("rule", "passed", "value"),
    [
        ("p(95) < 800 ms", False, 1500.0),
        ("p(95) < 1.6 s", True, 1500.0),
        ("api.submit: p(50) < 200 ms", True, 100.0),
        ("api.submit: p(95) <= 0.8 s", True, 700.0),
        ("class portal: errors < 5 %", True, 0.04),
        ("class mobile: errors < 0.1 %", False, 0.01),
        ("errors < 2 %", False, 0.025),
        ("in design errors <= 1 %", True, 0.01),
        ("in design p(99) < 800 ms", True, 700.0),
        ("unsent = 0", False, 2.0),
        ("in design unsent = 0", True, 0.0),
        ("rate >= 90 %", True, 0.9),
        ("mean < 900 ms", True, 830.0),
        ("max < 1 s", False, 1500.0),
        ("in warm p(50) > 8 s", True, 9000.0),
        ("api.nik: p(95) < 1 s", False, None),
    ],
)
def test_rules_are_judged_over_the_stages_that_count(rule: str, passed: bool, value: float | None) -> None:
    found = evaluate(parse(rule), STAGES)
    assert found.passed is passed
    assert found.value == (value if value is None else pytest.approx(value, rel=2e-3))


MALFORMED = (
    *("", "p95 < 800", "p(95) < 800", "p(101) < 1 s", "errors < 5 ms"),
    *("fast", "api.submit p(95) < 1 s", "p(95) ~ 1 s"),
)


@pytest.mark.parametrize("rule", MALFORMED)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(rule)


def test_all_malformed_and_dangling_rules_are_told_at_once() -> None:
    rules = ("p(95) < 1 s", "quick", "api.sumbit: p(95) < 1 s", "class tourist: errors < 1 %", "in never errors < 1 %")
    with pytest.raises(BadInput) as caught:
        parse_all(rules, "plan", ("api.submit",), ("mobile",), ("design",))
    assert [fault.path for fault in caught.value.faults] == [f"thresholds[{n}]" for n in (1, 2, 3, 4)]


def test_every_rule_of_the_national_plan_can_be_read() -> None:
    plan = national()
    for profile in plan.loadtests:
        labels = [s.label for s in profile.stages]
        parse_all(profile.thresholds, profile.id, (e.id for e in plan.endpoints), (c.id for c in plan.classes), labels)


@given(
    st.sampled_from(["p(50)", "p(99.9)", "mean", "max"]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(1, 10**6),
    st.sampled_from(["ms", "s"]),
)
def test_times_are_kept_in_milliseconds(measure: str, comparison: str, bound: int, unit: str) -> None:
    rule = parse(f"{measure} {comparison} {bound} {unit}")
    assert rule.is_time
    assert rule.bound == bound * (1000 if unit == "s" else 1)
