"""Which inputs differ, under the engine's property paths, and which differences need a new object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from infra.kubernetes_provider.tokens import Kind
from infra.properties import UNKNOWN, Secret

Change = Literal["ADD", "DELETE", "UPDATE"]

# What an API server refuses to change, by kind. A path covers everything below it; `[*]` stands for any index.
# Source: the validation code of each kind, e.g. pkg/apis/apps/validation/validation.go (ValidateDeploymentUpdate).
_ALWAYS = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_IMMUTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("binaryData", "data"),
    ("", "PersistentVolume"): ("spec.csi", "spec.hostPath", "spec.local", "spec.nfs", "spec.volumeMode"),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.dataSource",
        "spec.dataSourceRef",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    ("", "ReplicationController"): ("spec.selector",),
    ("", "Secret"): ("type", "data", "stringData"),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completionMode", "spec.completions", "spec.selector", "spec.template"),
    ("discovery.k8s.io", "EndpointSlice"): ("addressType",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
}
# A Pod's spec is immutable but for these (pkg/apis/core/validation: ValidatePodUpdate).
_POD_MUTABLE = re.compile(r"spec\.((init)?[cC]ontainers\[\d+\]\.image|activeDeadlineSeconds|tolerations)\b")
_MUTABLE_BY_SETTING = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}


def differences(old: Any, new: Any, path: str = "") -> dict[str, Change]:
    """Property path to change, for every leaf or whole branch in which `new` differs from `old`.

    An unknown in `new` counts as a change: nobody can say yet that it is none.
    """
    return dict(_differences(old, new, path))


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Change]]:
    old, new = _bare(old), _bare(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _pair(old, new, key, step(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        before, after = dict(enumerate(old)), dict(enumerate(new))
        for index in range(max(len(old), len(new))):
            yield from _pair(before, after, index, f"{path}[{index}]")
    elif new is UNKNOWN or type(old) is not type(new) or old != new:
        yield path, "UPDATE"


def _pair(old: Mapping[Any, Any], new: Mapping[Any, Any], key: Any, path: str) -> Iterator[tuple[str, Change]]:
    if key not in new:
        yield path, "DELETE"
    elif key not in old:
        yield path, "ADD"
    else:
        yield from _differences(old[key], new[key], path)


def _bare(value: Any) -> Any:
    return _bare(value.value) if isinstance(value, Secret) else value


def step(path: str, key: str) -> str:
    """The property path of `key` below `path`; keys with other than word characters are quoted."""
    if re.fullmatch(r"[A-Za-z_]\w*", key):
        return f"{path}.{key}" if path else key
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'


def replacing(kind: Kind, changed: Mapping[str, Change], settings: Mapping[str, bool]) -> list[str]:
    """Those changed paths that the API server refuses on a living object, in order.

    `settings` are the provider's own: ConfigMaps and Secrets are replaced rather than changed, so that what uses
    them rolls out anew, unless `enableConfigMapMutable` or `enableSecretMutable` is set.
    """
    immutable: tuple[str, ...] = _ALWAYS
    if not settings.get(_MUTABLE_BY_SETTING.get(kind.name, ""), False):
        immutable += _IMMUTABLE.get((kind.group, kind.name), ())
    is_pod = (kind.group, kind.name) == ("", "Pod")
    return [
        path
        for path in changed
        if any(_covers(prefix, path) for prefix in immutable)
        or (is_pod and path.startswith("spec") and not _POD_MUTABLE.match(path))
    ]


def _covers(prefix: str, path: str) -> bool:
    return (path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", ".", "[")) or prefix.startswith(
        path + "."
    )
