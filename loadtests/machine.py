"""Where a measurement was made, how busy that machine was with all that ran on it, and how fast it was."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from capacity.evidence import Machine
from loadtests.stations import Combine, Reading

MACHINE = "machine"
SPEED = "speed"
# Pieces of work timed for one reading, and the pause between two: a hundredth of a core, spread evenly.
PIECES = 8
PAUSE_S = 0.1
# Fields of a processor's line in /proc/stat (proc(5)) in which it worked for a program or was taken away (steal).
BUSY_FIELDS = (1, 2, 3, 6, 7, 8)


def this_machine() -> Machine:
    """Cores that this process may use, memory, processor and kernel."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        cpu=_cpu(),
        kernel=platform.release(),
    )


class WholeMachine:
    """CPU seconds of the processors that this process may use, whichever program used them; a source of `Stations`."""

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The machine as one station."""
        return {MACHINE: "sum"}

    def read(self) -> list[Reading]:
        """Its counter now."""
        text = Path("/proc/stat").read_text(encoding="utf-8")
        return [Reading(MACHINE, MACHINE, time.time(), busy_seconds(text, os.sched_getaffinity(0)))]

    def close(self) -> None:
        """Nothing is kept open."""


class Speed:
    """CPU seconds that a fixed piece of work takes, again and again while a load test runs; a source of `Stations`.

    On a machine that others share, the same work costs more CPU in one minute than in the next: a virtual processor is
    half of a real one, and its clock and caches are not its own. The work is this process's, never the target's.
    """

    def __init__(self, processors: Collection[int] = (), pause_s: float = PAUSE_S) -> None:
        """`processors` that the work is done on, if not wherever there is room; `pause_s` before each piece."""
        self._processors = processors
        self._pause_s = pause_s
        self._cpu_s = 0.0
        self._pieces = 0

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The work as one station."""
        return {SPEED: "sum"}

    def read(self) -> list[Reading]:
        """Do some pieces; CPU seconds and number (as `periods`) of all so far."""
        if self._processors:
            os.sched_setaffinity(0, self._processors)  # of the calling thread
        for _ in range(PIECES):
            time.sleep(self._pause_s)
            began = time.thread_time()
            piece()
            self._cpu_s += time.thread_time() - began
            self._pieces += 1
        return [Reading(SPEED, SPEED, time.time(), self._cpu_s, self._pieces)]

    def close(self) -> None:
        """Nothing is kept open."""


_TEXT = json.dumps([{"id": n, "name": f"item {n}", "parts": list(range(8))} for n in range(40)])


def piece() -> None:
    """About a millisecond of what services do: parse, print, hash."""
    for _ in range(3):
        json.dumps(json.loads(_TEXT))
    hashlib.pbkdf2_hmac("sha256", b"a fixed piece of work", b"of known size", 1500)


def busy_seconds(proc_stat: str, processors: set[int], ticks_per_s: float | None = None) -> float:
    """Seconds that these processors were not idle since the machine started, from the text of /proc/stat."""
    names = {f"cpu{number}" for number in processors}
    lines = [line.split() for line in proc_stat.splitlines()]
    ticks = sum(int(fields[k]) for fields in lines if fields[:1] and fields[0] in names for k in BUSY_FIELDS)
    return ticks / (ticks_per_s or os.sysconf("SC_CLK_TCK"))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
