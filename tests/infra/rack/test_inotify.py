"""A rack that the machine's inotify limit cannot carry is refused before anything is made."""

from __future__ import annotations

import ctypes
import ipaddress
import os
from pathlib import Path

import pytest

from capacity.faults import MachineLacks
from capacity.leaseplan import Role, Sku
from infra.rack.inotify import check_inotify, instances
from infra.rack.spec import RackServer

SKU = Sku(
    id="s",
    description="s",
    cores=8,
    memory_gib=64,
    disks=2,
    disk_gb=960,
    nics=2,
    nic_gbit_s=10,
    rack_units=1,
    power_w=300,
)


def server(role: Role, number: int) -> RackServer:
    return RackServer(name=f"{role}-{number}", role=role, sku=SKU, address=ipaddress.IPv4Address(f"10.96.2.{number}"))


def test_refused_with_the_figures_and_the_remedy() -> None:
    servers = [server("worker", 31), server("worker", 32), server("edge", 11)]
    check_inotify(servers, limit=128, used=93)
    with pytest.raises(MachineLacks, match=r"35 inotify instances; of the machine's 128 94 are in use") as refused:
        check_inotify(servers, limit=128, used=94)
    assert "max_user_instances" in refused.value.remedy


def test_instances_of_a_process_are_counted() -> None:
    own = Path("/proc/self").resolve()
    before = instances([own])
    descriptor = ctypes.CDLL(None, use_errno=True).inotify_init1(0)
    try:
        assert instances([own]) == before + 1
    finally:
        os.close(descriptor)
