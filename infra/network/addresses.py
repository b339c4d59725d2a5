"""The address plan: site /16 + network offset + role base + server index, and nothing that depends on order.

A server's address follows from its name alone, so that adding, removing or reordering lines of the lease plan
never renumbers a server that stands. Everything here is `ipaddress` arithmetic without input or output.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from capacity.faults import BadInput, Fault
from capacity.leaseplan import LeasedServer, LeasePlan, Network, NetworkPlan, RoleOffset, Scale

GATEWAY_HOST = 1
RACK_NETWORKS = ("cluster",)
RACK_SITE_STRIDE = 64  # third octets that one site may use in a rack's single /16, so that sites never collide


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
        base = int(self.supernets[site].network_address) + ((self.shifts[site] + line.offset) << 8)
        cidr = ipaddress.IPv4Network((base, line.prefix))
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


def address_plan(plan: LeasePlan, scale: Scale, rack_supernet: str = "", source: str = "lease plan") -> AddressPlan:
    """The addresses of a lease plan. `rack_supernet` (default: the plan's) is the /16 of a rack on one machine.

    Raises BadInput with every overlap, range that does not fit and server without a place.
    """
    sites = {site.id: site.supernet for site in plan.sites}
    if scale == "rack":
        supernet = rack_supernet or plan.rack_supernet
        sites = dict.fromkeys(sites, supernet)
    faults = [
        *_supernet_faults(sites, scale, source),
        *_network_faults(plan.network.networks, source),
        *_role_faults(plan.network, source),
        *_server_faults(plan, source),
    ]
    if scale == "rack":
        faults += _rack_faults(plan, source)
    if faults:
        raise BadInput(faults)
    supernets = {site: ipaddress.IPv4Network(text) for site, text in sites.items()}
    stride = RACK_SITE_STRIDE if scale == "rack" else 0
    return AddressPlan(plan.network, scale, supernets, {site: n * stride for n, site in enumerate(sites)})


def _supernet_faults(sites: Mapping[str, str], scale: Scale, source: str) -> Iterator[Fault]:
    parsed: dict[str, ipaddress.IPv4Network] = {}
    for site, text in sites.items():
        where = f"sites.{site}.supernet" if scale == "national" else "rack_supernet"
        try:
            parsed[site] = ipaddress.IPv4Network(text)
        except ValueError as error:
            yield Fault(source, where, text, f"not a network: {error}", "Give a /16 such as 10.20.0.0/16.")
            continue
        if parsed[site].prefixlen != 16 or not parsed[site].is_private:
            yield Fault(source, where, text, "not a private /16", "Give a /16 such as 10.20.0.0/16.")
    if scale == "national":
        for (one, first), (two, second) in combinations(parsed.items(), 2):
            if first.overlaps(second):
                problem = f"overlaps the supernet of site {one} ({first})"
                yield Fault(source, f"sites.{two}.supernet", str(second), problem, "Give each site a /16 of its own.")


def _network_faults(networks: Iterable[Network], source: str) -> Iterator[Fault]:
    for one, two in combinations(networks, 2):
        where = f"network.networks.{two.id}"
        if one.id == two.id:
            yield Fault(source, where, two.id, "the network is given twice", "Remove one of the two.")
        if one.offset == two.offset:
            problem = f"has the offset of network {one.id}, so their subnets overlap"
            yield Fault(
                source, f"{where}.offset", str(two.offset), problem, "Give it a third octet that no network has."
            )
        if one.vlan == two.vlan:
            problem = f"has the VLAN of network {one.id}"
            yield Fault(source, f"{where}.vlan", str(two.vlan), problem, "Give it a VLAN of its own.")


def _role_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    for one, two in combinations(plan.roles, 2):
        if one.role == two.role:
            yield Fault(source, f"network.roles.{two.role}", "", "the role is given twice", "Remove one of the two.")
        elif _first(one) <= _last(two) and _first(two) <= _last(one):
            problem = f"host numbers {_first(two)} to {_last(two)} overlap those of role {one.role}"
            remedy = (
                f"Move the base past {_last(one)}, or make the capacities smaller; servers that stand keep their base."
            )
            yield Fault(source, f"network.roles.{two.role}", str(two.base), problem, remedy)
    for network in plan.networks:
        broadcast = 2 ** (32 - network.prefix) - 1
        for role in plan.roles:
            if _last(role) >= broadcast:
                problem = f"host numbers to {_last(role)} do not fit network {network.id} (/{network.prefix})"
                remedy = f"Make the capacity smaller, or the prefix shorter; the last host number is {broadcast - 1}."
                yield Fault(source, f"network.roles.{role.role}", str(role.capacity), problem, remedy)


def _server_faults(plan: LeasePlan, source: str) -> Iterator[Fault]:
    roles = {role.role: role for role in plan.network.roles}
    sites = {site.id for site in plan.sites}
    names: set[str] = set()
    places: dict[tuple[str, str, int], str] = {}
    for server in plan.servers:
        where = f"servers.{server.name}"
        role = roles.get(server.role)
        if server.name in names:
            yield Fault(source, where, "", "the server is given twice", "Run `oss plan` to make the lease plan again.")
        names.add(server.name)
        if server.site not in sites:
            yield Fault(
                source, f"{where}.site", server.site, "no such site in the plan", "Add the site, or correct it."
            )
        if role is None:
            remedy = f"Add a line for {server.role} under network.roles."
            yield Fault(source, f"{where}.role", server.role, "the address plan has no range for this role", remedy)
        elif server.index > role.capacity:
            problem = f"the range of role {server.role} holds {role.capacity} servers a site"
            remedy = "Make the role's capacity larger; host numbers of servers that stand do not change."
            yield Fault(source, f"{where}.index", str(server.index), problem, remedy)
        place = (server.site, server.role, server.index)
        if (other := places.setdefault(place, server.name)) != server.name:
            problem = f"has the site, role and index of {other}, so their addresses are the same"
            yield Fault(source, f"{where}.index", str(server.index), problem, "Give it an index of its own.")


def _rack_faults(plan: LeasePlan, source: str) -> Iterator[Fault]:
    if len(plan.sites) == 1:
        return
    if len(plan.sites) * RACK_SITE_STRIDE > 256:
        problem = f"a rack's /16 holds {256 // RACK_SITE_STRIDE} sites"
        yield Fault(source, "sites", str(len(plan.sites)), problem, "Use fewer sites, or one rack a site.")
    for network in plan.network.networks:
        if network.id in RACK_NETWORKS and network.offset >= RACK_SITE_STRIDE:
            problem = f"a rack with several sites has {RACK_SITE_STRIDE} offsets a site"
            remedy = f"Use an offset below {RACK_SITE_STRIDE}."
            yield Fault(source, f"network.networks.{network.id}.offset", str(network.offset), problem, remedy)


def _first(role: RoleOffset) -> int:
    return role.base + 1


def _last(role: RoleOffset) -> int:
    return role.base + role.capacity
