"""Every certificate that a fleet needs, as the files that each server keeps.

Authorities, so that no certificate opens more than its own door:
`<cluster>-kubernetes` (API server, nodes, components), `<cluster>-etcd`, `<cluster>-front-proxy` (aggregated APIs), and
`services` (edge and databases: the one that people and load generators trust). Their keys never leave this machine.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.cluster import Cluster, clusters
from infra.outputs import FleetOutputs, FleetServer
from infra.paths import state_dir
from infra.pki.certificates import Leaf, Pair, Usage
from infra.pki.kubeconfig import Access, kubeconfig
from infra.pki.store import Store, locked, write_private

SERVICES = "services"


@dataclass(frozen=True, slots=True)
class FleetCredentials:
    """`files`: server → file name → content (PEM or kubeconfig). `admin`: the operator's kubeconfig, "" for none."""

    files: Mapping[str, Mapping[str, str]]
    admin: str
    changes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"FleetCredentials({', '.join(self.files)})"


def services_ca(environment: str) -> Path:
    """The authority that certificates of the edge and the databases are verified with."""
    return state_dir(environment) / "pki" / SERVICES / "ca.crt"


def kubeconfig_file(environment: str) -> Path:
    """The operator's kubeconfig of an environment."""
    return state_dir(environment) / "kubeconfig"


def ensure_credentials(environment: str, outputs: FleetOutputs) -> FleetCredentials:
    """Make or renew what is missing, keep the rest; write the operator's kubeconfig. Idempotent.

    Raises BadInput as `infra.cluster.clusters`.
    """
    found = clusters(outputs)
    files: dict[str, dict[str, str]] = {server.name: {} for server in outputs.servers}
    with locked(state_dir(environment) / "pki") as store:
        accesses = [_cluster_files(store, cluster, outputs, files) for cluster in found]
        _service_files(store, outputs, files)
        changes = tuple(store.changes)
    admin = kubeconfig(accesses) if accesses else ""
    if admin:
        write_private(kubeconfig_file(environment), admin.encode())
    return FleetCredentials(files, admin, changes)


def _cluster_files(store: Store, cluster: Cluster, outputs: FleetOutputs, files: dict[str, dict[str, str]]) -> Access:
    own, etcd, proxy = (f"{cluster.name}-{what}" for what in ("kubernetes", "etcd", "front-proxy"))
    ca = store.authority(own, f"{cluster.name} kubernetes").certificate
    etcd_ca = store.authority(etcd, f"{cluster.name} etcd").certificate
    proxy_ca = store.authority(proxy, f"{cluster.name} front proxy").certificate
    tokens = store.signing_key(own, "service-accounts")
    encryption = encryption_configuration(store.secret(own, "encryption"))

    def client(name: str, user: str, organization: str = "") -> Pair:
        return store.leaf(own, Leaf(name, user, Usage.CLIENT, organization=organization))

    def config(pair: Pair) -> str:
        return kubeconfig([Access(cluster.name, cluster.api_url, ca, pair)])

    for server in cluster.control:
        local = f"https://{server.address}:{urlsplit(cluster.api_url).port}"
        keep = files[server.name]
        keep |= {"ca.crt": _text(ca), "etcd-ca.crt": _text(etcd_ca), "front-proxy-ca.crt": _text(proxy_ca)}
        keep |= {"service-accounts.pub": _text(tokens.certificate), "service-accounts.key": _text(tokens.key)}
        keep["encryption.yaml"] = encryption
        keep |= _pair("apiserver", store.leaf(own, _api_server(server, cluster, outputs)))
        keep |= _pair("kubelet-client", client("kubelet-client", "oss:apiserver-kubelet-client"))
        keep |= _pair("front-proxy-client", store.leaf(proxy, Leaf("client", "front-proxy-client", Usage.CLIENT)))
        keep |= _pair("etcd-client", store.leaf(etcd, Leaf("apiserver", "kube-apiserver", Usage.CLIENT)))
        peer = Leaf(server.name, server.name, Usage.PEER, ("localhost", "127.0.0.1", server.name, server.address))
        keep |= _pair("etcd", store.leaf(etcd, peer))
        # Components beside the API server talk to that one: a failed server takes down no other's components.
        for name in ("controller-manager", "scheduler"):
            pair = client(name, f"system:kube-{name}")
            keep[f"{name}.kubeconfig"] = kubeconfig([Access(cluster.name, local, ca, pair)])
        keep["nameserver.kubeconfig"] = kubeconfig(
            [Access(cluster.name, local, ca, client("nameserver", "oss:nameserver"))]
        )
        keep["admin.kubeconfig"] = kubeconfig([Access(cluster.name, local, ca, _admin(client))])
    for server in cluster.workers:
        keep = files[server.name]
        node = Leaf(
            f"node-{server.name}",
            f"system:node:{server.name}",
            Usage.PEER,
            (server.name, server.address),
            organization="system:nodes",
        )
        pair = store.leaf(own, node)
        keep |= {"ca.crt": _text(ca), "kubelet.kubeconfig": config(pair)} | _pair("kubelet", pair)
        keep["kube-proxy.kubeconfig"] = config(client("kube-proxy", "system:kube-proxy"))
    return Access(cluster.name, cluster.admin_url, ca, _admin(client))


def encryption_configuration(key: bytes) -> str:
    """How the API server encrypts secrets at rest (XSalsa20 and Poly1305). `key` has 32 bytes."""
    named = {"name": "first", "secret": base64.b64encode(key).decode()}
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [named]}}, {"identity": {}}]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _admin(client: Callable[..., Pair]) -> Pair:
    return client("admin", "oss:admin", "system:masters")


def _api_server(server: FleetServer, cluster: Cluster, outputs: FleetOutputs) -> Leaf:
    names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        cluster.service_address,
        cluster.api_name,
        server.name,
        server.address,
        server.ssh_host,
        *_hosts(outputs.endpoints.kubernetes, outputs.endpoints.kubernetes_internal),
    ]
    return Leaf(f"apiserver-{server.name}", "kube-apiserver", Usage.SERVER, tuple(dict.fromkeys(names)))


def _service_files(store: Store, outputs: FleetOutputs, files: dict[str, dict[str, str]]) -> None:
    ca = _text(store.authority(SERVICES, f"{outputs.environment} services").certificate)
    public = _hosts(outputs.endpoints.portal, outputs.endpoints.api)
    for server in (*outputs.with_role("edge"), *outputs.with_role("database")):
        names = [server.name, f"{server.name}.{outputs.domain}", server.address, *server.addresses.values()]
        if server.role == "edge":
            names += [*public, server.ssh_host, "localhost"]
            for moving in (line for line in outputs.virtual if line.role == "edge" and line.site == server.site):
                names += [moving.address, *moving.names]
        leaf = Leaf(server.name, server.name, Usage.SERVER, tuple(dict.fromkeys(names)))
        files[server.name] |= {"services-ca.crt": ca} | _pair("server", store.leaf(SERVICES, leaf))


def _hosts(*urls: str) -> list[str]:
    return [host for url in urls if (host := urlsplit(url).hostname)]


def _pair(name: str, pair: Pair) -> dict[str, str]:
    return {f"{name}.crt": _text(pair.certificate), f"{name}.key": _text(pair.key)}


def _text(pem: bytes) -> str:
    return pem.decode("ascii")
