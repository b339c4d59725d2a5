"""Locks of Pulumi's file backend: a run that was killed leaves one, and nobody but us can know that it is dead."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from capacity.faults import StepFailed
from capacity.progress import Progress

WAIT_S = 120.0
_POLL_S = 0.5
_CLOCK_SLACK_S = 5.0  # the boot time is kept in whole seconds, and clocks are set


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file and the process that wrote it."""

    path: Path
    pid: int
    host: str

    @property
    def held(self) -> bool:
        """Whether its process still lives: that pid, begun before the lock was written, and running `pulumi`."""
        try:
            command = Path(f"/proc/{self.pid}/comm").read_text(encoding="ascii").strip()
            return command.startswith("pulumi") and _begun(self.pid) <= self.path.stat().st_mtime + _CLOCK_SLACK_S
        except OSError:
            return False


def _begun(pid: int) -> float:
    """When a process was started, in Unix seconds: field 22 of its stat counts ticks since boot (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    boot = next(
        line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line.startswith("btime")
    )
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def locks(backend: Path, stack: str) -> list[Lock]:
    """The locks on a stack in the file backend at `backend`."""
    found = []
    for path in (backend / ".pulumi" / "locks").glob(f"*/*/{stack}/*.json"):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            found.append(Lock(path, int(data["pid"]), str(data.get("hostname", ""))))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written or removed at this moment; Pulumi itself will say if it stays
    return found


def clear_sidecars(backend: Path, stack: str) -> None:
    """Remove what engines that keep metadata left beside a stack's state: half written ones make it unreadable."""
    for path in (backend / ".pulumi" / "stacks").glob(f"*/{stack}.json*.attrs"):
        path.unlink(missing_ok=True)


def clear_stale_locks(backend: Path, stack: str, progress: Progress, wait_s: float = WAIT_S) -> None:
    """Remove the locks of dead processes, and wait for living ones.

    Raises StepFailed when another process holds the stack for longer than `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while found := locks(backend, stack):
        living = [lock for lock in found if lock.held]
        for lock in found:
            if lock not in living:
                lock.path.unlink(missing_ok=True)
                progress.note(f"{stack}: removed the lock of process {lock.pid}, which was killed")
        if not living:
            return
        pids = ", ".join(str(lock.pid) for lock in living)
        if time.monotonic() > end:
            raise StepFailed(f"{stack} is being changed by process {pids}", "Wait for it, or end that process.")
        progress.update(f"{stack} is being changed by process {pids}; waiting")
        time.sleep(_POLL_S)
