"""The trial cluster: a control plane on loopback, a site's workers as pretended nodes. The real scheduler places."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import yaml

from capacity.faults import StepFailed
from capacity.leaseplan import LeasedServer, LeasePlan, Scale
from infra.fit import manifests, reading
from infra.fit.cases import Site
from infra.fit.manifests import Manifest
from infra.fit.reading import Amount
from infra.kubernetes_provider.cluster import ApiError, Cluster, Unreachable, Where
from infra.kubernetes_provider.settings import Settings
from infra.kubernetes_provider.tokens import Kind
from infra.toolchain.loopback import LoopbackCluster

MANAGER = "oss-fit"
POLL_SECONDS = 0.2
QUIET_SECONDS = 12.0
"""The scheduler tries a pod again after at most 10 s; longer without a change, it has no place for what is left."""
SETTLE_TIMEOUT_SECONDS = 180.0

T = TypeVar("T")
Pods = list[dict[str, Any]]
Counted = Callable[[int, int], None]

_NODE, _POD = Kind("v1", "Node"), Kind("v1", "Pod")


class Trial:
    """One site's workers and services in the control plane. Use one after another, each ended with `clear`."""

    def __init__(self, running: LoopbackCluster, plan: LeasePlan, site: Site, scale: Scale) -> None:
        config = yaml.safe_load(running.kubeconfig.read_text(encoding="utf-8"))
        self._api = Cluster(Settings(config))
        self._plan, self._site, self._scale = plan, site, scale
        self._deployments = [manifests.deployment(service) for service in site.services]
        self._lost: set[str] = set()
        self.sizes: dict[str, Amount] = {}

    def prepare(self) -> None:
        """Priorities, namespaces and accounts."""
        for made in manifests.priority_classes():
            self._apply(made)
        for name in dict.fromkeys(service.namespace for service in self._site.services):
            self._apply(manifests.namespace(name))
        for service in self._site.services:
            self._apply(manifests.account(service))

    def _add(self, server: LeasedServer) -> None:
        """One more node."""
        sku = self._plan.sku(server.sku)
        self._apply(manifests.node(server, sku, self._scale))
        self.sizes[server.name] = manifests.node_size(sku, self._scale)[1]

    def place(self, counted: Counted, more: Sequence[LeasedServer] = ()) -> Pods:
        """All replicas on the site's own servers and `more`, from an empty cluster. Returns when all that has a place
        has it."""
        self._empty(counted)
        for name in tuple(self._lost):
            self._taint(name, [])
        self._lost.clear()
        wanted = {server.name: server for server in (*self._site.workers, *more)}
        for name in self.sizes.keys() - wanted.keys():
            self._remove(name)
        for name in wanted.keys() - self.sizes.keys():
            self._add(wanted[name])
        self._await_nodes()
        self._scale_to(whole=True)
        return self._settled(self._site.replicas, counted)

    def lose(self, servers: Sequence[str], counted: Counted) -> Pods:
        """Evict everything from the servers, as their loss does, and wait for the replicas' successors.

        A taint stands for the loss: the taint manager evicts what is there, the scheduler passes the node by, and
        the spread counts it no more (`nodeTaintsPolicy: Honor`), as with the taint of a node that does not answer.
        """
        for name in servers:
            self._taint(name, [{"key": reading.LOST, "effect": "NoExecute"}])
            self._lost.add(name)
        return self._settled(self._site.replicas, counted)

    def clear(self, counted: Counted) -> None:
        """Leave the control plane without pods and nodes."""
        self._empty(counted)
        for name in tuple(self.sizes):
            self._remove(name)

    def _empty(self, counted: Counted) -> None:
        self._scale_to(whole=False)
        self._settled(0, counted)

    def _remove(self, name: str) -> None:
        self._ask(lambda: self._api.delete((_NODE, None, name), "Background"))
        del self.sizes[name]

    def _scale_to(self, *, whole: bool) -> None:
        for made in self._deployments:
            spec = made["spec"] if whole else {**made["spec"], "replicas": 0}
            self._apply({**made, "spec": spec})

    def _settled(self, wanted: int, counted: Counted) -> Pods:
        """Wait until every replica has a node, or the scheduler has none for it and nothing moves any more."""
        end = time.monotonic() + SETTLE_TIMEOUT_SECONDS
        before: frozenset[tuple[str, str]] = frozenset()
        since = time.monotonic()
        while (now := time.monotonic()) < end:
            pods = self._pods()
            alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
            places = frozenset((pod["metadata"]["uid"], pod["spec"].get("nodeName", "")) for pod in pods)
            if places != before:
                before, since = places, now
            placed = [pod for pod in alive if pod["spec"].get("nodeName", "") not in ("", *self._lost)]
            counted(len(placed), wanted)
            if len(pods) == len(alive) == wanted:
                rest = [pod for pod in alive if not pod["spec"].get("nodeName")]
                if len(placed) == wanted:
                    return alive
                refused = all(reading.condition(pod).get("reason") == "Unschedulable" for pod in rest)
                if len(placed) + len(rest) == wanted and refused and now - since > QUIET_SECONDS:
                    return alive
            time.sleep(POLL_SECONDS)
        raise StepFailed(
            f"{self._site.name}: {len(before)} of {wanted} pods after {SETTLE_TIMEOUT_SECONDS:.0f} s, and no rest",
            "Run it again with less else to do on this machine.",
        )

    def _await_nodes(self) -> None:
        """Until every node is ready and free of the taints that a new one carries."""
        end = time.monotonic() + SETTLE_TIMEOUT_SECONDS
        while time.monotonic() < end:
            nodes = self._ask(lambda: self._api.list(_NODE, "", {}))
            if all(_ready(node) for node in nodes) and len(nodes) == len(self.sizes):
                return
            time.sleep(POLL_SECONDS)
        raise StepFailed(f"{self._site.name}: its nodes were not ready after {SETTLE_TIMEOUT_SECONDS:.0f} s")

    def _pods(self) -> Pods:
        return self._ask(lambda: self._api.list(_POD, "", {"app.kubernetes.io/part-of": "oss"}))

    def _taint(self, name: str, taints: list[dict[str, str]]) -> None:
        self._apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": taints}}, "loss"
        )

    def _apply(self, made: Manifest, purpose: str = "declare") -> None:
        group, kind = made["apiVersion"], made["kind"]
        where: Where = (Kind(group, kind), made["metadata"].get("namespace"), made["metadata"]["name"])
        self._ask(lambda: self._api.apply(where, made, f"{MANAGER}-{purpose}", force=True))

    def _ask(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except (ApiError, Unreachable) as error:
            raise StepFailed(f"the control plane on loopback refused: {error}") from error


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True" and not node.get("spec", {}).get("taints")
