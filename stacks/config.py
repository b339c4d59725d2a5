"""The one place that reads Pulumi configuration: a stack's file as typed settings, with every fault at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG

from capacity.documents import REPOSITORY, validate
from infra.settings import Settings

SettingsT = TypeVar("SettingsT", bound=Settings)


def project() -> Path:
    """The folder of Pulumi.yaml."""
    return Path(pulumi.runtime.get_root_directory() or REPOSITORY)


def read(model: type[SettingsT]) -> SettingsT:
    """The settings of the stack at hand. Raises BadInput with every unknown key and wrong value of its file."""
    prefix = f"{pulumi.get_project()}:"
    given = {key.removeprefix(prefix): _value(text) for key, text in CONFIG.get().items() if key.startswith(prefix)}
    return validate(model, given, f"stacks/Pulumi.{pulumi.get_stack()}.yaml")


def _value(text: str) -> Any:
    # Pulumi hands everything over as text; mappings and lists as JSON.
    if text[:1] in "{[":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
