"""A small asynchronous Redfish client: just what leasing needs, over one pool of verified TLS connections.

Names are those of the Redfish standard (DMTF DSP0266 and the ComputerSystem, Processor, Drive and EthernetInterface
schemas, https://redfish.dmtf.org/schemas/). Why not `sushy` here: docs/decisions/ says, with figures; the tests hold
this client against it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from infra.lease.contract import Hardware
from infra.lease.errors import (
    BmcFailing,
    BmcNonsense,
    BmcRefused,
    BmcRejected,
    BmcUnreachable,
    BmcUntrusted,
    LeaseError,
    NoSuchSystem,
    PowerNotProven,
)
from infra.lease.model import BmcPlace
from infra.lease.retry import Patience, pause_s, persist

Power = Literal["On", "Off"]
GIGABYTE = 1e9
CONNECTIONS = 128
"""In use at once, over all controllers."""
IDLE_S = 30.0
LARGEST_ANSWER = 64 * 2**20
"""Bytes: more than any Redfish resource, less than what would fill a machine's memory."""
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


def tls(ca_file: str) -> ssl.SSLContext:
    """A context that verifies BMC certificates with the authorities in `ca_file`, or the machine's when it is empty."""
    return ssl.create_default_context(cafile=ca_file or None)


def pool(username: str, password: str, ca_file: str, patience: Patience) -> aiohttp.ClientSession:
    """The connections of one provider to all its BMCs. Needs a running event loop.

    It follows no redirect that a call does not ask it to follow, keeps no cookies, and knows no proxy of the
    environment: one for the internet must never see the out-of-band network.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls(ca_file), limit=CONNECTIONS, keepalive_timeout=IDLE_S),
        timeout=aiohttp.ClientTimeout(sock_connect=patience.connect_s, sock_read=patience.answer_s),
        headers={
            "Authorization": aiohttp.encode_basic_auth(username, password),
            "OData-Version": "4.0",
            "Accept": "application/json",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a BMC answered: status, where a task is watched (empty: nowhere), and the resource."""

    status: int
    monitor: str
    data: dict[str, Any]


class Bmc:
    """The management controller of one server. Every method raises LeaseErrors that name the server.

    `expands` remembers for the servers of a pool which controllers answer a collection with its members in it.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        gate: asyncio.Semaphore,
        server: str,
        place: BmcPlace,
        patience: Patience,
        say: Callable[[str], None],
        expands: dict[str, bool] | None = None,
    ) -> None:
        self._http = http
        self._expands = {} if expands is None else expands
        self._gate = gate
        self.server = server
        self._place = place
        self.patience = patience
        self.say = say

    @property
    def path(self) -> str:
        """The system's path under the service."""
        return f"/redfish/v1/Systems/{self._place.system}"

    async def system(self) -> dict[str, Any]:
        """The ComputerSystem as it is now."""
        system = await self.get(self.path)
        if "PowerState" not in system or "Actions" not in system:
            raise BmcNonsense(self.server, self._place.url, "a system without PowerState or Actions")
        return system

    async def hardware(self, system: dict[str, Any]) -> Hardware:
        """What the BMC reports of the system's CPU, memory, disks, interfaces and firmware."""
        return await persist(lambda: self._hardware(system), self.patience, self.patience.request_s, self.say)

    async def _hardware(self, system: dict[str, Any]) -> Hardware:
        try:
            return await self._read_hardware(system)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problem = f"hardware that cannot be read ({type(error).__name__}: {error})"
            raise BmcNonsense(self.server, self._place.url, problem) from None

    async def _read_hardware(self, system: dict[str, Any]) -> Hardware:
        summary = system.get("ProcessorSummary") or {}
        cores = summary.get("CoreCount")
        processors, drives, nics, manager = await asyncio.gather(
            self.members(system.get("Processors") if cores is None else None),
            self.drives(system),
            self.members(system.get("EthernetInterfaces")),
            self.first(system.get("Links", {}).get("ManagedBy")),
        )
        if cores is None:  # services before ComputerSystem v1.14 tell it by processor only
            cores = sum(int(p["TotalCores"]) for p in processors if p.get("TotalCores")) or None
        return Hardware(
            cores=cores,
            memory_gib=(system.get("MemorySummary") or {}).get("TotalSystemMemoryGiB"),
            disk_gb=tuple(d["CapacityBytes"] / GIGABYTE for d in drives if d.get("CapacityBytes"))
            if system.get("Storage")
            else None,
            nic_macs=tuple(sorted(str(n["MACAddress"]).lower() for n in nics if n.get("MACAddress")))
            if system.get("EthernetInterfaces")
            else None,
            nic_gbit_s=tuple(sorted((n["SpeedMbps"] / 1000 for n in nics if n.get("SpeedMbps")), reverse=True)),
            serial=system.get("SerialNumber") or "",
            manufacturer=system.get("Manufacturer") or "",
            model=system.get("Model") or "",
            bios=system.get("BiosVersion") or "",
            bmc_firmware=manager.get("FirmwareVersion") or "",
            health=(system.get("Status") or {}).get("Health") or "",
        )

    async def power(self, wanted: Power, limit_s: float) -> None:
        """Bring the power to `wanted`, and return when a second sign shows it as well (`second_sign`).

        The command is sent only while the state differs and nothing is under way, and again only after `resend_s`
        without effect: a lost answer must not power a server twice. Off is graceful first, then forced.
        Where the BMC gives no second sign, the state must still be the same `confirm_s` later.
        Raises PowerNotProven when `limit_s` passes first.
        """
        start = time.monotonic()
        sent: float | None = None
        attempt = 0
        shown_since: float | None = None
        seen, failing = "", False
        while True:
            try:
                system = await self.system()
                seen, failing = str(system["PowerState"]), False
                if seen == wanted:
                    sign = second_sign(system, wanted)
                    shown_since = shown_since or time.monotonic()
                    if sign or (sign is None and time.monotonic() - shown_since >= self.patience.confirm_s):
                        return
                    if sign is None:
                        await asyncio.sleep(self.patience.confirm_s)
                        continue
                    seen = f"{seen}, but {_boot_progress(system)} as its boot progress"
                else:
                    shown_since = None
                idle = system["PowerState"] in ("On", "Off")
                since = sent or shown_since  # a machine that was just switched on needs a moment to show progress
                if idle and (since is None or time.monotonic() - since > self.patience.resend_s):
                    sent = time.monotonic()
                    attempt = 0
                    await self._reset(system, wanted, forced=time.monotonic() - start > self.patience.graceful_off_s)
            except LeaseError as error:
                if not error.retryable:
                    raise
                seen, failing = error.problem, True
                self.say(error.problem)
            attempt += 1
            if time.monotonic() - start > limit_s:
                shown = seen if failing else f"it shows {seen}"
                raise PowerNotProven(self.server, wanted, limit_s, shown)
            await asyncio.sleep(pause_s(attempt, self.patience, 0.5))

    async def identify(self, lit: bool) -> None:
        """Light the locator lamp, or put it out."""
        await self.send("PATCH", self.path, {"IndicatorLED": "Lit" if lit else "Off"})

    async def boot_once(self, target: Literal["Pxe", "Cd", "Hdd", "UefiHttp"], uri: str = "") -> None:
        """Boot from `target` at the next start only; `uri` is the address for UefiHttp."""
        boot = {"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": "Once"}
        await self.send("PATCH", self.path, {"Boot": {**boot, "HttpBootUri": uri} if uri else boot})

    async def get(self, path: str) -> dict[str, Any]:
        """A resource; retried while the BMC is late, busy or talking nonsense."""
        return (await self.send("GET", path, None)).data

    async def send(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        """A request, retried as `get`: only for what may be done twice, since an answer can be lost too."""
        return await persist(lambda: self._once(method, path, body), self.patience, self.patience.request_s, self.say)

    async def _reset(self, system: dict[str, Any], wanted: Power, forced: bool) -> None:
        action = system["Actions"].get("#ComputerSystem.Reset") or {}
        allowed = action.get("ResetType@Redfish.AllowableValues") or ["On", "GracefulShutdown", "ForceOff"]
        wishes = ["On", "ForceOn"] if wanted == "On" else ["ForceOff"] if forced else ["GracefulShutdown", "ForceOff"]
        kind = next((wish for wish in wishes if wish in allowed), None)
        target = action.get("target")
        if not kind or not target:
            raise BmcNonsense(self.server, self._place.url, f"a system that offers no way to power it {wanted}")
        await self._once("POST", target, {"ResetType": kind})

    async def drives(self, system: dict[str, Any]) -> list[dict[str, Any]]:
        """Every drive of the system, as reported."""
        stores = await self.members(system.get("Storage"))
        return await self._each([link for store in stores for link in store.get("Drives") or []])

    async def members(self, link: dict[str, Any] | None) -> list[dict[str, Any]]:
        """The members of a collection, with what is below them where the BMC can; none without a link."""
        if not link:
            return []
        path = link["@odata.id"]
        if await self._can_expand():
            try:
                expanded = await self.get(f"{path}?$expand=.($levels=2)")
                return await self._each(expanded.get("Members") or [])
            except BmcRejected:  # it promised more than it keeps
                self._expands[self._place.url] = False
        return await self._each((await self.get(path)).get("Members") or [])

    async def _each(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Links alone hold one key; what was expanded holds more.
        return list(await asyncio.gather(*(_done(m) if len(m) > 1 else self.get(m["@odata.id"]) for m in found)))

    async def _can_expand(self) -> bool:
        """Whether the service root offers `$expand` over two levels (DSP0266, ProtocolFeaturesSupported)."""
        url = self._place.url
        if url not in self._expands:
            features = (await self.get("/redfish/v1")).get("ProtocolFeaturesSupported") or {}
            query = features.get("ExpandQuery") or {}
            self._expands[url] = bool(query.get("NoLinks") and query.get("Levels") and query.get("MaxLevels", 0) >= 2)
        return self._expands[url]

    async def first(self, links: list[dict[str, Any]] | None) -> dict[str, Any]:
        """The first of several linked resources; empty without any."""
        return await self.get(links[0]["@odata.id"]) if links else {}

    async def _once(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        url = urljoin(self._place.url, path)
        if not url.startswith(self._place.url + "/"):  # the credentials are for this controller alone
            raise BmcNonsense(self.server, self._place.url, f"a link to another place ({url})")
        try:
            async with (
                self._gate,
                self._http.request(method, URL(url, encoded=True), json=body, allow_redirects=False) as answer,
                asyncio.timeout(self.patience.answer_s),
            ):
                content = await _whole(answer)
        except TimeoutError:
            raise BmcUnreachable(self.server, url, f"gave no answer in {self.patience.answer_s:.0f} s") from None
        except aiohttp.ClientConnectorCertificateError as error:
            why = error.certificate_error
            verification = why.verify_message if isinstance(why, ssl.SSLCertVerificationError) else str(why)
            raise BmcUntrusted(self.server, self._place.url, verification) from None
        except aiohttp.ClientConnectorError:
            raise BmcUnreachable(self.server, url, "cannot be reached") from None
        except (aiohttp.ClientError, OSError):
            raise BmcUnreachable(self.server, url, "dropped the connection") from None
        if content is None:
            raise BmcNonsense(self.server, url, f"more than {LARGEST_ANSWER} bytes")
        try:
            data = json.loads(content) if content else {}
        except ValueError:
            data = None
        self._judge(answer, url, data)
        if data is None:
            raise BmcNonsense(self.server, url, "what is not JSON")
        if not isinstance(data, dict):
            raise BmcNonsense(self.server, url, "JSON that is no object")
        return Answer(answer.status, answer.headers.get("Location", ""), data)

    def _judge(self, answer: aiohttp.ClientResponse, url: str, data: Any) -> None:
        status = answer.status
        if status in (401, 403):
            raise BmcRefused(self.server, self._place.url, status)
        if status == 404 and url == urljoin(self._place.url, self.path):
            raise NoSuchSystem(self.server, url)
        if status in _BUSY or status > 501:
            raise BmcFailing(self.server, url, status)
        if status >= 300:
            raise BmcRejected(self.server, url, status, _words(answer, data))


async def _whole(answer: aiohttp.ClientResponse) -> bytes | None:
    """The body; None when it is larger than it may be."""
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            return None
    return b"".join(parts)


def second_sign(system: dict[str, Any], wanted: Power) -> bool | None:
    """Whether something besides PowerState shows the power: None when the BMC has no second sign.

    BootProgress (ComputerSystem v1.13) leaves `None` as soon as a processor starts. That it stays after the power is
    cut is seen in practice, so it proves power On, and says nothing against Off.
    """
    if wanted == "Off" or "BootProgress" not in system:
        return None
    return _boot_progress(system) != "None"


def runs(system: dict[str, Any]) -> bool:
    """Whether the BMC reports a running operating system."""
    return system["PowerState"] == "On" and _boot_progress(system) == "OSRunning"


def _boot_progress(system: dict[str, Any]) -> str:
    return str((system.get("BootProgress") or {}).get("LastState") or "None")


async def _done(value: dict[str, Any]) -> dict[str, Any]:
    return value


def _words(answer: aiohttp.ClientResponse, data: Any) -> str:
    try:
        return str(data["error"]["message"])[:200]
    except (KeyError, TypeError):
        return answer.reason or ""
