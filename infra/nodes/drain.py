"""Moving the pods off nodes in order: no new ones come, each is evicted as its disruption budget allows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.kubernetes_provider.cluster import ApiError, Cluster, NoSuchObject
from infra.kubernetes_provider.tokens import Kind
from infra.nodes.nodes import NODE

LIMIT_S: Final = 300.0
POLL_S: Final = 0.5
MANAGER: Final = "oss-drain"
POD: Final = Kind("v1", "Pod")
_MIRROR: Final = "kubernetes.io/config.mirror"

Pod = Mapping[str, Any]


def drain(cluster: Cluster, names: Sequence[str], progress: Progress, limit_s: float = LIMIT_S) -> int:
    """Move every pod that can live elsewhere off the nodes, which must answer; how many moved.

    The nodes take no new pods from then on. Raises StepFailed when pods do not leave in time; the nodes take pods again
    then, as they do after an interrupt.
    """
    for name in names:
        _close(cluster, name, closed=True)
    try:
        return _empty(cluster, names, progress, limit_s)
    except BaseException:
        for name in names:
            _close(cluster, name, closed=False)
        raise


def _empty(cluster: Cluster, names: Sequence[str], progress: Progress, limit_s: float) -> int:
    end = time.monotonic() + limit_s
    moved, reasons = set[str](), dict[str, str]()
    while staying := [pod for pod in cluster.list(POD, "", {}) if _must_move(pod, names)]:
        if time.monotonic() > end:
            raise _stuck([_name(pod) for pod in staying], reasons, names)
        for pod in staying:
            moved.add(pod["metadata"]["uid"])
            reasons[_name(pod)] = _evict(cluster, pod)
        progress.update(f"moving {len(staying)} pods off {', '.join(names)}", len(moved) - len(staying), len(moved))
        time.sleep(POLL_S)
    return len(moved)


def _must_move(pod: Pod, names: Sequence[str]) -> bool:
    """Whether it lives on one of the nodes and would live on elsewhere: no pod of a node's own, none that has ended."""
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())}
    own = "DaemonSet" in owners or _MIRROR in pod["metadata"].get("annotations", {})
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return pod["spec"].get("nodeName") in names and not own and not ended


def _evict(cluster: Cluster, pod: Pod) -> str:
    """Ask for its eviction; why it stays for now, in the cluster's words."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        return "it is ending"
    ask = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }
    try:
        cluster.post((POD, meta["namespace"], f"{meta['name']}/eviction"), ask, MANAGER)
    except NoSuchObject:
        return "it is gone"
    except ApiError as error:  # the budget allows no further disruption for now, or the server is busy
        return str(error)
    return "it is ending"


def _close(cluster: Cluster, name: str, *, closed: bool) -> None:
    spec = {"spec": {"unschedulable": True}} if closed else {}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, **spec}
    cluster.apply((NODE, None, name), body, MANAGER, force=True)


def _name(pod: Pod) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _stuck(pods: Sequence[str], reasons: Mapping[str, str], names: Sequence[str]) -> StepFailed:
    told = "; ".join(f"{pod}: {reasons.get(pod, 'it is new')}" for pod in pods[:5])
    more = f" and {len(pods) - 5} more" if len(pods) > 5 else ""
    return StepFailed(
        f"pods do not leave {', '.join(names)}, whose servers are to go: {told}{more}",
        "Make room for them on the other workers (`kubectl get pods -A -o wide`, `oss fit ENV`) or end them with "
        "`kubectl delete pod`, then run it again. The nodes take pods as before.",
    )
