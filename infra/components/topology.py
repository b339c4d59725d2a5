"""How the permit service's parts lie in a cluster: their ports, addresses, priorities and who calls whom. Data only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from infra.cluster import SERVICE_RANGE

CONTAINER_PORT = 8000
DATABASE_PORT = 5432
DATABASE_USER = "oss"
DATABASE_NAME = "oss"

# Services have fixed cluster addresses, so that they find each other where a cluster has no DNS; offsets are explicit.
_FIRST_SERVICE = SERVICE_RANGE.network_address + 256
GENERATOR_IP = _FIRST_SERVICE + 90
"""Where the workers of a load test find their master."""


@dataclass(frozen=True, slots=True)
class Part:
    """One deployable. `node_port` is where the edge finds it, None for what only other pods may reach."""

    id: str
    offset: int
    node_port: int | None
    priority: str
    calls: tuple[str, ...]
    database: bool = True

    @property
    def cluster_ip(self) -> ipaddress.IPv4Address:
        """Its address in the cluster's service range."""
        return _FIRST_SERVICE + self.offset


PARTS: dict[str, Part] = {
    part.id: part
    for part in (
        Part("portal", 80, 30080, "oss-standard", ("gateway",)),
        # The API carries the endpoints of officers and of priority projects.
        Part("api", 81, 30081, "oss-priority-projects", ("gateway",)),
        Part("gateway", 82, 30082, "oss-priority-projects", ("registry",)),
        Part("satgas", 83, 30083, "oss-satgas", ()),
        Part("registry", 84, None, "oss-standard", (), database=False),
    )
}

PRIORITIES: dict[str, tuple[int, str]] = {
    "oss-priority-projects": (100_000, "what national priority projects and the officers in charge of them wait for"),
    "oss-satgas": (90_000, "the task force's communication, needed most when everything else is in trouble"),
    "oss-standard": (10_000, "everything else of the permit service"),
}
