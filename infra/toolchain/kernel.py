"""Asking the kernel what it can do, without changing anything: probes live in namespaces that end with them."""

from __future__ import annotations

import socket
import struct
import subprocess
from pathlib import Path

# Bits of CapEff in /proc/self/status (include/uapi/linux/capability.h).
_CAPABILITY_BITS = {"NET_ADMIN": 12, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "MKNOD": 27}
NEEDED_CAPABILITIES = tuple(_CAPABILITY_BITS)
_CONTROLLERS = ("cpu", "memory", "pids")
_PROBE_TIMEOUT_SECONDS = 20

_NETLINK_NETFILTER = 12  # include/uapi/linux/netlink.h
_NFT_GET_GENERATION = (10 << 8) | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN (include/uapi/linux/netfilter)
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2


def lacking_capabilities() -> list[str]:
    """Those of `NEEDED_CAPABILITIES` that this process does not have in effect."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    effective = int(line.split()[1], 16)
    return [name for name, bit in _CAPABILITY_BITS.items() if not effective >> bit & 1]


def link_fault(kind: str) -> str:
    """Why a network link of this kind (`veth`, `bridge`) cannot be made; empty when it can."""
    script = f"ip link add oss-probe type {kind}"
    try:
        answer = subprocess.run(
            ["unshare", "--net", "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROBE_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be tried: {error}"
    return answer.stderr.strip().splitlines()[-1] if answer.returncode and answer.stderr.strip() else ""


def nftables_fault() -> str:
    """Why the kernel does not answer to nftables; empty when it tells the generation of its rules."""
    body = struct.pack("=BBH", 0, 0, 0)
    request = struct.pack("=IHHII", 16 + len(body), _NFT_GET_GENERATION, _NLM_F_REQUEST, 1, 0) + body
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
            netlink.settimeout(5)
            netlink.send(request)
            answer = netlink.recv(4096)
    except OSError as error:
        return f"no answer: {error}"
    kind = struct.unpack_from("=H", answer, 4)[0]
    error_code = struct.unpack_from("=i", answer, 16)[0] if kind == _NLMSG_ERROR else 0
    return f"refused, error {-error_code}" if error_code else ""


def overlay_fault() -> str:
    """Why overlay file systems cannot be mounted; empty when they can."""
    if "overlay" in Path("/proc/filesystems").read_text().split():
        return ""
    try:
        found = subprocess.run(["modinfo", "overlay"], capture_output=True, check=False, timeout=_PROBE_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return "the kernel has no overlay file system"
    return "" if found.returncode == 0 else "the kernel has no overlay file system"


def cgroup_fault() -> str:
    """Which cgroup controllers are missing; empty when all are there (version 1 or 2)."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        have = set(unified.read_text().split())
    else:
        rows = [line.split() for line in Path("/proc/cgroups").read_text().splitlines() if not line.startswith("#")]
        have = {row[0] for row in rows if row[3] == "1" and Path("/sys/fs/cgroup", row[0]).exists()}
    lacking = [name for name in _CONTROLLERS if name not in have]
    return f"no controller for {', '.join(lacking)}" if lacking else ""


def memory_bytes() -> tuple[int, int]:
    """Total and available memory of the machine, in bytes."""
    values = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return tuple(int(values[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))  # type: ignore[return-value]
