"""What is wrong with a plan's network: every overlap, range that does not fit and name without a place, at once.

Pure functions that yield faults; `infra.network.addresses.address_plan` raises them together.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from capacity.faults import Fault
from capacity.leaseplan import LeasePlan, Network, NetworkPlan, RoleOffset, Scale
from capacity.networkplan import Segment

RACK_NETWORKS = ("cluster",)
RACK_SITE_STRIDE = 64  # third octets that one site may use in a rack's single /16, so that sites never collide


def supernet_faults(sites: Mapping[str, str], scale: Scale, source: str) -> Iterator[Fault]:
    """A private /16 for each site, none of them twice."""
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


def network_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """Networks and segments share the third octets and the VLANs of a site."""
    lines: list[Network | Segment] = [*plan.networks, *plan.segments]
    for one, two in combinations(lines, 2):
        where = f"network.{'segments' if isinstance(two, Segment) else 'networks'}.{two.id}"
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


def role_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """Ranges of host numbers that fit every network and overlap nowhere."""
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


def server_faults(plan: LeasePlan, source: str) -> Iterator[Fault]:
    """Servers whose site and role have a place, one place each."""
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


def rack_faults(plan: LeasePlan, source: str) -> Iterator[Fault]:
    """Several sites on one machine share its /16."""
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


def virtual_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """A virtual address is nobody's own, and its router has a number that no other in its network has."""
    for line in plan.virtual:
        where = f"network.virtual.{line.id}"
        if line.network not in [network.id for network in plan.networks]:
            yield Fault(source, f"{where}.network", line.network, "no such network in the plan", "Name one of them.")
        for role in plan.roles:
            if _first(role) <= line.host <= _last(role):
                problem = f"is in the range of role {role.role} ({_first(role)} to {_last(role)})"
                yield Fault(source, f"{where}.host", str(line.host), problem, "Use a host number of no role, from 2.")
    for one, two in combinations(plan.virtual, 2):
        where = f"network.virtual.{two.id}"
        if one.id == two.id:
            yield Fault(source, where, two.id, "the address is given twice", "Remove one of the two.")
        # In a rack all of them are on one network, so host and router are unique over all networks.
        if one.host == two.host:
            yield Fault(source, f"{where}.host", str(two.host), f"is that of {one.id}", "Give it one of its own.")
        if one.router_id == two.router_id:
            problem = f"is that of {one.id}"
            yield Fault(source, f"{where}.router_id", str(two.router_id), problem, "Give it one of its own.")


def device_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """Devices have ranges of their own in the fabric segment."""
    fabric = next((segment for segment in plan.segments if segment.kind == "fabric"), None)
    if plan.devices and fabric is None:
        remedy = "Add a segment of kind fabric."
        yield Fault(source, "network.devices", "", "devices, but no segment that holds them", remedy)
    for one, two in combinations(plan.devices, 2):
        where = f"network.devices.{two.kind}"
        if one.kind == two.kind:
            yield Fault(source, where, "", "the kind is given twice", "Remove one of the two.")
        elif one.base < two.base + two.capacity and two.base < one.base + one.capacity:
            problem = f"host numbers overlap those of {one.kind}"
            remedy = "Move the base; devices that stand keep theirs."
            yield Fault(source, f"{where}.base", str(two.base), problem, remedy)
    for device in plan.devices:
        if fabric and device.base + device.capacity >= 2 ** (32 - fabric.prefix) - 1:
            problem = f"host numbers to {device.base + device.capacity} do not fit segment {fabric.id}"
            remedy = "Make the capacity smaller."
            yield Fault(source, f"network.devices.{device.kind}.capacity", str(device.capacity), problem, remedy)


def zone_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """Each role and network is in one zone, and no rule crosses zones that are shut to one another."""
    if not plan.zones:
        return
    yield from _member_faults(plan, source)
    zones = {role: zone for zone in plan.zones for role in zone.roles}
    named = {zone.id: zone for zone in plan.zones}
    for number, rule in enumerate(plan.firewall):
        where = f"network.firewall[{number}]"
        if rule.source in ("any", "internet"):
            origin = named.get("public")
        elif rule.source in ("rack-gateway", "servers"):
            continue
        else:
            origin = next((zone for role, zone in zones.items() if role == rule.source), None)
            if origin is None:
                remedy = "Use a role of a zone, servers, internet, any or rack-gateway."
                yield Fault(source, f"{where}.source", rule.source, "no zone has this source", remedy)
                continue
        target = zones.get(rule.to_role)
        if origin and target and target.id != origin.id and target.id not in origin.opens_to:
            yield _shut(source, where, rule.source, origin.id, target.id)
    for number, line in enumerate(plan.perimeter):
        origin = zones.get(line.source)
        if origin and line.to_zone not in origin.opens_to:
            yield _shut(source, f"network.perimeter[{number}]", line.source, origin.id, line.to_zone)


def _shut(source: str, where: str, value: str, origin: str, target: str) -> Fault:
    remedy = f"Remove the rule, or list {target} in `opens_to` of zone {origin}."
    return Fault(source, where, value, f"zone {origin} may open no connection to zone {target}", remedy)


def _member_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    for what, wanted, members in (
        ("role", [line.role for line in plan.roles], [role for zone in plan.zones for role in zone.roles]),
        ("network", [line.id for line in plan.networks], [net for zone in plan.zones for net in zone.networks]),
    ):
        yield from _once(what, wanted, members, source)
    for zone in plan.zones:
        for target in zone.opens_to:
            if target not in [other.id for other in plan.zones]:
                where = f"network.zones.{zone.id}.opens_to"
                yield Fault(source, where, target, "no such zone in the plan", "Add the zone, or leave it out.")


def _once(what: str, wanted: Sequence[str], members: Sequence[str], source: str) -> Iterator[Fault]:
    for name in wanted:
        if (count := members.count(name)) != 1:
            problem = f"{what} {name} is in {count} zones" if count else f"{what} {name} is in no zone"
            yield Fault(source, "network.zones", name, problem, "Put it into exactly one zone.")


def layout_faults(plan: NetworkPlan, source: str) -> Iterator[Fault]:
    """Slots lie inside the rack, apart from one another, and each kind has one."""
    layout = plan.layout
    if layout is None:
        return
    for slot in layout.slots:
        if slot.bottom + slot.units - 1 > layout.height:
            where = f"network.layout.slots.{slot.holds}"
            problem = f"reaches unit {slot.bottom + slot.units - 1} of a rack of {layout.height}"
            yield Fault(source, where, str(slot.bottom), problem, "Move it down, or make it smaller.")
    for one, two in combinations(layout.slots, 2):
        where = f"network.layout.slots.{two.holds}"
        if one.holds == two.holds:
            yield Fault(source, where, two.holds, "is given twice", "Remove one of the two.")
        elif one.bottom < two.bottom + two.units and two.bottom < one.bottom + one.units:
            problem = f"units {two.bottom} to {two.bottom + two.units - 1} overlap those of {one.holds}"
            yield Fault(source, where, str(two.bottom), problem, "Move one of the two; what stands keeps its units.")
    if layout.height > min(layout.tor_ports, layout.oob_ports - 2):
        problem = "a port has the number of its unit, and the switches have fewer ports than the rack has units"
        remedy = "Use switches with more ports; out of band two more are for the power distribution."
        yield Fault(source, "network.layout.height", str(layout.height), problem, remedy)
