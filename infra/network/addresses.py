"""The address plan: site /16 + network offset + role base + server index, and nothing that depends on order.

A server's address follows from its name alone, so that adding, removing or reordering lines of the lease plan
never renumbers a server that stands. Everything here is `ipaddress` arithmetic without input or output.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capacity.faults import BadInput
from capacity.leaseplan import LeasedServer, LeasePlan, Network, NetworkPlan, Scale
from capacity.networkplan import DeviceKind, Segment, VirtualAddress
from infra.network import checks
from infra.network.checks import RACK_NETWORKS, RACK_SITE_STRIDE

GATEWAY_HOST = 1


@dataclass(frozen=True, slots=True)
class Subnet:
    """One network of one site, as devices are configured with it."""

    site: str
    network: str
    vlan: int
    cidr: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address


def loopback_address(address: str | ipaddress.IPv4Address) -> str:
    """Where the machine reaches a rack's server: `10.N.x.y` → `127.N.x.y`."""
    parts = str(ipaddress.IPv4Address(address)).split(".")
    return ".".join(["127", *parts[1:]])


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """Addresses at one scale. Make it with `address_plan`, which refuses plans whose ranges overlap."""

    plan: NetworkPlan
    scale: Scale
    supernets: Mapping[str, ipaddress.IPv4Network]
    shifts: Mapping[str, int]

    def networks(self) -> tuple[Network, ...]:
        """The networks that servers have an interface on: all of them, or `cluster` alone in a rack."""
        return tuple(n for n in self.plan.networks if self.scale == "national" or n.id in RACK_NETWORKS)

    def subnets(self) -> Iterator[Subnet]:
        """Every network of every site, in the plan's order."""
        for site in self.supernets:
            for network in self.networks():
                yield self.subnet(site, network.id)

    def subnet(self, site: str, network: str) -> Subnet:
        """A network of a site; KeyError when the plan has no such site or network."""
        line = next((n for n in self.networks() if n.id == network), None)
        if line is None:
            raise KeyError(network)
        cidr = self._cidr(site, line)
        # A rack is one flat network: its bridge, the only gateway, is the first host of the whole /16.
        first = self.supernets[site].network_address if self.scale == "rack" else cidr.network_address
        return Subnet(site, network, line.vlan, cidr, first + GATEWAY_HOST)

    def address(self, server: LeasedServer, network: str = "cluster") -> ipaddress.IPv4Address:
        """The server's address on a network; KeyError as `subnet`, and for a role without a range."""
        role = next((r for r in self.plan.roles if r.role == server.role), None)
        if role is None:
            raise KeyError(server.role)
        return self.subnet(server.site, network).cidr.network_address + role.base + server.index

    def addresses(self, server: LeasedServer) -> dict[str, str]:
        """Network id → address, for every network the server has an interface on."""
        return {network.id: str(self.address(server, network.id)) for network in self.networks()}

    def segments(self) -> Iterator[Subnet]:
        """Every segment of every site; none in a rack, which has no devices of its own."""
        for site in self.supernets if self.scale == "national" else ():
            for line in self.plan.segments:
                cidr = self._cidr(site, line)
                yield Subnet(site, line.id, line.vlan, cidr, cidr.network_address + GATEWAY_HOST)

    def virtual(self, site: str, line: VirtualAddress) -> ipaddress.IPv4Address:
        """The address that moves between the servers of a role; on `cluster` in a rack, which has no other network."""
        network = line.network if self.scale == "national" else RACK_NETWORKS[0]
        return self.subnet(site, network).cidr.network_address + line.host

    def device(self, site: str, kind: DeviceKind, index: int) -> ipaddress.IPv4Address:
        """The address of a device in the site's fabric; KeyError when the plan numbers no such devices."""
        line = next((d for d in self.plan.devices if d.kind == kind), None)
        fabric = next((s for s in self.plan.segments if s.kind == "fabric"), None)
        if line is None or fabric is None or index > line.capacity:
            raise KeyError(f"{kind} {index}")
        return self._cidr(site, fabric).network_address + line.base + index

    def _cidr(self, site: str, line: Network | Segment) -> ipaddress.IPv4Network:
        base = int(self.supernets[site].network_address) + ((self.shifts[site] + line.offset) << 8)
        return ipaddress.IPv4Network((base, line.prefix))


def address_plan(plan: LeasePlan, scale: Scale, rack_supernet: str = "", source: str = "lease plan") -> AddressPlan:
    """The addresses of a lease plan. `rack_supernet` (default: the plan's) is the /16 of a rack on one machine.

    Raises BadInput with every overlap, range that does not fit and server without a place.
    """
    sites = {site.id: site.supernet for site in plan.sites}
    if scale == "rack":
        supernet = rack_supernet or plan.rack_supernet
        sites = dict.fromkeys(sites, supernet)
    faults = [
        *checks.supernet_faults(sites, scale, source),
        *checks.network_faults(plan.network, source),
        *checks.role_faults(plan.network, source),
        *checks.server_faults(plan, source),
        *checks.virtual_faults(plan.network, source),
        *checks.device_faults(plan.network, source),
        *checks.zone_faults(plan.network, source),
        *checks.layout_faults(plan.network, source),
    ]
    if scale == "rack":
        faults += checks.rack_faults(plan, source)
    if faults:
        raise BadInput(faults)
    supernets = {site: ipaddress.IPv4Network(text) for site, text in sites.items()}
    stride = RACK_SITE_STRIDE if scale == "rack" else 0
    return AddressPlan(plan.network, scale, supernets, {site: n * stride for n, site in enumerate(sites)})
