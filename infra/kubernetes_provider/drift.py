"""What the cluster holds at the places that the inputs name.

An API server writes things its own way: it adds defaults, turns `1000m` into `1`, drops empty lists, and turns a
Secret's `stringData` into `data`. So the living object is not compared with the inputs themselves but with what a dry
run of applying them would make of it: where those two agree, nothing has drifted and the inputs keep their spelling.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

_MISSING: Any = object()
_MERGE_KEYS = ("name", "key", "containerPort", "port", "ip", "mountPath", "topologyKey", "type", "uid")


def live_inputs(inputs: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with the living values where these differ from the wanted ones; what was removed is left out.

    `wanted` is the answer of a dry-run apply of `inputs`, `live` the object as it stands, all without secret marks.
    """
    wanted, live = with_string_data(wanted, inputs), with_string_data(live, inputs)
    merged: dict[str, Any] = _merge(inputs, wanted, live)
    return merged


def _merge(given: Any, wanted: Any, live: Any) -> Any:
    if wanted == live:
        return given
    if isinstance(given, Mapping) and isinstance(live, Mapping):
        wanted = wanted if isinstance(wanted, Mapping) else {}
        pairs = {key: _merge(item, wanted.get(key, _MISSING), live.get(key, _MISSING)) for key, item in given.items()}
        return {key: item for key, item in pairs.items() if item is not _MISSING}
    if isinstance(given, list) and isinstance(live, list) and isinstance(wanted, list):
        return _merge_list(given, wanted, live)
    return live


def _merge_list(given: list[Any], wanted: list[Any], live: list[Any]) -> list[Any]:
    key = next(
        (k for k in _MERGE_KEYS if all(isinstance(item, Mapping) and k in item for item in [*given, *live])), None
    )
    if key is None:
        return live
    wanted_by = {item.get(key): item for item in wanted}
    live_by = {item.get(key): item for item in live}
    kept = [
        _merge(item, wanted_by.get(item[key], _MISSING), live_by[item[key]]) for item in given if item[key] in live_by
    ]
    return kept + [item for item in live if item[key] not in wanted_by]


def with_string_data(obj: Mapping[str, Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Secret with `stringData` for those keys that the inputs give so; the server only ever returns `data`."""
    keys = inputs.get("stringData")
    data = obj.get("data")
    if obj.get("kind") != "Secret" or not isinstance(keys, Mapping) or not isinstance(data, Mapping):
        return obj
    return {**obj, "stringData": {key: _decoded(data[key]) for key in keys if key in data}}


def _decoded(text: Any) -> Any:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, TypeError):
        return text


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def adopted_inputs(live: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs for an object that the engine did not make: what someone asked for, as far as the object tells.

    kubectl's record of its last apply, else the fields that appliers own, else everything but what servers write.
    """
    metadata = live.get("metadata", {})
    record = (metadata.get("annotations") or {}).get(LAST_APPLIED)
    if record:
        try:
            asked = json.loads(record)
        except ValueError:
            asked = None
        if isinstance(asked, dict):
            return _identified(asked, live)
    applied = [entry for entry in metadata.get("managedFields", []) if entry.get("operation") == "Apply"]
    if applied:
        made: dict[str, Any] = {}
        for entry in applied:
            if not entry.get("subresource"):
                _take_owned(entry.get("fieldsV1", {}), live, made)
        return _identified(made, live)
    written_by_servers = {"status"}
    asked = {key: value for key, value in live.items() if key not in written_by_servers}
    asked["metadata"] = {key: metadata[key] for key in ("annotations", "labels") if metadata.get(key)}
    return _identified(asked, live)


def _identified(inputs: dict[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    place = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    head = {"apiVersion": live["apiVersion"], "kind": live["kind"]}
    return {**inputs, **head, "metadata": {**(inputs.get("metadata") or {}), **place}}


def _take_owned(fields: Mapping[str, Any], live: Any, target: dict[str, Any]) -> None:
    """Copy from `live` to `target` what `fields` (fieldsV1) covers; lists are taken whole."""
    for mark, below in fields.items():
        name = mark.removeprefix("f:")
        if not mark.startswith("f:") or not isinstance(live, Mapping) or name not in live:
            continue
        deeper = [key for key in below if key != "."]
        if deeper and all(key.startswith("f:") for key in deeper) and isinstance(live[name], Mapping):
            _take_owned(below, live[name], target.setdefault(name, {}))
        else:
            target[name] = live[name]
