"""The permit service's image: what its layers hold, and that it runs without network, root or a writable disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from capacity.faults import StepFailed
from infra.images.permit import PORT, build
from infra.images.python import PYTHON, USER, closure, locked_requirements

LOCK = """\
asyncpg==0.32.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via oss-launch
Click==8.5.1 ; sys_platform != 'win32' \\
    --hash=sha256:cc
"""


def test_only_the_wanted_entries_of_the_lock_are_taken_with_their_hashes() -> None:
    assert locked_requirements(LOCK, ["click"]) == "Click==8.5.1 ; sys_platform != 'win32' \\\n    --hash=sha256:cc\n"
    assert locked_requirements(LOCK, ["asyncpg"]).count("--hash") == 2


def test_a_dependency_that_the_lock_lacks_is_named() -> None:
    with pytest.raises(StepFailed, match="uvloop"):
        locked_requirements(LOCK, ["asyncpg", "uvloop"])


def test_the_closure_follows_what_packages_need() -> None:
    needed = closure(("httpx", "starlette"))
    assert {"httpx", "httpcore", "h11", "certifi", "idna", "anyio", "starlette"} <= set(needed)
    assert "locust" not in needed


@pytest.mark.rack
def test_the_image_is_small_carries_no_archive_address_and_runs_locked_down() -> None:
    archive = build()
    assert archive.path.stat().st_size < 120e6
    assert build() == archive
    names = _file_names(archive.path)
    assert f"usr/bin/{PYTHON}" in names
    assert not [n for n in names if n.startswith(("etc/apt", "bin/", "usr/bin/")) and "python3" not in n]
    assert any(n.startswith("opt/oss/app/loadtests/target/__pycache__/app.") for n in names)
    subprocess.run(["podman", "load", "-q", "-i", archive.path], check=True, capture_output=True, timeout=120)
    name = f"permit-test-{os.getpid()}"
    runtime = shutil.which("runc") or "runc"  # the one that the rack uses; another may be podman's own choice
    run = [
        "podman",
        "--cgroup-manager=cgroupfs",
        "--runtime",
        runtime,
        "run",
        "-d",
        "--rm",
        "--name",
        name,
    ]
    limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024", "--network=none", "--read-only"]
    service = ["--cap-drop=all", "-e", "OSS_SERVICE=registry", archive.reference]
    subprocess.run([*run, *limits, *service], check=True, capture_output=True, timeout=60)
    try:
        assert _ask(name) == {"uid": int(USER.split(":")[0]), "ready": "ready\n"}
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "5", name], check=True, capture_output=True, timeout=60)
        subprocess.run(["podman", "image", "rm", archive.reference], check=True, capture_output=True, timeout=60)


def _file_names(archive: Path) -> set[str]:
    found: set[str] = set()
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.name.startswith("blobs/") and member.size > 10_000:
                with tarfile.open(fileobj=tar.extractfile(member)) as layer:
                    found.update(layer.getnames())
    return found


def _ask(name: str) -> dict[str, object]:
    """Ask the service from inside its network namespace, until it is up."""
    program = (
        "import json, os, urllib.request as u;"
        f"print(json.dumps({{'uid': os.getuid(), 'ready': u.urlopen('http://127.0.0.1:{PORT}/readyz').read().decode()}}))"
    )
    deadline = time.monotonic() + 30
    while True:
        command = ["podman", "exec", name, f"/usr/bin/{PYTHON}", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode == 0:
            answer: dict[str, object] = json.loads(done.stdout)
            return answer
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
