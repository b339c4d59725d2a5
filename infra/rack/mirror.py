"""The package mirror of a rack: what this machine built, shown read-only to every server under /srv/mirror.

In production the same paths come from a mirror server. The folders are mounted, not their content-addressed entries,
so that something built later appears without delivering the servers anew.
"""

from __future__ import annotations

from pathlib import Path

from infra.paths import cache_dir
from infra.rack.spec import Mount

MIRROR = Path("/srv/mirror")
# Kubernetes binaries (infra/toolchain), container image archives (infra/images).
FOLDERS = ("toolchain", "images")


def mirror_mounts() -> tuple[Mount, ...]:
    """The mounts of the mirror; folders that nothing was built into yet are made."""
    mounts = []
    for name in FOLDERS:
        folder = cache_dir() / name
        folder.mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(source=folder, target=MIRROR / name))
    return tuple(mounts)


def mirrored(path: Path) -> Path:
    """Where a server finds a file of this machine's cache: `<cache>/images/x.tar` → `/srv/mirror/images/x.tar`.

    Raises ValueError when the mirror does not show it.
    """
    inner = path.resolve().relative_to(cache_dir().resolve())
    if inner.parts[0] not in FOLDERS:
        raise ValueError(f"{path} is in no folder of the mirror")
    return MIRROR / inner
