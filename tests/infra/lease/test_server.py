"""Leased servers against a real Redfish service: taking, keeping, watching and giving back, through faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from infra.engine.rack import rack_spec
from infra.lease.errors import (
    BmcFailing,
    BmcNonsense,
    BmcRefused,
    BmcUnreachable,
    BmcUntrusted,
    LeaseError,
    NoSuchSystem,
    NotAccepted,
    PowerNotProven,
)
from infra.lease.inputs import server_inputs
from infra.lease.model import BmcPlace, ServerInputs, system_id
from infra.lease.records import read_erasures
from infra.lease.redfish import pool
from infra.lease.retry import Patience
from infra.lease.server import Servers
from infra.network.addresses import address_plan
from infra.rack.spec import RackSpec
from tests.infra import plans
from tests.infra.paper import PaperRack

WORKER = "primary-worker-01"
QUICK = Patience(
    connect_s=5,
    answer_s=5,
    first_pause_s=0.02,
    longest_pause_s=0.2,
    request_s=2,
    read_s=0.5,
    power_s=3,
    graceful_off_s=2,
    resend_s=1,
    confirm_s=0.05,
    erase_s=10,
)
T = TypeVar("T")


def wanted(rack: PaperRack, name: str = WORKER, **changes: Any) -> dict[str, Any]:
    """The inputs of a server of the rack, as the engine would hand them over."""
    plan = plans.plan(phases=1)
    addresses = address_plan(plan, "rack", str(rack.spec.supernet))
    place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(name))
    made = server_inputs(plan, [name], "paper", addresses, lambda _: place, racks_per_site=2)[0]
    return {**made.model_dump(mode="json", by_alias=True, exclude_none=True), **changes}


def run(rack: PaperRack, work: Callable[[Servers], Awaitable[T]], patience: Patience = QUICK, **settings: Any) -> T:
    """One operation on a fresh pool of connections, as a fresh plugin process would do it."""

    async def inner() -> T:
        connect = settings.pop("connect", lambda: rack.pool(patience))
        async with connect() as http:
            return await work(Servers(http, patience, **settings))

    return asyncio.run(inner())


def create(rack: PaperRack, patience: Patience = QUICK, **changes: Any) -> dict[str, Any]:
    said: list[str] = []
    _, state = run(rack, lambda servers: servers.create(wanted(rack, **changes), said.append), patience)
    return state


def test_create_accepts_powers_on_and_describes(rack: PaperRack) -> None:
    boots = rack.seen()[WORKER]["boots"]
    state = create(rack)
    assert state["state"] == "provisioned"
    assert state["hardware"]["cores"] == plans.SKU.cores
    assert state["hardware"]["memoryGib"] == plans.SKU.memory_gib
    assert len(state["hardware"]["diskGb"]) == plans.SKU.disks
    assert len(state["hardware"]["nicMacs"]) == plans.SKU.nics
    assert state["unverified"] == []
    assert rack.seen()[WORKER]["power"] == "On"
    assert rack.seen()[WORKER]["boots"] == boots + 1


def test_create_twice_adopts_and_powers_once(rack: PaperRack) -> None:
    before = rack.seen()[WORKER]
    assert create(rack) == create(rack)
    after = rack.seen()[WORKER]
    assert after["boots"] == before["boots"] + 1
    assert sum(after["requests"].values()) == sum(before["requests"].values()) + 1


def test_shortfalls_are_all_named_and_nothing_is_powered(rack: PaperRack) -> None:
    promised = {**wanted(rack)["sku"], "cores": 64, "memoryGib": 512, "disks": 4, "diskGb": 1920, "nicGbitS": 100}
    promised |= {"bios": "1.10.0", "bmcFirmware": "2.11"}
    with pytest.raises(NotAccepted) as caught:
        create(rack, sku=promised)
    for words in (
        "32 cores instead of 64",
        "256 GiB",
        "2 disks instead of 4",
        "1920 GB",
        "slower than 100 Gbit/s",
        "BIOS 1.4.2 instead of 1.10.0 or later",
        "BMC firmware 1.00 instead of 2.11 or later",
        WORKER,
    ):
        assert words in str(caught.value)
    assert rack.seen()[WORKER]["power"] == "Off"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "status", "status": 503, "times": 3},
        {"kind": "garbage", "times": 2},
        {"kind": "drop", "times": 2},
        {"kind": "late", "delay_s": 0.3, "times": 2},
        {"kind": "status", "status": 500, "method": "POST", "times": 1},
        {"kind": "drop", "method": "POST", "times": 1},
        {"kind": "drop_after", "method": "POST", "times": 1},
        {"kind": "deaf", "times": 1},
        {"kind": "blind"},
        {"kind": "claims_on"},
        {"kind": "status", "status": 500, "method": "PATCH", "times": 1},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_passing_faults_are_waited_out_and_power_comes_once(rack: PaperRack, fault: dict[str, Any]) -> None:
    boots = rack.seen()[WORKER]["boots"]
    rack.faults({**fault, "system": rack.system(WORKER)})
    assert create(rack)["state"] == "provisioned"
    assert rack.seen()[WORKER]["boots"] == boots + 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 500}, BmcFailing),
        ({"kind": "garbage"}, BmcNonsense),
        ({"kind": "drop"}, BmcUnreachable),
        ({"kind": "status", "status": 401}, BmcRefused),
        ({"kind": "status", "status": 404}, NoSuchSystem),
        ({"kind": "late", "delay_s": 8}, BmcUnreachable),
        ({"kind": "deaf"}, PowerNotProven),
    ],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_lasting_faults_name_the_server_and_a_remedy(
    rack: PaperRack, fault: dict[str, Any], error: type[LeaseError]
) -> None:
    boots = rack.seen()[WORKER]["boots"]
    rack.faults({**fault, "system": rack.system(WORKER)})
    with pytest.raises(error) as caught:
        create(rack, patience=replace(QUICK, answer_s=0.5))
    assert WORKER in caught.value.message
    assert caught.value.remedy
    assert (rack.seen()[WORKER]["power"], rack.seen()[WORKER]["boots"]) == ("Off", boots)


def test_power_that_is_only_claimed_is_not_believed(rack: PaperRack) -> None:
    boots = rack.seen()[WORKER]["boots"]
    rack.faults(*({"kind": kind, "system": rack.system(WORKER)} for kind in ("claims_on", "deaf")))
    with pytest.raises(PowerNotProven, match=f"{WORKER}.*shows On, but None as its boot progress"):
        create(rack)
    assert rack.seen()[WORKER]["boots"] == boots


def test_wrong_credentials_are_tried_once(rack: PaperRack) -> None:
    asked: list[str] = []

    async def work(servers: Servers) -> object:
        return await servers.create(wanted(rack), asked.append)

    with pytest.raises(BmcRefused):
        run(rack, work, connect=lambda: pool(rack.username, "wrong", rack.ca_file, QUICK))
    assert asked == []


def test_an_unknown_authority_gets_no_credentials(rack: PaperRack) -> None:
    with pytest.raises(BmcUntrusted):
        run(
            rack,
            lambda servers: servers.create(wanted(rack), lambda _: None),
            connect=lambda: pool(rack.username, rack.password, "", QUICK),
        )


def test_read_shows_power_that_was_cut_outside(rack: PaperRack) -> None:
    state = create(rack)
    rack.set_power(WORKER, "Off")
    identity = system_id(BmcPlace.model_validate(state["bmc"]))
    found = run(rack, lambda servers: servers.read(identity, state, lambda _: None))
    assert found is not None
    inputs, now = found
    assert (inputs["power"], now["power"], now["state"]) == ("Off", "Off", "accepted")


def test_a_part_that_is_missing_does_not_make_the_server_gone(rack: PaperRack) -> None:
    state = create(rack)
    rack.faults({"kind": "status", "status": 404, "path_end": "/Storage", "system": rack.system(WORKER)})
    identity = system_id(BmcPlace.model_validate(state["bmc"]))
    found = run(rack, lambda servers: servers.read(identity, state, lambda _: None))
    assert found is not None
    assert "404" in found[1]["fault"]


def test_a_controller_that_expands_nothing_is_asked_one_by_one(rack: PaperRack) -> None:
    state = create(rack)
    rack.faults({"kind": "no_expand", "system": rack.system(WORKER)})
    assert create(rack)["hardware"] == state["hardware"]


def test_a_running_system_is_in_service_and_a_stopped_one_is_not(rack: PaperRack) -> None:
    state = create(rack)
    identity = system_id(BmcPlace.model_validate(state["bmc"]))

    def read(before: dict[str, Any]) -> dict[str, Any]:
        found = run(rack, lambda servers: servers.read(identity, before, lambda _: None))
        assert found is not None
        return found[1]

    serving = read(state)
    assert serving["state"] == "in service"
    assert read(serving) == serving
    rack.set_power(WORKER, "Off")
    assert read(serving)["state"] == "accepted"


def test_a_controller_that_cannot_be_read_leaves_the_state_and_says_why(rack: PaperRack) -> None:
    state = create(rack)
    rack.faults({"kind": "status", "status": 401, "system": rack.system(WORKER)})
    identity = system_id(BmcPlace.model_validate(state["bmc"]))
    found = run(rack, lambda servers: servers.read(identity, state, lambda _: None))
    assert found is not None
    assert "refuses the credentials" in found[1]["fault"]
    assert found[1] | {"fault": ""} == state
    rack.faults()
    mended = run(rack, lambda servers: servers.update(found[1], wanted(rack), lambda _: None))
    assert mended["fault"] == ""


def test_hardware_that_shrank_is_seen(rack: PaperRack) -> None:
    state = create(rack)
    rack.faults(
        {"kind": "other", "system": rack.system(WORKER), "shows": {"MemorySummary": {"TotalSystemMemoryGiB": 128}}}
    )
    identity = system_id(BmcPlace.model_validate(state["bmc"]))
    found = run(rack, lambda servers: servers.read(identity, state, lambda _: None))
    assert found is not None
    assert found[1]["shortfalls"] == ["128 GiB of memory instead of 256"]


def test_a_server_on_order_is_not_asked_and_comes_when_it_is_delivered(rack: PaperRack) -> None:
    rack.faults({"kind": "status", "status": 500, "system": rack.system(WORKER)})
    ordered = create(rack, delivered=False)
    assert (ordered["state"], ordered["hardware"].get("cores")) == ("ordered", None)
    run(rack, lambda servers: servers.delete(ordered, lambda _: None))
    rack.faults()
    taken = run(rack, lambda servers: servers.update(ordered, wanted(rack), lambda _: None))
    assert (taken["state"], rack.seen()[WORKER]["power"]) == ("provisioned", "On")
    gone = run(rack, lambda servers: servers.update(taken, wanted(rack, delivered=False), lambda _: None))
    assert (gone["state"], rack.seen()[WORKER]["power"]) == ("ordered", "Off")
    assert [record.server for _, record in read_erasures("paper")] == [WORKER]


def boot_plan(folder: Path, method: str) -> dict[str, Any]:
    return {
        "method": method,
        "image": "" if method == "pxe" else "https://boot.oss.internal/installer.iso",
        "seedDir": str(folder),
        "seedUrl": "https://boot.oss.internal/seeds/",
        "user": "ops",
        "sshKeys": ["ssh-ed25519 AAAA operator"],
        "domain": "oss.internal",
        "interfaces": [{"network": "cluster", "vlan": 102, "address": "10.20.2.31/24", "gateway": "10.20.2.1"}],
    }


def test_virtual_media_install_once_with_a_seed(rack: PaperRack, tmp_path: Path) -> None:
    before = rack.seen()[WORKER]["boots"]
    state = create(rack, boot=boot_plan(tmp_path / "seeds", "media"))
    seen = rack.seen()[WORKER]
    assert (seen["last_boot"], seen["boot_target"], seen["boots"]) == ("Cd", "None", before + 1)
    assert seen["media"]["Cd"]["Image"] == "https://boot.oss.internal/installer.iso"
    assert seen["media"]["Floppy"]["Image"] == f"https://boot.oss.internal/seeds/{WORKER}/seed.iso"
    # Again, as after a kill: adopted, not installed twice.
    assert create(rack, boot=boot_plan(tmp_path / "seeds", "media")) == state
    assert rack.seen()[WORKER]["boots"] == before + 1
    # The system runs, so the next change takes the media out.
    new = wanted(rack, boot=boot_plan(tmp_path / "seeds", "media"), identify=True)
    run(rack, lambda servers: servers.update(state, new, lambda _: None))
    assert not any(drive["Inserted"] for drive in rack.seen()[WORKER]["media"].values())
    assert rack.seen()[WORKER]["indicator"] == "Lit"


@pytest.mark.parametrize(("method", "target"), [("pxe", "Pxe"), ("http", "UefiHttp")])
def test_network_boot_finds_the_seed_by_the_interface(
    rack: PaperRack, tmp_path: Path, method: str, target: str
) -> None:
    state = create(rack, boot=boot_plan(tmp_path / "seeds", method))
    assert rack.seen()[WORKER]["last_boot"] == target
    mac = state["hardware"]["nicMacs"][0].replace(":", "-")
    assert "local-hostname: primary-worker-01" in (tmp_path / "seeds" / "mac" / mac / "meta-data").read_text()


def test_read_of_a_system_that_is_gone(rack: PaperRack) -> None:
    place = BmcPlace(url=rack.spec.bmc_url, system="00000000-0000-0000-0000-000000000000")
    assert run(rack, lambda servers: servers.read(system_id(place), {}, lambda _: None)) is None


def test_import_needs_the_address_alone(rack: PaperRack) -> None:
    place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(WORKER))
    found = run(rack, lambda servers: servers.read(system_id(place), {}, lambda _: None))
    assert found is not None
    assert found[0]["bmc"] == place.model_dump(by_alias=True)
    assert (found[0]["server"], found[0]["imported"]) == (WORKER, True)
    assert found[1]["hardware"]["cores"] == plans.SKU.cores


def test_update_powers_and_lights(rack: PaperRack) -> None:
    state = create(rack)
    new = wanted(rack, power="Off", identify=True)
    now = run(rack, lambda servers: servers.update(state, new, lambda _: None))
    assert now["state"] == "accepted"
    assert rack.seen()[WORKER]["power"] == "Off"


def test_delete_leaves_power_off_and_a_record(rack: PaperRack, tmp_path: Path) -> None:
    state = create(rack)
    run(rack, lambda servers: servers.delete(state, lambda _: None))
    assert rack.seen()[WORKER]["power"] == "Off"
    (path,) = (tmp_path / "state" / "paper" / "records" / "erasure").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    record = json.loads(path.read_text())
    assert record["server"] == WORKER
    assert [drive["method"] for drive in record["drives"]] == ["SecureErase"] * plans.SKU.disks
    assert set(rack.seen()[WORKER]["erased"]) == {"0", "1"}


def test_an_eraser_image_erases_what_offers_no_erasure(rack: PaperRack) -> None:
    rack.faults({"kind": "no_erase", "system": rack.system(WORKER)})
    state = create(rack)
    run(
        rack, lambda servers: servers.delete(state, lambda _: None), eraser_image="https://boot.oss.internal/eraser.iso"
    )
    seen = rack.seen()[WORKER]
    assert (seen["power"], seen["last_boot"], "all" in seen["erased"]) == ("Off", "Cd", True)
    assert not seen["media"]["Cd"]["Inserted"]
    ((_, record),) = read_erasures("paper")
    assert {drive.method for drive in record.drives} == {"eraser image"}
    assert record.complete


def test_a_machine_declared_lost_is_released_with_the_reason(rack: PaperRack) -> None:
    state = create(rack)
    rack.faults({"kind": "drop", "system": rack.system(WORKER)})
    reason = "Siti Rahma: burnt out, drives shredded on 3 May"
    lost = {system_id(BmcPlace.model_validate(state["bmc"])): reason}
    run(rack, lambda servers: servers.delete(state, lambda _: None), lost=lost)
    ((_, record),) = read_erasures("paper")
    assert (record.remark, record.complete) == (reason, False)
    assert record.hardware.serial == state["hardware"]["serial"]


def test_delete_refuses_to_release_what_it_cannot_erase(rack: PaperRack, tmp_path: Path) -> None:
    rack.faults({"kind": "no_erase", "system": rack.system(WORKER)})
    state = create(rack)
    with pytest.raises(LeaseError, match="offer no erasure"):
        run(rack, lambda servers: servers.delete(state, lambda _: None))
    assert not (tmp_path / "state" / "paper" / "records").exists()
    run(rack, lambda servers: servers.delete(state, lambda _: None), erase="record")
    ((_, record),) = read_erasures("paper")
    assert {drive.method for drive in record.drives} == {"by hand"}


def test_delete_of_a_system_that_is_gone_is_done(rack: PaperRack) -> None:
    state = {**wanted(rack), "state": "provisioned"}
    state["bmc"] = {**state["bmc"], "system": "00000000-0000-0000-0000-000000000000"}
    run(rack, lambda servers: servers.delete(state, lambda _: None))


def test_one_failing_server_does_not_hold_up_the_others(rack: PaperRack) -> None:
    rack.faults({"kind": "status", "status": 500, "system": rack.system(WORKER)})

    async def all_of_them(servers: Servers) -> list[object]:
        work = (servers.create(wanted(rack, name), lambda _: None) for name in rack.seen())
        return await asyncio.gather(*work, return_exceptions=True)

    results = run(rack, all_of_them)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in failed] == [BmcFailing]
    assert sorted(item["power"] for item in rack.seen().values()) == ["Off", *["On"] * (len(results) - 1)]


def test_a_link_elsewhere_is_not_followed(rack: PaperRack) -> None:
    from infra.lease.redfish import Bmc

    async def work(servers: Servers) -> None:
        place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(WORKER))
        bmc = Bmc(servers.http, asyncio.Semaphore(1), WORKER, place, QUICK, lambda _: None)
        await bmc.get("https://127.0.0.1:1/redfish/v1/Systems/x")

    with pytest.raises(BmcNonsense, match="another place"):
        run(rack, work, patience=Patience(request_s=0.1, first_pause_s=1))


def test_inputs_follow_the_plan(rack: PaperRack) -> None:
    made = ServerInputs.model_validate(wanted(rack))
    assert made.leases[0].months == 24
    assert made.addresses == {"cluster": str(rack.spec.server(WORKER).address)}
    assert isinstance(
        rack_spec("paper", plans.plan(), plans.plan().deployment(1, "rack"), address_plan(plans.plan(), "rack")),
        RackSpec,
    )
