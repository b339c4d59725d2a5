"""Which servers of a fleet answer for names, and whom a cluster's pods ask."""

from __future__ import annotations

from capacity.leaseplan import LeasePlan
from infra.cluster import Cluster
from infra.outputs import FleetOutputs, FleetServer


def nameservers(outputs: FleetOutputs, plan: LeasePlan) -> tuple[FleetServer, ...]:
    """The servers that answer for names, by name; none when the plan names no name service."""
    service = plan.network.names
    return outputs.with_role(service.role) if service else ()


def cluster_dns(outputs: FleetOutputs, plan: LeasePlan, cluster: Cluster) -> list[str]:
    """Whom a cluster's pods ask: its control servers, where they are the name servers."""
    here = nameservers(outputs, plan)
    return [s.address for s in cluster.control if s in here]
