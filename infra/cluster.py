"""Which servers form which Kubernetes cluster, and the address ranges of its pods and services. Pure functions.

A site with control servers is a cluster of its own, so that a disaster-recovery site lives without the other. Workers
of a site without any join the first cluster. Ranges follow from the site's place in the lease plan and from the
server's host number, which are explicit offsets: nothing that stands is renumbered when a server is added.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Scale
from infra.outputs import FleetOutputs, FleetServer

SERVICE_RANGE = ipaddress.IPv4Network("172.23.0.0/16")
POD_RANGES = ipaddress.IPv4Network("172.24.0.0/13")  # a /16 for each of up to eight sites, a /24 for each worker
API_PORT = 6443
POD_LIMIT = 110
"""Pods on one worker at most (`maxPods` of the kubelet)."""
NODE_RESERVE: dict[Scale, dict[str, str]] = {
    "national": {"cpu": "1", "memory": "4Gi"},
    "rack": {"cpu": "100m", "memory": "128Mi"},
}
"""What a worker keeps from its pods for the operating system and the node's own programs."""
EVICTION_MEMORY_MIB = 100
"""Memory at which the kubelet evicts pods, and so keeps from them (its default, and what the rack sets)."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One Kubernetes cluster. `name` is its site's; `api_name` resolves to every control server.

    `admin_url` is where the machine that runs the playbooks reaches the API.
    """

    name: str
    api_name: str
    admin_url: str
    control: tuple[FleetServer, ...]
    workers: tuple[FleetServer, ...]
    pod_cidrs: dict[str, ipaddress.IPv4Network]
    pod_range: ipaddress.IPv4Network

    @property
    def api_url(self) -> str:
        """Where the servers of the cluster reach its API."""
        return f"https://{self.api_name}:{API_PORT}"

    @property
    def service_address(self) -> str:
        """The address of the service `kubernetes`: the first one of the service range."""
        return str(SERVICE_RANGE.network_address + 1)


def clusters(outputs: FleetOutputs) -> tuple[Cluster, ...]:
    """The clusters of a fleet, the primary one first.

    Raises BadInput when workers have no control server to join, or when a site's own range overlaps those in here.
    """
    sites = _sites(outputs)
    seats = [site for site in sites if outputs.with_role("control", site)]
    faults = list(_range_faults(outputs))
    if outputs.with_role("worker") and not seats:
        remedy = "Give the phase at least one control server, then run `oss plan` and `oss up`."
        faults.append(Fault("outputs of the fleet stack", "servers", "", "workers, but no control server", remedy))
    if len(sites) > 2 ** (16 - POD_RANGES.prefixlen):
        remedy = "Widen POD_RANGES in infra/cluster.py."
        faults.append(Fault("lease plan", "sites", str(len(sites)), "more sites than ranges for pods", remedy))
    if faults:
        raise BadInput(faults)
    return tuple(_cluster(outputs, site, sites, seats) for site in seats)


def _cluster(outputs: FleetOutputs, seat: str, sites: Sequence[str], seats: Sequence[str]) -> Cluster:
    members = member_sites(seat, sites, seats)
    workers = tuple(worker for site in members for worker in outputs.with_role("worker", site))
    ranges = list(POD_RANGES.subnets(new_prefix=16))
    pod_range = ranges[sites.index(seat)] if len(members) == 1 else POD_RANGES
    control = outputs.with_role("control", seat)
    own_url = f"https://{control[0].ssh_host}:{API_PORT}"
    return Cluster(
        name=seat,
        api_name=f"kubernetes.{seat}.{outputs.domain}",
        admin_url=outputs.endpoints.kubernetes if seat == seats[0] else own_url,
        control=control,
        workers=workers,
        pod_cidrs={worker.name: _pod_cidr(ranges[sites.index(worker.site)], worker) for worker in workers},
        pod_range=pod_range,
    )


def member_sites(seat: str, sites: Sequence[str], seats: Sequence[str]) -> list[str]:
    """Sites whose workers form the cluster of `seat`: its own, and with the first seat those that have no control."""
    return [site for site in sites if site == seat or (site not in seats and seat == seats[0])]


def _pod_cidr(site_range: ipaddress.IPv4Network, worker: FleetServer) -> ipaddress.IPv4Network:
    host_number = int(ipaddress.IPv4Address(worker.address)) & 0xFF
    return ipaddress.IPv4Network((int(site_range.network_address) + (host_number << 8), 24))


def _sites(outputs: FleetOutputs) -> list[str]:
    """Sites in the order of the plan, which the networks keep; the first is the primary one."""
    return list(dict.fromkeys([*(n.site for n in outputs.networks), *(s.site for s in outputs.servers)]))


def _range_faults(outputs: FleetOutputs) -> list[Fault]:
    faults = []
    for network in outputs.networks:
        for name, own in (("services", SERVICE_RANGE), ("pods", POD_RANGES)):
            if ipaddress.IPv4Network(network.cidr).overlaps(own):
                problem = f"overlaps the range that Kubernetes uses for {name} ({own})"
                where = f"sites.{network.site}.supernet"
                faults.append(Fault("lease plan", where, network.cidr, problem, "Give the site another /16."))
    return faults
