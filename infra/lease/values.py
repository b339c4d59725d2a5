"""Pulumi's properties on the wire (`google.protobuf.Struct`) and plain Python, both ways.

Pulumi's own PropertyValue makes a checked object of every leaf, which for a fleet takes longer than all that is done
with them. Unknown values stay `UNKNOWN` strings; marks of secrecy and dependency are taken off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime.rpc import UNKNOWN

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, no secret
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
"""How the engine marks a secret and an output (Pulumi's pkg/resource/plugin/rpc.go)."""


def plain(value: struct_pb2.Value) -> Any:
    """The value without marks of secrecy or dependency; whole numbers become int."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value in (_SECRET, _OUTPUT):
            return plain(fields["value"]) if "value" in fields else UNKNOWN
        return {key: plain(item) for key, item in fields.items()}
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    return value.bool_value if kind == "bool_value" else None


def plain_map(values: struct_pb2.Struct) -> dict[str, Any]:
    """Every property, plain; Pulumi's own (`__defaults` and the like) are left out."""
    return {key: plain(value) for key, value in values.fields.items() if not key.startswith("__")}


def property_map(values: Mapping[str, Any], secrets: Collection[str] = ()) -> struct_pb2.Struct:
    """Plain values as properties; the names in `secrets` are marked. None is left out, as Pulumi does."""
    made = struct_pb2.Struct()
    for key, value in values.items():
        if value is not None:
            marked = {_SIGNATURE: _SECRET, "value": value} if key in secrets else value
            _write(made.fields[key], marked)
    return made


def _write(target: struct_pb2.Value, value: Any) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _write(target.struct_value.fields[key], item)
    elif isinstance(value, Sequence):
        target.list_value.SetInParent()
        for item in value:
            _write(target.list_value.values.add(), item)
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    else:
        raise TypeError(f"{type(value).__name__} is no property")


def has_unknown(value: Any) -> bool:
    """Whether a plain value is, or holds, one that is known only after other resources exist."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, str) and value == UNKNOWN
