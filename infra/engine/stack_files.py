"""Stack files (`stacks/Pulumi.<env>.<layer>.yaml`) as typed settings, read without starting the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml

from capacity.documents import REPOSITORY, read_yaml, validate, write_text
from infra.settings import Settings

PREFIX = "oss:"
SALT = "encryptionsalt"
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


def unsalted(before: str, after: str) -> str:
    """The text that a stack file is to have after Pulumi worked with it: as before unless its settings changed.

    The salt that Pulumi adds for its secrets is left out, unless the file had one before. Empty: no file is needed.
    """
    if SALT in _keys(before):
        return after
    kept = _unsalted(after)
    return before if _settings(kept) == _settings(before) else kept


def _unsalted(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{SALT}:"))


def _keys(text: str) -> dict[str, Any]:
    document = yaml.safe_load(text)
    return document if isinstance(document, dict) else {}


def _settings(text: str) -> dict[str, Any]:
    """The document with plain values as text, since Pulumi quotes numbers when it writes."""
    document = _keys(text)
    given = document.pop("config", None) or {}
    return {**document, "config": {key: _plain(value) for key, value in given.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, dict | list) else str(value)


def forget_salt(file: Path) -> None:
    """Drop what Pulumi, run by hand, noted of a passphrase that is gone. Files with encrypted values are left alone."""
    if not file.exists() or "secure:" in (text := file.read_text(encoding="utf-8")):
        return
    kept = _unsalted(text)
    if not _keys(kept):
        file.unlink()
    elif kept != text:
        write_text(file, kept)
