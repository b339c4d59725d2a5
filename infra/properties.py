"""Property values of the engine's protocol, as plain Python and back, for our native providers.

Numbers of the protocol are floats; whole ones become `int`. A secret is wrapped in `Secret`, an unknown (a value that
only the deployment will give) is `UNKNOWN`. The marks on the wire are those of
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go
Pulumi's own PropertyValue makes a checked object of every leaf, which for a fleet takes longer than all that is done
with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2

_MARK = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_ON_WIRE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """The type of `UNKNOWN`, the one value that is equal to nothing, not even to itself across two deployments."""

    _only: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine encrypts in its state and hides in what it shows."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


Wrap = Callable[[Any], Any]


def from_struct(struct: struct_pb2.Struct, secret: Wrap = Secret) -> dict[str, Any]:
    """A protocol struct as a dictionary of plain values, `Secret`s and `UNKNOWN`s."""
    return {key: _from_value(value, secret) for key, value in struct.fields.items()}


def plain_map(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Every property without marks of secrecy; Pulumi's own (`__defaults` and the like) are left out."""
    values = struct.fields.items()
    return {key: _from_value(value, _bare) for key, value in values if not key.startswith("__")}


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The inverse of `from_struct`. Raises TypeError for a value that the protocol cannot carry."""
    struct = struct_pb2.Struct()
    for key, value in values.items():
        _fill(struct.fields[key], value)
    return struct


def property_map(values: Mapping[str, Any], secrets: Collection[str] = ()) -> struct_pb2.Struct:
    """Plain values as properties; the names in `secrets` are marked. None is left out, as Pulumi does."""
    given = {key: value for key, value in values.items() if value is not None}
    return to_struct({key: Secret(value) if key in secrets else value for key, value in given.items()})


def revealed(value: Any) -> Any:
    """The value without secret marks, all the way down."""
    if isinstance(value, Secret):
        return revealed(value.value)
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revealed(item) for item in value]
    return value


def marked_like(value: Any, pattern: Any) -> Any:
    """`value` with secret marks at the places where `pattern` has them."""
    if isinstance(pattern, Secret):
        return Secret(revealed(value))
    if isinstance(value, Mapping) and isinstance(pattern, Mapping):
        return {key: marked_like(item, pattern.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(pattern, list):
        padded = pattern + [None] * (len(value) - len(pattern))
        return [marked_like(item, like) for item, like in zip(value, padded, strict=False)]
    return value


def has_unknown(value: Any) -> bool:
    """Whether anything inside is `UNKNOWN`."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _bare(value: Any) -> Any:
    return value


def _from_value(value: struct_pb2.Value, secret: Wrap) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text == _UNKNOWN_ON_WIRE else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        fields = value.struct_value.fields
        mark = fields[_MARK].string_value if _MARK in fields else ""
        if mark == _SECRET:
            return secret(_from_value(fields["value"], secret))
        if mark == _OUTPUT:
            inner = _from_value(fields["value"], secret) if "value" in fields else UNKNOWN
            return secret(inner) if "secret" in fields and fields["secret"].bool_value else inner
        if mark:
            raise TypeError("assets, archives and resource references have no place here")
        return from_struct(value.struct_value, secret)
    if kind == "list_value":
        return [_from_value(item, secret) for item in value.list_value.values]
    return value.bool_value if kind == "bool_value" else None


def _fill(target: struct_pb2.Value, value: Any) -> None:
    if isinstance(value, Secret):
        fields = target.struct_value.fields
        fields[_MARK].string_value = _SECRET
        _fill(fields["value"], value.value)
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif value is UNKNOWN:
        target.string_value = _UNKNOWN_ON_WIRE
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[key], item)
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
    else:
        raise TypeError(f"a {type(value).__name__} is no property value")
