"""Faults that paper controllers can be told to show, and what tests read from them. Never part of a real rack.

GET  /_paper/systems             id → name, power, requests by kind, boots
PUT  /_paper/faults  [{…}]       replace all faults; see `FaultRule`
POST /_paper/power   {"system", "power"}   someone pulls or plugs the power, unseen by the controller's clients
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any, Literal

import gevent
from pydantic import Field, TypeAdapter

from capacity.documents import Document
from infra.rack.bmc.app import StartResponse, Systems, error_body
from infra.rack.bmc.inventory import Hardware

log = logging.getLogger("bmc")

PREFIX = "/_paper/"


class FaultRule(Document):
    """One fault: which requests it hits, and how. `times` is how many requests it hits; None: all.

    `late` waits `delay_s` and then serves; `status` answers with `status` and an error body; `garbage` answers 200 with
    text that is no JSON; `drop` carries nothing out and closes the connection; `drop_after` carries the request out,
    then closes the connection; `claims_on` reports power On whatever it is; `deaf` accepts a reset and does nothing;
    `no_erase` shows drives without SecureErase; `blind` reports no boot progress; `no_expand` rejects `$expand` (501);
    `other` reports the properties of `shows` instead of the system's own.
    """

    kind: Literal[
        "late",
        "status",
        "garbage",
        "drop",
        "drop_after",
        "claims_on",
        "deaf",
        "no_erase",
        "blind",
        "other",
        "no_expand",
    ]
    system: str = Field(default="", description="id; empty: every system")
    method: Literal["", "GET", "POST", "PATCH"] = ""
    path_end: str = Field(default="", description="end of the path, e.g. ComputerSystem.Reset")
    times: int | None = Field(default=None, ge=1)
    delay_s: float = Field(default=1.0, ge=0, le=120)
    status: int = Field(default=500, ge=400, le=599)
    shows: dict[str, Any] = Field(default_factory=dict, description="properties of the ComputerSystem, for `other`")


_RULES = TypeAdapter(list[FaultRule])


class Faults:
    """WSGI layer between authentication and the Redfish service."""

    def __init__(self, app: Any, systems: Systems) -> None:
        self._app = app
        self._systems = systems
        self._rules: list[FaultRule] = []
        self._hits: list[int] = []
        systems.power = _TwistedPower(systems.power, self)
        self._served = systems.erasable, systems.describe
        systems.erasable = self._erasable  # type: ignore[method-assign]
        systems.describe = self._describe  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve, twist or drop one request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path.startswith(PREFIX):
            return self._control(method, path.removeprefix(PREFIX), environ, start_response)
        words = path.strip("/").split("/")
        system = words[3] if len(words) > 3 and words[2] in ("Systems", "Managers") else ""
        if "expand" in environ["QUERY_STRING"] and self.take(system, method, path, ("no_expand",)):
            return _answer(start_response, 501, error_body("Query not supported"))
        rule = self.take(system, method, path, ("late", "status", "garbage", "drop", "drop_after"))
        if rule is None:
            return self._serve(environ, start_response)
        if rule.kind == "late":
            gevent.sleep(rule.delay_s)
            return self._serve(environ, start_response)
        if rule.kind == "status":
            return _answer(start_response, rule.status, error_body(f"Fault {rule.status}"))
        if rule.kind == "garbage":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b'{"@odata.id": "/redfish/v1/Sys']
        if rule.kind == "drop_after":
            list(self._serve(environ, lambda *_: None))
        environ["rack.drop"]()
        return []

    def _erasable(self, identity: str) -> bool:
        return self.take(identity, "GET", "", ("no_erase",)) is None and self._served[0](identity)

    def _describe(self, hardware: Hardware, power: str, chassis: list[str]) -> dict[str, Any]:
        shown = self._served[1](hardware, power, chassis)
        if self.take(hardware.id, "GET", "", ("blind",)):
            shown.pop("BootProgress", None)
        if rule := self.take(hardware.id, "GET", "", ("other",)):
            shown |= rule.shows
        return shown

    def take(self, system: str, method: str, path: str, kinds: tuple[str, ...]) -> FaultRule | None:
        """The first rule that hits this request; its count goes down."""
        for number, rule in enumerate(self._rules):
            if (
                rule.kind in kinds
                and rule.system in ("", system)
                and rule.method in ("", method)
                and path.endswith(rule.path_end)
                and (rule.times is None or self._hits[number] < rule.times)
            ):
                self._hits[number] += 1
                return rule
        return None

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def _control(
        self, method: str, action: str, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            if (method, action) == ("PUT", "faults"):
                self._rules = _RULES.validate_json(body)
                self._hits = [0] * len(self._rules)
                return _answer(start_response, 200, {"faults": len(self._rules)})
            if (method, action) == ("POST", "power"):
                asked = json.loads(body)
                self._systems.store.update(self._systems.uuid(asked["system"]), power=asked["power"])
                return _answer(start_response, 200, {})
            if (method, action) == ("GET", "systems"):
                return _answer(start_response, 200, self._seen())
        except (ValueError, KeyError) as problem:
            return _answer(start_response, 400, error_body(str(problem)))
        return _answer(start_response, 404, error_body("no such page"))

    def _seen(self) -> dict[str, Any]:
        kept = ("power", "requests", "boots", "last_boot", "media", "asset_tag", "indicator", "erased", "boot_target")
        store = self._systems.store
        return {
            system: {"name": hardware.name, **{key: store.get(system)[key] for key in kept}}
            for system, hardware in self._systems.hardware.items()
        }


class _TwistedPower:
    """Power as a faulty controller reports or handles it."""

    def __init__(self, power: Any, faults: Faults) -> None:
        self._power = power
        self._faults = faults

    def state(self, system: str) -> str:
        """`On` where the controller only claims so."""
        claimed = self._faults.take(system, "GET", "", ("claims_on",))
        return "On" if claimed else str(self._power.state(system))

    def reset(self, system: str, kind: str) -> None:
        """Nothing, where the controller is deaf."""
        if self._faults.take(system, "POST", "", ("deaf",)) is None:
            self._power.reset(system, kind)

    def progress(self, system: str) -> str:
        """The truth: what boots is seen elsewhere than the power."""
        return str(self._power.progress(system))

    def erase(self, system: str, drive: str) -> None:
        """As the power below."""
        self._power.erase(system, drive)

    def reload(self) -> None:
        """As the power below."""
        self._power.reload()


def _answer(start_response: StartResponse, status: int, body: dict[str, Any]) -> Iterable[bytes]:
    text = json.dumps(body).encode()
    start_response(f"{status} Fault", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
