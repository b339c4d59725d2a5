"""`oss loadtest` as users run it, in a process of its own, against whatever a test puts there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capacity.documents import REPOSITORY, load
from capacity.evidence import Evidence
from tests.loadtests.postgres import free_port
from tests.loadtests.service import CALLBACK_KEY, PASSWORD

RUN_S = 120.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended: exit code, what it said, and its evidence where it wrote one."""

    code: int
    said: str
    evidence: Evidence | None

    @property
    def reasons(self) -> str:
        """The evidence's reasons as one text."""
        return "\n".join(self.evidence.reasons) if self.evidence else ""


def start(plan: Path, host: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Begin a run of the profile `test` with evidence in `folder`."""
    command = [sys.executable, "-m", "oss.cli", "loadtest", "test", "--plan", str(plan), "--host", host]
    return subprocess.Popen(
        [*command, "--evidence-folder", str(folder), "--json", *more],
        cwd=REPOSITORY,
        env={**os.environ, "OSS_TEST_PASSWORD": PASSWORD, "OSS_CALLBACK_KEY": CALLBACK_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str], folder: Path) -> Ran:
    """Wait for its end."""
    try:
        said, _ = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        raise AssertionError(f"no end after {RUN_S:g} s:\n{said}") from None
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return Ran(process.returncode, said, load(Evidence, files[0]) if files else None)


def ran(plan: Path, host: str, folder: Path, *more: str) -> Ran:
    """A whole run."""
    return end(start(plan, host, folder, *more), folder)


@contextmanager
def bad_server(mode: str, tls: Sequence[Path] = ()) -> Iterator[str]:
    """A misbehaving server (`bad_server.py`); its address."""
    port = free_port()
    command = [sys.executable, "-m", "tests.loadtests.bad_server", mode, str(port), *map(str, tls)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def printed(said: str) -> dict[str, object]:
    """The JSON object that a run printed."""
    found: dict[str, object] = json.loads(said[said.index("{") : said.rindex("}") + 1])
    return found
