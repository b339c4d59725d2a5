"""Choosing the Python interpreter of a Pulumi project, by the rules of `runtime.options` in Pulumi.yaml."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Names and versions of what is installed, and the plugin that a package asks for in its pulumi-plugin.json:
# https://www.pulumi.com/docs/iac/guides/building-extending/packages/debugging-provider-packages/
_INVENTORY = """
import json
from importlib import metadata
found = []
for package in metadata.distributions():
    record = package.read_text("RECORD")  # a look at its text is a tenth of the work of reading it
    named = record is None or "pulumi-plugin.json" in record
    asks = next((f for f in package.files or () if f.name == "pulumi-plugin.json"), None) if named else None
    try:
        plugin = json.loads(asks.read_text()) if asks else None
    except OSError:
        plugin = None
    found.append({"name": package.metadata["Name"], "version": package.version, "plugin": plugin})
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python to run programs with, and the environment to run it in."""

    command: str
    environment: Mapping[str, str]

    def installed(self) -> list[dict[str, Any]]:
        """Name, version and plugin request (or None) of every package that this interpreter sees."""
        answer = subprocess.run(
            [self.command, "-c", _INVENTORY],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        packages: list[dict[str, Any]] = json.loads(answer.stdout)
        return packages


def choose(options: Mapping[str, Any], root: Path, environment: Mapping[str, str]) -> Interpreter:
    """The interpreter for a project in `root` with these runtime options.

    `virtualenv` names a folder relative to `root`; the uv toolchain means `.venv` without being told; otherwise the
    first Python on PATH is used, or PULUMI_PYTHON_CMD. Raises FileNotFoundError when the named folder is none.
    """
    named = options.get("virtualenv") or (".venv" if options.get("toolchain") == "uv" else None)
    if not named:
        return Interpreter(environment.get("PULUMI_PYTHON_CMD") or "python3", environment)
    folder = root / str(named)
    python = folder / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(
            f"Pulumi.yaml names the virtual environment {str(named)!r}, but {folder} is none: run `make setup`"
        )
    inside = dict(environment)
    inside.pop("PYTHONHOME", None)
    inside["VIRTUAL_ENV"] = str(folder)
    inside["PATH"] = f"{python.parent}:{environment.get('PATH', '')}"
    return Interpreter(str(python), inside)
