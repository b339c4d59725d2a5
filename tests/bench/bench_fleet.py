"""The fleet stack at size: 500 leased servers on paper controllers, growth to 2 000, and an update that is killed.

Everything is real but the servers: the engine with its checkpoints, the policy pack, the native provider, Redfish over
TLS. The controllers' own work shares the machine, and is counted in the seconds, not in the memory.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from capacity.documents import REPOSITORY
from tests.infra.large import NAME, Large, Usage, controllers, large

SERVERS, DOUBLED, LARGEST, KILLED, KILLS = 500, 1000, 2000, 200, 10
PREVIEW_S, FIRST_UP_S, NO_CHANGE_S, MEMORY_MIB = 10.0, 90.0, 15.0, 1024.0
GROWTH_BAR = 1.25
"""CPU a server at a larger size over CPU a server at 500: what may be lost to growth."""
RUNS = ("preview", "up", "again")


def rows() -> list[dict[str, Any]]:
    """What `make bench` prints."""
    with tempfile.TemporaryDirectory() as folder:
        small = measure(Path(folder), SERVERS)
    with tempfile.TemporaryDirectory() as folder:
        double = measure(Path(folder), DOUBLED, RUNS[1:])
    with tempfile.TemporaryDirectory() as folder:
        great = measure(Path(folder), LARGEST, RUNS[:1])
    memory = max(usage.mib for usage in small.values())
    return [
        row(f"fleet: preview of {SERVERS} servers", small["preview"].seconds, "s", PREVIEW_S),
        row(f"fleet: first up of {SERVERS} servers, checkpoints on", small["up"].seconds, "s", FIRST_UP_S),
        row(f"fleet: up of {SERVERS} servers without a change", small["again"].seconds, "s", NO_CHANGE_S),
        row(f"fleet: memory of the engine and its plugins, {SERVERS} servers", memory, "MiB", MEMORY_MIB),
        growth("a preview", great["preview"], LARGEST, small["preview"]),
        growth("an up without a change", double["again"], DOUBLED, small["again"]),
        growth("a first up", double["up"], DOUBLED, small["up"]),
        killed(),
    ]


def growth(what: str, great: Usage, servers: int, small: Usage) -> dict[str, Any]:
    """How much more CPU a server costs in a larger fleet. The engine writes all state at each step of a create."""
    grown = (great.cpu_s / servers) / (small.cpu_s / SERVERS)
    return row(f"fleet: CPU a server of {what} at {servers}, over that at {SERVERS}", grown, "times", GROWTH_BAR)


def measure(folder: Path, servers: int, runs: Sequence[str] = RUNS) -> dict[str, Usage]:
    """A preview, the first update and one without a change; or some of them."""
    found = {}
    with large(folder, servers) as fleet:
        for name in runs:
            with Usage(controllers()) as found[name]:
                fleet.engine.preview("fleet") if name == "preview" else fleet.engine.up("fleet")
        if "up" in runs:
            assert fleet.powered() == servers
            assert fleet.boots() == {1}
    return found


def killed() -> dict[str, Any]:
    """An update of 200 servers that is killed at ten random moments and run again each time."""
    with tempfile.TemporaryDirectory() as folder, large(Path(folder), KILLED, latency_s=1.0) as fleet:
        for share in sorted(random.sample(range(2, 90), KILLS)):
            kill_once(fleet, started=KILLED * share // 100)
        fleet.engine.up("fleet")
        wrong = wrong_servers(fleet)
    return row(f"fleet: servers not leased and started exactly once after {KILLS} kills", wrong, "servers", 0.0)


UP = """
import sys
from pathlib import Path
from capacity.progress import Silent
from infra.engine.workspace import Environment
from infra.toolchain import ensure

Environment(sys.argv[1], ensure(["pulumi"]), Silent(), Path(sys.argv[2])).up("fleet")
"""


def kill_once(fleet: Large, started: int, limit_s: float = 120.0) -> None:
    """Run an update in a process of its own, and kill it with all it started once so many servers were started.

    Raises AssertionError when the update ended by itself first.
    """
    command = [sys.executable, "-c", UP, NAME, str(fleet.folder)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + limit_s
    while process.poll() is None and asked(fleet) < started and time.monotonic() < end:
        time.sleep(0.02)
    assert process.poll() is None, f"the update ended by itself, with code {process.returncode}"
    for each in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            each.send_signal(signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def asked(fleet: Large) -> int:
    """How many servers were ever asked to start."""
    return sum(bool(item["requests"]) for item in fleet.rack.seen().values())


def wrong_servers(fleet: Large) -> int:
    """Servers that the stack does not hold exactly once, or that their controllers started more or less than once."""
    held = [server["name"] for server in fleet.engine.outputs("fleet")["servers"]]
    seen = fleet.rack.seen()
    right = {name for name, item in seen.items() if item["boots"] == 1 and sum(item["requests"].values()) == 1}
    return len(seen) - len({name for name in right if held.count(name) == 1})


def row(name: str, ours: float, unit: str, bar: float | None) -> dict[str, Any]:
    """One line of the table; no peer leases servers."""
    return {
        "name": name,
        "ours": ours,
        "unit": unit,
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "bar": "" if bar is None else f"<= {bar:g} {unit}",
        "holds": bar is None or ours <= bar,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for step, usage in measure(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else SERVERS).items():
            print(f"{step}: {usage.seconds:.1f} s, {usage.cpu_s:.1f} s of CPU, {usage.mib:.0f} MiB")
