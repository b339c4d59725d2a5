"""`oss serve` as a process, for tests and benchmarks."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from capacity.documents import REPOSITORY

START_SECONDS = 120.0
STOP_SECONDS = 20.0


class Server:
    """Starts on entry, is interrupted as by Ctrl-C on exit. `address` is its URL, `code` its exit code afterwards."""

    def __init__(self, plan: Path | None = None, port: int = 0) -> None:
        self._command = [sys.executable, "-m", "oss.cli", "serve", *([str(plan)] if plan else []), "--port", str(port)]
        self.address = ""
        self.code: int | None = None
        self.said = ""

    def __enter__(self) -> Server:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            self._command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        end = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/", self.said)):
                if time.monotonic() > end or self._process.poll() is not None:
                    self.stop()
                    raise RuntimeError(f"oss serve did not start: {self.said}")
                if waiting.select(1.0):
                    self.said += self._process.stdout.readline()
        self.address = found.group()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ctrl-C, and what it says to that. Safe to call twice."""
        if self.code is not None:
            return
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self.said += self._process.communicate(timeout=STOP_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.code = self._process.returncode
