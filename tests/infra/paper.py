"""A rack on paper for tests: a real Redfish service over TLS, servers in its books alone, faults at will."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from capacity.documents import REPOSITORY
from infra.lease.redfish import pool, tls
from infra.lease.retry import Patience
from infra.rack.keys import bmc_access
from infra.rack.spec import BMC_PORT, RackSpec
from infra.rack.state import spec_file, write_spec

START_S = 60.0


@dataclass(frozen=True, slots=True)
class PaperRack:
    """A running service. `seen` and `fault` speak to its control pages, unseen by what is tested."""

    spec: RackSpec
    username: str
    password: str
    ca_file: str
    state: Path
    _http: httpx.Client

    def seen(self) -> dict[str, dict[str, Any]]:
        """Server name → what its controller knows: power, boots, requests by kind."""
        systems = self._http.get("/_paper/systems").raise_for_status().json()
        return {item["name"]: item for item in systems.values()}

    def faults(self, *rules: dict[str, Any]) -> None:
        """Replace all faults (`infra.rack.bmc.faults.FaultRule`); without rules: none."""
        self._http.put("/_paper/faults", json=list(rules)).raise_for_status()

    def set_power(self, server: str, power: str) -> None:
        """Somebody pulls or plugs the power by hand."""
        body = {"system": self.system(server), "power": power}
        self._http.post("/_paper/power", json=body).raise_for_status()

    def system(self, server: str) -> str:
        """The id of a server's system."""
        return self.spec.bmc_id(self.spec.server(server))

    def pool(self, patience: Patience) -> aiohttp.ClientSession:
        """Connections with the right credentials and trust."""
        return pool(self.username, self.password, self.ca_file, patience)


@contextmanager
def paper_rack(spec: RackSpec, state: Path, latency_s: float = 0.0) -> Iterator[PaperRack]:
    """Serve a rack on paper until the block ends."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_spec(spec_file(state), spec)
    access = bmc_access(state, spec)
    username, password = access.read()
    command = [sys.executable, "-m", "infra.rack.bmc", "--spec", str(spec_file(state)), "--state", str(state)]
    command += ["--paper", "--latency", str(latency_s), "--rack", spec.name]
    with (state / "bmc.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with httpx.Client(
            base_url=spec.bmc_url, verify=tls(str(access.ca)), auth=(username, password), timeout=30
        ) as http:
            _await(http, process, state / "bmc.log")
            yield PaperRack(spec, username, password, str(access.ca), state, http)
    finally:
        process.terminate()
        process.wait(30)


def _await(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            http.get("/redfish/v1").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        return
    raise AssertionError(f"the paper rack did not start:\n{log.read_text()}")


def free_supernet(taken: Sequence[str] = ()) -> str:
    """A /16 whose BMC address no other rack on this machine listens on."""
    for octet in random.sample(range(100, 250), 150):
        with socket.socket() as probe:
            try:
                probe.bind((f"127.{octet}.0.2", BMC_PORT))
            except OSError:
                continue
        if f"10.{octet}.0.0/16" not in taken:
            return f"10.{octet}.0.0/16"
    raise AssertionError("no free loopback network for a rack")
