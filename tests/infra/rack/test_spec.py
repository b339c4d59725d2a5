"""The rack's spec: what follows from an address, and what is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import BadInput
from infra.rack.bmc.inventory import drives, hardware_of, processors
from infra.rack.network import port_name
from infra.rack.spec import PortMap, RackServer, RackSpec
from tests.infra.rack.conftest import SKU, server

octets = st.integers(1, 254)


@given(octets, octets, octets)
def test_loopback_mac_and_port_name_follow_from_the_address(n: int, x: int, y: int) -> None:
    made = RackServer(name="w", role="worker", sku=SKU, address=ipaddress.IPv4Address(f"10.{n}.{x}.{y}"))
    assert {m.loopback for m in made.published} == {f"127.{n}.{x}.{y}"}
    first, *rest = (int(part, 16) for part in made.mac_address.split(":"))
    assert first & 0b11 == 0b10, "a locally administered unicast address"
    assert rest[1:] == [10, n, x, y]
    assert len(port_name(made)) <= 15


@given(st.integers(1, 512), st.integers(1, 24), st.integers(1, 8))
def test_hardware_reports_the_whole_sku(cores: int, disks: int, nics: int) -> None:
    sku = SKU.model_copy(update={"cores": cores, "disks": disks, "nics": nics})
    made = RackServer(name="w", role="worker", sku=sku, address=ipaddress.IPv4Address("10.9.2.31"))
    (hardware,) = hardware_of(RackSpec(servers=(made,))).values()
    assert sum(part["cores"] for part in processors(hardware)) == cores
    assert all(part["cores"] > 0 for part in processors(hardware))
    assert sum(drive["CapacityBytes"] for drive in drives(hardware)) == disks * sku.disk_gb * 10**9
    assert len(set(hardware.macs)) == nics
    assert hardware.macs[0] == made.mac_address


def test_ids_are_the_same_every_time_and_differ_between_racks() -> None:
    one = server("worker-1", 31, "10.91.0.0/16")
    here, there = RackSpec(name="here", servers=(one,)), RackSpec(name="there", servers=(one,))
    assert here.bmc_id(one) == here.bmc_id(one) != there.bmc_id(one)


def test_every_collision_is_named_at_once() -> None:
    one = server("worker-1", 31, "10.91.0.0/16")
    spec = RackSpec(
        name="Rack-1",
        supernet=ipaddress.IPv4Network("192.168.0.0/16"),
        servers=(one, one.model_copy(update={"name": "worker-2"}), server("worker-1", 32, "10.91.0.0/16")),
        published=(PortMap(address=one.address, port=30080, loopback_port=2222),),
    )
    with pytest.raises(BadInput) as refused:
        spec.check()
    text = str(refused.value)
    for part in ("not a rack name", "not a rack's network", "the address of worker-1", "the name of worker-1"):
        assert part in text
    assert "published twice" in text
    assert "outside the rack's" in text


def test_the_gateway_is_no_server() -> None:
    spec = RackSpec(servers=(RackServer(name="w", role="worker", sku=SKU, address=ipaddress.IPv4Address("10.91.0.1")),))
    with pytest.raises(BadInput, match="the address of the gateway"):
        spec.check()
