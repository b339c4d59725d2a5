"""Proof, before any server boots, that a server of this rack cannot reach the machine it runs on.

A throw-away container with the same flags and the same init tries to set the clock, to change kernel settings, to open
a block device and to reach SysRq; the machine's own values are compared before and after.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from capacity.documents import write_text
from capacity.faults import StepFailed
from infra.rack.image import INIT
from infra.rack.machine import machine_sysctls, podman
from infra.rack.server import container_name, isolation

# Harmless settings, one of each tree that rack-init covers. The container never writes the machine's own value.
PROBED_SYSCTLS = ("vm.swappiness", "kernel.panic", "fs.file-max", "net.ipv4.ip_forward")

_SCRIPT = Path(__file__).parent / "node" / "selfcheck.sh"
_SAFE = {"safe", "private", "refused"}
_PROBES = 7


def check_isolation(rack: str, image: str, memory: Path) -> bool:
    """Run the check unless `memory` says that it passed with this image, these flags and this boot of the machine.

    True when it ran. Raises StepFailed naming what could be reached: the rack must then not be used.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    script = _SCRIPT.read_text(encoding="ascii")
    words = [image, boot, script, *isolation(rack)]
    proof = hashlib.sha256("\0".join(words).encode()).hexdigest()
    if memory.exists() and memory.read_text(encoding="ascii").strip() == proof:
        return False
    before = machine_sysctls(PROBED_SYSCTLS)
    name = container_name(rack, "self_check")  # no server can have this name
    podman("rm", "--force", "--time", "0", "--ignore", name)
    done = podman(
        *("run", "--rm", "--name", name, "--network", "none"),
        *isolation(rack),
        *(image, INIT, "/bin/sh", "-c", script),
        timeout=60,
        doing="self-check of the rack's isolation",
    )
    findings = dict(line.split("=", 1) for line in done.stdout.split() if "=" in line)
    reached = [what for what, finding in findings.items() if finding not in _SAFE]
    after = machine_sysctls(PROBED_SYSCTLS)
    reached += [
        f"{key} of the machine ({before[key]} became {after.get(key)})"
        for key in before
        if after.get(key) != before[key]
    ]
    if reached or len(findings) != _PROBES:
        problem = ", ".join(reached) if reached else f"only {len(findings)} of {_PROBES} probes answered"
        raise StepFailed(
            f"the rack is not isolated on this machine: {problem}",
            "do not use the rack here; check that podman and runc are Debian's and that nothing adds capabilities",
        )
    write_text(memory, proof + "\n")
    return True
