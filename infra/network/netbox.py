"""The network as CSV files for NetBox's bulk import, numbered in the order in which they are imported.

Columns are those of the import forms of NetBox 4 (`dcim/forms/bulk_import.py`, `ipam/forms/bulk_import.py`, release
4.7.3). Every file refers to objects of earlier files by name, as the forms look them up. Pure functions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from capacity.leaseplan import LeasePlan, Sku
from infra.network.addresses import AddressPlan
from infra.network.cabling import Cable, End
from infra.network.names import Host
from infra.network.placement import Placed

Row = Mapping[str, str]
MANUFACTURER = "Leased"  # the plan contracts a size, not a maker
DEVICE_TYPES = {"firewall": "firewall-1u", "switch-tor": "switch-48x25g", "switch-oob": "switch-48x1g", "pdu": "pdu-42"}
COLOURS = {"edge": "2196f3", "control": "9c27b0", "worker": "4caf50", "database": "ff9800", "storage": "795548"}
GREY = "9e9e9e"
FAST, SLOW = "25gbase-x-sfp28", "1000base-t"


@dataclass(frozen=True, slots=True)
class Network:
    """What the files are made of: one deployment at national scale."""

    plan: LeasePlan
    addresses: AddressPlan
    hosts: Sequence[Host]
    placed: Sequence[Placed]
    cables: Sequence[Cable]


def files(network: Network) -> dict[str, str]:
    """File name → CSV, in the order of import. Empty for a plan without a layout."""
    if not network.placed:
        return {}
    tables = {
        "sites": _sites(network),
        "manufacturers": iter([{"name": MANUFACTURER, "slug": "leased"}]),
        "device-roles": _roles(network),
        "device-types": _types(network),
        "racks": _racks(network),
        "devices": _devices(network),
        "interfaces": _interfaces(network),
        "power-ports": _power_ports(network),
        "power-outlets": _power_outlets(network),
        "vlans": _vlans(network),
        "prefixes": _prefixes(network),
        "ip-addresses": _ip_addresses(network),
        "cables": _cables(network),
    }
    return {f"{number:02d}-{name}.csv": as_csv(list(rows)) for number, (name, rows) in enumerate(tables.items(), 1)}


def as_csv(rows: Sequence[Row]) -> str:
    """Rows with the same keys as CSV with a header (RFC 4180, but for the line ends)."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _sites(network: Network) -> Iterator[Row]:
    for site in network.plan.sites:
        yield {"name": site.id, "slug": site.id, "status": "planned", "description": site.name_en}


def _roles(network: Network) -> Iterator[Row]:
    for role in dict.fromkeys(each.holds for each in network.placed):
        yield {"name": role, "slug": role, "color": COLOURS.get(role, GREY)}


def _types(network: Network) -> Iterator[Row]:
    used = {each.sku for each in network.placed}
    for sku in (sku for sku in network.plan.skus if sku.id in used):
        yield _type(sku.id, sku.rack_units, sku.description)
    for kind in dict.fromkeys(each.holds for each in network.placed if not each.sku):
        yield _type(DEVICE_TYPES[kind], 0 if kind == "pdu" else 1, kind)


def _type(model: str, units: int, description: str) -> Row:
    return {
        "manufacturer": MANUFACTURER,
        "model": model,
        "slug": model,
        "u_height": str(units),
        "is_full_depth": "false" if units == 0 else "true",
        "description": description,
    }


def _racks(network: Network) -> Iterator[Row]:
    layout = network.plan.network.layout
    assert layout is not None
    for site, rack in dict.fromkeys((each.site, each.rack) for each in network.placed):
        yield {"site": site, "name": rack, "status": "planned", "width": "19", "u_height": str(layout.height)}


def _devices(network: Network) -> Iterator[Row]:
    for each in network.placed:
        yield {
            "name": each.name,
            "role": each.holds,
            "manufacturer": MANUFACTURER,
            "device_type": each.sku or DEVICE_TYPES[each.holds],
            "status": "planned",
            "site": each.site,
            "rack": each.rack,
            "position": str(each.bottom) if each.bottom else "",
            "face": "front" if each.bottom else "",
        }


def _interfaces(network: Network) -> Iterator[Row]:
    """Bonds first, since their members refer to them; then every port that a cable is in, then VLANs on the bonds."""
    skus = {sku.id: sku for sku in network.plan.skus}
    bond = network.plan.network.bond.name
    servers = {each.name: each for each in network.placed if each.sku}
    for server in servers.values():
        yield _interface(server.name, bond, "lag", mode="tagged")
    for device, port in dict.fromkeys((end.device, end.port) for end in _data_ends(network)):
        member = device in servers and port.startswith("nic")
        slow = port in ("bmc", "mgmt", "sync") or "-oob-" in device
        kind = SLOW if slow else _speed(skus[servers[device].sku]) if member else FAST
        yield _interface(device, port, kind, lag=bond if member else "", management=port in ("bmc", "mgmt"))
    for server in servers.values():
        for line in network.plan.network.networks:
            if line.id != "oob":
                yield _interface(server.name, f"{bond}.{line.vlan}", "virtual", parent=bond, description=line.id)
    for each in network.placed:
        if each.holds == "switch-oob":  # its own address: it is cabled to nothing but what it serves
            yield _interface(each.name, "mgmt", "virtual", management=True)


def _data_ends(network: Network) -> Iterator[End]:
    for cable in network.cables:
        if cable.kind != "power":
            yield cable.a
            if cable.kind != "carrier":  # the other end is the carrier's
                yield cable.b


def _speed(sku: Sku) -> str:
    return {1: SLOW, 10: "10gbase-x-sfpp", 25: FAST, 100: "100gbase-x-qsfp28"}.get(int(sku.nic_gbit_s), "other")


def _interface(
    device: str,
    name: str,
    kind: str,
    *,
    lag: str = "",
    parent: str = "",
    mode: str = "",
    management: bool = False,
    description: str = "",
) -> Row:
    return {
        "device": device,
        "name": name,
        "type": kind,
        "lag": lag,
        "parent": parent,
        "mode": mode,
        "mgmt_only": str(management).lower(),
        "description": description,
    }


def _power_ports(network: Network) -> Iterator[Row]:
    skus = {sku.id: sku for sku in network.plan.skus}
    draw = {each.name: skus[each.sku].power_w for each in network.placed if each.sku}
    for cable in (cable for cable in network.cables if cable.kind == "power"):
        watts = str(draw[cable.a.device]) if cable.a.device in draw else ""
        yield {"device": cable.a.device, "name": cable.a.port, "type": "iec-60320-c14", "maximum_draw": watts}


def _power_outlets(network: Network) -> Iterator[Row]:
    for cable in (cable for cable in network.cables if cable.kind == "power"):
        yield {"device": cable.b.device, "name": cable.b.port, "type": "iec-60320-c13"}


def _vlans(network: Network) -> Iterator[Row]:
    plan = network.plan.network
    for site in network.plan.sites:
        lines = [(line.id, line.vlan) for line in plan.networks] + [(line.id, line.vlan) for line in plan.segments]
        for name, vlan in lines:
            yield {"site": site.id, "vid": str(vlan), "name": f"{site.id}-{name}", "status": "active"}


def _prefixes(network: Network) -> Iterator[Row]:
    for site, supernet in network.addresses.supernets.items():
        yield _prefix(str(supernet), site, "", "container", f"site {site}")
    for subnet in (*network.addresses.subnets(), *network.addresses.segments()):
        yield _prefix(str(subnet.cidr), subnet.site, str(subnet.vlan), "active", subnet.network)


def _prefix(prefix: str, site: str, vlan: str, status: str, description: str) -> Row:
    return {
        "prefix": prefix,
        "vlan_site": site if vlan else "",
        "vlan": vlan,
        "status": status,
        "description": description,
    }


def _ip_addresses(network: Network) -> Iterator[Row]:
    plan, addresses, bond = network.plan.network, network.addresses, network.plan.network.bond.name
    for host in network.hosts:
        for line in plan.networks:
            oob = line.id == "oob"
            port = "bmc" if oob else f"{bond}.{line.vlan}"
            name = f"{host.name}.{plan.domain}" if line.id == "cluster" else f"{host.name}.{line.id}.{plan.domain}"
            yield _address(f"{host.addresses[line.id]}/{line.prefix}", host.name, port, name, line.id == "cluster", oob)
    fabric = next((segment for segment in addresses.segments() if _is_fabric(network, segment.network)), None)
    for each in network.placed:
        if each.kind and fabric:
            own = addresses.device(each.site, each.kind, each.index)
            name = f"{each.name}.{plan.domain}"
            yield _address(f"{own}/{fabric.cidr.prefixlen}", each.name, "mgmt", name, True, False)
    for subnet in (*addresses.subnets(), *addresses.segments()):
        about = f"gateway {subnet.network}"
        yield _address(f"{subnet.gateway}/{subnet.cidr.prefixlen}", role="vrrp", description=about)
    for moving in plan.virtual:
        for site in addresses.supernets:
            prefix = addresses.subnet(site, moving.network).cidr.prefixlen
            name = f"{moving.id}.{site}.{plan.domain}"
            yield _address(f"{addresses.virtual(site, moving)}/{prefix}", name=name, role="vrrp", description=moving.id)


def _is_fabric(network: Network, segment: str) -> bool:
    return any(line.id == segment and line.kind == "fabric" for line in network.plan.network.segments)


def _address(
    address: str,
    device: str = "",
    interface: str = "",
    name: str = "",
    primary: bool = False,
    oob: bool = False,
    role: str = "",
    description: str = "",
) -> Row:
    return {
        "address": address,
        "status": "active",
        "role": role,
        "device": device,
        "interface": interface,
        "is_primary": str(primary).lower() if device else "",
        "is_oob": str(oob).lower() if device else "",
        "dns_name": name,
        "description": description,
    }


def _cables(network: Network) -> Iterator[Row]:
    for cable in (cable for cable in network.cables if cable.kind != "carrier"):
        power = cable.kind == "power"
        yield {
            "side_a_device": cable.a.device,
            "side_a_type": "dcim.powerport" if power else "dcim.interface",
            "side_a_name": cable.a.port,
            "side_b_device": cable.b.device,
            "side_b_type": "dcim.poweroutlet" if power else "dcim.interface",
            "side_b_name": cable.b.port,
            "type": cable.medium,
            "status": "planned",
            "label": cable.label,
            "length": str(cable.length_m),
            "length_unit": "m",
        }
