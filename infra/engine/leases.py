"""Day two of the leases: propose a decision, see what it would change and cost, apply it or take it back.

The decision is written first and previewed from the file, so that what is shown is what would be applied. A decision
that is not agreed to, refused or interrupted in the preview leaves the file as it was; one that was applied in part
stays, and the next `oss lease` or `oss up` goes on from there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from capacity.documents import REPOSITORY, write_text
from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan, load_lease_plan
from capacity.progress import Progress
from infra.engine.rollout import Rollout
from infra.engine.terms import plan_in_force
from infra.lease.decided import Decided, decided
from infra.lease.decisions import Decision, Decisions, decisions_file, read_decisions, write_decisions
from infra.lease.ledger import LedgerRow, ledger_rows
from infra.policies.facts import judged_on


class Leases:
    """One environment's ledger: the lease plan and the decisions since. Raises OssErrors only."""

    def __init__(self, rollout: Rollout, project: Path = REPOSITORY) -> None:
        self._rollout = rollout
        self._project = project
        self.file = decisions_file(rollout.environment, project)

    @property
    def decisions(self) -> Decisions:
        """Everything that was decided until now."""
        return read_decisions(self.file)

    @property
    def planned(self) -> LeasePlan:
        """The lease plan alone."""
        return load_lease_plan(self._rollout.settings.lock_file)

    @property
    def in_force(self) -> Decided:
        """The lease plan as decided on."""
        return plan_in_force(self._rollout.environment, self._rollout.settings, self._project)

    def rows(self, whole: bool, progress: Progress) -> tuple[LedgerRow, ...]:
        """The ledger of the phase that stands; `whole`: of every phase."""
        since, settings = self.in_force, self._rollout.settings
        try:
            states = {server.name: server.state for server in self._rollout.outputs(progress).servers}
        except BadInput:
            states = {}  # never applied
        names = since.plan.deployment(settings.phase, settings.scale).servers
        listed = tuple(server.name for server in since.plan.servers) if whole else names
        today = judged_on(settings.as_of, since.plan, settings.phase, settings.scale, dt.date.today())
        return ledger_rows(since, listed, states, today)

    def check(self, decision: Decision) -> bool:
        """Whether the decision is new. Raises BadInput when the plan does not bear it."""
        made = self.decisions
        latest = next((d for d in reversed(made.decisions) if d.about & decision.about), None)
        if latest and latest.said == decision.said:
            return False
        plan = self.planned
        more = made.model_copy(update={"decisions": (*made.decisions, decision)})
        return decided(plan, more, self.file.name) != decided(plan, made, self.file.name)

    @contextlib.contextmanager
    def proposed(self, decision: Decision | None) -> Iterator[Proposal]:
        """The decision stands in the file inside the block, and stays there when the block calls `keep`."""
        before = self.file.read_text(encoding="utf-8") if self.file.exists() else None
        proposal = Proposal()
        if decision:
            made = self.decisions
            write_decisions(self.file, made.model_copy(update={"decisions": (*made.decisions, decision)}))
        try:
            yield proposal
        finally:
            if not proposal.kept:
                if before is None:
                    self.file.unlink(missing_ok=True)
                else:
                    write_text(self.file, before)


class Proposal:
    """A decision that is written but not agreed to."""

    kept = False

    def keep(self) -> None:
        """It is agreed to: the file stays as it is now."""
        self.kept = True
