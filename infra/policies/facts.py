"""What the policies judge: the servers as they are declared, and the lease plan that they come from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from capacity.faults import Fault
from capacity.leaseplan import LeasePlan, Scale
from infra.lease.model import LeaseTerms, ServerInputs


@dataclass(frozen=True, slots=True)
class Placed:
    """A declared server as its ledger has it. What is missing is empty: that is for a rule to judge."""

    name: str
    environment: str = ""
    site: str = ""
    role: str = ""
    rack: str = ""
    leases: tuple[LeaseTerms, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Where its lease lines are not what a ledger needs, as `leases[0].vendor`."""
    tags: tuple[tuple[str, str], ...] = ()
    """The ledger in words, as its owner's inventory shows it (`infra.lease.inputs.tags`)."""

    @property
    def lease_end(self) -> dt.date | None:
        """The first day without a lease; None for a server without any."""
        return max((line.end for line in self.leases), default=None)


def placed(properties: Mapping[str, Any], name: str = "") -> Placed:
    """A server from the properties that a program declared (camelCase); whatever is wrong in them is kept as such."""
    leases, unreadable = [], []
    for number, line in enumerate(properties.get("leases") or ()):
        try:
            leases.append(LeaseTerms.model_validate(line))
        except ValidationError as error:
            places = [".".join(map(str, found["loc"])) for found in error.errors(include_url=False)]
            unreadable += [f"leases[{number}].{place}" for place in places]
    texts = {key: str(properties.get(key) or "") for key in ("environment", "site", "role", "rack")}
    own = str(properties.get("server") or name)
    tags = tuple(sorted((str(key), str(value)) for key, value in (properties.get("tags") or {}).items()))
    return Placed(own, **texts, leases=tuple(leases), unreadable=tuple(unreadable), tags=tags)


def declared(inputs: Sequence[ServerInputs]) -> tuple[Placed, ...]:
    """The same from typed inputs, before anything is declared."""
    return tuple(placed(server.model_dump(mode="json", by_alias=True)) for server in inputs)


@dataclass(frozen=True, slots=True)
class Situation:
    """The plan, the phase and the day against which servers are judged."""

    plan: LeasePlan
    phase: int
    scale: Scale
    today: dt.date
    plan_hash: str
    """Of the lease plan's file as it is now."""
    approved_hash: str = ""
    """Of the plan that was approved for this environment (`oss:approvedPlan`); empty: any."""
    stale: tuple[Fault, ...] = ()
    """Inputs that changed since the plan was made."""


def required(situation: Situation) -> dict[tuple[str, str], tuple[int, str]]:
    """(site, role) → servers that the phase needs, spares included, and the model's words for it.

    At the nation's scale the model's own counts (`bindings`, N+k by role); at a rack's, or where a plan states none,
    the servers of the plan's deployment.
    """
    deployment = situation.plan.deployment(situation.phase, situation.scale)
    planned: dict[tuple[str, str], tuple[int, str]] = {}
    for name in deployment.servers:
        server = situation.plan.server(name)
        count = planned.get((server.site, server.role), (0, ""))[0] + 1
        planned[server.site, server.role] = (count, "the plan's deployment")
    if situation.scale == "national":
        for binding in situation.plan.phase(situation.phase).bindings:
            what, _, place = binding.subject.partition(".")
            site, _, role = place.partition(".")
            if what == "servers" and role:
                planned[site, role] = (int(binding.value), binding.detail_en)
    return planned


def judged_on(chosen: dt.date | None, plan: LeasePlan, phase: int, scale: Scale, clock: dt.date) -> dt.date:
    """The day that dates are judged as of: the one that is set; a rack rehearses the launch, so there it is the first
    day of the phase; anywhere else it is the machine's day."""
    return chosen or (plan.phase(phase).start if scale == "rack" else clock)
