"""Where stacks ask the gates and the policies. Nothing is declared before both have spoken."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any

import pulumi

from capacity.documents import sha256, validate
from capacity.faults import Exit, OssError
from capacity.leaseplan import LeasePlan, stale_inputs
from infra.gates.reading import read_evidence
from infra.gates.records import GateRecord
from infra.gates.rules import GateClosed, asked, decide
from infra.lease.model import ServerInputs
from infra.policies.facts import Situation, declared, judged_on
from infra.policies.rules import REFUSED, Remark, judge
from infra.settings import FleetSettings

READS, READ_PAUSE_S = 20, 0.1


class PolicyRefused(OssError):
    """Policies forbid what is declared; the message lists every remark that refuses, each with its remedy."""

    exit_code = Exit.NO_GO

    def __init__(self, environment: str, remarks: Sequence[Remark]) -> None:
        lines = [f"{environment}: {REFUSED} in {len(remarks)} places; nothing was changed"]
        super().__init__("\n".join(lines + [f"  {remark.policy}: {remark}" for remark in remarks]))


def situation(settings: FleetSettings, plan: LeasePlan) -> Situation:
    """What policies judge by: the lease plan in force, and the settings of the stack."""
    lock = settings.lock_file
    return Situation(
        plan=plan,
        phase=settings.phase,
        scale=settings.scale,
        today=judged_on(settings.as_of, plan, settings.phase, settings.scale, dt.date.today()),
        plan_hash=sha256(lock),
        approved_hash=settings.approved_plan,
        stale=tuple(stale_inputs(plan, lock)),
    )


def refuse(environment: str, settings: FleetSettings, plan: LeasePlan, servers: Sequence[ServerInputs]) -> None:
    """Raise PolicyRefused before an update touches anything. A preview goes on: the policy pack shows every remark."""
    if pulumi.runtime.is_dry_run():
        return
    remarks = [r for r in judge(declared(servers), situation(settings, plan)) if r.level == "mandatory"]
    if remarks:
        raise PolicyRefused(environment, remarks)


async def gates(environment: str, settings: FleetSettings, plan: LeasePlan) -> list[GateRecord]:
    """The gates that were opened so far, that of the phase among them where it is asked.

    Raises GateClosed in an update; a preview is warned and goes on, so that servers can be ordered in time.
    """
    outputs = await _own_outputs()
    records = [validate(GateRecord, record, "outputs of the fleet stack: gates") for record in outputs.get("gates", ())]
    standing = int(outputs.get("phase", 0))
    if asked(settings.scale, settings.phase, standing):
        now = dt.datetime.now(dt.UTC)
        digest = sha256(settings.lock_file)
        evidence, unreadable = read_evidence(settings.evidence_folder)
        decision = decide(plan, digest, settings.phase, evidence, settings.gate_override, now)
        if decision.open:
            records.append(decision.record(digest, now))
        elif pulumi.runtime.is_dry_run():
            pulumi.log.warn(str(GateClosed(environment, decision, unreadable)))
        else:
            raise GateClosed(environment, decision, unreadable)
    if records and (used := records[-1].override):
        words = f"phase {records[-1].phase} started without its evidence by the word of {used.by} until {used.until}"
        pulumi.log.warn(f"{words}: {used.reason} (missing: {'; '.join(used.missing)})")
    return records


async def _own_outputs() -> dict[str, Any]:
    """This stack's outputs as the last update left them. Read beside the state, so that nothing of it is copied."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    for tries_left in reversed(range(READS)):
        try:
            found = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackOutputs", {"name": name})
        except Exception as error:
            # The engine writes the same file at every step; a read between two of its writes finds it half there.
            if not tries_left or "checkpoint" not in str(error):
                raise
            await asyncio.sleep(READ_PAUSE_S)
        else:
            return dict(found.get("outputs") or {})
    return {}
