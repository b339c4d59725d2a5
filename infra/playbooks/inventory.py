"""From the fleet's outputs and the lease plan to Ansible's inventory. Pure: no host is written by hand.

Secrets do not stand in the inventory: it refers to `oss_files` and `oss_passwords`, which come in a file of their own.
What each variable means is said in the roles' own `meta/argument_specs.yml`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan, Role
from infra.cluster import NODE_RESERVE, SERVICE_RANGE, Cluster, clusters
from infra.components.topology import DATABASE_NAME, DATABASE_USER, PARTS
from infra.network.nameservers import cluster_dns, nameservers
from infra.outputs import FleetOutputs, FleetServer
from infra.playbooks import network
from infra.playbooks.firewall import blocked_administration, host_rules, rack_gateway

GROUPS: dict[Role, str] = {
    "edge": "edge",
    "control": "control",
    "worker": "worker",
    "database": "database",
    "storage": "storage",
    "ops": "operations",
}
NAMESERVER = "nameserver"  # group of the servers that answer for names, whatever their role
CLUSTER_DOMAIN = "cluster.local"
# Path prefix by service; the portal takes the rest.
PREFIXES = {"api": "/api/", "gateway": "/integration/", "satgas": "/satgas/", "portal": ""}
# A rack's servers show the whole machine's memory; what its database may count on is said here.
RACK_DATABASE_MIB = 1024
MIB_PER_GIB = 1024
# Debian's limits are too low for a node (inotify, connection backlog); a system container's are the machine's.
SYSCTLS: dict[str, int] = {"net.core.somaxconn": 4096, "net.ipv4.tcp_slow_start_after_idle": 0}
MACHINE_SYSCTLS: dict[str, int] = {
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    "vm.max_map_count": 262144,
    "vm.swappiness": 10,
    "kernel.dmesg_restrict": 1,
    "kernel.kptr_restrict": 2,
    "kernel.yama.ptrace_scope": 1,
}


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How the servers are reached: user, private key, known hosts, and the keys that administrators sign in with."""

    user: str
    key_file: str
    known_hosts: str
    public_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeImage:
    """An image archive as a worker finds it: path on the server, reference and digest of its manifest."""

    archive: str
    reference: str
    digest: str


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the Kubernetes programs and images come from: folders on the server, or a package mirror."""

    folder: str = ""
    archive_url: str = ""
    archive_sha256: str = ""
    pause_image: str = ""
    images: tuple[NodeImage, ...] = ()
    coredns: str = ""


def inventory(outputs: FleetOutputs, plan: LeasePlan, ssh: SshAccess, programs: Programs) -> dict[str, Any]:
    """The inventory, as a dictionary that Ansible reads as JSON.

    Raises BadInput as `infra.cluster.clusters`, and when the firewall would shut administrators out of a server.
    """
    found = clusters(outputs)
    if faults := blocked_administration(outputs, plan.network.firewall):
        raise BadInput(faults)
    hosts = {server.name: _base(server, outputs, plan, found, ssh) for server in outputs.servers}
    for cluster in found:
        for server in cluster.control:
            hosts[server.name] |= _control(server, outputs, cluster, programs)
        for server in cluster.workers:
            hosts[server.name] |= _worker(server, outputs, plan, cluster, programs)
    for server in outputs.with_role("database"):
        hosts[server.name] |= _database(server, outputs, plan)
    for server in outputs.with_role("edge"):
        hosts[server.name] |= _edge(server, outputs, plan)
    named = nameservers(outputs, plan)
    for server in named:
        hosts[server.name] |= _nameserver(server, outputs, plan, found, programs)
    roles: dict[str, Any] = {
        group: {"hosts": {s.name: {} for s in outputs.with_role(role)}}
        for role, group in GROUPS.items()
        if outputs.with_role(role)
    }
    sites: dict[str, Any] = {
        f"site_{site}": {"hosts": {s.name: {} for s in outputs.servers if s.site == site}}
        for site in dict.fromkeys(server.site for server in outputs.servers)
    }
    names: dict[str, Any] = {NAMESERVER: {"hosts": {s.name: {} for s in named}}} if named else {}
    return {"all": {"hosts": hosts, "children": roles | names | sites}}


def secret_variables(files: Mapping[str, Mapping[str, str]], outputs: FleetOutputs) -> dict[str, Any]:
    """What the inventory refers to and must not hold: keys by server, and passwords."""
    return {
        "oss_files": {server: dict(own) for server, own in files.items()},
        "oss_passwords": {
            "database": outputs.secrets.database_password.get_secret_value(),
            "database_admin": outputs.secrets.database_admin_password.get_secret_value(),
            "database_replication": outputs.secrets.database_replication_password.get_secret_value(),
        },
    }


def _base(
    server: FleetServer, outputs: FleetOutputs, plan: LeasePlan, found: tuple[Cluster, ...], ssh: SshAccess
) -> dict[str, Any]:
    rack = outputs.scale == "rack"
    own = next((cluster for cluster in found if server in cluster.workers), None)
    return {
        "ansible_host": server.ssh_host,
        "ansible_port": server.ssh_port,
        "ansible_user": ssh.user,
        "ansible_ssh_private_key_file": ssh.key_file,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={ssh.known_hosts} -o StrictHostKeyChecking=yes",
        "base_address": server.address,
        "base_hosts": _names(outputs, found),
        "base_firewall": host_rules(server, outputs, plan.network.firewall, found),
        "base_pod_cidr": str(own.pod_cidrs[server.name]) if own else "",
        "base_pod_range": str(own.pod_range) if own else "",
        "base_vrrp_peers": network.peers(server, outputs),
        "base_resolvers": network.resolvers(server, outputs, plan),
        "base_search": outputs.domain,
        **network.time(server, outputs, plan),
        "base_links": [] if rack else [network.links(server, outputs, plan)],
        "base_admin_keys": list(ssh.public_keys),
        "base_root_login": rack,
        "base_system_container": rack,
        "base_sysctls": SYSCTLS if rack else SYSCTLS | MACHINE_SYSCTLS,
        "base_modules": ["overlay", "br_netfilter"] if own and not rack else [],
    }


def _names(outputs: FleetOutputs, found: tuple[Cluster, ...]) -> list[dict[str, Any]]:
    names: dict[str, list[str]] = {s.address: [s.name, f"{s.name}.{outputs.domain}"] for s in outputs.servers}
    for cluster in found:
        for control in cluster.control:
            names[control.address].append(cluster.api_name)
    return [{"address": address, "names": known} for address, known in names.items()]


def _kubernetes(server: FleetServer, outputs: FleetOutputs, cluster: Cluster, programs: Programs) -> dict[str, Any]:
    return {
        "kubernetes_name": server.name,
        "kubernetes_address": server.address,
        "kubernetes_credentials": "{{ oss_files[inventory_hostname] }}",
        "kubernetes_binaries": programs.folder,
        "kubernetes_archive_url": programs.archive_url,
        "kubernetes_archive_sha256": programs.archive_sha256,
        "kubernetes_control": [{"name": s.name, "address": s.address} for s in cluster.control],
        "kubernetes_service_range": str(SERVICE_RANGE),
        "kubernetes_pod_range": str(cluster.pod_range),
        "kubernetes_pod_routes": [
            {"cidr": str(cluster.pod_cidrs[other.name]), "via": other.address}
            for other in cluster.workers
            if other.name != server.name
        ],
        "kubernetes_system_container": outputs.scale == "rack",
    }


def _control(server: FleetServer, outputs: FleetOutputs, cluster: Cluster, programs: Programs) -> dict[str, Any]:
    return _kubernetes(server, outputs, cluster, programs) | {"kubernetes_node": "control"}


def _worker(
    server: FleetServer, outputs: FleetOutputs, plan: LeasePlan, cluster: Cluster, programs: Programs
) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/region": server.site, "topology.kubernetes.io/zone": server.rack}
    pause = {"kubernetes_pause_image": programs.pause_image} if programs.pause_image else {}
    reserved = {"kubernetes_reserved": NODE_RESERVE[outputs.scale]}
    return (
        _kubernetes(server, outputs, cluster, programs)
        | pause
        | reserved
        | {
            "kubernetes_node": "worker",
            "kubernetes_cluster_dns": cluster_dns(outputs, plan, cluster),
            "kubernetes_pod_cidr": str(cluster.pod_cidrs[server.name]),
            "kubernetes_node_labels": labels,
            "kubernetes_images": [
                {"archive": image.archive, "reference": image.reference, "digest": image.digest}
                for image in programs.images
            ],
        }
    )


def _database(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> dict[str, Any]:
    rack = outputs.scale == "rack"
    primary, *replicas = outputs.databases()
    memory = RACK_DATABASE_MIB if rack else plan.sku(server.sku).memory_gib * MIB_PER_GIB
    return {
        "postgresql_name": server.name,
        "postgresql_kind": "primary" if server == primary else "replica",
        "postgresql_primary": "" if server == primary else primary.address,
        # Whoever becomes the primary lets the same servers copy it: all but itself.
        "postgresql_replicas": [
            {"name": s.name, "address": s.address} for s in (primary, *replicas) if s.name != server.name
        ],
        "postgresql_replication_password": "{{ oss_passwords.database_replication }}",
        "postgresql_address": server.address,
        "postgresql_credentials": "{{ oss_files[inventory_hostname] }}",
        "postgresql_database": DATABASE_NAME,
        "postgresql_user": DATABASE_USER,
        "postgresql_password": "{{ oss_passwords.database }}",
        "postgresql_admin_password": "{{ oss_passwords.database_admin }}",
        "postgresql_clients": [s.address for s in outputs.with_role("worker")],
        "postgresql_memory_mib": memory,
        "postgresql_cores": cores(server, outputs, plan),
    }


def _edge(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> dict[str, Any]:
    rack = outputs.scale == "rack"
    moving = [line for line in plan.network.virtual if line.role == "edge"]
    limits = plan.network.edge_limits
    own_site = outputs.with_role("worker", server.site) or outputs.with_role("worker")
    return {
        "edge_name": server.name,
        "edge_virtual": network.virtual(server, outputs, plan),
        "edge_health_path": next((line.health_path for line in moving if line.health_path), "/edge-health"),
        "edge_address": server.address,
        "edge_credentials": "{{ oss_files[inventory_hostname] }}",
        "edge_workers": [{"name": s.name, "address": s.address} for s in own_site],
        "edge_routes": [
            {"name": name, "path": prefix, "port": PARTS[name].node_port} for name, prefix in PREFIXES.items()
        ],
        "edge_public_port": urlsplit(outputs.endpoints.portal).port or 443,
        "edge_threads": cores(server, outputs, plan),
        # Every visitor of a rack comes from the one address of its gateway: the limit would count them as one.
        "edge_rate_limit": limits.calls_per_10_s,
        "edge_rate_exempt": [*limits.exempt, *([str(rack_gateway(server))] if rack else [])],
    }


def _nameserver(
    server: FleetServer, outputs: FleetOutputs, plan: LeasePlan, found: tuple[Cluster, ...], programs: Programs
) -> dict[str, Any]:
    own = next((cluster for cluster in found if server in cluster.control), None)
    service = plan.network.names
    credential = "nameserver.kubeconfig"
    cluster = {
        "nameserver_cluster_domain": CLUSTER_DOMAIN,
        "nameserver_service_range": str(SERVICE_RANGE),
        "nameserver_credentials": f"{{{{ {{'{credential}': oss_files[inventory_hostname]['{credential}']}} }}}}",
    }
    return {
        "nameserver_address": server.address,
        "nameserver_binary": programs.coredns or f"/opt/kubernetes/{programs.archive_sha256[:12]}/coredns",
        "nameserver_zones": network.zone_files(outputs, plan),
        "nameserver_forwarders": list(service.forwarders) if service else [],
    } | (cluster if own else {})


def cores(server: FleetServer, outputs: FleetOutputs, plan: LeasePlan) -> int:
    """CPUs that a server's programs may count on: its SKU's, or in a rack what the model grants the role there."""
    if outputs.scale == "national":
        return plan.sku(server.sku).cores
    stations = plan.deployment(outputs.phase, "rack").stations
    granted = next((s.servers for s in stations if s.kind == "server" and s.role == server.role), 1.0)
    return max(1, math.ceil(granted / len(outputs.with_role(server.role))))
