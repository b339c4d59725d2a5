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
from infra.policies.rules import POLICIES, Policy  # noqa: E402
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


def validation(policy: Policy) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """The policy as pulumi-policy wants it. A stack without leased servers is none of its business."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        found = servers(args)
        if not found:
            return
        urns = {server.name: urn for server, urn in found.items()}
        stack = next(iter(urns.values())).removeprefix("urn:pulumi:").partition("::")[0]
        for remark in policy.remarks(tuple(found), judged_by(stack)):
            report(f"{remark.subject}: {remark.problem}\nremedy: {remark.remedy}", urns.get(remark.subject))

    return validate


LEVELS = {"mandatory": EnforcementLevel.MANDATORY, "advisory": EnforcementLevel.ADVISORY}

PolicyPack(
    name="oss-fleet",
    policies=[
        StackValidationPolicy(
            name=policy.id,
            description=policy.description,
            enforcement_level=LEVELS[policy.level],
            validate=validation(policy),
        )
        for policy in POLICIES
    ],
)
