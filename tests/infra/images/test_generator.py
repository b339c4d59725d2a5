"""The load generator's image: it holds all that the locustfile needs, and runs locked down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from capacity.documents import REPOSITORY
from infra.images.generator import IMAGE, build
from infra.images.python import closure


def test_the_image_holds_every_module_that_the_locustfile_imports() -> None:
    program = (
        "import sys; sys.argv = ['locust']; import loadtests.locustfile;"
        "print('\\n'.join(sorted({m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)})))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    root = f"{REPOSITORY}/"
    ours = {line for line in said.splitlines() if line.startswith(root) and ".venv" not in line}
    assert ours - {str(path) for path in IMAGE.files()} == set()
    assert {"locust", "gevent", "numpy", "hdrhistogram", "faker", "prometheus-client"} <= set(
        closure(IMAGE.dependencies)
    )


@pytest.mark.rack
def test_the_generator_runs_without_network_root_or_a_writable_disk() -> None:
    archive = build()
    subprocess.run(["podman", "load", "-q", "-i", archive.path], check=True, capture_output=True, timeout=180)
    runtime = shutil.which("runc") or "runc"
    words = ["podman", "--cgroup-manager=cgroupfs", "--runtime", runtime, "run", "--rm"]
    words += ["--name", f"generator-test-{os.getpid()}", "--network=none", "--read-only", "--cap-drop=all"]
    words += ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024"]
    words += ["--tmpfs", "/tmp", archive.reference, "--host", "http://127.0.0.1:1"]  # noqa: S108 - in the container
    words += ["--plan", "/nowhere.lock.yaml", "--headless"]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        subprocess.run(["podman", "image", "rm", archive.reference], check=True, capture_output=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "there is no lease plan yet" in done.stderr
