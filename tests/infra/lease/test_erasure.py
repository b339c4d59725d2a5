"""Erasure as a task that a controller reports on: waited for, failing, or never ending."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.lease.erasure import secure_erase
from infra.lease.errors import NoMediaDrive, NotErased
from infra.lease.media import INSTALLER, SEED, insert
from infra.lease.redfish import second_sign
from infra.lease.retry import Patience
from tests.infra.lease.wire import bmc, reply, wire

QUICK = Patience(first_pause_s=0.001, longest_pause_s=0.002)
SOON = replace(QUICK, erase_s=0.3)
DRIVE: dict[str, Any] = {
    "@odata.id": "/redfish/v1/Drives/1",
    "Name": "Drive 1",
    "Actions": {"#Drive.SecureErase": {"target": "/redfish/v1/Drives/1/Erase"}},
}


RUNNING = reply(202, {"TaskState": "Running"})


def erased(
    folder: Path, tasks: Iterator[bytes], operations: Iterator[list[Any]] | None = None, patience: Patience = QUICK
) -> bool:
    """Erase against a controller that answers the task and the drive like this, one after the other."""

    def answer(method: str, path: str) -> bytes:
        if method == "POST":
            return reply(202, {"TaskState": "Running"}, Location="/redfish/v1/Tasks/7")
        if path.endswith("/Tasks/7"):
            return next(tasks)
        return reply(200, {**DRIVE, "Operations": next(operations, []) if operations else []})

    async def work() -> bool:
        async with wire(folder, answer) as at, at.pool() as http:
            return await secure_erase(bmc(http, at.place, patience), DRIVE)

    return asyncio.run(work())


def test_a_task_is_waited_for_and_so_is_what_goes_on_behind_it(tmp_path: Path) -> None:
    left = iter([[{"OperationName": "Sanitize"}], []])
    assert erased(tmp_path, iter([RUNNING, RUNNING, reply(200, {"TaskState": "Completed"})]), left)
    assert next(left, None) is None


def test_a_task_that_fails_keeps_the_server(tmp_path: Path) -> None:
    with pytest.raises(NotErased, match="server-1: Drive 1: its erasure ended as Exception"):
        erased(tmp_path, iter([RUNNING, reply(200, {"TaskState": "Exception"})]))


def test_a_task_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(NotErased, match="not erased within"):
        erased(tmp_path, itertools.repeat(RUNNING), patience=SOON)


DRIVES: list[dict[str, Any]] = [
    {"@odata.id": "/cd", "MediaTypes": ["CD", "DVD"], "Actions": {"#VirtualMedia.InsertMedia": {"target": "/cd/in"}}},
    {"@odata.id": "/usb", "MediaTypes": ["USBStick"], "Image": "https://old"},
]


def inserted(folder: Path, drives: list[dict[str, Any]], image: str, kinds: tuple[str, ...]) -> tuple[str, list[str]]:
    async def work() -> tuple[str, list[str]]:
        async with wire(folder, lambda *_: reply(204)) as at, at.pool() as http:
            drive = await insert(bmc(http, at.place, QUICK), drives, image, kinds)
            return str(drive["@odata.id"]), at.heard

    return asyncio.run(work())


def test_an_installer_goes_into_a_cd_and_a_seed_beside_it(tmp_path: Path) -> None:
    assert inserted(tmp_path, DRIVES, "https://new", INSTALLER) == ("/cd", ["POST /cd/in"])
    # What is in the drive is taken out first; an old service takes the image as a property.
    assert inserted(tmp_path, DRIVES, "https://seed", SEED) == ("/usb", ["PATCH /usb", "PATCH /usb"])
    assert inserted(tmp_path, DRIVES, "https://old", SEED) == ("/usb", [])  # it is there already
    with pytest.raises(NoMediaDrive, match="server-1: its BMC has no virtual drive for CD or DVD"):
        inserted(tmp_path, DRIVES[1:], "https://new", INSTALLER)


@pytest.mark.parametrize(
    ("shown", "wanted", "sign"),
    [
        ({"BootProgress": {"LastState": "OSRunning"}}, "On", True),
        ({"BootProgress": {"LastState": "MemoryInitializationStarted"}}, "On", True),
        ({"BootProgress": {"LastState": "None"}}, "On", False),
        ({"BootProgress": {}}, "On", False),
        ({}, "On", None),
        ({"BootProgress": {"LastState": "OSRunning"}}, "Off", None),
    ],
)
def test_what_counts_as_a_second_sign(shown: dict[str, Any], wanted: Any, sign: bool | None) -> None:
    assert second_sign(shown, wanted) is sign
