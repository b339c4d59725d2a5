"""What the scheduler says of a pod that it cannot place, and what is missing. Pure functions over API objects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LOST = "oss/lost"
"""Key of the taint that stands for the loss of a node."""

_UNITS = {"": 2**-20, "Ki": 2**-10, "Mi": 1.0, "Gi": 2**10, "Ti": 2**20}
_OURS = re.compile(r"had untolerated taint(?:\(s\))?(?: \{[^}]*\})?")
_COUNTED = re.compile(r"(\d+) (.+?)(?=, \d+ |\.?$)")


class Amount(NamedTuple):
    """CPU in millicores and memory in MiB."""

    cpu_m: int
    memory_mib: int

    def __str__(self) -> str:
        return f"{self.cpu_m / 1e3:g} CPU and {self.memory_mib / 1024:.3g} GiB"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many nodes do not take a pod, in the scheduler's words."""

    nodes: int
    words: str

    def __str__(self) -> str:
        return f"{self.words} on {self.nodes}"


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A pod without a node. `message` is what the scheduler wrote in the pod's condition and in its event."""

    pod: str
    service: str
    asks: Amount
    reasons: tuple[Reason, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Shortage:
    """What the unplaced pods ask together, against what is free on the standing nodes, and on the emptiest of them."""

    asked: Amount
    free: Amount
    largest: Amount

    @property
    def missing(self) -> Amount:
        """What no packing could find."""
        return Amount(max(0, self.asked.cpu_m - self.free.cpu_m), max(0, self.asked.memory_mib - self.free.memory_mib))

    def __str__(self) -> str:
        head = f"they ask {self.asked}; free are {self.free}, at most {self.largest} on one node"
        if any(self.missing):
            return f"{head}: {self.missing} missing"
        return f"{head}: enough in all, but in pieces, or where the spread forbids it"


def amount(resources: Mapping[str, str] | None) -> Amount:
    """Requests or allocatable of the API as numbers; CPU is rounded up to millicores, memory down to MiB."""
    given = resources or {}
    cpu = str(given.get("cpu", "0"))
    millicores = float(cpu[:-1]) if cpu.endswith("m") else float(cpu) * 1000
    memory = re.fullmatch(r"([0-9.]+)(Ki|Mi|Gi|Ti|)", str(given.get("memory", "0")))
    if memory is None:
        raise ValueError(f"memory quantity {given.get('memory')!r} is not in Ki, Mi, Gi or Ti")
    return Amount(math.ceil(millicores - 1e-9), int(float(memory[1]) * _UNITS[memory[2]]))


def asks(pod: Mapping[str, Any]) -> Amount:
    """Requests of all the pod's containers."""
    parts = [amount(c.get("resources", {}).get("requests")) for c in pod["spec"]["containers"]]
    return Amount(sum(p.cpu_m for p in parts), sum(p.memory_mib for p in parts))


def reasons(message: str) -> tuple[Reason, ...]:
    """`0/3 nodes are available: 2 Insufficient cpu, 1 … . preemption: …` → its parts, most nodes first.

    Taints read as `lost`: the one that stands for the loss of a node is the only one in a trial.
    """
    _, found, rest = message.partition("nodes are available: ")
    if not found:
        return ()
    head = re.split(r"\. (?:no new claims|preemption:)", _OURS.sub("lost", rest), maxsplit=1)[0].rstrip(". ")
    parts = [Reason(int(count), words.strip().removeprefix("node(s) ")) for count, words in _COUNTED.findall(head)]
    return tuple(sorted(parts, key=lambda r: (-r.nodes, r.words)))


def condition(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod's PodScheduled condition; empty while the scheduler has not looked at it."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == "PodScheduled"), {})


def unplaced(pods: Iterable[Mapping[str, Any]]) -> tuple[Unplaced, ...]:
    """The pods that have no node, by service and name."""
    out = []
    for pod in pods:
        if pod["spec"].get("nodeName"):
            continue
        message = str(condition(pod).get("message", "the scheduler gave no reason"))
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        out.append(Unplaced(pod["metadata"]["name"], service, asks(pod), reasons(message), message))
    return tuple(sorted(out, key=lambda u: (u.service, u.pod)))


def carried(pods: Iterable[Mapping[str, Any]]) -> dict[str, Amount]:
    """Node → what the pods on it ask together."""
    out: dict[str, Amount] = {}
    for pod in pods:
        if name := pod["spec"].get("nodeName"):
            before, more = out.get(name, Amount(0, 0)), asks(pod)
            out[name] = Amount(before.cpu_m + more.cpu_m, before.memory_mib + more.memory_mib)
    return out


def fullest(names: Sequence[str], load: Mapping[str, Amount]) -> str:
    """The server whose loss displaces most; of equals the first."""
    return max(names, key=lambda name: load.get(name, Amount(0, 0)))


def shortage(left_over: Sequence[Unplaced], load: Mapping[str, Amount], sizes: Mapping[str, Amount]) -> Shortage | None:
    """What is missing; `sizes` are the allocatable amounts of the nodes that stand. None when nothing is unplaced."""
    if not left_over:
        return None
    free = [
        Amount(
            size.cpu_m - load.get(name, Amount(0, 0)).cpu_m, size.memory_mib - load.get(name, Amount(0, 0)).memory_mib
        )
        for name, size in sizes.items()
    ]
    return Shortage(
        asked=Amount(sum(u.asks.cpu_m for u in left_over), sum(u.asks.memory_mib for u in left_over)),
        free=Amount(sum(f.cpu_m for f in free), sum(f.memory_mib for f in free)),
        largest=max(free, default=Amount(0, 0)),
    )


def first_guess(short: Shortage, size: Amount) -> int:
    """Servers of allocatable `size` that the unplaced pods would at least need beside what is free; at least one."""
    missing = short.missing
    return max(
        1,
        math.ceil(missing.cpu_m / size.cpu_m) if size.cpu_m else 1,
        math.ceil(missing.memory_mib / size.memory_mib) if size.memory_mib else 1,
    )
