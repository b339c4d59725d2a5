"""Names of everything that has an address: the domain's zone, the reverse zones, and names that follow a site's health.

Pure functions from the lease plan and its addresses. A zone's serial is a checksum of its records: every name server
is given the same files, nobody transfers a zone, so serials need to differ but not to rise (RFC 1035, 3.3.13).
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.leaseplan import LeasePlan, Role, Scale
from capacity.networkplan import NameService, VirtualAddress
from infra.network.addresses import AddressPlan
from infra.network.placement import Placed

CLUSTER = "cluster"
REFRESH_S, RETRY_S, EXPIRE_S = 3600, 600, 1209600  # RIPE-203's recommendation for small, stable zones


@dataclass(frozen=True, slots=True)
class Host:
    """What of a server its names are made of. `addresses`: network id → address, `cluster` among them."""

    name: str
    site: str
    role: Role
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record. `name` is relative to its zone; `@` is the zone itself. `ttl_s` 0: the zone's."""

    name: str
    type: Literal["A", "NS", "PTR"]
    value: str
    ttl_s: int = 0


@dataclass(frozen=True, slots=True)
class Zone:
    """An authoritative zone: its name without the last dot, and its records in order."""

    name: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class HealthName:
    """A public name at one site: whoever watches the health check answers with the lowest healthy priority."""

    name: str
    site: str
    address: str
    priority: int
    ttl_s: int
    check: str


def hosts_of(plan: LeasePlan, servers: Iterable[str], addresses: AddressPlan) -> tuple[Host, ...]:
    """The leased servers of these names."""
    known = {server.name: server for server in plan.servers}
    return tuple(Host(n, known[n].site, known[n].role, addresses.addresses(known[n])) for n in servers)


def name_servers(plan: LeasePlan, hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The servers that answer for the domain, in the order of the sites; none when the plan names no name service."""
    service = plan.network.names
    return tuple(host for host in hosts if service and host.role == service.role)


def zones(
    plan: LeasePlan, hosts: Sequence[Host], addresses: AddressPlan, placed: Sequence[Placed] = ()
) -> tuple[Zone, ...]:
    """The domain's zone, then one reverse zone for each /16; empty when the plan names no name service."""
    service, servers = plan.network.names, name_servers(plan, hosts)
    if service is None or not servers:
        return ()
    domain = plan.network.domain
    authority = [Record("@", "NS", f"{server.name}.{domain}.") for server in servers]
    own = [*_own_names(hosts, addresses.scale), *_devices(placed, addresses)]
    shared = [
        *_groups(plan, hosts, addresses),
        *_virtual(plan.network.virtual, addresses, service, hosts),
    ]
    forward = Zone(domain, (*authority, *own, *shared))
    return (forward, *_reverse(own, shared, domain, authority, addresses))


def _own_names(hosts: Sequence[Host], scale: Scale) -> Iterator[Record]:
    for host in hosts:
        yield Record(host.name, "A", host.addresses[CLUSTER])
        for network, address in host.addresses.items():
            if scale == "national" and network != CLUSTER:
                yield Record(f"{host.name}.{network}", "A", address)


def _devices(placed: Sequence[Placed], addresses: AddressPlan) -> Iterator[Record]:
    for each in placed:
        if each.kind:
            yield Record(each.name, "A", str(addresses.device(each.site, each.kind, each.index)))


def _groups(plan: LeasePlan, hosts: Sequence[Host], addresses: AddressPlan) -> Iterator[Record]:
    """`database` leads to the primary; the others to every server of a role at a site, to be tried in turn."""
    order = {site: number for number, site in enumerate(addresses.supernets)}
    databases = [host for host in hosts if host.role == "database"]
    if databases:
        primary = min(databases, key=lambda host: (order[host.site], host.name))
        yield Record("database", "A", primary.addresses[CLUSTER])
    groups: list[tuple[str, Role]] = [("kubernetes", "control"), ("database", "database")]
    if plan.network.time:
        groups.append(("ntp", plan.network.time.role))
    for name, role in groups:
        for host in hosts:
            if host.role == role:
                yield Record(f"{name}.{host.site}", "A", host.addresses[CLUSTER])


def _virtual(
    lines: Sequence[VirtualAddress], addresses: AddressPlan, service: NameService, hosts: Sequence[Host]
) -> Iterator[Record]:
    for line in lines:
        standing = [site for site in addresses.supernets if any(h.site == site and h.role == line.role for h in hosts)]
        for site in standing:
            yield Record(f"{line.id}.{site}", "A", str(addresses.virtual(site, line)))
        for name in line.names if standing else ():
            yield Record(name, "A", str(addresses.virtual(standing[0], line)), service.failover_ttl_s)


def health_names(plan: LeasePlan, hosts: Sequence[Host], addresses: AddressPlan) -> tuple[HealthName, ...]:
    """Public names at every site that can serve them, in the order in which sites take over."""
    domain, service = plan.network.domain, plan.network.names
    found = []
    for line in plan.network.virtual:
        standing = [site for site in addresses.supernets if any(h.site == site and h.role == line.role for h in hosts)]
        for name in line.names if service else ():
            full = domain if name == "@" else f"{name}.{domain}"
            for priority, site in enumerate(standing, start=1):
                address = str(addresses.virtual(site, line))
                check = f"https://{address}{line.health_path}"
                assert service is not None
                found.append(HealthName(full, site, address, priority, service.failover_ttl_s, check))
    return tuple(found)


def _reverse(
    own: Sequence[Record], shared: Sequence[Record], domain: str, authority: Sequence[Record], addresses: AddressPlan
) -> Iterator[Zone]:
    """An address leads back to its server's or device's own name; a virtual one to the name with its site."""
    owners: dict[str, str] = {}
    for record in (*own, *shared):
        owners.setdefault(record.value, f"{record.name}.{domain}.")
    for supernet in dict.fromkeys(addresses.supernets.values()):
        second, first = reversed(str(supernet.network_address).split(".")[:2])
        inside = sorted(ipaddress.IPv4Address(a) for a in owners if ipaddress.IPv4Address(a) in supernet)
        pointers = [Record(_tail(address), "PTR", owners[str(address)]) for address in inside]
        yield Zone(f"{second}.{first}.in-addr.arpa", (*authority, *pointers))


def _tail(address: ipaddress.IPv4Address) -> str:
    """`10.20.2.33` → `33.2`, its name in the zone of 10.20.0.0/16."""
    _, _, third, fourth = str(address).split(".")
    return f"{fourth}.{third}"


def zone_file(zone: Zone, service: NameService) -> str:
    """The zone as a master file (RFC 1035, 5)."""
    body = "".join(
        f"{record.name}\t{record.ttl_s or ''}\tIN\t{record.type}\t{record.value}\n".replace("\t\t", "\t")
        for record in zone.records
    )
    serial = zlib.crc32(body.encode()) or 1
    contact = f"{service.contact.replace('@', '.')}."
    first = next(record.value for record in zone.records if record.type == "NS")
    soa = f"{first} {contact} {serial} {REFRESH_S} {RETRY_S} {EXPIRE_S} {service.ttl_s}"
    return f"$ORIGIN {zone.name}.\n$TTL {service.ttl_s}\n@\tIN\tSOA\t{soa}\n{body}"
