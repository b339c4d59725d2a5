"""Finding an official Pulumi distribution and its plugins, which are used before anything of ours."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from infra.paths import cache_dir

LANGUAGE_HOST = "pulumi-language-python"
KUBERNETES_PLUGIN = "pulumi-resource-kubernetes"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def version_tuple(text: str) -> tuple[int, int, int]:
    """The first version number in `text` (`v3.259.0`), or (0, 0, 0) where there is none."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def pulumi(at_least: str) -> Path | None:
    """The official `pulumi` on PATH, when it is of the same major version and no older than `at_least`."""
    path = on_path("pulumi")
    if path is None:
        return None
    answer = subprocess.run([path, "version"], capture_output=True, text=True, check=False, timeout=60)
    found, wanted = version_tuple(answer.stdout), version_tuple(at_least)
    return path if answer.returncode == 0 and found >= wanted and found[0] == wanted[0] else None


def language_host() -> Path | None:
    """The official Python language host on PATH, if any."""
    return on_path(LANGUAGE_HOST)


def kubernetes_provider(version: str) -> Path | None:
    """The official Kubernetes provider: on PATH, or fetched by `pulumi plugin install` in this `version` (`4.34.2`)."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = home / "plugins" / f"resource-kubernetes-v{version}" / KUBERNETES_PLUGIN
    return on_path(KUBERNETES_PLUGIN) or (installed if os.access(installed, os.X_OK) else None)


def on_path(program: str) -> Path | None:
    """The program on PATH, passing over what this project put there (a caller may have our PATH already)."""
    for folder in os.get_exec_path():
        path = Path(folder, program)
        if path.is_file() and os.access(path, os.X_OK) and not _is_ours(path):
            return path
    return None


STAND_IN_MARK = "# stand-in made by set-up"


def _is_ours(path: Path) -> bool:
    if path.resolve().is_relative_to((cache_dir() / "toolchain").resolve()):
        return True
    with path.open("rb") as file:
        return STAND_IN_MARK.encode() in file.read(200)
