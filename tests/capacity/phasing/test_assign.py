"""Assignments against every assignment there is, on small problems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capacity.documents import validate
from capacity.faults import BadInput, Infeasible
from capacity.phasing import (
    Assignment,
    PhasingRules,
    Problem,
    broken,
    check,
    evaluate,
    fastest,
    frontier,
    most_level,
    unlike,
)

REGIONS = ("A", "B", "C", "D", "E", "F")
NEAR = 1.002


def _rules(**kwargs: object) -> PhasingRules:
    return validate(PhasingRules, {"version": 1, "reason": "test", **kwargs}, "rules")


def _problem(weights: list[int]) -> Problem:
    weight = np.array(weights, dtype=float)
    hours = np.array([[1.0, 3.0, 2.0], [3.0, 2.0, 1.0]])
    zone = np.arange(len(weights)) % 2
    base = weight[:, None] * hours[zone]
    launch = np.stack([base, 1.2 * base, 1.5 * base], axis=1)
    carried = np.zeros((len(weights), 3, 3, 3))
    for j, k in ((0, 1), (0, 2), (1, 2)):
        carried[:, j, k] = 0.4 * base
    return Problem(REGIONS[: len(weights)], weight, ("WIB", "WIT"), zone, np.array([0.0, 90.0, 180.0]), launch, carried)


def _all(problem: Problem, rules: PhasingRules) -> list[Assignment]:
    return [
        evaluate(problem, phase)
        for phase in (np.array(p) for p in itertools.product((1, 2, 3), repeat=len(problem.regions)))
        if not broken(problem, rules, phase)
    ]


RULES = st.fixed_dictionaries(
    {},
    optional={
        "zones": st.sampled_from(["free", "spread", "together"]),
        "limits": st.just([{"phase": 1, "max_share": 0.5}, {"phase": 3, "min_regions": 2}]),
        "special_zones": st.just(["E", "F"]),
        "special_zones_by": st.sampled_from([1, 2]),
        "special_zones_source": st.just("test"),
        "ready": st.just({"B": 2}),
        "forbidden": st.just({"C": [3]}),
        "together": st.just([["A", "D"]]),
    },
)


@given(st.lists(st.integers(1, 40), min_size=6, max_size=6), RULES)
@settings(max_examples=40)
def test_ends_of_the_frontier_match_exhaustive_search(weights: list[int], stated: dict[str, object]) -> None:
    problem, rules = _problem(weights), _rules(**stated)
    every = _all(problem, rules)
    if not every:
        with pytest.raises(Infeasible, match="no assignment of regions"):
            fastest(problem, rules)
        return
    fast, level = fastest(problem, rules), most_level(problem, rules)
    assert fast.waiting_days <= min(a.waiting_days for a in every) * NEAR + 1e-6
    assert level.step <= min(a.step for a in every) * NEAR
    for found in (fast, level):
        assert not broken(problem, rules, np.array(found.phase))


@given(st.lists(st.integers(1, 40), min_size=6, max_size=6))
@settings(max_examples=15)
@example([20, 21, 29, 32, 2, 29])  # HiGHS 1.14 to 1.16 call an alternative infeasible that is not
@example([20, 21, 27, 33, 2, 26])  # and fail on this one
def test_no_point_of_the_frontier_is_dominated(weights: list[int]) -> None:
    problem, rules = _problem(weights), _rules(limits=[{"phase": 1, "max_share": 0.6}])
    every = _all(problem, rules)
    choices = frontier(problem, rules, points=5)
    assert [c.assignment.waiting_days for c in choices] == sorted(c.assignment.waiting_days for c in choices)
    for choice in choices:
        one = choice.assignment
        better = [a for a in every if a.waiting_days * NEAR < one.waiting_days and a.step * NEAR < one.step]
        assert not better
        if choice.alternative is not None:
            assert choice.alternative.phase != one.phase
            assert choice.alternative.step <= one.step * 1.02 + 1e-6
            assert choice.alternative.waiting_days <= one.waiting_days * 1.02 + 1e-6
            assert not broken(problem, rules, np.array(choice.alternative.phase))


def test_the_step_bound_is_kept_and_tightening_it_never_speeds_up() -> None:
    problem, rules = _problem([5, 9, 13, 21, 34, 3]), _rules()
    fast, level = fastest(problem, rules), most_level(problem, rules)
    waits = []
    for part in (0.0, 0.3, 0.6, 1.0):
        bound = fast.step + (level.step - fast.step) * part
        found = fastest(problem, rules, bound)
        assert found.step <= bound * (1 + 1e-6)
        waits.append(found.waiting_days)
    assert all(b >= a / NEAR - 1e-6 for a, b in itertools.pairwise(waits))


def test_what_an_assignment_means() -> None:
    problem = _problem([10, 20, 30])
    one = evaluate(problem, np.array([1, 2, 3]))
    assert one.waiting_days == pytest.approx((20 * 90 + 30 * 180) / 60)
    assert one.share == pytest.approx((1 / 6, 2 / 6, 3 / 6))
    assert one.added == pytest.approx((10 * 3, 1.2 * 20 * 3, 1.5 * 30 * 3))
    first, second = 0.4 * 10 * np.array([1, 3, 2]), 0.4 * 20 * np.array([3, 2, 1])
    assert one.peak[1] == pytest.approx((1.2 * 20 * np.array([3, 2, 1]) + first).max())
    assert one.peak[2] == pytest.approx((1.5 * 30 * np.array([1, 3, 2]) + first + second).max())
    assert sum(one.growth) == pytest.approx(one.peak[-1])


def test_a_broken_rule_is_named_with_its_region() -> None:
    rules = _rules(
        fixed={"A": 1}, forbidden={"B": [3]}, ready={"C": 2}, special_zones=["D"], special_zones_by=2,
        special_zones_source="test",
    )  # fmt: skip
    said = broken(_problem([10] * 6), rules, np.array([2, 3, 1, 3, 1, 2]))
    assert said == [
        "A may not join in phase 2 (fixed to phase 1)",
        "B may not join in phase 3 (forbidden)",
        "C may not join in phase 1 (its satgas is ready from phase 2)",
        "D may not join in phase 3 (special economic zones join by phase 2)",
    ]


def test_a_plan_is_kept_where_it_is_as_good() -> None:
    problem, rules = _problem([10, 10, 10, 10, 10, 10]), _rules(limits=[{"phase": 1, "max_share": 0.5}])
    prefer = np.array([1, 3, 1, 2, 1, 2])
    bound = most_level(problem, rules).step * 2
    kept = fastest(problem, rules, bound, prefer)
    moved = sum(a != b for a, b in zip(kept.phase, prefer, strict=True))
    assert moved <= sum(a != b for a, b in zip(fastest(problem, rules, bound).phase, prefer, strict=True))


def test_unlike_differs_but_is_nearly_as_good() -> None:
    problem, rules = _problem([10, 10, 10, 10, 10, 10]), _rules(limits=[{"phase": 1, "max_share": 0.4}])
    one = most_level(problem, rules)
    other = unlike(problem, rules, one)
    assert other is not None
    assert sum(a != b for a, b in zip(one.phase, other.phase, strict=True)) >= 2


def test_a_contradiction_names_the_rules() -> None:
    problem = _problem([10, 20, 30, 40, 50, 60])
    rules = _rules(limits=[{"phase": 1, "max_share": 0.1}], fixed={"F": 1})
    with pytest.raises(Infeasible) as refusal:
        fastest(problem, rules)
    assert "limits" in str(refusal.value)
    assert "fixed" in str(refusal.value)
    assert "zones" not in str(refusal.value)


def test_wrong_rules_are_refused_at_once() -> None:
    problem = _problem([10, 20, 30])
    rules = _rules(
        fixed={"A": 1, "X": 2},
        forbidden={"A": [1]},
        ready={"A": 3},
        special_zones=["B"],
        special_zones_by=1,
        limits=[{"phase": 1}, {"phase": 1}],
    )
    with pytest.raises(BadInput) as refusal:
        check(problem, rules, "rules.yaml")
    problems = " ".join(f.problem for f in refusal.value.faults)
    for part in ("no such region", "forbidden there as well", "satgas is ready", "given twice", "is missing"):
        assert part in problems
    with pytest.raises(BadInput, match="minimum exceeds the maximum"):
        _rules(limits=[{"phase": 1, "min_share": 0.5, "max_share": 0.2}])
    with pytest.raises(BadInput, match="less than or equal to 3"):
        _rules(fixed={"A": 4})
