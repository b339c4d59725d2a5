"""The nodes of a cluster, and forgetting those whose servers have left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infra.kubernetes_provider import readiness
from infra.kubernetes_provider.cluster import Cluster, NoSuchObject
from infra.kubernetes_provider.tokens import Kind

NODE = Kind("v1", "Node")


@dataclass(frozen=True, slots=True)
class Node:
    """`answers`: its kubelet reports, so that it would end pods when asked to."""

    name: str
    answers: bool


def nodes(cluster: Cluster) -> list[Node]:
    """All nodes that the cluster knows. Raises ApiError or Unreachable."""
    found = cluster.list(NODE, "", {})
    return [Node(one["metadata"]["name"], readiness.condition(one, "Ready").get("status") == "True") for one in found]


def forget(cluster: Cluster, names: Iterable[str]) -> list[str]:
    """Remove nodes from the cluster, which then counts their pods as gone; which of them it knew.

    Without it, pods of a server that left keep their places for five minutes and are never counted as ended.
    """
    gone = []
    for name in names:
        try:
            cluster.delete((NODE, None, name), "Background")
        except NoSuchObject:
            continue
        gone.append(name)
    return gone
