"""What a rack has on the machine outside its state folder, found by name, and taking it away.

Nothing here needs the rack's spec or a working run before it: names alone say what belongs to a rack, so that
`down` works after a kill at any moment.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from infra.rack.daemons import POLL_SECONDS
from infra.rack.machine import podman, podman_list
from infra.rack.namespace import names
from infra.rack.network import remove_rack_network
from infra.rack.server import RACK_LABEL, cgroup_name

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_SECONDS = 10.0


def container_names(rack: str) -> list[str]:
    """Names of the rack's containers, by label and by prefix (storage without a container has no label)."""
    prefix = f"oss-{rack}-"
    listed = json.loads(podman_list("ps", "--all", "--external", "--format", "json", doing="listing servers") or "[]")
    return sorted(
        entry["Names"][0]
        for entry in listed
        if entry.get("Names")
        and (entry["Names"][0].startswith(prefix) or (entry.get("Labels") or {}).get(RACK_LABEL) == rack)
    )


def volume_names(rack: str) -> list[str]:
    """Names of the volumes of the rack's servers."""
    listed = podman_list("volume", "ls", "--format", "{{.Name}}", doing="listing disks").split()
    return sorted(name for name in listed if name.startswith(f"oss-{rack}-"))


def cgroup_folders(rack: str) -> list[Path]:
    """The rack's cgroup in every hierarchy (cgroup v1), or its only one (v2)."""
    name = cgroup_name(rack)
    found = [CGROUPS / name, *(h / name for h in CGROUPS.iterdir() if h.is_dir() and not h.is_symlink())]
    return [path for path in found if path.is_dir()]


def mount_points(rack: str) -> list[str]:
    """Mounts of the machine that belong to the rack's namespaces or servers."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        point = line.split(" ")[1]
        words = [word for word in point.split("/") if word == f"oss-{rack}" or word.startswith(f"oss-{rack}-")]
        if words and not point.startswith("/sys/fs/cgroup"):
            found.append(point)
    return found


def remove_containers(rack: str) -> int:
    """Remove the rack's containers at once, with their volumes; returns how many there were."""
    found = container_names(rack)
    if found:
        podman("rm", "--force", "--time", "0", *found, timeout=300, doing=f"removing the servers of rack {rack}")
    volumes = volume_names(rack)
    if volumes:
        podman("volume", "rm", "--force", *volumes, timeout=300, doing=f"removing the disks of rack {rack}")
    return len(found)


def remove_namespaces(rack: str) -> int:
    """Remove the rack's network namespaces with all their interfaces."""
    return remove_rack_network(rack)


def remove_cgroups(rack: str) -> None:
    """Remove the rack's cgroups, the innermost first. The kernel may need a moment to let go of ended processes."""
    deadline = time.monotonic() + CGROUP_SECONDS
    while True:
        for folder in cgroup_folders(rack):
            for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
                _rmdir(inner)
            _rmdir(folder)
        if not cgroup_folders(rack) or time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def leftovers(rack: str) -> Iterator[str]:
    """Everything of the rack that is still on the machine; empty after `down`."""
    yield from (f"container {name}" for name in container_names(rack))
    yield from (f"volume {name}" for name in volume_names(rack))
    yield from (f"network namespace {name}" for name in names(rack))
    yield from (f"cgroup {path}" for path in cgroup_folders(rack))
    yield from (f"mount {point}" for point in mount_points(rack))


def _rmdir(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return  # still busy: tried again, and reported by `leftovers` if it stays
