"""Requests to one API server: discovery, apply, read and delete.

Uses the `kubernetes` package for kubeconfigs, credentials and transport. Key material that a kubeconfig carries inline
is kept in memory files, never on disk.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Mapping
from typing import Any

import urllib3.exceptions
from kubernetes import config as kubernetes_config
from kubernetes.client import Configuration
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, NotFoundError

from infra.kubernetes_provider.settings import Settings
from infra.kubernetes_provider.tokens import Kind

__all__ = ["ApiError", "Cluster", "Conflict", "NoSuchKind", "NoSuchObject", "Unreachable", "Where"]

REQUEST_TIMEOUT_SECONDS = (5.0, 60.0)  # to connect, to answer
_MANY_CONNECTIONS = 32


class Unreachable(Exception):
    """There is no API server to ask; the message says why."""


class ApiError(Exception):
    """The API server refused; the message is its own."""


class NoSuchObject(ApiError):
    """The object is not there."""


class NoSuchKind(ApiError):
    """The API server does not know the kind, e.g. because its CustomResourceDefinition is not there yet."""


class Conflict(ApiError):
    """Another field manager owns a field that the object names."""


Where = tuple[Kind, str | None, str]
"""An object's kind, namespace (None for cluster-scoped kinds) and name."""


class Cluster:
    """One API server. Connects at the first request; safe for use by many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: DynamicClient | None = None
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.RLock()

    def namespaced(self, kind: Kind) -> bool:
        """Whether objects of this kind live in a namespace. Raises NoSuchKind or Unreachable."""
        return self._resource(kind)[1]

    def get(self, where: Where) -> dict[str, Any]:
        """The living object. Raises NoSuchObject."""
        return self._request("get", self._path(where))

    def list(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """The objects of `kind` in `namespace` that carry `labels`."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        answer = self._request("get", self._path((kind, namespace, "")), label_selector=selector)
        items: list[dict[str, Any]] = answer.get("items", [])
        return items

    def apply(
        self, where: Where, body: Mapping[str, Any], manager: str, *, force: bool, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply: create the object or set exactly the fields of `body`. Raises Conflict or ApiError."""
        options = {"force_conflicts": force, "field_manager": manager, **_dry_run(dry_run)}
        return self._request("patch", self._path(where), body, content_type="application/apply-patch+yaml", **options)

    def post(self, where: Where, body: Mapping[str, Any], manager: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Create an object whose name the server makes up (`metadata.generateName`)."""
        return self._request("post", self._path(where), body, field_manager=manager, **_dry_run(dry_run))

    def delete(self, where: Where, propagation: str) -> None:
        """Ask for the removal of the object, and of its dependents as `propagation` says. Raises NoSuchObject."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        self._request("delete", self._path(where), body)

    def _path(self, where: Where) -> str:
        kind, namespace, name = where
        plural, namespaced = self._resource(kind)
        parts = [_root(kind.api_version)]
        if namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, plural, *([name] if name else [])])

    def _resource(self, kind: Kind) -> tuple[str, bool]:
        """Plural name and whether namespaced, by discovery; asked anew when a kind is not known yet."""
        with self._lock:
            known = self._resources.get(kind.api_version, {})
            if kind.name not in known:
                try:
                    listing = self._request("get", _root(kind.api_version))
                except NoSuchObject:
                    listing = {"resources": []}
                known = {
                    found["kind"]: (found["name"], bool(found["namespaced"]))
                    for found in listing["resources"]
                    if "/" not in found["name"]
                }
                self._resources[kind.api_version] = known
        if kind.name not in known:
            raise NoSuchKind(f"the API server knows no {kind.name} in {kind.api_version}")
        return known[kind.name]

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        client = self._connected()
        try:
            response = client.request(
                method, path, body=body, serialize=False, _request_timeout=REQUEST_TIMEOUT_SECONDS, **options
            )
            answer: dict[str, Any] = json.loads(response.data)
            return answer
        except NotFoundError as error:
            raise NoSuchObject(_words(error)) from None
        except ConflictError as error:
            raise Conflict(_words(error)) from None
        except DynamicApiError as error:
            raise ApiError(_words(error)) from None
        except urllib3.exceptions.HTTPError as error:
            cause = getattr(error, "reason", None) or error
            raise Unreachable(f"{client.configuration.host}: {cause}") from None

    def _connected(self) -> DynamicClient:
        with self._lock:
            if self._client is None:
                self._client = _connect(self._settings)
            return self._client


class _NoDiscovery:
    """Takes the place of the package's discovery, which keeps a cache in a shared temporary folder."""

    def __init__(self, client: Any, cache_file: Any) -> None: ...


def _connect(settings: Settings) -> DynamicClient:
    if settings.kubeconfig is None:
        raise Unreachable("its kubeconfig is known only after the deployment")
    context, cluster = settings.active()
    if not cluster.get("server"):
        raise Unreachable("no kubeconfig names a cluster: set kubernetes:kubeconfig or KUBECONFIG")
    configuration = Configuration()
    configuration.connection_pool_maxsize = _MANY_CONNECTIONS
    try:
        client = kubernetes_config.new_client_from_config_dict(  # type: ignore[no-untyped-call]
            config_dict=_in_memory(_with_cluster(settings, context)),
            context=settings.context,
            persist_config=False,
            client_configuration=configuration,
        )
    except (kubernetes_config.ConfigException, ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"its kubeconfig cannot be used: {error}") from None
    return DynamicClient(client, discoverer=_NoDiscovery)  # type: ignore[no-untyped-call]


def _with_cluster(settings: Settings, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The kubeconfig, with the active context aimed at the cluster that the settings name."""
    config = settings.kubeconfig or {}
    if not settings.cluster:
        return config
    name = settings.context or config.get("current-context")
    aimed = {"name": name, "context": {**context, "cluster": settings.cluster}}
    return {**config, "contexts": [*(c for c in config.get("contexts", []) if c.get("name") != name), aimed]}


def _in_memory(value: Any) -> Any:
    """The kubeconfig with inline certificates and keys moved to memory files, which vanish with this process."""
    if isinstance(value, list):
        return [_in_memory(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    made = {}
    for key, item in value.items():
        if key in ("certificate-authority-data", "client-certificate-data", "client-key-data") and item:
            descriptor = os.memfd_create(key, os.MFD_CLOEXEC)
            os.write(descriptor, base64.b64decode(item))
            made[key.removesuffix("-data")] = f"/proc/self/fd/{descriptor}"
        else:
            made[key] = _in_memory(item)
    return made


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _dry_run(wanted: bool) -> dict[str, str]:
    return {"dry_run": "All"} if wanted else {}


def _words(error: DynamicApiError) -> str:
    """The API server's own message, without headers or tracebacks."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"
