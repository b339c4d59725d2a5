"""What the model says of each stage of a load test: from measured calls and demands to utilisation and percentiles.

A stage is predicted from the calls that were offered in it, not from the plan's design rate, so that a verdict on the
model is not a verdict on the load generator. Stations that serve calls interleaved (`discipline: ps`) are simulated
(`interleaved.py`), a deployment without any is predicted from formulas (`inturn.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from capacity.evidence import StageResult
from capacity.leaseplan import Deployment, Endpoint
from capacity.validation.conditions import Conditions, StagePrediction, interleaved
from capacity.validation.interleaved import simulate_stage
from capacity.validation.inturn import formula_stage
from capacity.validation.recalibrate import pace, rates_in


def predict_stages(
    deployment: Deployment, endpoints: Sequence[Endpoint], stages: Iterable[StageResult], conditions: Conditions
) -> tuple[StagePrediction, ...]:
    """One prediction for every stage, at the rates of the calls that it offered (and the inner calls these make)."""
    return tuple(
        predict_stage(deployment, endpoints, rates_in(stage, endpoints), at_stage(conditions, stage), stage.label)
        for stage in stages
    )


def at_stage(conditions: Conditions, stage: StageResult) -> Conditions:
    """The conditions with the machine's pace and what else kept it busy in that very stage, where it was measured."""
    conditions = replace(conditions, pace=pace(stage, conditions.fixed_work_ms))
    if conditions.machine_cores is None or stage.machine_busy_cores is None:
        return conditions
    ours = sum(r.cpu_seconds for r in stage.stations) / stage.duration_s
    return replace(conditions, other_busy_cores=max(0.0, stage.machine_busy_cores - ours))


def predict_stage(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    call_rates: Mapping[str, float],
    conditions: Conditions,
    label: str = "",
) -> StagePrediction:
    """The model at given calls a second, inner calls included. Raises ValueError for an unknown endpoint or station."""
    if unknown := sorted(set(call_rates) - {e.id for e in endpoints}):
        raise ValueError(f"calls of endpoints that the lease plan does not have: {', '.join(unknown)}")
    predict = simulate_stage if interleaved(deployment) else formula_stage
    return predict(deployment, endpoints, call_rates, conditions, label)
