"""Whether the gate of a phase is open. Pure functions over evidence; the clock comes in as an argument.

A phase asks for three kinds of evidence, each measured for this phase and this very lease plan, fresh and passed: a
load test at the plan's rate, a restore drill and a failover drill. The newest run of a kind that judged anything
counts: a later failure closes what an earlier pass had opened.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.evidence import FRESH, Evidence, StageResult
from capacity.faults import Exit, OssError
from capacity.leaseplan import LeasePlan, Scale
from infra.gates.records import GateEvidence, GateOverrideRecord, GateRecord
from infra.settings import GateOverride

Kind = Literal["load_test", "restore_drill", "failover_drill"]
KINDS: tuple[Kind, ...] = ("load_test", "restore_drill", "failover_drill")
CLOSED = "the gate of phase"
"""How the message of a closed gate begins, for those who read the engine's diagnostics."""

_DESIGN_SHARE = 0.95
_SIGMAS = 3.0
_DRILLS = {"restore_drill": "restore", "failover_drill": "failover"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One kind of evidence that the phase asks for, and what there is."""

    kind: Kind
    held: bool
    reason: str
    command: str
    run: Evidence | None = None

    @property
    def words(self) -> str:
        """The kind, and what there is of it."""
        return f"{self.kind.replace('_', ' ')}: {self.reason}"

    def __str__(self) -> str:
        return self.words + ("" if self.held else f". Run `{self.command}`.")


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate of one phase: what it asks for, and the override when one counts."""

    phase: int
    requirements: tuple[Requirement, ...]
    override: GateOverride | None = None
    ignored: str = ""
    """Why an override that is set does not count."""

    @property
    def missing(self) -> tuple[Requirement, ...]:
        """What does not hold."""
        return tuple(r for r in self.requirements if not r.held)

    @property
    def open(self) -> bool:
        """Whether the phase may start."""
        return not self.missing or self.override is not None

    def record(self, plan_hash: str, now: dt.datetime) -> GateRecord:
        """What stays in the state of an open gate."""
        held = [r.run for r in self.requirements if r.held and r.run]
        used = self.override if self.missing else None
        return GateRecord(
            phase=self.phase,
            plan_hash=plan_hash,
            opened=now.replace(microsecond=0),
            evidence=tuple(GateEvidence(kind=e.kind, run=e.run, finished=e.finished) for e in held),
            override=GateOverrideRecord(
                by=used.by, reason=used.reason, until=used.until, missing=tuple(r.words for r in self.missing)
            )
            if used
            else None,
        )


class GateClosed(OssError):
    """A phase lacks its evidence; the message names every kind that is missing and the command that makes it."""

    exit_code = Exit.NO_GO

    def __init__(self, environment: str, decision: Decision, unreadable: Sequence[str] = ()) -> None:
        lines = [f"{CLOSED} {decision.phase} of {environment} is closed; nothing was changed"]
        lines += [f"  {requirement}" for requirement in decision.requirements]
        lines += [f"  {decision.ignored}"] if decision.ignored else []
        lines += [f"  not read as evidence: {words}" for words in unreadable]
        super().__init__(
            "\n".join(lines),
            f"make the evidence that is missing, or answer for it: `oss up {environment} --phase {decision.phase} "
            "--override-gate REASON --by NAME`",
        )


def asked(scale: Scale, phase: int, standing: int) -> bool:
    """Whether the gate is asked: where the nation is served, and when a phase is to start that does not stand yet.

    A rack is where evidence is made, so it asks for none. Once a phase stands, renewing a lease or replacing a server
    waits for no load test.
    """
    return scale == "national" and phase > standing


def decide(
    plan: LeasePlan,
    plan_hash: str,
    phase: int,
    evidence: Sequence[Evidence],
    override: GateOverride | None,
    now: dt.datetime,
) -> Decision:
    """Judge the gate of a phase. `plan_hash` is that of the lease plan's file, `now` has a time zone."""
    requirements = tuple(_requirement(kind, plan, plan_hash, phase, evidence, now) for kind in KINDS)
    ignored = _ignored(override, phase, now.date())
    return Decision(phase, requirements, None if ignored else override, ignored)


def _ignored(override: GateOverride | None, phase: int, today: dt.date) -> str:
    if override is None:
        return ""
    if override.phase != phase:
        return f"the override by {override.by} is for phase {override.phase}, so it does not count"
    if override.until < today:
        return f"the override by {override.by} ended on {override.until}"
    return ""


def _requirement(
    kind: Kind, plan: LeasePlan, plan_hash: str, phase: int, evidence: Sequence[Evidence], now: dt.datetime
) -> Requirement:
    fitting = [e for e in evidence if e.kind == kind and e.phase == phase]
    if not fitting:
        return Requirement(kind, False, f"there is none for phase {phase}", _command(kind, phase))
    run = max(fitting, key=lambda e: _weight(e, plan, plan_hash))
    fault = _fault(run, plan, plan_hash, now)
    what = f"{run.run} ({run.scale} scale"
    what += f", {run.load_factor:.0%} of the nation's load)" if run.scale == "rack" else ")"
    words = f"{what} {fault}" if fault else f"{what} passed {_ago(now - run.finished)}"
    return Requirement(kind, not fault, words, _command(kind, phase), run)


def _weight(run: Evidence, plan: LeasePlan, plan_hash: str) -> tuple[bool, bool, bool, dt.datetime]:
    """For this plan before others, at the plan's rate before slower ones, a judgement before none; then the newest."""
    judged = run.verdict in ("passed", "failed")
    return run.plan_hash == plan_hash, not _below_rate(run, plan), judged, run.finished


def _fault(run: Evidence, plan: LeasePlan, plan_hash: str, now: dt.datetime) -> str:
    """Why a run proves nothing for the gate; empty when it does."""
    if run.plan_hash != plan_hash:
        return "was measured for another lease plan"
    if now - run.finished > FRESH:
        return f"is {(now - run.finished).days} days old, at most {FRESH.days} count"
    if run.verdict != "passed":
        return f"{'was' if run.verdict in ('invalid', 'interrupted') else 'has'} {run.verdict}: {run.reasons[0]}"
    return _below_rate(run, plan)


def _below_rate(run: Evidence, plan: LeasePlan) -> str:
    """Why a load test was not one at the plan's rate; empty for drills, whose load only makes failures visible."""
    if run.kind != "load_test":
        return ""
    deployment = plan.deployment(run.phase, run.scale)
    if not math.isclose(run.load_factor, deployment.load_factor, rel_tol=1e-6):
        return f"offered {run.load_factor:.3g} of the nation's load instead of {deployment.load_factor:.3g}"
    stage = design_stage(run)
    if stage is None:
        return f"(profile {run.profile}) has no stage at the design rate"
    # Arrivals are a Poisson process: their count spreads by its square root around what is expected.
    expected = sum(deployment.class_rates_per_s.values()) * stage.share * stage.duration_s
    offered = stage.offered_journeys_per_s * stage.duration_s
    if offered < expected - _SIGMAS * math.sqrt(expected):
        return f"offered {offered:.0f} journeys in stage {stage.label}, the plan's rate makes {expected:.0f}"
    return ""


def design_stage(run: Evidence) -> StageResult | None:
    """The stage at the design rate: not warm-up, its share nearest to one among those of at least 0.95."""
    stages = [s for s in run.stages if not s.warmup and s.share >= _DESIGN_SHARE]
    return min(stages, key=lambda s: s.share, default=None)


def _command(kind: Kind, phase: int) -> str:
    if kind == "load_test":
        return f"oss rehearse --phase {phase} --keep"
    return f"oss drill {_DRILLS[kind]} local"


def _ago(age: dt.timedelta) -> str:
    return f"{age.days} day{'s' * (age.days != 1)} ago" if age.days else "today"
