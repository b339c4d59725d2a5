"""One plan, and what becomes of it when values change: each answer is the lease plan that `oss plan` would make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capacity.assembly.computed import Computed
from capacity.documents import shown
from capacity.faults import BadInput, Fault
from capacity.inputs import Inputs
from capacity.leaseplan import LeasePlan, load_lease_plan, lock_path
from capacity.memo import Memo
from capacity.planner import STUDIES, assemble, repriced, solve, studied
from capacity.progress import Progress
from capacity.whatif.changes import Base, Given, Variant, read_base, variant


@dataclass(frozen=True, slots=True)
class Outcome:
    """A changed plan, solved, without its studies. `optimal` is false while its lease lines are those of the plan
    before."""

    variant: Variant
    plan: LeasePlan
    optimal: bool = True


class WhatIf:
    """A plan with its lock, and the memory of what was computed. Several threads may ask at once."""

    def __init__(self, path: Path) -> None:
        """Read plan, tables and lock. Raises BadInput, also when the lock is older than its inputs."""
        self.base: Base = read_base(path)
        self.plan = load_lease_plan(lock_path(path))
        self.memo = Memo()
        self._last: Computed | None = None

    def prepare(self, progress: Progress) -> None:
        """Solve the plan itself, so that the first change finds everything. Raises BadInput when the lock differs."""
        computed, plan = solve(self.base.inputs, self.plan.draws or None, progress, self.memo)
        if plan != self.plan.model_copy(update={name: getattr(plan, name) for name in STUDIES}):
            where = shown(lock_path(self.base.inputs.path))
            remedy = f"Run `oss plan {shown(self.base.inputs.path)}`."
            raise BadInput([Fault(where, "", "", "this lease plan is not what the model computes now", remedy)])
        self._last = computed

    def check(self, given: Given) -> Variant:
        """The changed plan, unsolved. Raises BadValues."""
        return variant(self.base, given)

    def solve(self, changed: Variant, progress: Progress, early: Callable[[Outcome], None] | None = None) -> Outcome:
        """Solve a changed plan. Raises Infeasible.

        `early` is called first, with the old lease lines at the new rents, when nothing but rents differs from what was
        solved last.
        """
        before = self._last
        if early and before is not None and _rents_differ_only(before.inputs, changed.inputs):
            same = repriced(before, changed.inputs)
            early(Outcome(changed, assemble(same, self.memo, studies=False), optimal=False))
        computed, plan = solve(changed.inputs, self.plan.draws or None, progress, self.memo)
        self._last = computed
        return Outcome(changed, plan)

    def whole(self, outcome: Outcome, progress: Progress | None = None) -> LeasePlan:
        """The plan with its studies, as `oss plan` writes it: for the report. Takes seconds the first time."""
        if not outcome.variant.values:
            return self.plan
        return self.memo(self._studied, outcome.plan, changed=outcome.variant, progress=progress)

    def _studied(self, plan: LeasePlan, changed: Variant, progress: Progress | None) -> LeasePlan:
        computed, _ = solve(changed.inputs, self.plan.draws or None, progress, self.memo)
        return studied(computed, plan, progress, self.memo)


def _rents_differ_only(before: Inputs, after: Inputs) -> bool:
    blank = {"monthly_rent": 0, "quotation": None, "estimate": True}

    def stripped(inputs: Inputs) -> Inputs:
        prices = tuple(p.model_copy(update=blank) for p in inputs.prices)
        return dataclasses.replace(inputs, prices=prices, hashes={})

    return before.prices != after.prices and stripped(before) == stripped(after)
