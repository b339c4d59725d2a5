"""What a deployment will give, as far as a preview can know it; the rest is `UNKNOWN`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.properties import UNKNOWN

_MADE_BY_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation")
_ALLOCATED = ("clusterIP", "clusterIPs")


def from_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a new object when no API server can be asked about it."""
    metadata = inputs.get("metadata")
    if isinstance(metadata, Mapping):
        metadata = {**dict.fromkeys(_MADE_BY_SERVER, UNKNOWN), **metadata}
    made = {"status": UNKNOWN, **inputs, "metadata": metadata}
    return _with_allocations(made, inputs) if made.get("kind") == "Service" else made


def after_create(dry_run: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a new object from the answer of a dry run, whose identity is thrown away again."""
    unknown: dict[str, Any] = dict.fromkeys(_MADE_BY_SERVER, UNKNOWN)
    if not inputs["metadata"].get("name"):
        unknown["name"] = UNKNOWN
    made = {**dry_run, "status": UNKNOWN, "metadata": {**dry_run["metadata"], **unknown}}
    return _with_allocations(made, inputs) if made.get("kind") == "Service" else made


def after_update(dry_run: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a changed object from the answer of a dry run: it keeps its identity, its status may change."""
    changing = {"resourceVersion": UNKNOWN, "generation": UNKNOWN}
    return {**dry_run, "status": UNKNOWN, "metadata": {**dry_run["metadata"], **changing}}


def _with_allocations(service: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A Service whose addresses and node ports will be allocated, where the inputs do not fix them."""
    spec, asked = service.get("spec"), inputs.get("spec")
    if not isinstance(spec, Mapping) or not isinstance(asked, Mapping):
        return service
    made = {**spec, **{key: asked.get(key, UNKNOWN) for key in _ALLOCATED}}
    ports = made.get("ports")
    if made.get("type") in ("NodePort", "LoadBalancer") and isinstance(ports, list):
        fixed = {port.get("port"): port.get("nodePort") for port in asked.get("ports", []) if isinstance(port, Mapping)}
        made["ports"] = [
            {**port, "nodePort": fixed.get(port.get("port")) or UNKNOWN} if isinstance(port, Mapping) else port
            for port in ports
        ]
    return {**service, "spec": made}
