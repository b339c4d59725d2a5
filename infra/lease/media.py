"""Virtual media of a BMC: an installer's image in a virtual CD, and the seed of cloud-init in a drive beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.lease.errors import NoMediaDrive
from infra.lease.redfish import Bmc

Drive = dict[str, Any]

INSTALLER = ("CD", "DVD")
SEED = ("USBStick", "Floppy", "CD", "DVD")
"""Kinds of media (VirtualMedia schema, MediaTypes) that a drive must take, the better ones first."""


async def media_drives(bmc: Bmc, system: dict[str, Any]) -> list[Drive]:
    """The virtual drives of the system, or of its manager in services that keep them there."""
    if link := system.get("VirtualMedia"):
        return await bmc.members(link)
    manager = await bmc.first(system.get("Links", {}).get("ManagedBy"))
    return await bmc.members(manager.get("VirtualMedia"))


async def insert(bmc: Bmc, drives: Sequence[Drive], image: str, kinds: Sequence[str]) -> Drive:
    """See that `image` is in one of the drives that take one of `kinds`; that drive. Raises NoMediaDrive."""
    fitting = [drive for drive in drives if _rank(drive, kinds) < len(kinds)]
    if holding := next((drive for drive in fitting if drive.get("Image") == image), None):
        return holding
    if not fitting:
        raise NoMediaDrive(bmc.server, " or ".join(kinds))
    chosen = min(fitting, key=lambda drive: _rank(drive, kinds))
    if chosen.get("Image"):
        await eject(bmc, chosen)
    body = {"Image": image, "Inserted": True, "WriteProtected": True}
    if target := _target(chosen, "#VirtualMedia.InsertMedia"):
        await bmc.send("POST", target, body)
    else:  # services before VirtualMedia v1.2 take the image as a property
        await bmc.send("PATCH", chosen["@odata.id"], body)
    return chosen


async def eject(bmc: Bmc, drive: Drive) -> None:
    """Empty a virtual drive."""
    if target := _target(drive, "#VirtualMedia.EjectMedia"):
        await bmc.send("POST", target, {})
    else:
        await bmc.send("PATCH", drive["@odata.id"], {"Image": None, "Inserted": False})


async def eject_all(bmc: Bmc, system: dict[str, Any], images: Sequence[str]) -> None:
    """Empty the drives that hold one of these images; what others put in stays."""
    for drive in await media_drives(bmc, system):
        if drive.get("Image") in images:
            await eject(bmc, drive)


def _rank(drive: Drive, kinds: Sequence[str]) -> int:
    takes = set(drive.get("MediaTypes") or ())
    return next((at for at, kind in enumerate(kinds) if kind in takes), len(kinds))


def _target(drive: Drive, action: str) -> str:
    return str(((drive.get("Actions") or {}).get(action) or {}).get("target") or "")
