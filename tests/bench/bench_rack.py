"""What the model foretells of held-out stages on a rack of phase 3, load generator and all on one machine.

The rack is built as `oss rehearse` builds it and taken away at the end. Stages that demands are fitted to and held-out
ones come by turns, up to four fifths of the machine and down again; then `overload` offers more than the machine can
do, and `drain` nothing until all is answered. Last, since writes took up to ten times as long for two minutes after it.
The peer foretells the same stages from the same fit with first come, first served stations.

Plan and evidence of the last run stay in build/rack-prediction, so that `judged` can be asked again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY
from capacity.evidence import Evidence
from capacity.leaseplan import LeasePlan, Stage, load_lease_plan
from capacity.progress import Silent
from capacity.validation.recalibrate import fit_stations
from infra.engine.stack_files import stack_file
from infra.engine.workspace import LAYERS
from oss.rehearse import Rehearsal
from oss.steps import Steps
from oss.target import Target, environment_target
from tests.bench.bench_prediction import DRAIN, OVERLOAD, by_turns, held_out_rows, keep, offer, saturation_row

ENVIRONMENT, PHASE = "benchrack", 3
FITTED, FORETOLD = (0.6, 1.5, 2.4, 3.2), (1.0, 2.0, 2.8, 3.6)
"""Of the design rate; at 2.5 times that rate a machine of two cores is 50 to 65 % busy, as fast as it is that day."""
OVER = 5.5
KEPT = REPOSITORY / "build" / "rack-prediction"


def stages() -> tuple[Stage, ...]:
    """Fitted and held-out stages by turns, up and down again, and at last more than the machine can do."""
    return (
        Stage(label="idle", duration_s=10, share=0, warmup=True),
        Stage(label="warm-up", duration_s=8, share=0.5, warmup=True),
        *by_turns(FITTED, FORETOLD, "up"),
        *reversed(by_turns(FITTED, FORETOLD, "down")),
        Stage(label=OVERLOAD, duration_s=10, share=OVER, held_out=True),
        Stage(label=DRAIN, duration_s=20, share=0, held_out=True),
    )


def rows() -> list[dict[str, Any]]:
    """Errors of 95th percentiles and utilisations of the held-out stages, and of the rate at which it saturates."""
    plan, evidence = measured()
    keep(KEPT, plan, evidence)
    return judged(plan, evidence)


def measured() -> tuple[LeasePlan, Evidence]:
    """The plan, and what was measured of the stages."""
    plan = load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml", verify=False)
    with rack(plan) as target, tempfile.TemporaryDirectory(prefix="oss-bench-") as folder:
        return plan, offer(plan, stages(), target, Path(folder), PHASE)


@contextmanager
def rack(plan: LeasePlan) -> Iterator[Target]:
    """A rack of the phase with everything on it, as a target of load."""
    rehearsal = Rehearsal(ENVIRONMENT, PHASE, "rehearsal")
    with tempfile.TemporaryDirectory(prefix="oss-bench-") as folder:
        steps = Steps(Path(folder) / "steps.json")
        try:
            steps.run(rehearsal.bring_up())
            yield environment_target(ENVIRONMENT, plan.deployment(PHASE, "rack"), Silent())
        finally:
            rehearsal.take_down(steps)
            for layer in LAYERS:
                stack_file(ENVIRONMENT, layer).unlink(missing_ok=True)


def judged(plan: LeasePlan, evidence: Evidence) -> list[dict[str, Any]]:
    """The rows that a run gives."""
    fits = fit_stations(plan.endpoints, evidence)
    place = plan.deployment(PHASE, "rack")
    held_out = held_out_rows(place, plan.endpoints, evidence, fits, "the machine")
    return [*held_out, saturation_row(plan.endpoints, evidence, fits)]
