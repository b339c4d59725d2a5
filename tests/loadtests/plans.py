"""Small lease plans for tests: the repository's own, with other stages, rates and rules, and no inputs to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from capacity.documents import REPOSITORY, to_yaml
from capacity.leaseplan import LeasePlan, LoadProfile, Stage, load_lease_plan

RATES = {"portal": 2.0, "mobile": 1.0, "local_government": 1.0, "callbacks": 2.0, "satgas": 1.0, "priority": 1.0}
STAGES = (
    Stage(label="warm", duration_s=1, share=0.5, warmup=True),
    Stage(label="main", duration_s=4, share=1.0),
)
RULES = ("errors < 1 %", "unsent = 0", "p(95) < 5 s")


def national() -> LeasePlan:
    """The repository's lease plan, whether or not its inputs have changed since."""
    return load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml", verify=False)


def small_plan(
    stages: Sequence[Stage] = STAGES,
    rules: Sequence[str] = RULES,
    rates: Mapping[str, float] | None = None,
    profile: str = "test",
) -> LeasePlan:
    """A plan whose phase 1 has these rates at both scales, and one load profile."""
    plan = national()
    chosen = dict(RATES if rates is None else rates)
    phases = tuple(
        phase.model_copy(
            update={
                "rack": phase.rack.model_copy(update={"class_rates_per_s": chosen}),
                "national": phase.national.model_copy(update={"class_rates_per_s": chosen}),
            }
        )
        for phase in plan.phases
    )
    made = LoadProfile(id=profile, description="a test", stages=tuple(stages), thresholds=tuple(rules))
    return plan.model_copy(update={"inputs": {}, "phases": phases, "loadtests": (made,)})


def write_plan(folder: Path, plan: LeasePlan) -> Path:
    """Write `plan` as the lock of a launch plan that is not there; the path of that launch plan."""
    (folder / "small.lock.yaml").write_text(to_yaml(plan), encoding="utf-8")
    return folder / "small.yaml"
