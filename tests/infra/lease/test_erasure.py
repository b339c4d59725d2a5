"""Erasure as a task that a controller reports on: waited for, failing, or never ending."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.lease.erasure import secure_erase
from infra.lease.errors import NoMediaDrive, NotErased
from infra.lease.media import INSTALLER, SEED, insert
from infra.lease.model import BmcPlace
from infra.lease.redfish import Bmc, second_sign
from infra.lease.retry import Patience

QUICK = Patience(first_pause_s=0.001, longest_pause_s=0.002, request_s=0.5, erase_s=0.3)
DRIVE: dict[str, Any] = {
    "@odata.id": "/redfish/v1/Drives/1",
    "Name": "Drive 1",
    "Actions": {"#Drive.SecureErase": {"target": "/redfish/v1/Drives/1/Erase"}},
}


def erased(tasks: Iterator[httpx.Response], operations: Iterator[list[Any]] | None = None) -> bool:
    """Erase against a controller that answers the task and the drive like this, one after the other."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "/redfish/v1/Tasks/7"}, json={"TaskState": "Running"})
        if request.url.path.endswith("/Tasks/7"):
            return next(tasks)
        return httpx.Response(200, json={**DRIVE, "Operations": next(operations, []) if operations else []})

    async def work() -> bool:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            place = BmcPlace(url="https://bmc", system="1")
            return await secure_erase(Bmc(http, asyncio.Semaphore(1), "server-1", place, QUICK, lambda _: None), DRIVE)

    return asyncio.run(work())


def running() -> httpx.Response:
    return httpx.Response(202, json={"TaskState": "Running"})


def test_a_task_is_waited_for_and_so_is_what_goes_on_behind_it() -> None:
    left = iter([[{"OperationName": "Sanitize"}], []])
    assert erased(iter([running(), running(), httpx.Response(200, json={"TaskState": "Completed"})]), left)
    assert next(left, None) is None


def test_a_task_that_fails_keeps_the_server() -> None:
    with pytest.raises(NotErased, match="server-1: Drive 1: its erasure ended as Exception"):
        erased(iter([running(), httpx.Response(200, json={"TaskState": "Exception"})]))


def test_a_task_that_never_ends_is_given_up() -> None:
    with pytest.raises(NotErased, match="not erased within"):
        erased(iter(running, None))


DRIVES: list[dict[str, Any]] = [
    {"@odata.id": "/cd", "MediaTypes": ["CD", "DVD"], "Actions": {"#VirtualMedia.InsertMedia": {"target": "/cd/in"}}},
    {"@odata.id": "/usb", "MediaTypes": ["USBStick"], "Image": "https://old"},
]


def inserted(drives: list[dict[str, Any]], image: str, kinds: tuple[str, ...]) -> tuple[str, list[str]]:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(204)

    async def work() -> dict[str, Any]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            place = BmcPlace(url="https://bmc", system="1")
            bmc = Bmc(http, asyncio.Semaphore(1), "server-1", place, QUICK, lambda _: None)
            return await insert(bmc, drives, image, kinds)

    return str(asyncio.run(work())["@odata.id"]), asked


def test_an_installer_goes_into_a_cd_and_a_seed_beside_it() -> None:
    assert inserted(DRIVES, "https://new", INSTALLER) == ("/cd", ["POST /cd/in"])
    # What is in the drive is taken out first; an old service takes the image as a property.
    assert inserted(DRIVES, "https://seed", SEED) == ("/usb", ["PATCH /usb", "PATCH /usb"])
    assert inserted(DRIVES, "https://old", SEED) == ("/usb", [])  # it is there already
    with pytest.raises(NoMediaDrive, match="server-1: its BMC has no virtual drive for CD or DVD"):
        inserted(DRIVES[1:], "https://new", INSTALLER)


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
