"""What a server's controller reports of its hardware: the contracted SKU, part by part, as Redfish resources.

Pure functions from the rack's spec to JSON. Field names and types follow the DMTF schemas that are named in each
`@odata.type`; sushy reads the same fields.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from infra.rack.spec import RackServer, RackSpec

Json = dict[str, Any]

CORES_A_SOCKET = 32
MANUFACTURER = "OSS Rack"
BIOS_VERSION = "1.4.2"
CONTROLLER_VERSION = "2.10"
STORAGE_ID = "1"
SECURE_ERASE = "Actions/Drive.SecureErase"
_GB = 10**9


@dataclass(frozen=True, slots=True)
class Hardware:
    """One server as its controller sees it."""

    id: str
    server: RackServer

    @property
    def name(self) -> str:
        """The name of the system: the server's."""
        return self.server.name

    @property
    def serial_number(self) -> str:
        """The same for the same system always; vendors print it on the lid."""
        return "OSS" + hashlib.sha256(self.id.encode()).hexdigest()[:9].upper()

    @property
    def sockets(self) -> int:
        """As many processors as the SKU's cores need."""
        return max(1, -(-self.server.sku.cores // CORES_A_SOCKET))

    @property
    def macs(self) -> tuple[str, ...]:
        """One address a NIC: the first is the server's own, the others count up in its second byte."""
        first = self.server.mac_address.split(":")
        second = int(first[1], 16)
        return tuple(
            ":".join([first[0], f"{(second + number) % 256:02x}", *first[2:]]) for number in range(self.server.sku.nics)
        )


def hardware_of(spec: RackSpec) -> dict[str, Hardware]:
    """The systems of a rack, by id."""
    return {spec.bmc_id(server): Hardware(spec.bmc_id(server), server) for server in spec.servers}


def system(hardware: Hardware, power: str, progress: str, settings: Json, chassis: list[str]) -> Json:
    """ComputerSystem. `settings` are the changeable parts kept by the store (see `store.DEFAULTS`)."""
    path = f"/redfish/v1/Systems/{hardware.id}"
    sku = hardware.server.sku
    healthy = {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"}
    return {
        "@odata.type": "#ComputerSystem.v1_14_0.ComputerSystem",
        "@odata.id": path,
        "Id": hardware.id,
        "UUID": hardware.id,
        "Name": hardware.name,
        "HostName": hardware.name,
        "SystemType": "Physical",
        "Manufacturer": MANUFACTURER,
        "Model": sku.description,
        "SKU": sku.id,
        "SerialNumber": hardware.serial_number,
        "AssetTag": settings["asset_tag"] if settings["asset_tag"] is not None else hardware.server.asset_tag,
        "IndicatorLED": settings["indicator"],
        "Status": healthy,
        "PowerState": power,
        "BootProgress": {"LastState": progress},
        "BiosVersion": settings["versions"].get("BiosVersion", BIOS_VERSION),
        "Boot": {
            "BootSourceOverrideEnabled": settings["boot_enabled"],
            "BootSourceOverrideTarget": settings["boot_target"],
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd", "UefiHttp"],
            "BootSourceOverrideMode": settings["boot_mode"],
            "HttpBootUri": settings["http_boot_uri"],
        },
        "ProcessorSummary": {
            "Count": hardware.sockets,
            "CoreCount": sku.cores,
            "LogicalProcessorCount": 2 * sku.cores,
            "Status": healthy,
        },
        "MemorySummary": {"TotalSystemMemoryGiB": sku.memory_gib, "Status": healthy},
        **{part: {"@odata.id": f"{path}/{part}"} for part in ("Processors", "Storage", "EthernetInterfaces")},
        **{part: {"@odata.id": f"{path}/{part}"} for part in ("VirtualMedia", "SecureBoot")},
        "Bios": {"@odata.id": f"{path}/BIOS"},
        "Links": {
            "Chassis": [{"@odata.id": f"/redfish/v1/Chassis/{name}"} for name in chassis],
            "ManagedBy": [{"@odata.id": f"/redfish/v1/Managers/{hardware.id}"}],
        },
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": f"{path}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": list(RESET_TYPES),
            }
        },
    }


RESET_TYPES = ("On", "ForceOn", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart")


def processors(hardware: Hardware) -> list[Json]:
    """Processors as the emulator's routes want them; cores are spread over the sockets, the first gets the rest."""
    cores, sockets = hardware.server.sku.cores, hardware.sockets
    shares = [cores // sockets + (1 if number < cores % sockets else 0) for number in range(sockets)]
    return [
        {"id": f"CPU{number}", "socket": f"CPU {number}", "cores": share, "threads": 2 * share}
        for number, share in enumerate(shares)
    ]


def processor(hardware: Hardware, part: Json) -> Json:
    """Processor."""
    return {
        "@odata.type": "#Processor.v1_7_0.Processor",
        "@odata.id": f"/redfish/v1/Systems/{hardware.id}/Processors/{part['id']}",
        "Id": part["id"],
        "Name": "Processor",
        "Socket": part["socket"],
        "ProcessorType": "CPU",
        "ProcessorArchitecture": "x86",
        "InstructionSet": "x86-64",
        "Manufacturer": MANUFACTURER,
        "TotalCores": part["cores"],
        "TotalThreads": part["threads"],
        "Status": {"State": "Enabled", "Health": "OK"},
    }


def storage(hardware: Hardware) -> Json:
    """Storage: one controller with all the drives of the SKU."""
    path = f"/redfish/v1/Systems/{hardware.id}/Storage/{STORAGE_ID}"
    return {
        "@odata.type": "#Storage.v1_4_0.Storage",
        "@odata.id": path,
        "Id": STORAGE_ID,
        "Name": "Local storage",
        "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"},
        "Drives": [{"@odata.id": f"{path}/Drives/{drive['Id']}"} for drive in drives(hardware)],
        "Volumes": {"@odata.id": f"{path}/Volumes"},
    }


def drives(hardware: Hardware, erasable: bool = True) -> list[Json]:
    """Drives of the SKU, each of its capacity in decimal gigabytes. `erasable`: whether they offer SecureErase."""
    sku = hardware.server.sku
    made: list[Json] = [
        {
            "@odata.type": "#Drive.v1_4_0.Drive",
            "@odata.id": f"/redfish/v1/Systems/{hardware.id}/Storage/{STORAGE_ID}/Drives/{number}",
            "Id": str(number),
            "Name": f"Drive {number}",
            "CapacityBytes": sku.disk_gb * _GB,
            "MediaType": "SSD",
            "Protocol": "NVMe",
            "Manufacturer": MANUFACTURER,
            "SerialNumber": f"{hardware.serial_number}D{number}",
            "Status": {"State": "Enabled", "Health": "OK"},
        }
        for number in range(sku.disks)
    ]
    if erasable:
        for drive in made:
            drive["Actions"] = {"#Drive.SecureErase": {"target": f"{drive['@odata.id']}/{SECURE_ERASE}"}}
    return made


def ethernet_interface(hardware: Hardware, mac: str) -> Json:
    """EthernetInterface; its id is its number, `NIC0` the one that carries the server's address."""
    number = hardware.macs.index(mac)
    return {
        "@odata.type": "#EthernetInterface.v1_6_0.EthernetInterface",
        "@odata.id": f"/redfish/v1/Systems/{hardware.id}/EthernetInterfaces/NIC{number}",
        "Id": f"NIC{number}",
        "Name": f"NIC {number}",
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "SpeedMbps": int(hardware.server.sku.nic_gbit_s * 1000),
        "Status": {"State": "Enabled", "Health": "OK"},
    }
