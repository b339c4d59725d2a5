"""One leased server as a podman system container: made off, powered on and off, described, removed.

Never `--privileged`: it would void every dropped capability. What the flags keep out is checked by `selfcheck`.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capacity.faults import StepFailed
from infra.pki.store import write_private
from infra.rack.keys import client_key, host_key
from infra.rack.machine import find_program, last_words, podman, podman_list
from infra.rack.network import plug_in, reserve, unplug
from infra.rack.spec import APT_PORT, RackServer, RackSpec

RACK_LABEL = "oss.rack"
SERVER_LABEL = "oss.server"
MADE_OF_LABEL = "oss.made-of"
STOP_SECONDS = 30
MAX_FILES = 1 << 20
MAX_PROCESSES = 16384

# With SYS_TIME a server could set the machine's clock; MODULE and RAWIO reach its kernel and devices, SYSLOG its log.
# The others act on the whole machine too (security modules, suspend, performance counters, accounting), and nothing
# that runs on a server needs them.
DROPPED_CAPABILITIES = (
    *("SYS_TIME", "SYS_MODULE", "SYS_RAWIO", "SYSLOG"),
    *("MAC_ADMIN", "MAC_OVERRIDE", "WAKE_ALARM", "BLOCK_SUSPEND", "PERFMON", "SYS_PACCT"),
)
# Container runtimes inside make device nodes (m) and use the console and tun; nothing opens a block device.
DEVICE_RULES = ("c *:* m", "b *:* m", "c 5:1 rwm", "c 10:200 rwm")
# overlayfs does not lie on overlayfs, and databases should not write through it.
VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
    "postgresql": "/var/lib/postgresql",
}

# What podman says of a container that was ended by reboot(2) in its PID namespace: 128 + SIGHUP (pid_namespaces(7)).
REBOOT_EXIT_CODE = 129


@dataclass(frozen=True, slots=True)
class Container:
    """A server's container as podman sees it. `pid` is its init's, 0 when off; `started` is Unix time, 0 if never."""

    id: str
    server: str
    status: str
    pid: int
    exit_code: int
    started: float
    made_of: str

    @property
    def on(self) -> bool:
        """Whether the server has power: a frozen one has."""
        return self.status in ("running", "paused")


def container_name(rack: str, server: str) -> str:
    """The container's name, and the prefix of its volumes."""
    return f"oss-{rack}-{server}"


def containers(rack: str) -> dict[str, Container]:
    """All containers of a rack, by server; the self-check's has the empty name."""
    listed = podman_list(
        "ps", "--all", "--filter", f"label={RACK_LABEL}={rack}", "--format", "json", doing="listing servers"
    )
    found = {}
    for entry in json.loads(listed or "[]"):
        labels = entry["Labels"]
        container = Container(
            id=entry["Id"],
            server=labels.get(SERVER_LABEL, ""),
            status=entry["State"],
            pid=int(entry.get("Pid") or 0),
            exit_code=int(entry.get("ExitCode") or 0),
            started=max(0.0, float(entry.get("StartedAt") or 0)),
            made_of=labels.get(MADE_OF_LABEL, ""),
        )
        found[container.server] = container
    return found


def create(spec: RackSpec, server: RackServer, image: str, state: Path) -> None:
    """Make the server, switched off. Its volumes are kept when they are there."""
    folder = deliver(spec, server, state)
    reserve(spec.name, server.name)
    name = container_name(spec.name, server.name)
    command = [
        "create",
        *isolation(spec.name),
        *("--name", name, "--hostname", server.name, "--network", f"ns:/run/netns/{name}", "--dns", "none"),
        *("--label", f"{SERVER_LABEL}={server.name}", "--label", f"{MADE_OF_LABEL}={made_of(spec, server, image)}"),
        *("--volume", f"{folder}:/etc/rack:ro"),
        *(word for volume, path in VOLUMES.items() for word in ("--volume", f"{name}-{volume}:{path}")),
        *(word for m in spec.mounts for word in ("--volume", f"{m.source}:{m.target}:ro")),
        *(("--memory", f"{server.memory_limit_mib}m") if server.memory_limit_mib else ()),
        *(("--cpus", f"{server.cpu_limit:g}") if server.cpu_limit else ()),
        image,
    ]
    done = podman(*command, check=False)
    if done.returncode != 0 and "already in use" in done.stderr:
        # A killed run can leave the name in podman's storage without a container: free it, then try again.
        podman("rm", "--force", "--time", "0", name, check=False)
        done = podman(*command, check=False)
    if done.returncode != 0:
        raise StepFailed(f"making server {server.name}: {last_words(done.stderr, 1)}")


def isolation(rack: str) -> list[str]:
    """The flags that every container of the rack runs with: what it may do, and where it is accounted."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    return [
        *("--runtime", find_program("runc") or "runc"),
        *("--cap-add", "all"),
        *(word for name in DROPPED_CAPABILITIES for word in ("--cap-drop", name)),
        *("--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined"),
        *("--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"),
        *(word for rule in DEVICE_RULES for word in ("--device-cgroup-rule", rule)),
        *("--systemd", "always", "--cgroupns", "private", "--cgroup-parent", f"/{cgroup_name(rack)}"),
        *("--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={MAX_PROCESSES}:{MAX_PROCESSES}"),
        *("--pids-limit", str(MAX_PROCESSES), "--shm-size", "256m", "--stop-timeout", str(STOP_SECONDS)),
        *("--no-hosts", "--log-driver", "k8s-file", "--log-opt", "max-size=1mb"),
        *("--label", f"{RACK_LABEL}={rack}"),
    ]


def cgroup_name(rack: str) -> str:
    """The cgroup, in every hierarchy, that holds everything of a rack."""
    return f"oss-{rack}"


def made_of(spec: RackSpec, server: RackServer, image: str) -> str:
    """A hash of everything that is fixed when the server is made; another hash asks for another container."""
    parts = [image, server.name, str(server.memory_limit_mib), str(server.cpu_limit), *isolation(spec.name)]
    parts += [f"{m.source}:{m.target}" for m in spec.mounts]
    parts += [server.bmc_id] if server.bmc_id else []  # another machine under the name
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def deliver(spec: RackSpec, server: RackServer, state: Path) -> Path:
    """Write what the server reads at its first boot (`/etc/rack`); returns the folder."""
    folder = state / "rack" / "servers" / server.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = host_key(state, server)
    hosts = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost",
        f"{spec.gateway} rack-gateway",
        *(f"{s.address} {s.name}" for s in spec.servers),
    ]
    files = {
        "hosts": "\n".join(hosts) + "\n",
        "machine-id": spec.bmc_id(server).replace("-", "") + "\n",
        "apt-proxy.conf": f'Acquire::http::Proxy "http://{spec.gateway}:{APT_PORT}";\n',
        "authorized_keys": client_key(state).with_suffix(".pub").read_text(encoding="ascii"),
        "ssh_host_ed25519_key": key.read_text(encoding="ascii"),
        "ssh_host_ed25519_key.pub": key.with_suffix(".pub").read_text(encoding="ascii"),
    }
    for name, text in files.items():
        write_private(folder / name, text.encode())
    return folder


def power_on(spec: RackSpec, server: RackServer) -> None:
    """Switch it on with a fresh network; it must be off."""
    plug_in(spec, server)
    podman("start", container_name(spec.name, server.name), doing=f"powering on {server.name}")


def power_off(rack: str, server: str, how: Literal["graceful", "force"]) -> None:
    """Switch it off: by systemd's shutdown (power is cut after half a minute), or at once."""
    name = container_name(rack, server)
    if how == "graceful":
        podman("stop", "--ignore", name, timeout=STOP_SECONDS + 60, doing=f"shutting {server} down")
    else:
        # The command fails when the server is already off, which is what was asked for.
        podman("kill", "--signal", "KILL", name, check=False)
        podman("wait", "--condition", "stopped", "--condition", "exited", name, check=False, timeout=30)
    unplug(rack, server)


def renew(spec: RackSpec, server: RackServer, state: Path) -> None:
    """Make a server anew that is off, of the same image, with empty disks. Its name, address and keys stay."""
    name = container_name(spec.name, server.name)
    image = podman("inspect", "--format", "{{.ImageName}}", name, doing=f"looking at {server.name}").stdout.strip()
    remove(spec.name, server.name, None)
    create(spec, server, image, state)


def remove(rack: str, server: str, state: Path | None) -> None:
    """Remove the server with its disks, its network and what was delivered with it."""
    name = container_name(rack, server)
    podman("rm", "--force", "--time", "0", "--ignore", name, doing=f"removing {server}")
    podman("volume", "rm", "--force", *(f"{name}-{volume}" for volume in VOLUMES), check=False)
    unplug(rack, server)
    if state is not None:
        shutil.rmtree(state / "rack" / "servers" / server, ignore_errors=True)
