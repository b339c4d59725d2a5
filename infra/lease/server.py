"""`lease:index:Server`: taking a delivered server into service, keeping it so, and giving it back.

Every operation may be repeated at any point: create adopts a server that already stands, powered and accepted, and
delete continues where it was cut off. What has to happen is read from the BMC each time, never remembered.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from infra.lease.contract import Hardware, shortfalls, unverified
from infra.lease.errors import LeaseError, NoSuchSystem, NotAccepted
from infra.lease.model import BmcPlace, ServerInputs
from infra.lease.records import DriveErasure, ErasureRecord, write_erasure
from infra.lease.redfish import Bmc
from infra.lease.retry import Patience
from infra.lease.states import State, step

Say = Callable[[str], None]
State_ = dict[str, Any]


@dataclass(slots=True)
class Servers:
    """The operations, over one pool of connections. Properties are plain values under their names on the wire."""

    http: httpx.AsyncClient
    patience: Patience
    erase: str = "require"
    _gates: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    async def create(self, properties: Mapping[str, Any], say: Say) -> tuple[str, State_]:
        """Accept the server against its contract and bring its power to what is wanted. Returns id and state."""
        wanted = read_inputs(properties)
        state = step(wanted.server, State.ORDERED, State.DELIVERED)
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        system = await bmc.system()
        state = step(wanted.server, state, State.RACKED)
        hardware = await self._accept(bmc, system, wanted)
        state = step(wanted.server, state, State.ACCEPTED)
        state = await self._settle(bmc, system, wanted, state)
        return system_id(wanted.bmc), _state(wanted, hardware, state)

    async def read(self, identity: str, properties: Mapping[str, Any], say: Say) -> tuple[State_, State_] | None:
        """Inputs and state as they are now; None when the BMC no longer has the system. An import has no properties."""
        place = place_of(identity)
        name = str(properties.get("server") or identity)
        bmc = self._bmc(name, place, say)
        try:
            system = await bmc.system()
        except NoSuchSystem:
            return None
        hardware = await bmc.hardware(system)
        power = "On" if system["PowerState"] in ("On", "PoweringOn") else "Off"
        seen = {
            "bmc": place.model_dump(by_alias=True),
            "power": power,
            "identify": system.get("IndicatorLED") == "Lit",
        }
        inputs = {key: value for key, value in properties.items() if key in _INPUT_NAMES} | seen
        if not properties:
            return inputs, inputs | _reported(hardware)
        wanted = read_inputs(inputs)
        state = State(properties.get("state", State.PROVISIONED))
        if power == "Off" and state in (State.PROVISIONED, State.IN_SERVICE):
            state = step(name, state, State.ACCEPTED)
        elif power == "On" and state is State.ACCEPTED:
            state = step(name, state, State.PROVISIONED)
        return _plain_inputs(wanted), _state(wanted, hardware, state)

    async def update(self, old: Mapping[str, Any], new: Mapping[str, Any], say: Say) -> State_:
        """Bring a standing server to new inputs that leave it the same machine in the same place."""
        wanted = read_inputs(new)
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        system = await bmc.system()
        hardware = await self._accept(bmc, system, wanted)
        state = State(old.get("state", State.ACCEPTED))
        return _state(wanted, hardware, await self._settle(bmc, system, wanted, state))

    async def delete(self, properties: Mapping[str, Any], say: Say) -> None:
        """Power off, erase with a written record, release. A system that its BMC no longer has is released already."""
        wanted = read_inputs({key: value for key, value in properties.items() if key in _INPUT_NAMES})
        bmc = self._bmc(wanted.server, wanted.bmc, say)
        state = step(wanted.server, State(properties.get("state", State.ACCEPTED)), State.RETURNING)
        try:
            system = await bmc.system()
            hardware = await bmc.hardware(system)
            if system["PowerState"] != "Off":  # nothing may write behind the erasure
                await bmc.power("Off", self.patience.power_s)
            drives = [await self._erase(bmc, wanted.server, drive) for drive in await bmc.drives(system)]
        except NoSuchSystem:
            say("its BMC no longer has the system; nothing is left to erase")
            return
        record = ErasureRecord(
            server=wanted.server,
            environment=wanted.environment,
            erased_at=dt.datetime.now(dt.UTC),
            bmc=wanted.bmc,
            hardware=hardware,
            leases=wanted.leases,
            drives=tuple(drives),
        )
        path = write_erasure(record)
        state = step(wanted.server, state, State.ERASED)
        say(f"record of erasure: {path}")
        step(wanted.server, state, State.RETURNED)

    async def _accept(self, bmc: Bmc, system: dict[str, Any], wanted: ServerInputs) -> Hardware:
        hardware = await bmc.hardware(system)
        if lacking := shortfalls(wanted.sku, hardware):
            raise NotAccepted(wanted.server, wanted.sku.id, lacking)
        return hardware

    async def _settle(self, bmc: Bmc, system: dict[str, Any], wanted: ServerInputs, state: State) -> State:
        if (system.get("IndicatorLED") == "Lit") is not wanted.identify and "IndicatorLED" in system:
            await bmc.identify(wanted.identify)
        if system["PowerState"] != wanted.power:
            await bmc.power(wanted.power, self.patience.power_s)
        if wanted.power == "Off":
            return step(wanted.server, state, State.ACCEPTED)
        return state if state is State.IN_SERVICE else step(wanted.server, state, State.PROVISIONED)

    async def _erase(self, bmc: Bmc, server: str, drive: dict[str, Any]) -> DriveErasure:
        name = str(drive.get("Name") or drive.get("Id") or "drive")
        erased = await bmc.erase(drive)
        if not erased and self.erase == "require":
            raise LeaseError(
                server,
                f"its {name} offers no erasure through the BMC",
                "Erase it by the vendor's tool and have them sign; then set oss:erase to `record` and run it again.",
            )
        return DriveErasure(
            drive=name,
            model=str(drive.get("Model") or ""),
            serial=str(drive.get("SerialNumber") or ""),
            gb=(drive.get("CapacityBytes") or 0) / 1e9,
            method="SecureErase" if erased else "by hand",
        )

    def _bmc(self, server: str, place: BmcPlace, say: Say) -> Bmc:
        gate = self._gates.setdefault(place.url, asyncio.Semaphore(self.patience.per_bmc))
        return Bmc(self.http, gate, server, place, self.patience, say)


_INPUT_NAMES = frozenset(str(field.alias) for field in ServerInputs.model_fields.values())


def read_inputs(properties: Mapping[str, Any]) -> ServerInputs:
    """The typed inputs. Raises ValueError naming every fault; `input_faults` lists them one by one."""
    return ServerInputs.model_validate({k: v for k, v in properties.items() if k in _INPUT_NAMES})


def input_faults(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, reason) for everything wrong in a resource's inputs; unknown names are faults."""
    try:
        ServerInputs.model_validate(dict(properties))
    except ValidationError as error:
        return [(".".join(map(str, d["loc"])), d["msg"]) for d in error.errors(include_url=False)]
    return []


def system_id(place: BmcPlace) -> str:
    """The resource's id: the address of its system, which is all that an import needs."""
    return f"{place.url}/redfish/v1/Systems/{place.system}"


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


def _plain_inputs(wanted: ServerInputs) -> State_:
    return wanted.model_dump(mode="json", by_alias=True, exclude_none=True)


def _reported(hardware: Hardware) -> State_:
    return {
        "hardware": hardware.model_dump(mode="json", by_alias=True, exclude_none=True),
        "unverified": list(unverified(hardware)),
    }


def _state(wanted: ServerInputs, hardware: Hardware, state: State) -> State_:
    return {
        **_plain_inputs(wanted),
        **_reported(hardware),
        "shortfalls": list(shortfalls(wanted.sku, hardware)),
        "state": str(state),
        "leaseEnd": max(line.end for line in wanted.leases).isoformat(),
    }
