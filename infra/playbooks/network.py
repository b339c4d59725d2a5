"""What of the plan's network each server is told: resolvers, time, bonds, virtual addresses, zones. Pure functions."""

from __future__ import annotations

import ipaddress
from typing import Any

from capacity.leaseplan import LeasePlan
from infra.network.addresses import AddressPlan, address_plan
from infra.network.names import Host, zone_file, zones
from infra.network.nameservers import nameservers
from infra.outputs import FleetOutputs, FleetServer
from infra.rack.network import INTERFACE

TOP_PRIORITY = 150  # of the first edge server; each next one 10 less (VRRP: 1 to 254)
WITHOUT_INTERFACE = "oob"  # the BMC's network, which the server's own system does not see
DEFAULT_ROUTE = {"edge": "edge"}  # role → network of its gateway; `cluster` for the others


def resolvers(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> list[str]:
    """Whom a server asks: its own site's name servers first."""
    near = sorted(nameservers(outputs, plan), key=lambda s: (s.site != server.site, s.name))
    return [s.address for s in near]


def time(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> dict[str, Any]:
    """Whom a server asks for the time, and whose questions it answers; empty for a plan without time servers.

    A site without time servers, and the time servers themselves, ask the plan's sources.
    """
    service = plan.network.time
    if service is None:
        return {}
    answering = outputs.with_role(service.role)
    if server in answering or not answering:
        networks = sorted({n.cidr for n in outputs.networks if n.id == "cluster"}) if server in answering else []
        return {"base_time_servers": list(service.sources), "base_time_clients": networks}
    near = sorted(answering, key=lambda s: (s.site != server.site, s.name))
    return {"base_time_servers": [s.address for s in near], "base_time_clients": []}


def links(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> dict[str, Any]:
    """The bundle of a server's cards and the VLANs on it."""
    bond = plan.network.bond
    own = {n.id: n for n in outputs.networks if n.site == server.site}
    route = DEFAULT_ROUTE.get(server.role, "cluster")
    route = route if route in server.addresses else "cluster"
    return {
        "bond": bond.name,
        "members": bond.members,
        "mtu": bond.mtu,
        "vlans": [
            {
                "id": own[network].vlan,
                "address": f"{address}/{ipaddress.IPv4Network(own[network].cidr).prefixlen}",
                "gateway": own[network].gateway if network == route else "",
            }
            for network, address in server.addresses.items()
            if network != WITHOUT_INTERFACE and network in own
        ],
    }


def peers(server: FleetServer, outputs: FleetOutputs) -> list[str]:
    """Addresses of the other servers that may hold a virtual address of this one's, in the networks of those."""
    own = [line for line in outputs.virtual if (line.site, line.role) == (server.site, server.role)]
    others = [s for s in outputs.with_role(server.role, server.site) if s.name != server.name]
    return list(dict.fromkeys(s.addresses[line.network] for line in own for s in others))


def virtual(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> list[dict[str, Any]]:
    """The virtual addresses that a server may hold."""
    candidates = outputs.with_role(server.role, server.site)
    vlans = {n.id: n.vlan for n in outputs.networks if n.site == server.site}
    return [
        {
            "id": line.id,
            # A host's prefix, so that it brings no route: the server goes on speaking to others under its own address.
            "address": f"{line.address}/32",
            "interface": INTERFACE if outputs.scale == "rack" else f"{plan.network.bond.name}.{vlans[line.network]}",
            "own": server.addresses[line.network],
            "router_id": line.router_id,
            "priority": max(TOP_PRIORITY - 10 * candidates.index(server), 1),
            "peers": [s.addresses[line.network] for s in candidates if s.name != server.name],
        }
        for line in outputs.virtual
        if (line.site, line.role) == (server.site, server.role)
    ]


def zone_files(outputs: FleetOutputs, plan: LeasePlan) -> list[dict[str, str]]:
    """The zones that name servers answer for."""
    service = plan.network.names
    if service is None:
        return []
    hosts = [Host(s.name, s.site, s.role, s.addresses) for s in outputs.servers]
    found = zones(plan, hosts, addresses_of(outputs, plan), ())
    return [{"name": zone.name, "content": zone_file(zone, service)} for zone in found]


def addresses_of(outputs: FleetOutputs, plan: LeasePlan) -> AddressPlan:
    """The address plan that the fleet stands by."""
    supernet = str(ipaddress.IPv4Network(f"{outputs.servers[0].address}/16", strict=False))
    return address_plan(plan, outputs.scale, supernet if outputs.scale == "rack" else "")
