"""The permit service as a real process for tests: all five services in one, or one of them."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from capacity.documents import REPOSITORY
from capacity.faults import StepFailed
from loadtests.target.settings import derive
from tests.loadtests.postgres import free_port

SECRET = "a secret for tests only"  # noqa: S105
PASSWORD = derive(SECRET, "test accounts")
CALLBACK_KEY = derive(SECRET, "callbacks")
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its address and its process."""

    url: str
    pid: int
    ca_file: Path | None


@contextmanager
def running_service(
    database_url: str, settings: Mapping[str, str] | None = None, ca_file: Path | None = None
) -> Iterator[Service]:
    """Start the service on a free port, wait until it is ready, and stop it at the end.

    With OSS_TLS_CERT among `settings`, `ca_file` is what its certificate is verified with.
    """
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "OSS_SECRET": SECRET,
        "DATABASE_URL": database_url,
        "REGISTRY_LATENCY_MS": "5",
        **(settings or {}),
    }
    scheme = "https" if "OSS_TLS_CERT" in environment else "http"
    url = f"{scheme}://127.0.0.1:{port}"
    if ca_file is not None:
        environment.setdefault("UPSTREAM_CA_FILE", str(ca_file))
    service = environment.get("OSS_SERVICE", "all")
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.target", "--service", service, "--port", str(port)],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _wait(process, url, ca_file)
        yield Service(url, process.pid, ca_file)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[bytes], url: str, ca_file: Path | None) -> None:
    deadline = time.monotonic() + START_S
    trust = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
    with httpx.Client(verify=trust, trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    process.kill()
    _, said = process.communicate()
    raise StepFailed(f"the permit service did not start: {said.decode(errors='replace')[-1500:]}")
