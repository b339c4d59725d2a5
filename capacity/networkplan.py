"""The network of every site as data: addresses by explicit offsets, zones, rules, virtual addresses, names, racks.

Part of the launch plan, carried into the lease plan unchanged. What is given a default here may be left out of a plan;
the parts that are rendered from it (docs/network.md) are then left out too.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from capacity.documents import Document

Role = Literal["edge", "control", "worker", "database", "storage", "ops"]
ROLES: tuple[Role, ...] = ("edge", "control", "worker", "database", "storage", "ops")

NetworkId = Literal["oob", "management", "edge", "cluster", "data"]
ZoneId = Literal["public", "edge", "cluster", "database", "management", "oob"]
DeviceKind = Literal["firewall", "switch-tor", "switch-oob", "pdu"]


class Network(Document):
    """One subnet of every site. `offset` is the third octet within the site's /16: explicit, never a cursor."""

    id: NetworkId
    vlan: int = Field(ge=2, le=4094)
    offset: int = Field(ge=0, le=255)
    prefix: int = Field(ge=24, le=30)


class RoleOffset(Document):
    """Host numbers of a role in every subnet: base + server index (index starts at 1)."""

    role: Role
    base: int = Field(ge=2, le=250)
    capacity: int = Field(ge=1, description="how many servers of the role the range can hold")


class Segment(Document):
    """A subnet of every site that no server is on: the devices' own network, or the transit to a carrier or a site."""

    id: str = Field(pattern="^[a-z][a-z0-9-]*$")
    kind: Literal["fabric", "domestic", "international", "interconnect"] = Field(
        description="fabric: addresses of switches, firewalls and PDUs; domestic, international: carriers; "
        "interconnect: the link between sites"
    )
    vlan: int = Field(ge=2, le=4094)
    offset: int = Field(ge=0, le=255)
    prefix: int = Field(ge=24, le=30)


class DeviceOffset(Document):
    """Host numbers of a kind of device in the segment of kind `fabric`: base + index."""

    kind: DeviceKind
    base: int = Field(ge=1, le=250)
    capacity: int = Field(ge=1)


class Zone(Document):
    """Servers (by role) and networks that are trusted alike. Zones that are not named in `opens_to` stay shut to it."""

    id: ZoneId
    roles: tuple[Role, ...] = ()
    networks: tuple[NetworkId, ...] = Field(default=(), description="everything on them that is no server's address")
    opens_to: tuple[ZoneId, ...] = Field(default=(), description="zones that its members may open connections to")


class FirewallRule(Document):
    """Who may open a connection to a role: from `source` (a role, `rack-gateway`, `internet`, `any`) to ports."""

    to_role: Role
    source: str
    protocol: Literal["tcp", "udp"]
    ports: tuple[int, ...]
    purpose: str


class PerimeterRule(Document):
    """What the firewalls of a site let through to a place that is no server: from a role to a zone's networks."""

    to_zone: ZoneId
    source: Role
    protocol: Literal["tcp", "udp"]
    ports: tuple[int, ...] = Field(min_length=1)
    purpose: str


class VirtualAddress(Document):
    """An address that moves between the servers of a role at a site (VRRP, RFC 5798)."""

    id: str = Field(pattern="^[a-z][a-z0-9-]*$")
    role: Role
    network: NetworkId
    host: int = Field(ge=2, le=250, description="host number, outside every role's range")
    router_id: int = Field(ge=1, le=255, description="VRRP virtual router, unique in its network")
    names: tuple[str, ...] = Field(default=(), description="names below the domain that lead to it; @ is the domain")
    health_path: str = Field(default="", description="what answers 200 while the site can serve")


class NameService(Document):
    """Who answers for the domain and its reverse zones, and where the rest is asked."""

    role: Role = Field(description="its servers run the name service")
    forwarders: tuple[str, ...] = Field(default=(), description="resolvers for other names; none in a rack")
    contact: str = Field(description="mailbox of the zone's administrator, as user@domain")
    ttl_s: int = Field(default=300, ge=30)
    failover_ttl_s: int = Field(default=30, ge=5, description="of records that follow the health of a site")


class TimeService(Document):
    """NTP: servers of `role` ask the sources, everyone else asks those servers."""

    role: Role
    sources: tuple[str, ...] = Field(min_length=1)


class Bond(Document):
    """How a server's network cards are bundled (IEEE 802.1AX, LACP), VLANs on top."""

    name: str = Field(default="bond0", pattern="^[a-z][a-z0-9]{0,14}$")
    members: str = Field(default="en*", description="systemd.network pattern of the cards' names")
    mtu: int = Field(default=1500, ge=1280, le=9216)


class EdgeLimits(Document):
    """What one address may ask of the edge, so that one client cannot take the place of all."""

    calls_per_10_s: int = Field(default=600, ge=1)
    exempt: tuple[str, ...] = Field(default=(), description="networks without a limit: agencies' gateways, load tests")


class RackSlot(Document):
    """Units of every rack that are kept for a role's servers or a kind of device, counted from the bottom."""

    holds: Role | DeviceKind
    bottom: int = Field(ge=1)
    units: int = Field(ge=1)


class RackLayout(Document):
    """How every rack is filled: explicit units by role, so that a new server never moves another."""

    height: int = Field(ge=1, le=60)
    slots: tuple[RackSlot, ...]
    tor_ports: int = Field(default=48, ge=1, description="server ports of one top-of-rack switch")
    oob_ports: int = Field(default=48, ge=1)
    firewall_racks: tuple[int, ...] = Field(default=(1, 2), description="numbers of the racks with a firewall each")


class NetworkPlan(Document):
    """Address plan of every site, by explicit offsets, and everything that devices are configured from."""

    domain: str
    networks: tuple[Network, ...]
    roles: tuple[RoleOffset, ...]
    firewall: tuple[FirewallRule, ...]
    segments: tuple[Segment, ...] = ()
    devices: tuple[DeviceOffset, ...] = ()
    zones: tuple[Zone, ...] = ()
    perimeter: tuple[PerimeterRule, ...] = ()
    virtual: tuple[VirtualAddress, ...] = ()
    names: NameService | None = None
    time: TimeService | None = None
    bond: Bond = Bond()
    edge_limits: EdgeLimits = EdgeLimits()
    layout: RackLayout | None = None
