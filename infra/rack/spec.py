"""What a rack is to hold: its servers, what is published on loopback, and the names of everything that follows from it.

Pure data and arithmetic. Addresses come from the caller (the address plan); the rack numbers nothing itself.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from capacity.documents import Document, RuleBroken
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Role, Sku
from infra.network.addresses import loopback_address

DEFAULT_NAME = "local"
DEFAULT_SUPERNET = "10.91.0.0/16"
SSH_USER = "root"
SSH_LOOPBACK_PORT = 2222
BMC_PORT = 8443
APT_PORT = 3142
GATEWAY_HOST = 1
BMC_HOST = 2
APT_HOST = 3

# Loopback port → server port, by role: what people and load generators reach (docs/architecture.md, "Addresses").
ROLE_PORTS: dict[Role, tuple[tuple[int, int], ...]] = {
    "control": ((6443, 6443),),
    "edge": ((8443, 443), (8080, 80)),
}

_RACK_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
_SERVER_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class PortMap(Document):
    """A port published on loopback: `127.N.x.y:loopback_port` leads to `10.N.x.y:port`."""

    address: ipaddress.IPv4Address
    port: int = Field(ge=1, le=65535)
    loopback_port: int = Field(ge=1, le=65535)

    @property
    def loopback(self) -> str:
        """The loopback address that stands for the rack's address."""
        return loopback_address(self.address)


class Mount(Document):
    """A folder of the machine, shown read-only at `target` inside every server."""

    source: Path
    target: Path


class RackServer(Document):
    """One leased server as delivered. Its name is its host name and the name of its system at the BMC."""

    name: str
    role: Role
    sku: Sku
    address: ipaddress.IPv4Address
    mac: str = Field(default="", description="empty: derived from the address")
    bmc_id: str = Field(default="", description="UUID of the Redfish system; empty: derived from rack and name")
    asset_tag: str = Field(default="", description="what the vendor wrote on it, e.g. the lease line")
    ports: tuple[tuple[int, int], ...] | None = Field(
        default=None, description="loopback port → port, besides ssh; None: by role"
    )
    memory_limit_mib: int | None = Field(default=None, ge=64, description="None: as much as the machine has")
    cpu_limit: float | None = Field(default=None, gt=0, description="CPUs; None: all of the machine's")

    @field_validator("name")
    @classmethod
    def _host_name(cls, value: str) -> str:
        if not _SERVER_NAME.fullmatch(value):
            raise RuleBroken("not a host name", "Use 1 to 40 of a-z, 0-9 and '-', beginning with a letter.")
        return value

    @field_validator("mac")
    @classmethod
    def _mac_address(cls, value: str) -> str:
        if value and not _MAC.fullmatch(value.lower()):
            raise RuleBroken("not a MAC address", "Write it as 02:6f:0a:5b:02:1f, or leave it out.")
        return value.lower()

    @property
    def mac_address(self) -> str:
        """The address of its first NIC: a locally administered one that follows from the IP when none is given."""
        return self.mac or ":".join(f"{byte:02x}" for byte in (0x02, 0x6F, *self.address.packed))

    @property
    def published(self) -> tuple[PortMap, ...]:
        """What of the server is reachable on loopback: ssh, and the ports of its role or those it names."""
        maps = ((SSH_LOOPBACK_PORT, 22), *(ROLE_PORTS.get(self.role, ()) if self.ports is None else self.ports))
        return tuple(PortMap(address=self.address, port=port, loopback_port=outer) for outer, port in maps)


class RackSpec(Document):
    """The whole rack. `published` adds ports of addresses that no single server owns (VIPs, NodePorts)."""

    name: str = DEFAULT_NAME
    supernet: ipaddress.IPv4Network = ipaddress.IPv4Network(DEFAULT_SUPERNET)
    servers: tuple[RackServer, ...] = ()
    published: tuple[PortMap, ...] = ()
    mounts: tuple[Mount, ...] = ()

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """The bridge's address inside the rack; the apt cache answers there."""
        return self.supernet.network_address + GATEWAY_HOST

    @property
    def bmc_address(self) -> str:
        """Loopback address of the management controllers."""
        return loopback_address(self.supernet.network_address + BMC_HOST)

    @property
    def apt_address(self) -> str:
        """Loopback address of the apt cache, for the image build."""
        return loopback_address(self.supernet.network_address + APT_HOST)

    @property
    def bmc_url(self) -> str:
        """Where the rack's Redfish service answers."""
        return f"https://{self.bmc_address}:{BMC_PORT}"

    @property
    def port_maps(self) -> tuple[PortMap, ...]:
        """Everything that is published on loopback."""
        return tuple(m for s in self.servers for m in s.published) + self.published

    def server(self, name: str) -> RackServer:
        """The server of that name; KeyError when the rack has none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)

    def bmc_id(self, server: RackServer) -> str:
        """The id of the server's Redfish system: given, or the same for a rack's and server's name every time."""
        return server.bmc_id or self.system_of(server.name)

    def system_of(self, name: str) -> str:
        """The id of the system that a server of this name has of its own."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{self.name}.rack"))

    def check(self) -> None:
        """Raise BadInput with everything in which servers collide or leave the rack's network."""
        if faults := list(self._faults()):
            raise BadInput(faults)

    def _faults(self) -> Iterator[Fault]:
        source = f"rack {self.name}"
        if not _RACK_NAME.fullmatch(self.name):
            yield Fault(source, "name", self.name, "not a rack name", "Use 1 to 16 of a-z and 0-9, a letter first.")
        # 127.N.x.y stands for 10.N.x.y, and 127.0.0.0/16 belongs to the machine's own services.
        first, second = self.supernet.network_address.packed[:2]
        if self.supernet.prefixlen != 16 or first != 10 or second == 0:
            remedy = "Give a /16 below 10.0.0.0/8 such as 10.91.0.0/16."
            yield Fault(source, "supernet", str(self.supernet), "not a rack's network", remedy)
        reserved = {self.gateway: "the gateway", self.supernet.network_address: "the network"}
        seen: dict[str, tuple[int, str]] = {}
        for number, server in enumerate(self.servers):
            where = f"servers.{server.name}"
            for kind, value in (
                ("name", server.name),
                ("address", str(server.address)),
                ("MAC", server.mac_address),
                ("BMC id", self.bmc_id(server)),
            ):
                earlier, other = seen.setdefault(f"{kind} {value}", (number, server.name))
                if earlier != number:
                    yield Fault(source, where, value, f"has the {kind} of {other}", "Give each server its own.")
            if server.address not in self.supernet:
                problem = f"address outside the rack's {self.supernet}"
                yield Fault(source, where, str(server.address), problem, "Use the address plan of this supernet.")
            elif server.address in reserved:
                problem = f"this is the address of {reserved[server.address]}"
                yield Fault(source, where, str(server.address), problem, "Use another address.")
        taken = {(self.bmc_address, BMC_PORT), (self.apt_address, APT_PORT)}
        for port_map in self.port_maps:
            place = (port_map.loopback, port_map.loopback_port)
            if place in taken:
                value = f"{place[0]}:{place[1]}"
                yield Fault(source, "published", value, "the port is published twice", "Choose another loopback port.")
            taken.add(place)
            if port_map.address not in self.supernet:
                problem = f"address outside the rack's {self.supernet}"
                yield Fault(source, "published", str(port_map.address), problem, "Publish the rack's own addresses.")
        for mount in self.mounts:
            if not mount.source.is_dir():
                yield Fault(source, "mounts", str(mount.source), "no such folder", "Make it, or leave the mount out.")
