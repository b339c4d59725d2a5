"""From the fleet's outputs and the lease plan to Ansible's inventory. Pure: no host is written by hand.

Secrets do not stand in the inventory: it refers to `oss_files` and `oss_passwords`, which come in a file of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capacity.leaseplan import FirewallRule, LeasePlan, Role
from infra.cluster import POD_RANGES, SERVICE_RANGE, Cluster, clusters
from infra.components.topology import DATABASE_NAME, DATABASE_USER, PARTS
from infra.outputs import FleetOutputs, FleetServer
from infra.rack.spec import GATEWAY_HOST

GROUPS: dict[Role, str] = {
    "edge": "edge",
    "control": "control",
    "worker": "worker",
    "database": "database",
    "storage": "storage",
    "ops": "operations",
}
# Path prefix by service; the portal takes the rest.
PREFIXES = {"api": "/api/", "gateway": "/integration/", "satgas": "/satgas/", "portal": ""}
RACK_PUBLIC_PORT = 8443


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How the servers are reached: user, private key, known hosts, and whether root may sign in."""

    user: str
    key_file: str
    known_hosts: str
    public_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the Kubernetes programs and images come from: folders on the server, or a package mirror."""

    folder: str = ""
    archive_url: str = ""
    archive_sha256: str = ""
    pause_image: str = ""
    images: tuple[tuple[str, str], ...] = ()  # (reference, path on the server)


def inventory(outputs: FleetOutputs, plan: LeasePlan, ssh: SshAccess, programs: Programs) -> dict[str, Any]:
    """The inventory as a dictionary that Ansible reads as JSON. Raises BadInput as `infra.cluster.clusters`."""
    found = clusters(outputs)
    hosts = {server.name: _host(server, outputs, plan, ssh) for server in outputs.servers}
    for cluster in found:
        for server in cluster.control:
            hosts[server.name] |= _kubernetes(server, cluster, programs) | {"kubernetes_control": True}
        for server in cluster.workers:
            hosts[server.name] |= _node(server, cluster, programs)
    for server in outputs.with_role("database"):
        hosts[server.name] |= _database(server, outputs)
    for server in outputs.with_role("edge"):
        hosts[server.name] |= _edge(server, outputs)
    groups: dict[str, Any] = {
        group: {"hosts": {s.name: {} for s in outputs.with_role(role)}}
        for role, group in GROUPS.items()
        if outputs.with_role(role)
    }
    groups["kubernetes"] = {"children": {name: {} for name in ("control", "worker") if name in groups}}
    sites: dict[str, Any] = {
        f"site_{site}": {"hosts": {s.name: {} for s in outputs.servers if s.site == site}} for site in _sites(outputs)
    }
    return {"all": {"hosts": hosts, "children": groups | sites}}


def _sites(outputs: FleetOutputs) -> list[str]:
    return list(dict.fromkeys(server.site for server in outputs.servers))


def _host(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan, ssh: SshAccess) -> dict[str, Any]:
    rack = outputs.scale == "rack"
    return {
        "ansible_host": server.ssh_host,
        "ansible_port": server.ssh_port,
        "ansible_user": ssh.user,
        "ansible_become": ssh.user != "root",
        "ansible_ssh_private_key_file": ssh.key_file,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={ssh.known_hosts} -o StrictHostKeyChecking=yes",
        "base_address": server.address,
        "base_hosts": _names(outputs),
        "base_firewall": firewall(server, outputs, plan.network.firewall),
        "base_admin_keys": list(ssh.public_keys),
        "base_root_login": rack,
        "base_system_container": rack,
    }


def _names(outputs: FleetOutputs) -> list[dict[str, Any]]:
    names: dict[str, list[str]] = {s.address: [f"{s.name}.{outputs.domain}", s.name] for s in outputs.servers}
    for cluster in clusters(outputs):
        for control in cluster.control:
            names[control.address].append(cluster.api_name)
    return [{"address": address, "names": known} for address, known in names.items()]


def firewall(server: FleetServer, outputs: FleetOutputs, rules: Sequence[FirewallRule]) -> list[dict[str, Any]]:
    """The rules for one server, with roles replaced by the addresses of their servers. No source: anyone."""
    out = []
    for rule in rules:
        sources = _sources(rule.source, server, outputs)
        if rule.to_role == server.role and sources is not None:
            out.append(
                {"protocol": rule.protocol, "ports": list(rule.ports), "sources": sources, "purpose": rule.purpose}
            )
    return out


def _sources(source: str, server: FleetServer, outputs: FleetOutputs) -> list[str] | None:
    """Addresses of a source; an empty list for anyone, None where the rule does not apply."""
    if source in ("internet", "any"):
        return []
    if source == "rack-gateway":
        network = ipaddress.IPv4Network(f"{server.address}/16", strict=False)
        return [str(network.network_address + GATEWAY_HOST)] if outputs.scale == "rack" else None
    addresses = [address for s in outputs.servers if s.role == source for address in _all_addresses(s)]
    return list(dict.fromkeys(addresses)) or None


def _all_addresses(server: FleetServer) -> list[str]:
    return list(dict.fromkeys([server.address, *server.addresses.values()]))


def _kubernetes(server: FleetServer, cluster: Cluster, programs: Programs) -> dict[str, Any]:
    return {
        "kubernetes_address": server.address,
        "kubernetes_site": server.site,
        "kubernetes_files": "{{ oss_files[inventory_hostname] }}",
        "kubernetes_binaries": programs.folder,
        "kubernetes_archive_url": programs.archive_url,
        "kubernetes_archive_sha256": programs.archive_sha256,
        "kubernetes_service_range": str(SERVICE_RANGE),
        "kubernetes_pod_range": str(cluster.pod_range),
        "kubernetes_etcd_members": [{"name": s.name, "address": s.address} for s in cluster.control],
        "kubernetes_nodes": [s.name for s in cluster.workers],
    }


def _node(server: FleetServer, cluster: Cluster, programs: Programs) -> dict[str, Any]:
    pods = str(cluster.pod_cidrs[server.name])
    return _kubernetes(server, cluster, programs) | {
        "kubernetes_node": True,
        "kubernetes_pod_cidr": pods,
        "kubernetes_pod_routes": [
            {"to": str(cluster.pod_cidrs[other.name]), "via": other.address}
            for other in cluster.workers
            if other.name != server.name
        ],
        "kubernetes_pause_image": programs.pause_image,
        "kubernetes_images": [{"reference": reference, "path": path} for reference, path in programs.images],
        "base_pod_cidr": pods,
        "base_pod_range": str(POD_RANGES),
        "base_pod_sources": [str(cluster.pod_range), *(s.address for s in (*cluster.control, *cluster.workers))],
    }


def _database(server: FleetServer, outputs: FleetOutputs) -> dict[str, Any]:
    return {
        "postgresql_address": server.address,
        "postgresql_files": "{{ oss_files[inventory_hostname] }}",
        "postgresql_database": DATABASE_NAME,
        "postgresql_user": DATABASE_USER,
        "postgresql_password": "{{ oss_passwords.database }}",
        "postgresql_clients": [s.address for s in outputs.with_role("worker")],
    }


def _edge(server: FleetServer, outputs: FleetOutputs) -> dict[str, Any]:
    own_site = outputs.with_role("worker", server.site) or outputs.with_role("worker")
    return {
        "edge_files": "{{ oss_files[inventory_hostname] }}",
        "edge_workers": [{"name": s.name, "address": s.address} for s in own_site],
        "edge_services": [
            {"name": name, "prefix": prefix, "node_port": PARTS[name].node_port} for name, prefix in PREFIXES.items()
        ],
        "edge_public_port": RACK_PUBLIC_PORT if outputs.scale == "rack" else 443,
    }


def secret_variables(files: Mapping[str, Mapping[str, str]], outputs: FleetOutputs) -> dict[str, Any]:
    """What the inventory refers to and must not hold: keys by server, and passwords."""
    return {
        "oss_files": {server: dict(own) for server, own in files.items()},
        "oss_passwords": {"database": outputs.secrets.database_password.get_secret_value()},
    }
