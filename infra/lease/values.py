"""Pulumi's property values and plain Python, both ways. Unknown values stay `UNKNOWN` strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN


def plain(value: PropertyValue) -> Any:
    """The value without marks of secrecy or dependency; whole numbers become int."""
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [plain(item) for item in inner]
    return int(inner) if isinstance(inner, float) and inner.is_integer() else inner


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Every property, plain; Pulumi's own (`__defaults` and the like) are left out."""
    return {key: plain(value) for key, value in values.items() if not key.startswith("__")}


def property_value(value: Any, secret: bool = False) -> PropertyValue:
    """A plain value as a property."""
    if isinstance(value, Mapping):
        return PropertyValue({key: property_value(item) for key, item in value.items()}, is_secret=secret)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return PropertyValue([property_value(item) for item in value], is_secret=secret)
    number = isinstance(value, int) and not isinstance(value, bool)
    return PropertyValue(float(value) if number else value, is_secret=secret)


def property_map(values: Mapping[str, Any], secrets: frozenset[str] = frozenset()) -> dict[str, PropertyValue]:
    """Plain values as properties; the names in `secrets` are marked. None is left out, as Pulumi does."""
    return {key: property_value(value, key in secrets) for key, value in values.items() if value is not None}


def has_unknown(value: Any) -> bool:
    """Whether a plain value is, or holds, one that is known only after other resources exist."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, str) and value == UNKNOWN
