"""Resource tokens (`kubernetes:apps/v1:Deployment`) and what they say about an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATCH = "Patch"

OFFICIAL_ONLY = ("kubernetes:helm.sh/", "kubernetes:kustomize", "kubernetes:yaml")
"""Tokens that only the official plugin serves: it renders charts and manifests in its own process."""

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)
"""Built-in kinds without a namespace (`kubectl api-resources --namespaced=false`), so that no server need be asked."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An object's apiVersion (`apps/v1`) and kind (`Deployment`), and whether the token stands for a patch of it."""

    api_version: str
    name: str
    is_patch: bool = False

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""


def kind_of(token: str, properties: Mapping[str, Any]) -> Kind:
    """The kind that a resource is of: as its properties say, else as its token says.

    Raises ValueError for a token that is no single Kubernetes object.
    """
    if token.startswith(OFFICIAL_ONLY):
        raise ValueError(f"{token} needs the official Kubernetes plugin: `pulumi plugin install resource kubernetes`")
    try:
        _, version, name = token.split(":")
    except ValueError:
        raise ValueError(f"{token} is no Kubernetes resource token") from None
    given_version, given_name = properties.get("apiVersion"), properties.get("kind")
    is_patch = name.endswith(PATCH) and name != PATCH and given_name in (None, name.removesuffix(PATCH))
    return Kind(
        given_version if isinstance(given_version, str) else version.removeprefix("core/"),
        given_name if isinstance(given_name, str) else (name.removesuffix(PATCH) if is_patch else name),
        is_patch,
    )


def identifier(metadata: Mapping[str, Any]) -> str:
    """The engine's identifier of an object: `namespace/name`, or `name` where there is no namespace."""
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_identifier(text: str) -> tuple[str | None, str]:
    """Namespace (or None) and name of an identifier."""
    namespace, slash, name = text.rpartition("/")
    return (namespace if slash else None), name
