"""What a machine has and lacks for the whole loop, each with how to get it. Looks only; changes nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from capacity.faults import MachineLacks
from infra.paths import cache_dir
from infra.rack import machine
from infra.toolchain import debian, gobuild, kernel, official, plugins
from infra.toolchain.modules import MODULES

GIB = 1 << 30
PYTHON_AT_LEAST = (3, 11)
CORES_AT_LEAST = 2
MEMORY_AT_LEAST_GIB = 8
DISK_AT_LEAST_GIB = 12  # a cold build's Go caches take 9, images and state the rest

State = Literal["ok", "later", "missing"]
"""`later`: not there yet, but set-up brings it by itself."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the loop needs: what was found, and how to get it where it is missing."""

    name: str
    needed_for: str
    state: State
    found: str
    remedy: str = ""


def examine() -> list[Check]:
    """Every check, in the order in which a person would put things right."""
    return [
        check for part in (_python, _go, _pulumi, _kubernetes, _debian, _rights, _kernel, _size) for check in part()
    ]


def _python() -> Iterator[Check]:
    good = sys.version_info[:2] >= PYTHON_AT_LEAST
    wanted = ".".join(map(str, PYTHON_AT_LEAST))
    yield Check(
        "Python",
        "everything",
        "ok" if good else "missing",
        f"{platform.python_version()} at {sys.executable}",
        f"install Python {wanted} or newer (Debian 12: apt-get install python3 python3-venv)",
    )
    lacking = [name for name in ("pulumi", "kubernetes", "ansible_runner", "locust") if not _importable(name)]
    found = f"without {', '.join(lacking)}" if lacking else "installed"
    yield Check("Python packages", "everything", "later" if lacking else "ok", found, "make setup")


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _go() -> Iterator[Check]:
    state: State = "ok"
    try:
        found = gobuild.go_version(MODULES["kubernetes"].folder)
    except MachineLacks as error:
        state, found = "missing", error.message
    yield Check("Go", "building Pulumi and Kubernetes", state, found, gobuild.GO_REMEDY)


def _pulumi() -> Iterator[Check]:
    module = MODULES["pulumi"]
    if path := official.pulumi(module.version):
        yield Check("Pulumi", "stacks", "ok", f"official, {path}")
    else:
        yield _built("pulumi", "stacks", f"{module.version}, about 4 minutes on two cores")
    stand_in = "stand-in of this project"
    host = official.language_host()
    yield Check("Python language host", "stacks", "ok", f"official, {host}" if host else stand_in)
    version = plugins.kubernetes_sdk_version() if _importable("pulumi_kubernetes") else ""
    provider = official.kubernetes_provider(version) if version else None
    yield Check("Kubernetes provider", "stacks", "ok", f"official, {provider}" if provider else stand_in)


def _kubernetes() -> Iterator[Check]:
    version = MODULES["kubernetes"].version
    yield _built("kubernetes", "rack", f"{version}, about 6 minutes on two cores")


def _built(name: str, needed_for: str, effort: str) -> Check:
    try:
        ready = gobuild.is_built(MODULES[name])
    except MachineLacks as error:
        return Check(name.capitalize(), needed_for, "missing", f"not built; {error.message}", error.remedy)
    found = f"{MODULES[name].version}, built" if ready else f"not built yet ({effort})"
    return Check(name.capitalize(), needed_for, "ok" if ready else "later", found, "make setup")


def _debian() -> Iterator[Check]:
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    for program in debian.PROGRAMS:
        found = f"at {program.path}" if program.path else f"not installed (package {program.package})"
        state: State = "ok" if program.path else "later" if may_install else "missing"
        remedy = "make setup" if may_install else f"sudo {debian.command([program])}"
        yield Check(program.name, program.needed_by, state, found, remedy)


def _rights() -> Iterator[Check]:
    root = os.geteuid() == 0
    found = "yes" if root else f"no, user {os.geteuid()}"
    yield Check("root", "rack", "ok" if root else "missing", found, "run it as root, e.g. with sudo")
    lacking = kernel.lacking_capabilities()
    yield Check(
        "capabilities",
        "rack",
        "missing" if lacking else "ok",
        f"without {', '.join(lacking)}" if lacking else ", ".join(kernel.NEEDED_CAPABILITIES),
        "run it where root has these: on the machine itself or in a virtual machine, not in a plain container",
    )


def _kernel() -> Iterator[Check]:
    has_it = "use a kernel that has it (Debian's own has)"
    mounted = "mount them under /sys/fs/cgroup, as systemd does at boot"
    found = f"kernel {platform.release()}"
    for name in ("veth", "bridge"):
        if machine.find_program("ip") is None:
            yield Check(name, "rack", "later", "not tried yet: ip is not installed", "make setup")
        else:
            fault = kernel.link_fault(name)
            yield Check(name, "rack", "missing" if fault else "ok", fault or found, has_it)
    features: tuple[tuple[str, Callable[[], str], str], ...] = (
        ("nftables", kernel.nftables_fault, has_it),
        ("overlay", kernel.overlay_fault, has_it),
        ("cgroups", kernel.cgroup_fault, mounted),
    )
    for name, fault_of, remedy in features:
        fault = fault_of()
        yield Check(name, "rack", "missing" if fault else "ok", fault or found, remedy)


def _size() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0))
    yield Check(
        "cores",
        "rehearsal",
        "ok" if cores >= CORES_AT_LEAST else "missing",
        str(cores),
        f"use a machine with {CORES_AT_LEAST} cores or more",
    )
    total, available = kernel.memory_bytes()
    # A machine sold with 8 GiB shows a little less.
    yield Check(
        "memory",
        "rehearsal",
        "ok" if total > MEMORY_AT_LEAST_GIB * GIB * 0.93 else "missing",
        f"{total / GIB:.1f} GiB, {available / GIB:.1f} GiB available",
        f"use a machine with {MEMORY_AT_LEAST_GIB} GiB or more",
    )
    place = next(path for path in (cache_dir(), *cache_dir().parents) if path.exists())
    free = shutil.disk_usage(place).free
    built = all(check.state == "ok" for check in (_built("pulumi", "", ""), _built("kubernetes", "", "")))
    enough = built or free > DISK_AT_LEAST_GIB * GIB
    yield Check(
        "disk",
        "set-up",
        "ok" if enough else "missing",
        f"{free / GIB:.0f} GiB free at {place}",
        f"free {DISK_AT_LEAST_GIB} GiB, or name another place with OSS_CACHE (and GOCACHE, GOMODCACHE)",
    )
