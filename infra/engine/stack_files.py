"""Stack files (`stacks/Pulumi.<env>.<layer>.yaml`) as typed settings, read without starting the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml

from capacity.documents import REPOSITORY, read_yaml, validate
from infra.settings import Settings

PREFIX = "oss:"
SettingsT = TypeVar("SettingsT", bound=Settings)


def stack_file(environment: str, layer: str, project: Path = REPOSITORY) -> Path:
    """Where the layer's settings are; a rack needs no file."""
    return project / "stacks" / f"Pulumi.{environment}.{layer}.yaml"


def read_settings(model: type[SettingsT], environment: str, layer: str, project: Path = REPOSITORY) -> SettingsT:
    """The layer's settings, less what is encrypted in the file. Raises BadInput with every fault of the file."""
    file = stack_file(environment, layer, project)
    document = read_yaml(file) if file.exists() else {}
    config = document.get("config") if isinstance(document, dict) else None
    given = {
        str(key).removeprefix(PREFIX): value
        for key, value in (config or {}).items()
        if str(key).startswith(PREFIX) and not _encrypted(value)
    }
    return validate(model, given, str(file.relative_to(project)))


def _encrypted(value: Any) -> bool:
    return isinstance(value, dict) and "secure" in value


def without_salt(text: str) -> str:
    """A stack file's text without the line that Pulumi adds for its secrets; empty when nothing else is in it."""
    kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("encryptionsalt:"))
    return kept if yaml.safe_load(kept) else ""
