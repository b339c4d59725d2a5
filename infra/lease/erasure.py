"""Erasing a server's drives before it is returned, by their own firmware or by an eraser's image."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from infra.lease.errors import NotErased
from infra.lease.media import INSTALLER, eject, insert, media_drives
from infra.lease.records import DriveErasure
from infra.lease.redfish import Bmc
from infra.lease.retry import pause_s

BY_HAND, BY_FIRMWARE, BY_IMAGE = "by hand", "SecureErase", "eraser image"
_ENDED_BADLY = frozenset({"Exception", "Killed", "Cancelled"})
_REMEDY = "Look at the BMC's event log; a drive that cannot be erased is destroyed (docs/runbooks/return.md)."


async def secure_erase(bmc: Bmc, drive: dict[str, Any]) -> bool:
    """Erase a drive by its SecureErase action and wait for its end; False when it offers none (Drive schema).

    Raises NotErased when it fails or takes longer than the patience's `erase_s`.
    """
    target = ((drive.get("Actions") or {}).get("#Drive.SecureErase") or {}).get("target")
    if not target:
        return False
    name, end = name_of(drive), time.monotonic() + bmc.patience.erase_s
    answer = await bmc.send("POST", target, {})
    monitor, attempt = answer.monitor, 0
    while answer.status == 202 and monitor:  # a task (DSP0266, "Asynchronous operations")
        attempt = await _wait(bmc, name, attempt, end)
        answer = await bmc.send("GET", monitor, None)
        monitor = answer.monitor or monitor
    if answer.data.get("TaskState") in _ENDED_BADLY:
        raise NotErased(bmc.server, f"{name}: its erasure ended as {answer.data['TaskState']}", _REMEDY)
    # Some answer at once and erase behind it; Drive v1.1 lists what is under way.
    while (await bmc.get(drive["@odata.id"])).get("Operations"):
        attempt = await _wait(bmc, name, attempt, end)
    return True


async def erase_by_image(bmc: Bmc, system: dict[str, Any], image: str) -> None:
    """Boot an eraser's image once and wait until the server switches itself off, as such images do when they are done.

    The server must be off. Raises NotErased when it is still on after the patience's `erase_s`.
    """
    drive = await insert(bmc, await media_drives(bmc, system), image, INSTALLER)
    await bmc.boot_once("Cd")
    await bmc.power("On", bmc.patience.power_s)
    end, attempt = time.monotonic() + bmc.patience.erase_s, 0
    while (await bmc.system())["PowerState"] != "Off":
        attempt = await _wait(bmc, "all drives", attempt, end)
    await eject(bmc, drive)


def erasure(drive: dict[str, Any], method: str) -> DriveErasure:
    """The line of a record for one drive."""
    return DriveErasure.model_validate(
        {
            "drive": name_of(drive),
            "model": str(drive.get("Model") or ""),
            "serial": str(drive.get("SerialNumber") or ""),
            "gb": (drive.get("CapacityBytes") or 0) / 1e9,
            "method": method,
        }
    )


def name_of(drive: dict[str, Any]) -> str:
    """What people call the drive."""
    return str(drive.get("Name") or drive.get("Id") or "drive")


async def _wait(bmc: Bmc, what: str, attempt: int, end: float) -> int:
    if time.monotonic() > end:
        raise NotErased(bmc.server, f"{what}: not erased within {bmc.patience.erase_s / 3600:g} h", _REMEDY)
    bmc.say(f"erasing {what}")
    await asyncio.sleep(pause_s(attempt + 1, bmc.patience, 0.5))
    return attempt + 1
