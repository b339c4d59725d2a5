"""Our client and sushy, an independent one, report the same of the same controller."""

from __future__ import annotations

import asyncio

import sushy
import sushy.auth

from infra.lease.contract import Hardware
from infra.lease.model import BmcPlace
from infra.lease.redfish import Bmc
from infra.lease.retry import Patience
from tests.infra.paper import PaperRack

PATIENCE = Patience()


def by_us(rack: PaperRack, name: str) -> tuple[str, Hardware]:
    async def read() -> tuple[str, Hardware]:
        async with rack.pool(PATIENCE) as http:
            place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(name))
            bmc = Bmc(http, asyncio.Semaphore(4), name, place, PATIENCE, lambda _: None)
            system = await bmc.system()
            return str(system["PowerState"]), await bmc.hardware(system)

    return asyncio.run(read())


def by_sushy(rack: PaperRack, name: str) -> tuple[str, Hardware]:
    trust = sushy.auth.BasicAuth(rack.username, rack.password)
    root = sushy.Sushy(f"{rack.spec.bmc_url}/redfish/v1", verify=rack.ca_file, auth=trust)
    system = root.get_system(f"/redfish/v1/Systems/{rack.system(name)}")
    nics = system.ethernet_interfaces.get_members()
    drives = [drive for storage in system.storage.get_members() for drive in storage.drives]
    return str(system.power_state.value), Hardware(
        cores=sum(processor.total_cores for processor in system.processors.get_members()),
        memory_gib=system.memory_summary.size_gib,
        disk_gb=tuple(drive.capacity_bytes / 1e9 for drive in drives),
        nic_macs=tuple(sorted(nic.mac_address for nic in nics)),
        nic_gbit_s=tuple(nic.speed_mbps / 1000 for nic in nics),
        serial=system.serial_number,
        manufacturer=system.manufacturer,
        model=system.model,
        bios=system.bios_version,
        bmc_firmware=system.managers[0].firmware_version,
        health=str(system.status.health.value),
    )


def test_both_clients_see_the_same(rack: PaperRack) -> None:
    rack.set_power("primary-edge-01", "On")
    for name in rack.seen():
        assert by_us(rack, name) == by_sushy(rack, name)


def test_lamp_and_boot_device_are_seen_by_the_other_client(rack: PaperRack) -> None:
    name = "primary-worker-02"

    async def change() -> None:
        async with rack.pool(PATIENCE) as http:
            place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(name))
            bmc = Bmc(http, asyncio.Semaphore(4), name, place, PATIENCE, lambda _: None)
            await bmc.identify(lit=True)
            await bmc.boot_once("Pxe")

    asyncio.run(change())
    trust = sushy.auth.BasicAuth(rack.username, rack.password)
    root = sushy.Sushy(f"{rack.spec.bmc_url}/redfish/v1", verify=rack.ca_file, auth=trust)
    system = root.get_system(f"/redfish/v1/Systems/{rack.system(name)}")
    assert system.indicator_led == sushy.IndicatorLED.LIT
    assert (system.boot.target, system.boot.enabled) == (sushy.BootSource.PXE, sushy.BootSourceOverrideEnabled.ONCE)
