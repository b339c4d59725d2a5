"""Acceptance: what the lease promises against what the BMC reports. Pure functions over two typed records."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from infra.lease.model import Record, SkuContract

DISK_TOLERANCE = 0.99
"""Drives of one nominal size differ by less than a percent between makers (IDEMA LBA1-03 fixes the sector counts)."""


class Hardware(Record):
    """What a BMC reports of its system. None and empty texts mean that it reports nothing on the matter."""

    cores: int | None = None
    memory_gib: float | None = None
    disk_gb: tuple[float, ...] | None = Field(default=None, description="capacity of each drive, decimal gigabytes")
    nic_macs: tuple[str, ...] | None = None
    nic_gbit_s: tuple[float, ...] = Field(default=(), description="speed of each interface that reports one")
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    bios: str = ""
    bmc_firmware: str = ""
    health: str = Field(default="", description="the BMC's own verdict: OK, Warning or Critical")


def shortfalls(contract: SkuContract, found: Hardware) -> tuple[str, ...]:
    """Every item in which the hardware is less than the contract, in words; empty when it meets it. More is welcome."""
    return tuple(_shortfalls(contract, found))


def _shortfalls(contract: SkuContract, found: Hardware) -> Iterator[str]:
    if found.cores is not None and found.cores < contract.cores:
        yield f"{found.cores} cores instead of {contract.cores}"
    if found.memory_gib is not None and found.memory_gib < contract.memory_gib:
        yield f"{found.memory_gib:g} GiB of memory instead of {contract.memory_gib}"
    if found.disk_gb is not None:
        if len(found.disk_gb) < contract.disks:
            yield f"{len(found.disk_gb)} disks instead of {contract.disks}"
        largest = sorted(found.disk_gb, reverse=True)[: contract.disks]
        small = [size for size in largest if size < contract.disk_gb * DISK_TOLERANCE]
        if small:
            sizes = ", ".join(f"{size:.0f}" for size in small)
            yield f"{len(small)} of its disks smaller than {contract.disk_gb} GB ({sizes} GB)"
    if found.nic_macs is not None and len(found.nic_macs) < contract.nics:
        yield f"{len(found.nic_macs)} network interfaces instead of {contract.nics}"
    slow = [speed for speed in found.nic_gbit_s[: contract.nics] if speed < contract.nic_gbit_s]
    if slow:
        speeds = ", ".join(f"{speed:g}" for speed in slow)
        yield f"{len(slow)} network interfaces slower than {contract.nic_gbit_s:g} Gbit/s ({speeds})"
    for what, least, has in (
        ("BIOS", contract.bios, found.bios),
        ("BMC firmware", contract.bmc_firmware, found.bmc_firmware),
    ):
        if least and has and version(has) < version(least):
            yield f"{what} {has} instead of {least} or later"
    if found.health == "Critical":
        yield "its BMC reports the health of the hardware as Critical"


def version(text: str) -> tuple[tuple[int, int, str], ...]:
    """A firmware version for comparison: numbers by value, words by spelling and before any number."""
    parts = re.findall(r"\d+|[a-z]+", text.lower())
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def unverified(found: Hardware) -> tuple[str, ...]:
    """The items of the contract on which the BMC reports nothing, so that acceptance could not judge them."""
    items = {
        "cores": found.cores,
        "memory": found.memory_gib,
        "disks": found.disk_gb,
        "network interfaces": found.nic_macs,
        "network speed": found.nic_gbit_s,
        "firmware": found.bios or found.bmc_firmware,
    }
    # Interfaces without a link report no speed, so an empty list says as little as none.
    return tuple(
        item for item, value in items.items() if value in (None, "") or (item == "network speed" and not value)
    )
