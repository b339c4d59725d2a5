"""When objects count as ready: one row a rule, from the status fields that the controllers write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.kubernetes_provider.readiness import State, judge
from infra.kubernetes_provider.tokens import Kind


class Nothing:
    """A cluster that holds the given objects of any kind, and nothing else."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = list(objects)

    def get(self, where: tuple[Kind, str | None, str]) -> dict[str, Any]:
        return next(obj for obj in self.objects if obj["metadata"]["name"] == where[2])

    def list(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        return [obj for obj in self.objects if obj["kind"] == kind.name]


def made(api_version: str, kind: str, spec: dict[str, Any], status: dict[str, Any], **notes: str) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "n", "generation": 3, "annotations": notes}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


SEEN = {"observedGeneration": 3}
READY, WAITING, FAILED = State.READY, State.WAITING, State.FAILED
TWO = {"replicas": 2}
UP = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
LATE = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
RULES = [
    ("apps/v1", "Deployment", TWO, SEEN | UP, READY),
    ("apps/v1", "Deployment", TWO, {"observedGeneration": 2} | UP, WAITING),
    ("apps/v1", "Deployment", TWO, SEEN | UP | {"availableReplicas": 1}, WAITING),
    ("apps/v1", "Deployment", TWO, SEEN | UP | {"replicas": 3}, WAITING),
    ("apps/v1", "Deployment", TWO, SEEN | UP | LATE, FAILED),
    ("apps/v1", "Deployment", {"replicas": 0}, SEEN, READY),
    ("apps/v1", "StatefulSet", TWO, SEEN | UP | {"updateRevision": "b", "currentRevision": "b"}, READY),
    ("apps/v1", "StatefulSet", TWO, SEEN | {"readyReplicas": 1}, WAITING),
    (
        "apps/v1",
        "StatefulSet",
        TWO,
        SEEN | {"readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
        WAITING,
    ),
    (
        "apps/v1",
        "DaemonSet",
        {},
        SEEN | {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2},
        READY,
    ),
    (
        "apps/v1",
        "DaemonSet",
        {},
        SEEN | {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1},
        WAITING,
    ),
    ("batch/v1", "Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}, READY),
    ("batch/v1", "Job", {}, {"conditions": [{"type": "Failed", "status": "True"}]}, FAILED),
    ("batch/v1", "Job", {}, {"active": 1}, WAITING),
    ("v1", "Pod", {}, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, READY),
    ("v1", "Pod", {}, {"phase": "Succeeded"}, READY),
    ("v1", "Pod", {}, {"phase": "Failed"}, FAILED),
    ("v1", "Pod", {}, {"phase": "Pending"}, WAITING),
    ("v1", "Service", {"type": "ExternalName"}, {}, READY),
    ("v1", "Service", {"clusterIP": "None", "selector": {"a": "b"}}, {}, READY),
    ("v1", "Service", {"clusterIP": "10.0.0.1"}, {}, READY),
    ("v1", "Service", {"selector": {"a": "b"}}, {}, WAITING),
    ("v1", "Service", {"type": "LoadBalancer"}, {}, WAITING),
    ("v1", "PersistentVolumeClaim", {}, {"phase": "Bound"}, READY),
    ("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}, WAITING),
    ("v1", "PersistentVolumeClaim", {}, {"phase": "Lost"}, FAILED),
    ("v1", "Namespace", {}, {"phase": "Active"}, READY),
    ("v1", "ResourceQuota", {"hard": {"pods": "1"}}, {}, WAITING),
    ("v1", "ResourceQuota", {"hard": {"pods": "1"}}, {"hard": {"pods": "1"}}, READY),
    ("v1", "ConfigMap", {}, {}, READY),
    ("example.org/v1", "Widget", {}, {}, READY),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        {},
        {"conditions": [{"type": "Established", "status": "True"}]},
        READY,
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {}, WAITING),
]


@pytest.mark.parametrize(("api_version", "kind", "spec", "status", "expected"), RULES)
def test_rule(api_version: str, kind: str, spec: dict[str, Any], status: dict[str, Any], expected: State) -> None:
    verdict = judge(made(api_version, kind, spec, status), Nothing())
    assert verdict.state is expected
    assert bool(verdict.reason) == (expected is not READY)


def test_a_service_is_ready_with_a_ready_endpoint() -> None:
    def slice_with(ready: bool) -> dict[str, Any]:
        endpoint = {"addresses": ["10.0.0.9"], "conditions": {"ready": ready}}
        return {"kind": "EndpointSlice", "metadata": {"name": "x-1"}, "endpoints": [endpoint]}

    service = made("v1", "Service", {"selector": {"a": "b"}}, {})
    assert judge(service, Nothing(slice_with(True))).state is READY
    assert judge(service, Nothing(slice_with(False))).state is WAITING


def test_a_claim_of_a_late_binding_class_is_not_waited_for() -> None:
    storage = {"kind": "StorageClass", "metadata": {"name": "slow"}, "volumeBindingMode": "WaitForFirstConsumer"}
    claim = made("v1", "PersistentVolumeClaim", {"storageClassName": "slow"}, {"phase": "Pending"})
    assert judge(claim, Nothing(storage)).state is READY


def test_waiting_names_the_trouble_of_a_pod() -> None:
    held = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = made("v1", "Pod", {}, {"containerStatuses": [{"name": "web", "state": held}]})
    deployment = made("apps/v1", "Deployment", TWO | {"selector": {"matchLabels": {"a": "b"}}}, SEEN)
    reason = judge(deployment, Nothing(pod)).reason
    assert "ImagePullBackOff no such image" in reason
    assert "pod x" in reason


def test_annotations_decide_first() -> None:
    unready = made("v1", "Pod", {}, {"phase": "Pending"}, **{"pulumi.com/skipAwait": "true"})
    assert judge(unready, Nothing()).state is READY
    for text, state in (
        ("condition=Synced", READY),
        ("condition=Synced=False", WAITING),
        ("condition=Other", WAITING),
        ("jsonpath={.status.phase}=Done", READY),
        ("jsonpath={.status.phase}=Begun", WAITING),
        ('["condition=Synced", "jsonpath={.status.parts[1].name}=b"]', READY),
    ):
        status = {
            "phase": "Done",
            "conditions": [{"type": "Synced", "status": "True"}],
            "parts": [{"name": "a"}, {"name": "b"}],
        }
        widget = made("example.org/v1", "Widget", {}, status, **{"pulumi.com/waitFor": text})
        assert judge(widget, Nothing()).state is state, text
    broken = made("example.org/v1", "Widget", {}, {}, **{"pulumi.com/waitFor": "sometime"})
    with pytest.raises(ValueError, match="neither"):
        judge(broken, Nothing())
