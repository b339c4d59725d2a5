"""Names for objects that were given none, stable for as long as the resource lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTONAMED = "pulumi.com/autonamed"
"""Annotation of an object whose name was made up, so that a replacement can stand beside it under another name."""

_SUFFIX_LENGTH = 8
_LONGEST_NAME = 253  # https://kubernetes.io/docs/concepts/overview/working-with-objects/names/


@dataclass(frozen=True, slots=True)
class NamingRule:
    """What the engine's `pulumi:autonaming` setting asks for; `proposed` is its name, `mode` how binding it is."""

    mode: str = "PROPOSE"
    proposed: str = ""


def named(
    metadata: Mapping[str, Any], resource: str, seed: bytes, old: Mapping[str, Any] | None, rule: NamingRule
) -> dict[str, Any]:
    """`metadata` with a name: its own, the one it was given before (`old`), or a new one from `resource` and `seed`.

    Raises ValueError where the setting forbids made-up names, or the name would be too long.
    """
    made = dict(metadata)
    if made.get("name") is not None or made.get("generateName") is not None:
        return made
    if old and was_autonamed(old):
        name = old["name"]
    elif rule.mode == "DISABLE":
        raise ValueError("metadata.name is missing, and the stack's pulumi:autonaming forbids made-up names")
    elif rule.proposed:
        name = rule.proposed
    else:
        name = f"{resource}-{(seed or os.urandom(_SUFFIX_LENGTH)).hex()[:_SUFFIX_LENGTH]}"
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"the made-up name {name!r} is longer than {_LONGEST_NAME} characters: set metadata.name")
    made["name"] = name
    annotations = made.get("annotations")
    made["annotations"] = {**(annotations if isinstance(annotations, Mapping) else {}), AUTONAMED: "true"}
    return made


def was_autonamed(metadata: Mapping[str, Any]) -> bool:
    """Whether `metadata` carries a made-up name."""
    annotations = metadata.get("annotations")
    return isinstance(annotations, Mapping) and annotations.get(AUTONAMED) == "true" and bool(metadata.get("name"))
