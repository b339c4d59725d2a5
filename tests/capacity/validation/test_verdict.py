"""Every rule of the verdict can turn a go into a no-go by itself, and says why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from capacity.documents import REPOSITORY
from capacity.evidence import Evidence, StageResult, ThresholdResult
from capacity.leaseplan import LeasePlan, load_lease_plan
from capacity.validation.recalibrate import fit_stations
from capacity.validation.verdict import Verdict, calls_per_s, decide
from tests.capacity.validation.synthetic import START, evidence, stage

PLAN = load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml", verify=False)
HASH = "sha256:plan"


def measured(factor: float = 1.0) -> Evidence:
    """Evidence from a service whose demands are `factor` times the plan's, at the rack's rates."""
    inner = {name for e in PLAN.endpoints for name in e.calls}
    rates = calls_per_s(PLAN, PLAN.phase(1).rack.class_rates_per_s)
    stations = {s for e in PLAN.endpoints for s in e.demand_ms}
    truth = {s: {e.id: factor * e.demand_ms[s] for e in PLAN.endpoints if s in e.demand_ms} for s in stations}
    offered = {name: rate for name, rate in rates.items() if name not in inner and rate}
    return evidence(
        [stage(PLAN.endpoints, truth, offered, share, seed=n) for n, share in enumerate((0.5, 0.8, 1.0, 1.5))], HASH
    )


def judge(found: Evidence, plan: LeasePlan = PLAN, plan_hash: str = HASH, age_days: float = 1) -> Verdict:
    now = START + dt.timedelta(days=age_days)
    return decide(plan, plan_hash, 1, found, fit_stations(plan.endpoints, found), now)


def at_design(found: Evidence, change: Callable[[StageResult], StageResult]) -> Evidence:
    return found.model_copy(update={"stages": tuple(change(s) if s.share == 1.0 else s for s in found.stages)})


def test_service_as_planned_is_a_go() -> None:
    verdict = judge(measured())
    assert verdict.go, verdict.reasons
    assert {h.station for h in verdict.headroom} >= {"portal", "api", "database"}
    for row in verdict.headroom:
        assert row.measured_utilisation == pytest.approx(row.planned_utilisation, rel=0.05)


def failing_threshold(found: Evidence) -> Evidence:
    return found.model_copy(
        update={
            "thresholds": (ThresholdResult(rule="p(95) < 800 ms", value=900, unit="ms", passed=False),),
            "verdict": "failed",
        }
    )


@pytest.mark.parametrize(
    ("spoil", "rule", "words"),
    [
        (lambda e: e.model_copy(update={"plan_hash": "sha256:other"}), "plan", "another lease plan"),
        (lambda e: e.model_copy(update={"phase": 2}), "plan", "phase 2"),
        (lambda e: e.model_copy(update={"verdict": "invalid", "reasons": ("late",)}), "valid", "late"),
        (failing_threshold, "threshold", "900 ms"),
        (lambda e: at_design(e, lambda s: s.model_copy(update={"unsent": 3})), "load", "3 unsent"),
        (lambda e: e.model_copy(update={"stages": e.stages[:2]}), "load", "no stage reached"),
        (lambda e: at_design(e, lambda s: s.model_copy(update={"achieved_journeys_per_s": 0.1})), "load", "0.10 of"),
        (
            lambda e: e.model_copy(update={"stages": tuple(s.model_copy(update={"stations": ()}) for s in e.stages)}),
            "measured",
            "no station",
        ),
    ],
)  # fmt: skip
def test_each_rule_alone_is_a_no_go(spoil: Callable[[Evidence], Evidence], rule: str, words: str) -> None:
    verdict = judge(spoil(measured()))
    assert not verdict.go
    broken = [r for r in verdict.rules if not r.held]
    assert {r.name for r in broken} == {rule}
    assert any(words in reason for reason in verdict.reasons)


def test_old_evidence_is_a_no_go() -> None:
    assert judge(measured(), age_days=29).go
    assert not judge(measured(), age_days=32).go


def test_demands_far_above_the_plan_do_not_carry_the_nation() -> None:
    verdict = judge(measured(factor=2.5))
    assert not verdict.go
    assert any(r.name == "nation" and not r.held for r in verdict.rules)
    assert any("calibration" in reason for reason in verdict.reasons)
