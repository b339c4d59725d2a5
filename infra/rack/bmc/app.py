"""The Redfish service: sushy-tools' emulator with the rack's servers behind it.

The emulator binds its routes to one application object of its module, so that object takes on our class. What its
templates fix (boot "Continuous", one kind of drive, no serial number) is answered from `inventory` instead.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import flask
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources import base, vmedia
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

from capacity.faults import OssError
from infra.rack.bmc import inventory
from infra.rack.bmc.inventory import Hardware, Json
from infra.rack.bmc.power import Power
from infra.rack.bmc.store import DEFAULTS, Store

log = logging.getLogger("bmc")

OPEN_PATHS = frozenset({"", "redfish", "redfish/v1"})  # DSP0266: the service root needs no authentication
BOOT_ENABLED = ("Disabled", "Once", "Continuous")
BOOT_TARGETS = ("None", "Pxe", "Cd", "Hdd", "UefiHttp")
INDICATORS = ("Lit", "Blinking", "Off")
MAX_ASSET_TAG = 255
MEDIA_DEVICES: dict[str, Json] = {
    "Cd": {"Name": "Virtual CD", "MediaTypes": ["CD", "DVD"]},
    "Floppy": {"Name": "Virtual removable media", "MediaTypes": ["Floppy", "USBStick"]},
}

EXPAND = {"ExpandAll": False, "Levels": True, "MaxLevels": 2, "Links": False, "NoLinks": True}
"""What clients may ask to have in one answer instead of one by one (DSP0266, "$expand")."""
EXPANDED: dict[str, Callable[[Hardware, bool], list[Json]]] = {
    "storage_collection.json": lambda hardware, erasable: [
        {**inventory.storage(hardware), "Drives": inventory.drives(hardware, erasable)}
    ],
    "ethernet_interfaces_collection.json": lambda hardware, erasable: [
        inventory.ethernet_interface(hardware, mac) for mac in hardware.macs
    ],
}

StartResponse = Callable[..., Any]


class Systems(AbstractSystemsDriver):  # type: ignore[misc]
    """The rack's servers as the emulator's routes ask for them."""

    def __init__(self, hardware: dict[str, Hardware], store: Store, power: Power) -> None:
        self.store = store
        self.power = power
        self.replace(hardware)

    def replace(self, hardware: dict[str, Hardware]) -> None:
        """Take over another set of servers; settings of those that stay are kept."""
        self.hardware = hardware
        self._by_name = {item.name: system for system, item in hardware.items()}

    @property
    def driver(self) -> str:
        """What the emulator calls us in its log."""
        return "<rack>"

    @property
    def systems(self) -> list[str]:
        """Ids of all systems."""
        return list(self.hardware)

    def uuid(self, identity: str) -> str:
        """The id itself; a server's name leads to its id by a redirect."""
        if identity in self.hardware:
            return identity
        if identity in self._by_name:
            raise error.AliasAccessError(self._by_name[identity])
        raise error.NotFound(f"No system {identity} in this rack")

    def name(self, identity: str) -> str:
        """The server's name."""
        return self.hardware[self.uuid(identity)].name

    def get_power_state(self, identity: str) -> str:
        """What `Power` sees."""
        return self.power.state(self.uuid(identity))

    def set_power_state(self, identity: str, state: str) -> None:
        """Count the request, then carry it out."""
        system = self.uuid(identity)
        if state not in inventory.RESET_TYPES:
            raise error.BadRequest(f"ResetType is one of {', '.join(inventory.RESET_TYPES)}")
        self.store.count(system, state)
        log.info("%s: %s", self.hardware[system].name, state)
        try:
            self.power.reset(system, state)
        except OssError as failure:
            raise error.FishyError(f"{self.hardware[system].name}: {failure.message}") from None

    def describe(self, hardware: Hardware, power: str, chassis: list[str]) -> Json:
        """The ComputerSystem resource of a server."""
        progress, settings = self.power.progress(hardware.id), self.store.get(hardware.id)
        return inventory.system(hardware, power, progress, settings, chassis)

    def erasable(self, identity: str) -> bool:
        """Whether the system's drives offer SecureErase; injected faults take it away."""
        return True

    def erase(self, identity: str, drive: str) -> None:
        """Erase a drive of a server that is off."""
        system = self.uuid(identity)
        name = self.hardware[system].name
        if drive not in {item["Id"] for item in inventory.drives(self.hardware[system])}:
            raise error.NotFound(f"{name} has no drive {drive}")
        if self.power.state(system) != "Off":
            raise error.Conflict(f"{name} is on: its drives are in use")
        log.info("%s: drive %s is erased", name, drive)
        try:
            self.power.erase(system, drive)
        except OssError as failure:
            raise error.FishyError(f"{name}: {failure.message}") from None

    def get_boot_device(self, identity: str) -> str:
        """Target of the boot override."""
        return str(self.store.get(self.uuid(identity))["boot_target"])

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        """Boot from it from now on; `patch_system` is what clients reach."""
        self.store.update(self.uuid(identity), boot_target=boot_source, boot_enabled="Continuous")

    def get_secure_boot(self, identity: str) -> bool:
        """Whether Secure Boot is on."""
        return bool(self.store.get(self.uuid(identity))["secure_boot"])

    def set_secure_boot(self, identity: str, secure: bool) -> None:
        """Switch Secure Boot."""
        self.store.update(self.uuid(identity), secure_boot=bool(secure))

    def get_bios(self, identity: str) -> Json:
        """BIOS attributes."""
        return dict(self.store.get(self.uuid(identity))["bios"])

    def set_bios(self, identity: str, attributes: Json) -> None:
        """Change BIOS attributes."""
        self.store.update(self.uuid(identity), bios={**self.get_bios(identity), **attributes})

    def reset_bios(self, identity: str) -> None:
        """Factory settings."""
        self.store.update(self.uuid(identity), bios=dict(DEFAULTS["bios"]))

    def get_versions(self, identity: str) -> Json:
        """Firmware versions."""
        return {"BiosVersion": inventory.BIOS_VERSION, **self.store.get(self.uuid(identity))["versions"]}

    def set_versions(self, identity: str, firmware_versions: Json) -> None:
        """A firmware update."""
        self.store.update(self.uuid(identity), versions=firmware_versions)

    def reset_versions(self, identity: str) -> None:
        """As delivered."""
        self.store.update(self.uuid(identity), versions={})

    def get_nics(self, identity: str) -> list[Json]:
        """Network interfaces."""
        hardware = self.hardware[self.uuid(identity)]
        return [{"id": f"NIC{number}", "mac": mac} for number, mac in enumerate(hardware.macs)]

    def get_processors(self, identity: str) -> list[Json]:
        """Processors."""
        return inventory.processors(self.hardware[self.uuid(identity)])

    def set_boot_image(
        self, identity: str, device: str, boot_image: str | None = None, write_protected: bool = True
    ) -> None:
        """Nothing more to do: `Media` holds what is in the drive."""


class Parts:
    """Storage and drives of each SKU, as the emulator's routes ask for them."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def get_storage_col(self, system: str) -> list[Json]:
        """Storage subsystems of a system."""
        return [inventory.storage(self._systems.hardware[system])]

    def get_drives(self, system: str, storage: str) -> list[Json]:
        """Drives of a storage subsystem."""
        hardware, erasable = self._systems.hardware[system], self._systems.erasable(system)
        return inventory.drives(hardware, erasable) if storage == inventory.STORAGE_ID else []

    def get_volumes_col(self, system: str, storage: str) -> list[Json]:
        """No volumes: the installer partitions the disks."""
        return []

    def get_all_storage(self) -> list[tuple[str, str]]:
        """For the chassis page."""
        return [(system, inventory.STORAGE_ID) for system in self._systems.hardware]

    def get_all_drives(self) -> list[tuple[str, str, str]]:
        """For the chassis page."""
        return [
            (system, inventory.STORAGE_ID, drive["Id"])
            for system, hardware in self._systems.hardware.items()
            for drive in inventory.drives(hardware)
        ]


class Indicators:
    """Identify lights."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_indicator_state(self, system: str) -> str:
        """Lit, Blinking or Off."""
        return str(self._store.get(system)["indicator"])

    def set_indicator_state(self, system: str, state: str) -> None:
        """Switch the light."""
        if state not in INDICATORS:
            raise error.BadRequest(f"IndicatorLED is one of {', '.join(INDICATORS)}")
        self._store.update(system, indicator=state)


class _Devices(dict[tuple[str, str], Json]):
    """Virtual media by (system, device), kept in the store instead of the emulator's temporary file."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def __getitem__(self, key: tuple[str, str]) -> Json:
        return dict(self._store.get(key[0])["media"][key[1]])

    def __setitem__(self, key: tuple[str, str], value: Json) -> None:
        media = {**self._store.get(key[0])["media"], key[1]: {k: v for k, v in value.items() if k != "Password"}}
        self._store.update(key[0], media=media)

    def update(self, other: Any = (), /, **_: Any) -> None:
        for key, value in dict(other).items():
            self[key] = value


class Media(vmedia.BaseDriver):  # type: ignore[misc]
    """Virtual media: the controller remembers the address of the image, and a server would read it when it boots."""

    def __init__(self, config: Json, logger: logging.Logger, store: Store) -> None:
        base.DriverBase.__init__(self, config, logger)  # not the parent's own, which opens a file in /tmp
        self._devices = _Devices(store)
        self._device_types = MEDIA_DEVICES

    def insert_image(
        self,
        identity: str,
        device: str,
        image_url: str,
        inserted: bool = True,
        write_protected: bool = True,
        username: str | None = None,
        password: str | None = None,
    ) -> str:
        """Put an image into the drive."""
        if not isinstance(image_url, str) or not image_url.startswith(("http://", "https://")):
            raise error.BadRequest("Image must be an http or https address")
        self._devices[identity, device] = {
            **self._get_device(identity, device),
            "Image": image_url,
            "ImageName": image_url.rsplit("/", 1)[1],
            "Inserted": inserted,
            "WriteProtected": write_protected,
            "UserName": username or "",
        }
        return image_url

    def eject_image(self, identity: str, device: str) -> None:
        """Empty the drive."""
        empty = {"Image": "", "ImageName": "", "Inserted": False, "WriteProtected": False, "UserName": ""}
        self._devices[identity, device] = {**self._get_device(identity, device), **empty}


class RackApplication(emulator.Application):  # type: ignore[misc]
    """The emulator over our drivers. `install` makes the emulator's own application one of these."""

    rack: Systems
    media: Media

    @property
    def systems(self) -> Systems:
        """The rack's servers."""
        return self.rack

    @property
    def indicators(self) -> Indicators:
        """Identify lights."""
        return Indicators(self.rack.store)

    @property
    def storage(self) -> Parts:
        """Storage subsystems."""
        return Parts(self.rack)

    drives = storage
    volumes = storage

    @property
    def vmedia(self) -> Media:
        """Virtual media drives."""
        return self.media

    def render_template(self, template_name: str, /, **params: Any) -> str:
        """The resource as JSON: ours where the emulator's template says too little, else the template."""
        hardware = self.rack.hardware.get(str(params.get("identity")))
        if hardware is not None:
            if template_name == "system.json":
                return json.dumps(self.rack.describe(hardware, params["power_state"], params["chassis"]))
            if template_name == "processor.json":
                return json.dumps(inventory.processor(hardware, params["processor"]))
            if template_name in ("storage.json", "drive.json"):
                return json.dumps(params[template_name.removesuffix(".json")])
            if template_name == "ethernet_interface.json":
                return json.dumps(inventory.ethernet_interface(hardware, params["nic"]["mac"]))
            if "$expand" in flask.request.args and template_name in EXPANDED:
                parts = EXPANDED[template_name](hardware, self.rack.erasable(hardware.id))
                return json.dumps({"Members": parts, "Members@odata.count": len(parts)})
        if template_name == "root.json":
            root = json.loads(super().render_template(template_name, **params))
            return json.dumps(root | {"ProtocolFeaturesSupported": {"ExpandQuery": EXPAND}})
        return str(super().render_template(template_name, **params))


def install(systems: Systems) -> RackApplication:
    """Turn the emulator's application into the rack's, and return it: a WSGI application without authentication."""
    app = emulator.app
    app.__class__ = RackApplication
    app.rack = systems
    app.media = Media(app.config, app.logger, systems.store)
    app.logger.setLevel(logging.WARNING)
    original = app.view_functions["system_resource"]

    def system_resource(identity: str) -> Any:
        return patch_system(systems, identity) if flask.request.method == "PATCH" else original(identity=identity)

    app.view_functions["system_resource"] = system_resource

    def secure_erase(identity: str, storage: str, drive: str) -> Any:
        systems.erase(identity, drive)
        return flask.Response(status=204)

    drives = f"/redfish/v1/Systems/<identity>/Storage/<storage>/Drives/<drive>/{inventory.SECURE_ERASE}"
    app.add_url_rule(drives, view_func=secure_erase, methods=["POST"])
    assert isinstance(app, RackApplication)
    return app


def patch_system(systems: Systems, identity: str) -> Any:
    """PATCH of a ComputerSystem: boot override (also `Once`), indicator, asset tag. All or nothing."""
    system = systems.uuid(identity)
    body = flask.request.get_json(silent=True)
    known = {"Boot", "IndicatorLED", "AssetTag"}
    if not isinstance(body, dict) or not body or not body.keys() <= known:
        raise error.BadRequest(f"PATCH takes {', '.join(sorted(known))}")
    changes: Json = {}
    if "Boot" in body:
        changes |= _boot_changes(body["Boot"], systems.store.get(system))
    if "IndicatorLED" in body:
        if body["IndicatorLED"] not in INDICATORS:
            raise error.BadRequest(f"IndicatorLED is one of {', '.join(INDICATORS)}")
        changes["indicator"] = body["IndicatorLED"]
    if "AssetTag" in body:
        if not isinstance(body["AssetTag"], str) or len(body["AssetTag"]) > MAX_ASSET_TAG:
            raise error.BadRequest(f"AssetTag is a string of at most {MAX_ASSET_TAG} characters")
        changes["asset_tag"] = body["AssetTag"]
    systems.store.update(system, **changes)
    return flask.Response(status=204)


def _boot_changes(boot: Any, settings: Json) -> Json:
    if not isinstance(boot, dict) or not boot:
        raise error.BadRequest("Boot is an object with at least one BootSourceOverride property")
    changes: Json = {}
    for key, name, allowed in (
        ("BootSourceOverrideTarget", "boot_target", BOOT_TARGETS),
        ("BootSourceOverrideEnabled", "boot_enabled", BOOT_ENABLED),
        ("BootSourceOverrideMode", "boot_mode", ("UEFI", "Legacy")),
    ):
        if key in boot:
            if boot[key] not in allowed:
                raise error.BadRequest(f"{key} is one of {', '.join(allowed)}")
            changes[name] = boot[key]
    if "HttpBootUri" in boot:
        changes["http_boot_uri"] = str(boot["HttpBootUri"])
    if "boot_target" in changes and "boot_enabled" not in changes and settings["boot_enabled"] == "Disabled":
        changes["boot_enabled"] = "Once"
    return changes


class BasicAuth:
    """HTTP basic authentication by comparing the whole header with the one that is right: no hashing a request."""

    def __init__(self, app: Any, username: str, password: str) -> None:
        self._app = app
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._expected = f"Basic {token}".encode()

    def __call__(self, environ: Json, start_response: StartResponse) -> Iterable[bytes]:
        """Let the request through or answer 401."""
        given = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1", "replace")
        if environ.get("PATH_INFO", "").strip("/") in OPEN_PATHS or hmac.compare_digest(given, self._expected):
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        body = json.dumps(error_body("Wrong user name or password")).encode()
        headers = [("Content-Type", "application/json"), ("WWW-Authenticate", 'Basic realm="rack"')]
        start_response("401 Unauthorized", [*headers, ("Content-Length", str(len(body)))])
        return [body]


def error_body(message: str) -> Json:
    """A Redfish error (DSP0266, "Error responses")."""
    return {"error": {"code": "Base.1.0.GeneralError", "message": message}}
