"""The plan's firewall for one server: roles become the addresses of their servers. Pure functions."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from capacity.faults import Fault
from capacity.leaseplan import FirewallRule
from infra.cluster import Cluster
from infra.outputs import FleetOutputs, FleetServer
from infra.rack.spec import GATEWAY_HOST

SSH_PORT = 22


def host_rules(
    server: FleetServer, outputs: FleetOutputs, rules: Sequence[FirewallRule], clusters: Sequence[Cluster]
) -> list[dict[str, Any]]:
    """The rules for a server as role `base` takes them. A rule without sources lets anyone in.

    A rule whose source has no server here is left out. Workers stand for the pods on them too.
    """
    found = []
    for rule in rules:
        if rule.to_role != server.role or (sources := _sources(rule.source, server, outputs)) is None:
            continue
        if rule.source in ("worker", "servers"):
            sources += [str(cluster.pod_range) for cluster in clusters]
        found.append(
            {"protocol": rule.protocol, "ports": list(rule.ports), "sources": sources, "purpose": rule.purpose}
        )
    return found


def blocked_administration(outputs: FleetOutputs, rules: Sequence[FirewallRule]) -> list[Fault]:
    """A fault for each role whose servers nobody could administer once the firewall is up."""
    faults = []
    for role, server in {server.role: server for server in outputs.servers}.items():
        open_to = [
            rule.source
            for rule in rules
            if rule.to_role == role and SSH_PORT in rule.ports and _sources(rule.source, server, outputs) is not None
        ]
        if not open_to:
            problem = f"no rule that has a source here lets ssh (port {SSH_PORT}) in to role {role}"
            remedy = "Add an operations server or a rule, or the playbooks would lock everyone out."
            faults.append(Fault("lease plan", "network.firewall", "", problem, remedy))
    return faults


def rack_gateway(server: FleetServer) -> ipaddress.IPv4Address:
    """The address under which a rack's servers see everyone on the machine below."""
    return ipaddress.IPv4Network(f"{server.address}/16", strict=False).network_address + GATEWAY_HOST


def _sources(source: str, server: FleetServer, outputs: FleetOutputs) -> list[str] | None:
    """Addresses of a source; an empty list for anyone, None where nobody here is meant."""
    if source in ("internet", "any"):
        return []
    if source == "rack-gateway":
        return [str(rack_gateway(server))] if outputs.scale == "rack" else None
    servers = [s for s in outputs.servers if source in (s.role, "servers")]
    # Not the address of the server's BMC, which opens no connections.
    own = ((s.address, *(a for network, a in s.addresses.items() if network != "oob")) for s in servers)
    addresses = dict.fromkeys(address for addresses in own for address in addresses)
    return list(addresses) or None
