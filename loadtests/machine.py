"""Where a measurement was made."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from capacity.evidence import Machine


def this_machine() -> Machine:
    """Cores that this process may use, memory, processor and kernel."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        cpu=_cpu(),
        kernel=platform.release(),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
