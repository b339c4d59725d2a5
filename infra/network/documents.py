"""Everything about a deployment's network that is handed to people and devices, as files. Pure: name → content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from capacity.leaseplan import LeasePlan, Scale
from infra.network import netbox, perimeter
from infra.network.addresses import AddressPlan, address_plan
from infra.network.cabling import Cable, cables
from infra.network.names import Host, health_names, hosts_of, zone_file, zones
from infra.network.picture import rack_svg
from infra.network.placement import Placed, elevation


@dataclass(frozen=True, slots=True)
class NetworkOf:
    """The network of one deployment. A rack has no devices and no cables, so `placed` and `cables` are empty there."""

    plan: LeasePlan
    addresses: AddressPlan
    hosts: tuple[Host, ...]
    placed: tuple[Placed, ...]
    cables: tuple[Cable, ...]


def network_of(
    plan: LeasePlan,
    servers: Sequence[str],
    scale: Scale,
    racks_per_site: int,
    rack_supernet: str = "",
    source: str = "lease plan",
) -> NetworkOf:
    """Raises BadInput as `address_plan`, `elevation` and `cables`."""
    addresses = address_plan(plan, scale, rack_supernet, source)
    placed = elevation(plan, servers, racks_per_site, source) if scale == "national" else ()
    carriers = [segment.id for segment in plan.network.segments if segment.kind != "fabric"]
    return NetworkOf(plan, addresses, hosts_of(plan, servers, addresses), placed, cables(placed, carriers))


def files(network: NetworkOf) -> dict[str, str]:
    """Path below the folder → content."""
    found = {"addresses.csv": netbox.as_csv(_addresses(network)), "firewall.csv": netbox.as_csv(_passages(network))}
    for site in network.addresses.supernets:
        if lines := perimeter.passages(network.plan, site, network.hosts, network.addresses):
            found[f"firewall/{site}.nft"] = perimeter.ruleset(site, lines, network.addresses)
    if service := network.plan.network.names:
        for zone in zones(network.plan, network.hosts, network.addresses, network.placed):
            found[f"names/{zone.name}.zone"] = zone_file(zone, service)
        found["names/health.csv"] = netbox.as_csv(_health(network))
    if layout := network.plan.network.layout:
        for rack in dict.fromkeys(each.rack for each in network.placed):
            found[f"racks/{rack}.svg"] = rack_svg(rack, network.placed, layout.height)
    if network.cables:
        found["cabling.csv"] = netbox.as_csv(cabling_rows(network.cables))
    table = netbox.Network(network.plan, network.addresses, network.hosts, network.placed, network.cables)
    found |= {f"netbox/{name}": text for name, text in netbox.files(table).items()}
    return {path: text for path, text in found.items() if text}


def cabling_rows(lines: Sequence[Cable]) -> list[dict[str, str]]:
    """One row a cable, as technicians read it."""
    return [
        {
            "label": cable.label,
            "kind": cable.kind,
            "medium": cable.medium,
            "length_m": str(cable.length_m or ""),
            "rack": cable.rack,
            "from_device": cable.a.device,
            "from_port": cable.a.port,
            "to_device": cable.b.device,
            "to_port": cable.b.port,
        }
        for cable in lines
    ]


def shortfall(network: NetworkOf, phase: int) -> list[str]:
    """Racks that are filled but not leased, site by site, in words; empty when the supporting lines cover them."""
    found = []
    for site in network.addresses.supernets:
        used = len({each.rack for each in network.placed if each.site == site})
        lines = [line for line in network.plan.supporting if line.site == site and line.phase <= phase]
        leased = sum(line.quantity for line in lines if line.kind == "colocation")
        if lines and used > leased:
            found.append(f"{site}: {used} racks are filled, {leased} leased by phase {phase}")
    return found


def _addresses(network: NetworkOf) -> list[dict[str, str]]:
    plan, addresses = network.plan.network, network.addresses
    subnets = [*addresses.subnets(), *addresses.segments()]
    rows = [_row(s.site, s.network, str(s.cidr), str(s.vlan), "network", "") for s in subnets]
    rows += [_row(s.site, s.network, str(s.gateway), str(s.vlan), "gateway", "") for s in subnets]
    for line in plan.virtual:
        for site in addresses.supernets:
            about = " ".join(line.names)
            rows.append(_row(site, line.network, str(addresses.virtual(site, line)), "", f"virtual {line.id}", about))
    for host in network.hosts:
        rows += [_row(host.site, net, address, "", host.name, host.role) for net, address in host.addresses.items()]
    for each in network.placed:
        if each.kind:
            own = str(addresses.device(each.site, each.kind, each.index))
            rows.append(_row(each.site, "fabric", own, "", each.name, each.kind))
    return rows


def _row(site: str, network: str, address: str, vlan: str, owner: str, about: str) -> dict[str, str]:
    return {"site": site, "network": network, "address": address, "vlan": vlan, "owner": owner, "about": about}


def _passages(network: NetworkOf) -> list[dict[str, str]]:
    return [
        {
            "site": site,
            "from_zone": line.from_zone,
            "to_zone": line.to_zone,
            "protocol": line.protocol,
            "ports": " ".join(str(port) for port in line.ports),
            "sources": " ".join(line.sources) or "any",
            "targets": "outside" if line.outside else " ".join(line.targets),
            "purpose": line.purpose,
        }
        for site in network.addresses.supernets
        for line in perimeter.passages(network.plan, site, network.hosts, network.addresses)
    ]


def _health(network: NetworkOf) -> list[dict[str, str]]:
    return [
        {
            "name": line.name,
            "site": line.site,
            "address": line.address,
            "priority": str(line.priority),
            "ttl_s": str(line.ttl_s),
            "check": line.check,
        }
        for line in health_names(network.plan, network.hosts, network.addresses)
    ]
