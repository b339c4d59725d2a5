"""The provider's own settings, as `pulumi_kubernetes.Provider` and `kubernetes:` configuration give them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.properties import UNKNOWN, revealed

# Settings that are true or false, with the environment variable that stands in for each.
FLAGS = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
_OFFICIAL_ONLY = ("renderYamlToDirectory", "alwaysRender")


@dataclass(frozen=True, slots=True)
class Settings:
    """`kubeconfig` is None when nobody can say yet what it is (an unknown in a preview)."""

    kubeconfig: Mapping[str, Any] | None
    context: str | None = None
    cluster: str | None = None
    cluster_identifier: str | None = None
    namespace: str | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)

    def flag(self, name: str) -> bool:
        """One of `FLAGS`: as set, else as its environment variable says, else false."""
        return self.flags.get(name, os.environ.get(FLAGS[name], "").lower() in ("1", "true"))

    def active(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The active context and cluster of the kubeconfig; empty where it names none."""
        config = self.kubeconfig or {}
        name = self.context or config.get("current-context")
        context = _entry(config, "contexts", name).get("context") or {}
        cluster = _entry(config, "clusters", self.cluster or context.get("cluster")).get("cluster") or {}
        return context, cluster

    @property
    def default_namespace(self) -> str:
        """Where namespaced objects go that say nothing else."""
        return self.namespace or self.active()[0].get("namespace") or "default"


def parse(arguments: Mapping[str, Any]) -> Settings:
    """Settings from the provider's properties. Raises ValueError for one that cannot be read or is not served here."""
    given = {key: value for key, value in revealed(arguments).items() if value not in (None, "")}
    for name in _OFFICIAL_ONLY:
        if name in given:
            raise ValueError(
                f"{name} needs the official Kubernetes plugin: `pulumi plugin install resource kubernetes`"
            )
    if _flag(given.get("enableServerSideApply", True)) is False:
        raise ValueError("enableServerSideApply: false needs the official Kubernetes plugin")

    def text(name: str) -> str | None:
        value = given.get(name)
        return value if isinstance(value, str) else None

    return Settings(
        kubeconfig=None if given.get("kubeconfig") is UNKNOWN else _kubeconfig(given.get("kubeconfig")),
        context=text("context"),
        cluster=text("cluster"),
        cluster_identifier=text("clusterIdentifier"),
        namespace=text("namespace"),
        flags={name: _flag(given[name]) for name in FLAGS if name in given and given[name] is not UNKNOWN},
    )


def _flag(value: Any) -> bool:
    # Properties of a provider reach it as JSON text.
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _kubeconfig(given: Any) -> Mapping[str, Any]:
    """The parsed kubeconfig: from its text, from the file it names, or from where kubectl looks."""
    if isinstance(given, Mapping):
        return given
    text = given or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or str(Path.home() / ".kube" / "config")
    base = None
    if "\n" not in text and not text.lstrip().startswith("{"):
        path = Path(text).expanduser()
        try:
            base, text = path.parent, path.read_text()
        except OSError as error:
            if given:
                raise ValueError(f"kubeconfig names {path}, which cannot be read: {error.strerror}") from None
            return {}
    try:
        parsed = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except ValueError as error:
        raise ValueError(f"kubeconfig is neither YAML nor JSON: {error}") from None
    except yaml.YAMLError:
        raise ValueError("kubeconfig is neither YAML nor JSON") from None  # the parser's words would quote secrets
    if not isinstance(parsed, Mapping):
        raise ValueError("kubeconfig is no mapping")
    return _absolute(parsed, base) if base else parsed


def _absolute(config: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """The kubeconfig with its file names made absolute; they are relative to the file that names them."""
    keys = {"certificate-authority", "client-certificate", "client-key", "tokenFile"}

    def walk(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: str(base / item) if key in keys and isinstance(item, str) else walk(item)
                for key, item in value.items()
            }
        return [walk(item) for item in value] if isinstance(value, list) else value

    made: Mapping[str, Any] = walk(config)
    return made


def _entry(config: Mapping[str, Any], section: str, name: Any) -> Mapping[str, Any]:
    entries = config.get(section) or []
    return next((entry for entry in entries if isinstance(entry, Mapping) and entry.get("name") == name), {})
