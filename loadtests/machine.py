"""Where a measurement was made, and how busy that machine was with all that ran on it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from capacity.evidence import Machine
from loadtests.stations import Combine, Reading

MACHINE = "machine"
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
