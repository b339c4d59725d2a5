"""Runs one of our scripts on a server over ssh and hands its events back as they come. Nothing stays on the server."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from capacity.faults import StepFailed
from infra.outputs import FleetServer
from infra.playbooks.inventory import SshAccess

CLEAN_UP_S = 60.0
# The program comes over standard input, so that neither a file nor an argument of it stays on the server.
_BOOTSTRAP = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), 'drill', 'exec'))"

Tell = Callable[[dict[str, Any]], None]


def ssh_command(server: FleetServer, access: SshAccess) -> list[str]:
    """How the server is reached: with the environment's own key and known hosts, and no question asked."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": access.known_hosts,
        "ConnectTimeout": "15",
        "ServerAliveInterval": "15",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", *words, "-i", access.key_file, "-p", str(server.ssh_port), f"{access.user}@{server.ssh_host}"]


def run_there(server: FleetServer, access: SshAccess, script: Path, given: Mapping[str, Any], tell: Tell) -> None:
    """Run a script to its end as root. `given` is its first line of input; events go to `tell` one by one.

    After Ctrl-C the script is let clean up first. Raises StepFailed when it ended without a word of its own.
    """
    program = script.read_bytes()
    become = [] if access.user == "root" else ["sudo", "-n"]
    command = [*ssh_command(server, access), shlex.join([*become, "python3", "-u", "-c", _BOOTSTRAP])]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is ours to pass on
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        errors = _Tail(process.stderr)
        try:
            _write(process.stdin, f"{len(program)}\n".encode() + program + json.dumps(dict(given)).encode() + b"\n")
            for line in process.stdout:
                tell(json.loads(line))
        except BaseException:
            process.stdin.close()
            _await(process)
            raise
        process.stdin.close()
        _await(process)
    if process.returncode:
        raise StepFailed(
            f"{server.name}: the drill's script ended with exit code {process.returncode}: {errors.text()}",
            f"Look whether `ssh -F …/ssh/config {server.name}` works, then run it again.",
        )


def _write(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError:
        return  # ssh has ended; its own words say why


def _await(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(CLEAN_UP_S)
    except subprocess.TimeoutExpired:
        process.kill()


class _Tail(threading.Thread):
    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream, self._lines = stream, list[str]()
        self.start()

    def run(self) -> None:
        for line in self._stream:
            self._lines.append(line.decode(errors="replace").rstrip())

    def text(self) -> str:
        self.join(5)
        return "\n".join(self._lines[-5:]) or "it said nothing"
