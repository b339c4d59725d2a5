"""Leased servers against a real Redfish service: taking, keeping, watching and giving back, through faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
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
from infra.lease.model import BmcPlace, ServerInputs
from infra.lease.redfish import pool
from infra.lease.retry import Patience
from infra.lease.server import Servers, system_id
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
    request_s=3,
    power_s=4,
    graceful_off_s=2,
    resend_s=1,
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
        http = settings.pop("http", None) or rack.pool(patience)
        async with http:
            return await work(Servers(http, patience, erase=settings.pop("erase", "record")))

    return asyncio.run(inner())


def create(rack: PaperRack, **changes: Any) -> dict[str, Any]:
    said: list[str] = []
    _, state = run(rack, lambda servers: servers.create(wanted(rack, **changes), said.append))
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
    with pytest.raises(NotAccepted) as caught:
        create(rack, sku=promised)
    for words in (
        "32 cores instead of 64",
        "256 GiB",
        "2 disks instead of 4",
        "1920 GB",
        "slower than 100 Gbit/s",
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
        ({"kind": "deaf"}, PowerNotProven),
    ],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_lasting_faults_name_the_server_and_a_remedy(
    rack: PaperRack, fault: dict[str, Any], error: type[LeaseError]
) -> None:
    rack.faults({**fault, "system": rack.system(WORKER)})
    with pytest.raises(error) as caught:
        create(rack)
    assert WORKER in caught.value.message
    assert caught.value.remedy
    assert rack.seen()[WORKER]["power"] == "Off"


def test_wrong_credentials_are_tried_once(rack: PaperRack) -> None:
    asked: list[str] = []

    async def work(servers: Servers) -> object:
        return await servers.create(wanted(rack), asked.append)

    with pytest.raises(BmcRefused):
        run(rack, work, http=pool(rack.username, "wrong", rack.ca_file, QUICK))
    assert asked == []


def test_an_unknown_authority_gets_no_credentials(rack: PaperRack) -> None:
    with pytest.raises(BmcUntrusted):
        run(
            rack,
            lambda servers: servers.create(wanted(rack), lambda _: None),
            http=pool(rack.username, rack.password, "", QUICK),
        )


def test_read_shows_power_that_was_cut_outside(rack: PaperRack) -> None:
    state = create(rack)
    rack.set_power(WORKER, "Off")
    identity = system_id(BmcPlace.model_validate(state["bmc"]))
    found = run(rack, lambda servers: servers.read(identity, state, lambda _: None))
    assert found is not None
    inputs, now = found
    assert (inputs["power"], now["power"], now["state"]) == ("Off", "Off", "accepted")


def test_read_of_a_system_that_is_gone(rack: PaperRack) -> None:
    place = BmcPlace(url=rack.spec.bmc_url, system="00000000-0000-0000-0000-000000000000")
    assert run(rack, lambda servers: servers.read(system_id(place), {}, lambda _: None)) is None


def test_import_needs_the_address_alone(rack: PaperRack) -> None:
    place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(WORKER))
    found = run(rack, lambda servers: servers.read(system_id(place), {}, lambda _: None))
    assert found is not None
    assert found[0]["bmc"] == place.model_dump(by_alias=True)
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
    assert [drive["method"] for drive in record["drives"]] == ["by hand"] * plans.SKU.disks


def test_delete_refuses_to_release_what_it_cannot_erase(rack: PaperRack, tmp_path: Path) -> None:
    state = create(rack)
    with pytest.raises(LeaseError, match="offers no erasure"):
        run(rack, lambda servers: servers.delete(state, lambda _: None), erase="require")
    assert not (tmp_path / "state" / "paper" / "records").exists()


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
