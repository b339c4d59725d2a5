"""Racks of the tests' own: a name, a network and folders that no other run on this machine uses."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from capacity.leaseplan import Role, Sku
from capacity.progress import Silent
from infra import rack
from infra.rack import RackHandle, RackServer, RackSpec, cleanup
from infra.rack.machine import REQUIRED_PROGRAMS, find_program
from tests.infra.paper import free_supernet

SKU = Sku(
    id="srv-40c",
    description="two sockets",
    cores=40,
    memory_gib=128,
    disks=2,
    disk_gb=960,
    nics=2,
    nic_gbit_s=25,
    rack_units=1,
    power_w=500,
)


def server(name: str, host: int, supernet: str, role: Role = "worker") -> RackServer:
    """A server at `<supernet>.2.<host>`."""
    network = ipaddress.IPv4Network(supernet)
    return RackServer(name=name, role=role, sku=SKU, address=network.network_address + 512 + host, asset_tag="lease-7")


@dataclass
class Machine:
    """What a test asks of a standing rack from outside."""

    handle: RackHandle

    def ssh(self, name: str, command: str, check: bool = True) -> str:
        """Run a command on a server by a client that checks host keys strictly; returns what it said."""
        words = ["ssh", "-F", str(self.handle.ssh_config), "-o", "ConnectTimeout=5", name, command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def rack_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of the module's own."""
    if os.geteuid() != 0 or any(find_program(name) is None for name in REQUIRED_PROGRAMS):
        pytest.skip("a rack needs root and its container tools (see `oss doctor`)")
    home = tmp_path_factory.mktemp("state")
    before = os.environ.get("OSS_STATE")
    os.environ["OSS_STATE"] = str(home)
    yield home
    if before is None:
        del os.environ["OSS_STATE"]
    else:
        os.environ["OSS_STATE"] = before


@pytest.fixture(scope="module")
def rack_spec(rack_home: Path) -> Iterator[RackSpec]:
    """Three servers of a rack that is taken away at the end, whatever happened."""
    supernet = free_supernet()
    name = f"test{os.getpid()}"
    servers = (
        server("control-1", 11, supernet, "control"),
        server("worker-1", 31, supernet),
        server("edge-1", 71, supernet, "edge"),
    )
    yield RackSpec(name=name, supernet=ipaddress.IPv4Network(supernet), servers=servers)
    rack.down(name, Silent())
    assert list(cleanup.leftovers(name)) == []
