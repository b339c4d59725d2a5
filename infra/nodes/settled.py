"""Waiting until every replica is available, also where nothing was changed: a server may just have left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.readiness import State, judge
from infra.kubernetes_provider.tokens import Kind

LIMIT_S: Final = 180.0
POLL_S: Final = 0.5
DEPLOYMENT: Final = Kind("apps/v1", "Deployment")


def await_replicas(cluster: Cluster, namespaces: Iterable[str], progress: Progress, limit_s: float = LIMIT_S) -> None:
    """Until all Deployments of the namespaces have all their replicas. Raises StepFailed naming those that have not."""
    end = time.monotonic() + limit_s
    places = sorted(set(namespaces))
    while short := [reason for place in places for reason in _short(cluster, place)]:
        if time.monotonic() > end:
            raise StepFailed(
                f"not all replicas are available after {limit_s:.0f} s: {'; '.join(short)}",
                "Look with `kubectl get pods -A -o wide` and `kubectl describe pod`, then run it again.",
            )
        progress.update(f"waiting for replicas: {short[0]}")
        time.sleep(POLL_S)


def _short(cluster: Cluster, namespace: str) -> list[str]:
    kind = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name}  # which the items of a list leave out
    found = ((one, judge(kind | one, cluster)) for one in cluster.list(DEPLOYMENT, namespace, {}))
    return [
        f"{namespace}/{one['metadata']['name']}: {verdict.reason}"
        for one, verdict in found
        if verdict.state is not State.READY
    ]
