"""Small plans with the network of the national launch plan, so that the tests hold for the data that is applied."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from capacity.documents import REPOSITORY, validate
from capacity.leaseplan import LeasePlan, NetworkPlan, Role
from infra.network.documents import NetworkOf, network_of
from tests.infra import plans

COUNTS: Mapping[Role, int] = {"edge": 2, "control": 3, "worker": 4, "database": 2, "storage": 2, "ops": 2}
STORAGE = plans.SKU.model_copy(update={"id": "S2", "nics": 4, "rack_units": 2})


@cache
def national() -> NetworkPlan:
    """The network as people wrote it down."""
    text = (REPOSITORY / "capacity/plans/national.yaml").read_text(encoding="utf-8")
    return validate(NetworkPlan, yaml.safe_load(text)["network"], "national.yaml")


def plan(counts: Mapping[Role, int] = COUNTS, sites: tuple[str, ...] = ("primary", "drc"), **network: Any) -> LeasePlan:
    """Servers of these counts at each site; databases and storage are two units high and have four cards."""
    made = plans.plan(counts, sites)
    servers = tuple(
        s.model_copy(update={"sku": STORAGE.id}) if s.role in ("database", "storage") else s for s in made.servers
    )
    changed = {"network": national().model_copy(update=network), "servers": servers, "skus": (*made.skus, STORAGE)}
    return made.model_copy(update=changed)


def network(made: LeasePlan, phase: int = 1, racks: int = 2) -> NetworkOf:
    """All about its network at national scale."""
    return network_of(made, made.deployment(phase, "national").servers, "national", racks)
