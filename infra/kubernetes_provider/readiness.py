"""When an object counts as ready, and what keeps it from being so.

The rules are those that the official plugin documents for its await logic
(https://www.pulumi.com/registry/packages/kubernetes/api-docs/apps/v1/deployment/ and the pages beside it), over the
status fields that the Kubernetes API defines (https://kubernetes.io/docs/reference/kubernetes-api/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from infra.kubernetes_provider.tokens import Kind

SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT = "pulumi.com/timeoutSeconds"
DEFAULT_TIMEOUT_SECONDS = 600.0

POD = Kind("v1", "Pod")
_ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice")
_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass")


class State(Enum):
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to go on, and the reason in words that a user can act on."""

    state: State
    reason: str = ""


READY = Verdict(State.READY)


class Asks(Protocol):
    """What a rule may ask the cluster about other objects."""

    def get(self, where: tuple[Kind, str | None, str]) -> dict[str, Any]: ...

    def list(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[dict[str, Any]]: ...


def judge(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    """Whether the living object is ready. Kinds without a rule are ready once they exist.

    Raises ValueError for a `pulumi.com/waitFor` annotation that cannot be read.
    """
    notes = notes_of(obj)
    if notes.get(SKIP_AWAIT) == "true":
        return READY
    if WAIT_FOR in notes:
        return _wait_for(obj, notes[WAIT_FOR])
    group = str(obj["apiVersion"]).rpartition("/")[0]
    rule = _RULES.get((group, str(obj["kind"])))
    return rule(obj, cluster) if rule else READY


def notes_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object's annotations, or none."""
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def waiting(reason: str) -> Verdict:
    return Verdict(State.WAITING, reason)


def failed(reason: str) -> Verdict:
    return Verdict(State.FAILED, reason)


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The status condition of this type, or an empty one."""
    found = (obj.get("status") or {}).get("conditions") or []
    return next((entry for entry in found if entry.get("type") == kind), {})


def _seen(obj: Mapping[str, Any]) -> bool:
    """Whether the controller has looked at the newest version of the object."""
    return bool((obj.get("status") or {}).get("observedGeneration", 0) >= obj["metadata"].get("generation", 0))


def _deployment(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    if not _seen(obj):
        return waiting("its controller has not seen the change yet")
    spec, status = obj.get("spec", {}), obj.get("status", {})
    progressing = condition(obj, "Progressing")
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed(_with_pods(f"the rollout stopped: {progressing.get('message', '')}", obj, cluster))
    if spec.get("paused"):
        return READY
    if updated < wanted:
        return waiting(_with_pods(f"{updated} of {wanted} replicas updated", obj, cluster))
    if status.get("replicas", 0) > updated:
        return waiting(f"{status['replicas'] - updated} old replicas are ending")
    if available < wanted:
        return waiting(_with_pods(f"{available} of {wanted} replicas available", obj, cluster))
    return READY


def _stateful_set(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    if not _seen(obj):
        return waiting("its controller has not seen the change yet")
    spec, status = obj.get("spec", {}), obj.get("status", {})
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy") or {}
    if ready < wanted:
        return waiting(_with_pods(f"{ready} of {wanted} replicas ready", obj, cluster))
    if strategy.get("type") == "OnDelete":
        return READY
    to_update = wanted - (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    if status.get("updateRevision") != status.get("currentRevision") and updated < to_update:
        return waiting(_with_pods(f"{updated} of {to_update} replicas updated", obj, cluster))
    return READY


def _daemon_set(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    if not _seen(obj):
        return waiting("its controller has not seen the change yet")
    status = obj.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    on_delete = (obj.get("spec", {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    if updated < wanted and not on_delete:
        return waiting(_with_pods(f"{updated} of {wanted} nodes updated", obj, cluster))
    if available < wanted:
        return waiting(_with_pods(f"available on {available} of {wanted} nodes", obj, cluster))
    return READY


def _replica_set(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    if not _seen(obj):
        return waiting("its controller has not seen the change yet")
    wanted, available = obj.get("spec", {}).get("replicas", 1), obj.get("status", {}).get("availableReplicas", 0)
    return READY if available >= wanted else waiting(_with_pods(f"{available} of {wanted} available", obj, cluster))


def _job(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    if condition(obj, "Complete").get("status") == "True":
        return READY
    failure = condition(obj, "Failed")
    if failure.get("status") == "True":
        return failed(
            _with_pods(f"the job failed: {failure.get('message') or failure.get('reason', '')}", obj, cluster)
        )
    if obj.get("spec", {}).get("suspend"):
        return READY
    status = obj.get("status", {})
    counts = f"{status.get('succeeded', 0)} of {obj.get('spec', {}).get('completions', 1)} completions"
    return waiting(_with_pods(counts, obj, cluster))


def _pod(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    status = obj.get("status", {})
    if status.get("phase") == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    trouble = pod_trouble(obj)
    if status.get("phase") == "Failed":
        return failed(f"the pod failed: {status.get('message') or trouble}")
    return waiting(trouble or f"the pod is {str(status.get('phase', 'Pending')).lower()}")


def _service(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    spec, metadata = obj.get("spec", {}), obj["metadata"]
    if spec.get("type") == "LoadBalancer" and not _load_balanced(obj):
        return waiting("the load balancer has no address yet")
    headless = spec.get("clusterIP") == "None"
    if spec.get("type") == "ExternalName" or headless or not spec.get("selector"):
        return READY
    slices = cluster.list(_ENDPOINT_SLICE, metadata["namespace"], {"kubernetes.io/service-name": metadata["name"]})
    ready = any(
        (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses")
        for entry in slices
        for endpoint in entry.get("endpoints") or []
    )
    return READY if ready else waiting("no ready pod answers to its selector")


def _ingress(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    return READY if _load_balanced(obj) else waiting("no ingress controller has given it an address yet")


def _load_balanced(obj: Mapping[str, Any]) -> bool:
    return bool(((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _volume_claim(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    phase = obj.get("status", {}).get("phase")
    name = obj.get("spec", {}).get("storageClassName")
    if phase == "Bound":
        return READY
    if name and cluster.get((_STORAGE_CLASS, None, name)).get("volumeBindingMode") == "WaitForFirstConsumer":
        return READY  # it is bound when the first pod that uses it is scheduled
    return failed("its volume is lost") if phase == "Lost" else waiting("no volume is bound to it yet")


def _volume(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return failed(f"the volume failed: {obj['status'].get('message', '')}")
    return READY if phase in ("Available", "Bound", "Released") else waiting("the volume is not available yet")


def _namespace(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    phase = obj.get("status", {}).get("phase")
    return READY if phase == "Active" else waiting(f"the namespace is {str(phase or 'new').lower()}")


def _quota(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    wanted, known = obj.get("spec", {}).get("hard") or {}, obj.get("status", {}).get("hard") or {}
    return READY if wanted.keys() <= known.keys() else waiting("its controller has not taken the limits over yet")


def _definition(obj: Mapping[str, Any], cluster: Asks) -> Verdict:
    refused = condition(obj, "NamesAccepted")
    if refused.get("status") == "False":
        return failed(f"its names were not accepted: {refused.get('message', '')}")
    established = condition(obj, "Established").get("status") == "True"
    return READY if established else waiting("the API server does not serve it yet")


_RULES: dict[tuple[str, str], Callable[[Mapping[str, Any], Asks], Verdict]] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolume"): _volume,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replica_set,
    ("", "ResourceQuota"): _quota,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("networking.k8s.io", "Ingress"): _ingress,
}


def _with_pods(reason: str, owner: Mapping[str, Any], cluster: Asks) -> str:
    """The reason, followed by the first trouble that one of the owner's pods reports."""
    selector = owner.get("spec", {}).get("selector") or {}
    labels = selector.get("matchLabels", selector if owner["kind"] == "ReplicationController" else {})
    if not labels:
        return reason
    pods = cluster.list(POD, owner["metadata"]["namespace"], labels)
    newest_first = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    for pod in newest_first:
        if trouble := pod_trouble(pod):
            return f"{reason}; pod {pod['metadata']['name']}: {trouble}"
    return reason


def pod_trouble(pod: Mapping[str, Any]) -> str:
    """What keeps a pod from running, in its own words; empty when it says nothing."""
    status = pod.get("status", {})
    for entry in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = entry.get("state") or {}
        held, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if held.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"container {entry['name']}: {held['reason']} {held.get('message', '')}".strip()
        if ended.get("exitCode"):
            return f"container {entry['name']} ended with exit code {ended['exitCode']} ({ended.get('reason', '')})"
    scheduled = condition(pod, "PodScheduled")
    return f"not scheduled: {scheduled.get('message', '')}" if scheduled.get("status") == "False" else ""


# `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running`, or a JSON list of these.
_CLAUSE = re.compile(r"condition=(?P<type>[^=]+)(=(?P<status>.+))?|jsonpath=\{?(?P<path>[^}=]+)\}?(=(?P<value>.*))?")


def _wait_for(obj: Mapping[str, Any], text: str) -> Verdict:
    clauses = json.loads(text) if text.lstrip().startswith("[") else [text]
    for clause in clauses:
        found = _CLAUSE.fullmatch(str(clause).strip())
        if not found:
            raise ValueError(f"annotation {WAIT_FOR}: {clause!r} is neither condition=… nor jsonpath=…")
        if found["type"]:
            status = condition(obj, found["type"]).get("status", "missing")
            if str(status).lower() != (found["status"] or "True").lower():
                return waiting(f"condition {found['type']} is {status}")
        else:
            value = _at(obj, found["path"])
            if value is None or (found["value"] is not None and str(value) != found["value"]):
                return waiting(f"{found['path']} is {value}")
    return READY


def _at(obj: Any, path: str) -> Any:
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if name:
            obj = obj.get(name) if isinstance(obj, Mapping) else None
        else:
            obj = obj[int(index)] if isinstance(obj, list) and int(index) < len(obj) else None
    return obj
