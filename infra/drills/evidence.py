"""A drill's evidence, as the gates read it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from capacity.evidence import Drill, DrillStep, Evidence, Machine, ThresholdResult
from capacity.leaseplan import LeasePlan
from infra.outputs import FleetOutputs

Kind = Literal["restore_drill", "failover_drill"]
Verdict = Literal["passed", "failed", "invalid", "interrupted"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure that was measured, and the most that it may be. None: it never came so far."""

    name: str
    value: float | None
    most: float
    unit: str

    def result(self) -> ThresholdResult:
        """As evidence has it."""
        rule = f"{self.name} <= {self.most:g} {self.unit}".rstrip()
        held = self.value is not None and self.value <= self.most
        return ThresholdResult(rule=rule, value=self.value, unit=self.unit, passed=held)


def step_of(event: dict[str, Any]) -> DrillStep:
    """A step from the event that the script on the server told of it."""
    return DrillStep(
        name=event["name"],
        started=dt.datetime.fromtimestamp(event["started"], dt.UTC),
        duration_s=event["seconds"],
        result=event["result"],
    )


def drill_evidence(
    kind: Kind,
    outputs: FleetOutputs,
    plan: LeasePlan,
    machine: Machine,
    server: str,
    steps: Sequence[DrillStep],
    bounds: Sequence[Bound],
    notes: Sequence[str],
    started: dt.datetime,
    finished: dt.datetime,
    verdict: Verdict | None = None,
) -> Evidence:
    """The evidence of a drill on one server of a fleet. Without a verdict of its own the bounds decide."""
    thresholds = tuple(bound.result() for bound in bounds)
    broken = [f"broken: {t.rule} (measured {_shown(t)})" for t in thresholds if not t.passed]
    name = kind.replace("_", "-")
    return Evidence(
        version=1,
        run=f"{started:%Y%m%dT%H%M%SZ}-{name}-phase{outputs.phase}-{outputs.scale}",
        kind=kind,
        started=started,
        finished=finished,
        plan=plan.plan,
        plan_hash=outputs.plan_hash,
        phase=outputs.phase,
        scale=outputs.scale,
        load_factor=plan.deployment(outputs.phase, outputs.scale).load_factor,
        profile=name,
        target=outputs.endpoints.portal,
        seed=0,
        machine=machine,
        thresholds=thresholds,
        drill=Drill(server=server, steps=tuple(steps)),
        verdict=verdict or ("failed" if broken else "passed"),
        reasons=tuple([*broken, *notes] or ["every bound held"]),
    )


def _shown(threshold: ThresholdResult) -> str:
    return "nothing" if threshold.value is None else f"{threshold.value:.4g} {threshold.unit}".strip()
