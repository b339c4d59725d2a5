"""What the machine must have to hold a rack, and running its programs with errors that a user can act on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from capacity.faults import MachineLacks, StepFailed

# Program → the Debian package that brings it.
REQUIRED_PROGRAMS: dict[str, str] = {
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}

# The rack's cgroups rest on this manager, whatever the machine's default is.
CGROUP_MANAGER = "--cgroup-manager=cgroupfs"
LISTINGS = 5

# mmdebstrap leaves its work folder on this path list; Debian keeps some of these out of a plain user's PATH.
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def check_machine() -> None:
    """Raise MachineLacks naming everything that is missing at once, with the command that brings it."""
    lacks: list[str] = []
    remedies: list[str] = []
    if os.geteuid() != 0:
        lacks.append("the rights of root (network namespaces, system containers)")
        remedies.append("run it as root, e.g. with sudo")
    missing = {name: package for name, package in REQUIRED_PROGRAMS.items() if find_program(name) is None}
    if missing:
        lacks.append(f"the programs {', '.join(missing)}")
        remedies.append(f"apt-get install --no-install-recommends {' '.join(sorted(set(missing.values())))}")
    if not Path("/proc/self/ns/cgroup").exists():
        lacks.append("cgroup namespaces (a Linux kernel of 4.6 or later)")
        remedies.append("use a newer kernel")
    if not any(Path("/sys/fs/cgroup", name).exists() for name in ("memory", "cgroup.controllers")):
        lacks.append("mounted cgroups under /sys/fs/cgroup")
        remedies.append("mount them, as systemd does at boot")
    if lacks:
        raise MachineLacks(f"the rack needs {'; '.join(lacks)}", "; ".join(remedies))


def find_program(name: str) -> str | None:
    """The path of a program, looked for where root finds it too."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_PATH]))


def run(
    *command: str | Path,
    timeout: float = 120.0,
    check: bool = True,
    stdin: str | None = None,
    doing: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return it with its output as text.

    Raises StepFailed with its last words when it fails (unless `check` is off) or takes longer than `timeout`
    seconds. `doing` names the step in the message; the command line itself is not shown, as it may be long.
    """
    words = [str(part) for part in command]
    step = doing or " ".join(words[:3])
    program = find_program(words[0])
    if program is None:
        raise MachineLacks(
            f"{words[0]} is not installed", f"apt-get install {REQUIRED_PROGRAMS.get(words[0], '')}".strip()
        )
    try:
        done = subprocess.run(
            [program, *words[1:]], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{step}: no end after {timeout:g} s", "run it again; what was done is kept") from None
    if check and done.returncode != 0:
        raise StepFailed(f"{step}: exit code {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return done


def last_words(text: str, lines: int = 4) -> str:
    """The last lines of a program's output, on one line; warnings only when there is nothing else."""
    said = text.strip().splitlines()
    kept = [line for line in said if "level=warning" not in line] or said
    return " | ".join(line.strip() for line in kept[-lines:]) or "(it said nothing)"


class Options(TypedDict, total=False):
    """The options of `run`."""

    timeout: float
    check: bool
    stdin: str | None
    doing: str


def podman(*arguments: str | Path, **options: Unpack[Options]) -> subprocess.CompletedProcess[str]:
    """Run podman with the rack's cgroup manager."""
    return run("podman", CGROUP_MANAGER, *arguments, **options)


def podman_list(*arguments: str, doing: str) -> str:
    """What podman lists. It fails when something goes away while it looks, so it is asked again, a few times.

    Source: https://github.com/containers/podman/issues/23492 (containers; mended in podman 5.2, volumes alike).
    """
    for _ in range(LISTINGS - 1):
        done = podman(*arguments, check=False, doing=doing)
        if done.returncode == 0:
            return done.stdout
    return podman(*arguments, doing=doing).stdout


def machine_sysctls(names: Sequence[str]) -> dict[str, str]:
    """The machine's own values of kernel settings, `vm.swappiness` → `60`; a setting it lacks is left out."""
    values = {}
    for name in names:
        try:
            values[name] = Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").strip()
        except OSError:
            continue
    return values
