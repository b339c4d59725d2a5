"""Waiting for servers that were just powered on: they boot for a while before ssh answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.outputs import FleetServer

BOOT_TIMEOUT_S = 300.0
_TRY_S = 3.0
_PAUSE_S = 0.3


def wait_for_ssh(servers: Sequence[FleetServer], progress: Progress, timeout_s: float = BOOT_TIMEOUT_S) -> None:
    """Return when every server's ssh has said who it is. Raises StepFailed naming those that did not in time."""
    deadline = time.monotonic() + timeout_s
    with ThreadPoolExecutor(max_workers=32) as pool:
        answers = pool.map(lambda server: _wait(server, deadline), servers)
        silent = []
        for number, (server, answered) in enumerate(zip(servers, answers, strict=True), start=1):
            progress.update("waiting for ssh", number, len(servers))
            if not answered:
                silent.append(f"{server.name} ({server.ssh_host}:{server.ssh_port})")
    if silent:
        raise StepFailed(
            f"ssh did not answer within {timeout_s:.0f} s on {', '.join(silent)}",
            "Look at the servers' consoles, then run it again.",
        )


def _wait(server: FleetServer, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if _greets(server.ssh_host, server.ssh_port):
            return True
        time.sleep(_PAUSE_S)
    return False


def _greets(host: str, port: int) -> bool:
    """Whether the other side begins as RFC 4253, section 4.2 asks; a port alone may be a forwarder's."""
    try:
        with socket.create_connection((host, port), timeout=_TRY_S) as connection:
            connection.settimeout(_TRY_S)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
