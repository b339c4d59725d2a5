"""The policy pack of the fleet stack: the rules of `infra/policies`, over what the engine is about to do.

`oss preview`, `oss up` and every shell of `oss env` run it; else `pulumi preview --policy-pack stacks/policies` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

from pulumi_policy import (  # noqa: E402
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from capacity.leaseplan import load_lease_plan  # noqa: E402
from infra.engine.stack_files import read_settings  # noqa: E402
from infra.lease.decided import decided  # noqa: E402
from infra.lease.decisions import decisions_file, read_decisions  # noqa: E402
from infra.lease.model import SERVER_TYPE, ServerInputs  # noqa: E402
from infra.policies.facts import Placed, Situation, placed  # noqa: E402
from infra.policies.rules import Level, judge  # noqa: E402
from infra.settings import FleetSettings  # noqa: E402
from stacks import governance  # noqa: E402

INPUTS = frozenset(str(field.alias) for field in ServerInputs.model_fields.values())


@cache
def judged_by(stack: str) -> Situation:
    """The stack's settings and its lease plan as decided on since, read once.

    From their files, since pulumi-policy hands a pack no configuration. A stale plan is read too: a policy says so.
    """
    environment = stack.rpartition(".")[0]
    project = next((p for p in (Path.cwd(), *Path.cwd().parents) if (p / "Pulumi.yaml").exists()), REPOSITORY)
    settings = read_settings(FleetSettings, environment, "fleet", project)
    file = decisions_file(environment, project)
    plan = decided(load_lease_plan(settings.lock_file, verify=False), read_decisions(file), f"stacks/{file.name}").plan
    return governance.situation(settings, plan)


def servers(args: StackValidationArgs) -> dict[Placed, str]:
    """Every leased server of the stack, with its URN. Only inputs are looked at: the rest may not be known yet."""
    return {
        placed({key: plain(r.props[key]) for key in INPUTS if key in r.props}, r.name): r.urn
        for r in args.resources
        if r.resource_type == SERVER_TYPE
    }


def plain(value: Any) -> Any:
    """A property as plain Python: the engine hands over views that watch for unknown values."""
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return [plain(item) for item in value]


def validation(level: Level) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """All policies of a level as pulumi-policy wants them. A stack without leased servers is none of their business."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        found = servers(args)
        if not found:
            return
        urns = {server.name: urn for server, urn in found.items()}
        situation = judged_by(next(iter(urns.values())).removeprefix("urn:pulumi:").partition("::")[0])
        for remark in judge(tuple(found), situation):
            if remark.level == level:
                told = f"{remark.policy}: {remark.subject}: {remark.problem}\nremedy: {remark.remedy}"
                report(told, urns.get(remark.subject))

    return validate


# One policy of the engine for each level, and each remark under its own name: for every policy the whole stack is sent
# through JSON once more, which for hundreds of servers takes longer than to judge them.
PolicyPack(
    name="oss-fleet",
    policies=[
        StackValidationPolicy(
            name="refuses",
            description="The fleet is placed, priced, spared and closed as its lease plan says.",
            enforcement_level=EnforcementLevel.MANDATORY,
            validate=validation("mandatory"),
        ),
        StackValidationPolicy(
            name="warns",
            description="Days of notice, starts of leases and quotations are in sight.",
            enforcement_level=EnforcementLevel.ADVISORY,
            validate=validation("advisory"),
        ),
    ],
)
