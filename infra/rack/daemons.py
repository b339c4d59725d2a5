"""The rack's own processes: started detached, found again by pid and start time, and ended only when really ours.

A pid alone may belong to another program after a reboot or a wrap-around. A record therefore holds the kernel's
start time of the process too, and the command line must carry the module's name and the rack's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capacity.documents import REPOSITORY, write_text
from capacity.faults import StepFailed

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process of a rack: `python -m <module> <arguments> --rack <rack>`."""

    rack: str
    name: str
    module: str
    folder: Path  # of pid files and logs

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """The running process, or None."""
        try:
            record = json.loads(self._record.read_text(encoding="ascii"))
            pid, started = int(record["pid"]), int(record["start_time"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if start_time(pid) == started and self._is_ours(pid) else None

    def arguments(self) -> list[str]:
        """The arguments of the running process; empty when it does not run."""
        pid = self.pid()
        return command_line(pid) if pid else []

    def start(self, arguments: Sequence[str], ready: Callable[[], bool], timeout: float = READY_SECONDS) -> bool:
        """See that it runs with these arguments and is `ready`; True when it had to be started (again).

        Raises StepFailed with the last words of its log when it ends or is not ready in time.
        """
        command = [sys.executable, "-m", self.module, *arguments, "--rack", self.rack]
        if self.pid() and self.arguments() == command:
            return False
        self.stop()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        write_text(self._record, json.dumps({"pid": process.pid, "start_time": start_time(process.pid)}), mode=0o600)
        deadline = time.monotonic() + timeout
        while not ready():
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                with self.log.open("rb") as log:
                    log.seek(offset)
                    words = log.read().decode("utf-8", "replace").strip().splitlines()[-3:]
                why = f"ended with code {process.returncode}" if ended else f"was not ready after {timeout:g} s"
                self.stop()
                raise StepFailed(f"the rack's {self.name} {why}: {' | '.join(words)}", f"see {self.log}")
            time.sleep(POLL_SECONDS)
        return True

    def reload(self) -> None:
        """Tell it to read its settings again, as soon as it listens: SIGHUP would end a process that is still starting.

        Raises StepFailed when it ends meanwhile, or never listens.
        """

        def listens() -> bool:
            if (pid := self.pid()) is None:
                raise StepFailed(f"the rack's {self.name} ended while it was starting", f"see {self.log}")
            return catches(pid, signal.SIGHUP)

        wait(listens, f"the rack's {self.name} takes no changes", f"see {self.log}")
        if pid := self.pid():
            os.kill(pid, signal.SIGHUP)

    def stop(self) -> bool:
        """End it (and any copy that a killed run left without a record); True when there was one."""
        pids = {pid for pid in (self.pid(), *self._strays()) if pid}
        for pid in pids:
            end_process(pid)
        self._record.unlink(missing_ok=True)
        return bool(pids)

    def _is_ours(self, pid: int) -> bool:
        words = command_line(pid)
        return self.module in words and words[-2:] == ["--rack", self.rack]

    def _strays(self) -> list[int]:
        return [pid for pid in processes() if self._is_ours(pid)]


def wait(ready: Callable[[], bool], problem: str, remedy: str, seconds: float = READY_SECONDS) -> None:
    """Until it is so. Raises StepFailed with the problem and its remedy when it is not in time."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise StepFailed(f"{problem} within {seconds:g} s", remedy)
        time.sleep(POLL_SECONDS)


def processes() -> list[int]:
    """All processes of the machine."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (field 22 of /proc/PID/stat); None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal ("SigCgt" of proc_pid_status(5)); False when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode("utf-8", "replace").rstrip("\0").split("\0")


def end_process(pid: int) -> None:
    """SIGTERM, then SIGKILL after ten seconds; returns when the process is gone."""
    started = start_time(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started is None or start_time(pid) != started:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while start_time(pid) == started and time.monotonic() < deadline:
            _reap(pid)
            time.sleep(POLL_SECONDS)
    if start_time(pid) != started:
        return
    raise StepFailed(f"process {pid} does not end", f"see what holds it: cat /proc/{pid}/stack")


def _reap(pid: int) -> None:
    """Collect the process when it is our child, so that it does not stay as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
