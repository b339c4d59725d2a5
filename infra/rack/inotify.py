"""Inotify instances: a limit of the whole machine that every server of every rack shares, and must not be raised here.

systemd, kubelet and the API server each hold some; without them a server does not boot, or its kubelet does not start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from capacity.faults import MachineLacks
from infra.rack.spec import RackServer

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
NEED = {"worker": 14, "control": 14}  # counted on configured servers
NEED_OTHERS = 7


def check_inotify(new: Sequence[RackServer], limit: int | None = None, used: int | None = None) -> None:
    """Raise MachineLacks when the machine has too few left for these servers."""
    limit = int(LIMIT.read_text()) if limit is None else limit
    used = instances(Path("/proc").glob("[0-9]*")) if used is None else used
    need = sum(NEED.get(server.role, NEED_OTHERS) for server in new)
    if need > limit - used:
        raise MachineLacks(
            f"{len(new)} more servers need about {need} inotify instances; of the machine's {limit} {used} are in use",
            "Take another rack away (`oss rack down --name NAME`), or raise fs.inotify.max_user_instances.",
        )


def instances(processes: Iterable[Path]) -> int:
    """How many instances processes of this user hold; those that ended meanwhile hold none."""
    return sum(_held(process) for process in processes)


def _held(process: Path) -> int:
    try:
        if process.stat().st_uid != os.getuid():
            return 0
        return sum(_is_inotify(fd) for fd in (process / "fd").iterdir())
    except OSError:
        return 0


def _is_inotify(descriptor: Path) -> bool:
    try:
        return os.readlink(descriptor) == "anon_inode:inotify"
    except OSError:
        return False
