"""What stands in a rack right now, as podman, the kernel and the process table say."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from infra.rack.cleanup import CGROUPS
from infra.rack.server import Container, cgroup_name, containers, made_of
from infra.rack.services import daemons
from infra.rack.spec import RackServer, RackSpec
from infra.rack.state import read_spec, spec_file


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server: what it is and how it is now. Memory is its working set in bytes, pods and cached writes included."""

    server: RackServer
    present: bool
    on: bool
    uptime_s: float
    memory_bytes: int
    outdated: bool

    @property
    def ports(self) -> tuple[str, ...]:
        """The loopback places that lead to it, e.g. `127.91.2.11:6443`."""
        return tuple(f"{m.loopback}:{m.loopback_port}" for m in self.server.published)


@dataclass(frozen=True, slots=True)
class RackStatus:
    """A rack: its servers, its processes (name → pid, or None when it does not run) and its memory in bytes."""

    spec: RackSpec
    servers: tuple[ServerStatus, ...]
    processes: dict[str, int | None]
    memory_bytes: int

    @property
    def complete(self) -> bool:
        """Whether all servers are there and all processes run."""
        return all(s.present for s in self.servers) and all(self.processes.values())


def read_status(rack: str, state: Path, image: str = "") -> RackStatus | None:
    """The rack's status; None when there is none. With `image`, servers made of another one are `outdated`."""
    spec = read_spec(spec_file(state))
    if spec is None:
        return None
    seen = containers(rack)
    return RackStatus(
        spec=spec,
        servers=tuple(_server_status(spec, server, seen.get(server.name), image) for server in spec.servers),
        processes={daemon.name: daemon.pid() for daemon in daemons(rack, state)},
        memory_bytes=working_set(cgroup_name(rack)),
    )


def _server_status(spec: RackSpec, server: RackServer, container: Container | None, image: str) -> ServerStatus:
    on = container is not None and container.on
    return ServerStatus(
        server=server,
        present=container is not None,
        on=on,
        uptime_s=max(0.0, time.time() - container.started) if container is not None and on else 0.0,
        memory_bytes=working_set(f"{cgroup_name(spec.name)}/libpod-{container.id}")
        if container is not None and on
        else 0,
        outdated=bool(image) and container is not None and container.made_of != made_of(spec, server, image),
    )


def working_set(cgroup: str) -> int:
    """Memory of a cgroup that cannot be dropped at will: usage less inactive file pages, as kubelet counts it."""
    for folder, usage, inactive in (
        (CGROUPS / "memory" / cgroup, "memory.usage_in_bytes", "total_inactive_file"),
        (CGROUPS / cgroup, "memory.current", "inactive_file"),
    ):
        try:
            used = int((folder / usage).read_text(encoding="ascii"))
            lines = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            return max(0, used - int(lines.get(inactive, 0)))
        except (OSError, ValueError):
            continue
    return 0
