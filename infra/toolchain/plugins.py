"""The plugin executables of this checkout: `build/toolchain/bin`, placed at the end of PATH.

Each is two lines of shell that start a module of this checkout in its own `.venv`, so several checkouts can run at
once. An official plugin that is installed is found earlier, and its stand-in is then not written at all.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from capacity.documents import REPOSITORY
from infra.toolchain import official
from infra.toolchain.official import KUBERNETES_PLUGIN, LANGUAGE_HOST, STAND_IN_MARK

FOLDER = REPOSITORY / "build" / "toolchain" / "bin"
LEASE_PLUGIN = "pulumi-resource-lease"
LANGUAGE_EXEC = "pulumi-language-python-exec"


def kubernetes_sdk_version() -> str:
    """The version of the installed pulumi-kubernetes SDK, which is the version of the plugin that it asks for."""
    return metadata.version("pulumi-kubernetes")


def write(language_exec: Path | None) -> Path:
    """Write the plugin executables and return their folder.

    `language_exec` is the program runner of the language host; None when the official language host is used.
    """
    wanted = {LEASE_PLUGIN: _starter("infra.lease.plugin")}
    if language_exec:
        wanted[LANGUAGE_HOST] = _starter("infra.language_host.plugin", "--exec", str(language_exec))
    if not official.kubernetes_provider(kubernetes_sdk_version()):
        wanted[KUBERNETES_PLUGIN] = _starter("infra.kubernetes_provider.plugin")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        _replace(FOLDER / name, text)
    for left_over in FOLDER.iterdir():
        if left_over.name not in wanted:
            left_over.unlink()
    return FOLDER


def _starter(module: str, *arguments: str) -> str:
    # -P: the working directory is the user's program; it must not shadow the plugin's own modules.
    command = [sys.executable, "-P", "-u", "-m", "infra.toolchain.plugin", module, *arguments]
    return f'#!/bin/sh\n{STAND_IN_MARK}\nexec {shlex.join(command)} "$@"\n'


def _replace(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o755)
    Path(file.name).rename(path)
