"""What the tests declare in a cluster, and what they ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.tokens import Kind

PODS = Kind("v1", "Pod")


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(name: str, cpu: str = "4") -> dict[str, Any]:
    room = {"cpu": cpu, "memory": "16Gi", "pods": "110"}
    status = {"allocatable": room, "capacity": room}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def deployment(name: str, replicas: int, cpu: str = "1") -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "oss"}, "spec": spec}


def budget(name: str, min_available: int) -> dict[str, Any]:
    spec = {"minAvailable": min_available, "selector": {"matchLabels": {"app": name}}}
    meta = {"name": name, "namespace": "oss"}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}


def declare(cluster: Cluster, made: dict[str, Any]) -> None:
    meta = made["metadata"]
    kind = Kind(made["apiVersion"], made["kind"])
    cluster.apply((kind, meta.get("namespace"), meta["name"]), made, "test", force=True)


def places(cluster: Cluster) -> dict[str, str]:
    """Living pods and their nodes."""
    pods = [pod for pod in cluster.list(PODS, "oss", {}) if not pod["metadata"].get("deletionTimestamp")]
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in pods}


def until(true: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.2)
