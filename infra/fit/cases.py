"""Which clusters a phase has, and which losses are worth trying. Pure functions of the lease plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from capacity.leaseplan import Deployment, LeasedServer, LeasePlan, ServicePlan
from infra.cluster import member_sites


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster: its name is that of the site with the control servers; `sites` are those whose workers join it."""

    name: str
    sites: tuple[str, ...]
    workers: tuple[LeasedServer, ...]
    services: tuple[ServicePlan, ...]

    @property
    def replicas(self) -> int:
        """Pods of all its services."""
        return sum(service.replicas for service in self.services)


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that nothing tells apart: losing one of them is losing any of them."""

    site: str
    role: str
    sku: str
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost: servers that carry pods. `label` says it in a word or two."""

    label: str
    servers: tuple[str, ...]


def fit_sites(plan: LeasePlan, deployment: Deployment) -> tuple[Site, ...]:
    """The clusters of a phase as `infra.cluster.clusters` forms them of a fleet, each with the services of its site."""
    servers = standing(plan, deployment)
    order = [site.id for site in plan.sites if any(s.site == site.id for s in servers)]
    seats = [site for site in order if any(s.site == site and s.role == "control" for s in servers)]
    out = []
    for seat in seats:
        members = member_sites(seat, order, seats)
        workers = tuple(s for site in members for s in servers if s.site == site and s.role == "worker")
        services = tuple(service for service in deployment.services if service.site == seat)
        out.append(Site(seat, tuple(members), workers, services))
    return tuple(out)


def standing(plan: LeasePlan, deployment: Deployment) -> tuple[LeasedServer, ...]:
    """The phase's servers, in the plan's order."""
    names = set(deployment.servers)
    return tuple(server for server in plan.servers if server.name in names)


def groups(servers: Sequence[LeasedServer]) -> tuple[Group, ...]:
    """Servers of one site, role and SKU together, in the order in which they first appear."""
    out: dict[tuple[str, str, str], list[str]] = {}
    for server in servers:
        out.setdefault((server.site, server.role, server.sku), []).append(server.name)
    return tuple(Group(*key, tuple(names)) for key, names in out.items())


def bystanders(plan: LeasePlan, deployment: Deployment) -> tuple[tuple[Group, str], ...]:
    """Groups that carry no pods, with what the loss of one of their servers means."""
    out = []
    for group in groups(standing(plan, deployment)):
        if group.role == "worker":
            continue
        count = len(group.servers)
        words = "carries no pods; " + (f"{count - 1} of {count} remain" if count > 1 else "it is the only one")
        if group.role == "control":
            kept = count - 1 > count // 2
            words += ", the majority holds" if kept else ", no majority: no pod is placed anew until it is back"
        out.append((group, words))
    return tuple(out)
