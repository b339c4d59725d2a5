"""The program runner of the Python language host, taken from the pinned Pulumi SDK module."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from capacity.faults import MachineLacks
from capacity.progress import Progress
from infra.toolchain import store
from infra.toolchain.gobuild import GO_REMEDY, go_environment, remedy_for
from infra.toolchain.modules import MODULES, PULUMI_SDK
from infra.toolchain.plugins import LANGUAGE_EXEC


def ensure_runner(progress: Progress) -> Path:
    """The path of `pulumi-language-python-exec`, of the same version as the pinned engine. Raises MachineLacks."""
    version = MODULES["pulumi"].version

    def fetch(folder: Path) -> None:
        progress.update(f"fetching {PULUMI_SDK} {version}")
        shutil.copyfile(_module_folder(version) / "python" / "cmd" / LANGUAGE_EXEC, folder / LANGUAGE_EXEC)

    return store.ensure("language-python", store.digest([], [PULUMI_SDK, version]), fetch, progress) / LANGUAGE_EXEC


def _module_folder(version: str) -> Path:
    if not shutil.which("go"):
        raise MachineLacks("Go is missing; it fetches the Python part of the Pulumi SDK module", GO_REMEDY)
    answer = subprocess.run(
        ["go", "mod", "download", "-json", f"{PULUMI_SDK}@{version}"],
        cwd=MODULES["pulumi"].folder,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if answer.returncode:
        words = answer.stderr.strip() or answer.stdout.strip()
        raise MachineLacks(f"fetching {PULUMI_SDK} failed: {words}", remedy_for(words))
    return Path(json.loads(answer.stdout)["Dir"])
