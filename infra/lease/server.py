"""`lease:index:Server`: taking a delivered server into service, keeping it so, and giving it back.

Every operation may be repeated at any point: create adopts a server that already stands, powered and accepted, and
delete continues where it was cut off. What has to happen is read from the BMC each time, never remembered.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import ValidationError

from infra.lease.contract import Hardware, shortfalls, unverified
from infra.lease.erasure import BY_FIRMWARE, BY_HAND, BY_IMAGE, erase_by_image, erasure, name_of, secure_erase
from infra.lease.errors import LeaseError, NoSuchSystem, NotAccepted, NotErased
from infra.lease.media import INSTALLER, SEED, eject_all, insert, media_drives
from infra.lease.model import BmcPlace, BootPlan, ServerInputs, system_id
from infra.lease.records import DriveErasure, ErasureRecord, write_erasure
from infra.lease.redfish import Bmc, runs, second_sign
from infra.lease.retry import Patience
from infra.lease.seed import seed_url, write_seed
from infra.lease.states import State, step

Say = Callable[[str], None]
State_ = dict[str, Any]


@dataclass(slots=True)
class Servers:
    """The operations, over one pool of connections. Properties are plain values under their names on the wire.

    `erase` is `require` or `record`: whether a drive that cannot be erased over the BMC keeps a server from being
    released. `lost` names, by id (`system_id`), the machines that nobody can erase over their BMC any more, and why.
    """

    http: aiohttp.ClientSession
    patience: Patience
    erase: str = "require"
    eraser_image: str = ""
    lost: Mapping[str, str] = field(default_factory=dict)
    _gates: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _expands: dict[str, bool] = field(default_factory=dict)

    async def create(self, properties: Mapping[str, Any], say: Say) -> tuple[str, State_]:
        """Accept the server against its contract and bring its power to what is wanted. Returns id and state."""
        wanted = read_inputs(properties)
        if not wanted.delivered:
            return system_id(wanted.bmc), _state(wanted, Hardware(), State.ORDERED)
        return system_id(wanted.bmc), await self._take(wanted, say)

    async def read(self, identity: str, properties: Mapping[str, Any], say: Say) -> tuple[State_, State_] | None:
        """Inputs and state as they are now; None when the BMC no longer has the system. An import has no properties.

        A BMC that cannot be read leaves the state as it was, with the reason as `fault`: one broken controller must
        not keep people from seeing, and mending, the rest of the fleet.
        """
        place = place_of(identity)
        name = str(properties.get("server") or identity)
        if properties.get("delivered") is False:
            return _inputs_of(properties), dict(properties)
        bmc = self._bmc(name, place, say, replace(self.patience, request_s=self.patience.read_s))
        try:
            system = await bmc.system()
            hardware = await bmc.hardware(system)
        except NoSuchSystem:
            return None
        except LeaseError as error:
            if not properties:
                raise
            say(error.problem)
            return _inputs_of(properties), {**properties, "fault": error.problem}
        seen = {
            "bmc": place.model_dump(by_alias=True),
            "power": "On" if system["PowerState"] in ("On", "PoweringOn") else "Off",
            "identify": system.get("IndicatorLED") == "Lit",
        }
        if not properties or properties.get("imported"):
            return _imported(system, hardware, seen)
        inputs = _inputs_of(properties) | seen
        wanted = read_inputs(inputs)
        state = State(properties.get("state", State.PROVISIONED))
        if wanted.power == "Off" and state in (State.PROVISIONED, State.IN_SERVICE):
            state = step(name, state, State.ACCEPTED)
        elif wanted.power == "On" and state is State.ACCEPTED:
            state = step(name, state, State.PROVISIONED)
        if state is State.PROVISIONED and runs(system):
            state = step(name, state, State.IN_SERVICE)
        return plain_inputs(wanted), _state(wanted, hardware, state)

    async def update(self, old: Mapping[str, Any], new: Mapping[str, Any], say: Say) -> State_:
        """Bring a standing server to new inputs that leave it the same machine in the same place.

        A server that is no longer `delivered` is given back like in `delete`, and is on order from then on.
        """
        wanted = read_inputs(new)
        if not wanted.delivered:
            if old.get("delivered", True):
                await self.delete(old, say)
            return _state(wanted, Hardware(), State.ORDERED)
        if not old.get("delivered", True):
            return await self._take(wanted, say)
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        system = await bmc.system()
        hardware = await self._accept(bmc, system, wanted)
        state = State(old.get("state", State.ACCEPTED))
        if wanted.boot and runs(system):  # installed by now
            await eject_all(bmc, system, _images(wanted))
        return _state(wanted, hardware, await self._settle(bmc, system, wanted, state))

    async def delete(self, properties: Mapping[str, Any], say: Say) -> None:
        """Power off, erase with a written record, release. A system that its BMC no longer has is released already."""
        if properties.get("delivered") is False or properties.get("imported"):
            say("nothing was ever taken here, so nothing is erased")
            return
        wanted = read_inputs(properties)
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        state = step(wanted.server, State(properties.get("state", State.ACCEPTED)), State.RETURNING)
        remark = self.lost.get(system_id(wanted.bmc), "")
        try:
            hardware, drives = (Hardware(), ()) if remark else await self._wipe(bmc, wanted)
        except NoSuchSystem:
            say("its BMC no longer has the system; nothing is left to erase")
            return
        record = ErasureRecord(
            server=wanted.server,
            environment=wanted.environment,
            erased_at=dt.datetime.now(dt.UTC),
            bmc=wanted.bmc,
            hardware=Hardware.model_validate(properties.get("hardware") or {}) if remark else hardware,
            leases=wanted.leases,
            drives=drives,
            remark=remark,
        )
        path = write_erasure(record)
        state = step(wanted.server, state, State.ERASED)
        say(f"record of erasure: {path}")
        step(wanted.server, state, State.RETURNED)

    async def _take(self, wanted: ServerInputs, say: Say) -> State_:
        state = step(wanted.server, State.ORDERED, State.DELIVERED)
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        system = await bmc.system()
        state = step(wanted.server, state, State.RACKED)
        hardware = await self._accept(bmc, system, wanted)
        state = step(wanted.server, state, State.ACCEPTED)
        if wanted.boot and wanted.power == "On" and system["PowerState"] == "Off":
            # One that is on was installed, or is being so, by a run that was cut off: it is adopted.
            await _install(bmc, system, wanted, wanted.boot, hardware)
        return _state(wanted, hardware, await self._settle(bmc, system, wanted, state))

    async def _accept(self, bmc: Bmc, system: dict[str, Any], wanted: ServerInputs) -> Hardware:
        hardware = await bmc.hardware(system)
        if lacking := shortfalls(wanted.sku, hardware):
            raise NotAccepted(wanted.server, wanted.sku.id, lacking)
        return hardware

    async def _settle(self, bmc: Bmc, system: dict[str, Any], wanted: ServerInputs, state: State) -> State:
        if (system.get("IndicatorLED") == "Lit") is not wanted.identify and "IndicatorLED" in system:
            await bmc.identify(wanted.identify)
        if system["PowerState"] != wanted.power or second_sign(system, wanted.power) is False:
            await bmc.power(wanted.power, self.patience.power_s)
        if wanted.power == "Off":
            return step(wanted.server, state, State.ACCEPTED)
        return state if state is State.IN_SERVICE else step(wanted.server, state, State.PROVISIONED)

    async def _wipe(self, bmc: Bmc, wanted: ServerInputs) -> tuple[Hardware, tuple[DriveErasure, ...]]:
        system = await bmc.system()
        hardware = await bmc.hardware(system)
        if system["PowerState"] != "Off":  # nothing may write behind the erasure
            await bmc.power("Off", self.patience.power_s)
        if wanted.boot:
            await eject_all(bmc, system, _images(wanted))
        drives = await bmc.drives(system)
        erased = [await secure_erase(bmc, drive) for drive in drives]
        if all(erased) and drives:
            return hardware, tuple(erasure(drive, BY_FIRMWARE) for drive in drives)
        if self.eraser_image:
            await erase_by_image(bmc, system, self.eraser_image)
        elif self.erase == "require":
            left = [name_of(drive) for drive, done in zip(drives, erased, strict=True) if not done] or ["hardware"]
            raise NotErased(
                wanted.server,
                f"its {', '.join(left)} {'offers' if len(left) == 1 else 'offer'} no erasure through the BMC",
                "Set oss:eraserImage to an image that erases and switches off; or erase by the vendor's tool, have "
                "them sign, set oss:erase to `record` and run it again.",
            )
        other = BY_IMAGE if self.eraser_image else BY_HAND
        methods = (BY_FIRMWARE if done else other for done in erased)
        return hardware, tuple(erasure(drive, how) for drive, how in zip(drives, methods, strict=True))

    def _bmc(self, server: str, place: BmcPlace, say: Say, patience: Patience | None = None) -> Bmc:
        gate = self._gates.setdefault(place.url, asyncio.Semaphore(self.patience.per_bmc))
        return Bmc(self.http, gate, server, place, patience or self.patience, say, self._expands)


async def _install(bmc: Bmc, system: dict[str, Any], wanted: ServerInputs, boot: BootPlan, hardware: Hardware) -> None:
    """Make the next start the installer's, once. Repeated, it changes nothing."""
    image = write_seed(wanted, boot, hardware)
    if boot.method == "media":
        drives = await media_drives(bmc, system)
        taken = await insert(bmc, drives, boot.image, INSTALLER)
        await insert(bmc, [drive for drive in drives if drive is not taken], image, SEED)
        await bmc.boot_once("Cd")
    elif boot.method == "http":
        await bmc.boot_once("UefiHttp", boot.image)
    else:
        await bmc.boot_once("Pxe")


def _images(wanted: ServerInputs) -> tuple[str, ...]:
    return (wanted.boot.image, seed_url(wanted, wanted.boot)) if wanted.boot else ()


def _imported(system: dict[str, Any], hardware: Hardware, seen: State_) -> tuple[State_, State_]:
    """A server of which only the address is known: `imported`, until the program says what it is for."""
    name = str(system.get("HostName") or system.get("Name") or system.get("Id") or "")
    inputs = {"server": name, **seen, "imported": True}
    state = State.PROVISIONED if seen["power"] == "On" else State.ACCEPTED
    return inputs, {**inputs, **_reported(hardware), "state": str(state), "fault": ""}


_INPUT_NAMES = frozenset(str(field.alias) for field in ServerInputs.model_fields.values())


def read_inputs(properties: Mapping[str, Any]) -> ServerInputs:
    """The typed inputs. Raises ValueError naming every fault; `input_faults` lists them one by one."""
    return ServerInputs.model_validate(_inputs_of(properties))


def _inputs_of(properties: Mapping[str, Any]) -> State_:
    return {key: value for key, value in properties.items() if key in _INPUT_NAMES}


def input_faults(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, reason) for everything wrong in a resource's inputs; unknown names are faults."""
    try:
        ServerInputs.model_validate(dict(properties))
    except ValidationError as error:
        return [(".".join(map(str, d["loc"])), d["msg"]) for d in error.errors(include_url=False)]
    return []


def place_of(identity: str) -> BmcPlace:
    """The BMC of an id, as `system_id` writes it. Raises LeaseError for anything else."""
    parts = urlsplit(identity)
    head, _, system = parts.path.partition("/redfish/v1/Systems/")
    if parts.scheme != "https" or not parts.netloc or head or not system or "/" in system:
        raise LeaseError(
            identity,
            "this is no address of a Redfish system",
            "Import with the id https://HOST[:PORT]/redfish/v1/Systems/ID.",
        )
    return BmcPlace(url=f"https://{parts.netloc}", system=system)


def plain_inputs(wanted: ServerInputs) -> State_:
    """The inputs under their names on the wire."""
    return wanted.model_dump(mode="json", by_alias=True, exclude_none=True)


def _reported(hardware: Hardware) -> State_:
    return {
        "hardware": hardware.model_dump(mode="json", by_alias=True, exclude_none=True),
        "unverified": list(unverified(hardware)),
    }


def _state(wanted: ServerInputs, hardware: Hardware, state: State) -> State_:
    return {
        **plain_inputs(wanted),
        **_reported(hardware),
        "shortfalls": list(shortfalls(wanted.sku, hardware)),
        "state": str(state),
        "leaseEnd": max(line.end for line in wanted.leases).isoformat(),
        "fault": "",
    }
