"""Where a server or a device stands: its rack and its units. Pure functions of its name and index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from capacity.faults import BadInput, Fault
from capacity.leaseplan import LeasedServer, LeasePlan
from capacity.networkplan import DeviceKind, RackLayout, RackSlot, Role

SIDES = ("a", "b")
DEVICE_KINDS: tuple[DeviceKind, ...] = ("firewall", "switch-tor", "switch-oob", "pdu")


@dataclass(frozen=True, slots=True)
class Placed:
    """A server or a device in its rack. Units count from the bottom, from 1; a PDU stands upright beside them: 0."""

    name: str
    site: str
    rack: str
    rack_number: int
    holds: Role | DeviceKind
    index: int
    bottom: int
    units: int
    sku: str = ""
    nics: int = 0

    @property
    def kind(self) -> DeviceKind | None:
        """Of a device; None for a server."""
        return next((kind for kind in DEVICE_KINDS if kind == self.holds), None)


def rack_of(server: LeasedServer, racks_per_site: int) -> str:
    """The rack's name. Servers of one role alternate over the racks of their site, so that one rack never holds a
    database and its replica, or more than its share of any role. It follows from the index alone, for good."""
    return rack_name(server.site, (server.index - 1) % racks_per_site + 1)


def rack_name(site: str, number: int) -> str:
    """`primary-rack-01`."""
    return f"{site}-rack-{number:02d}"


def elevation(
    plan: LeasePlan, servers: Sequence[str], racks_per_site: int, source: str = "lease plan"
) -> tuple[Placed, ...]:
    """Every server of a deployment, and every device that it needs, in its place; empty for a plan without layout.

    A server's unit is its slot's bottom and its turn in the rack, times its SKU's height. Raises BadInput naming each
    server that does not fit.
    """
    layout = plan.network.layout
    if layout is None:
        return ()
    slots = {slot.holds: slot for slot in layout.slots}
    faults: list[Fault] = []
    found: list[Placed] = []
    known = {server.name: server for server in plan.servers}
    skus = {sku.id: sku for sku in plan.skus}
    for server in (known[name] for name in servers):
        sku = skus[server.sku]
        number, turn = (server.index - 1) % racks_per_site + 1, (server.index - 1) // racks_per_site
        slot = slots.get(server.role)
        bottom = slot.bottom + turn * sku.rack_units if slot else 0
        if slot is None or bottom + sku.rack_units > slot.bottom + slot.units:
            rack = rack_name(server.site, number)
            room = f"the {slot.units} units of role {server.role}" if slot else f"no slot of role {server.role}"
            remedy = "Give the role more units in network.layout, or the site more racks (racksPerSite)."
            faults.append(
                Fault(source, f"servers.{server.name}", str(turn + 1), f"{rack} has {room}: it does not fit", remedy)
            )
            continue
        found.append(
            Placed(
                server.name,
                server.site,
                rack_name(server.site, number),
                number,
                server.role,
                server.index,
                bottom,
                sku.rack_units,
                sku.id,
                sku.nics,
            )
        )
    if faults:
        raise BadInput(faults)
    racks = sorted({(placed.site, placed.rack_number) for placed in found})
    devices = [device for site, number in racks for device in _devices(site, number, layout, slots)]
    return tuple(sorted([*found, *devices], key=lambda p: (p.rack, -p.bottom, p.name)))


def _devices(site: str, number: int, layout: RackLayout, slots: dict[Role | DeviceKind, RackSlot]) -> Iterator[Placed]:
    rack = rack_name(site, number)
    for turn, side in enumerate(SIDES):
        index = 2 * number - 1 + turn
        if tor := slots.get("switch-tor"):
            name = f"{site}-tor-{number:02d}{side}"
            yield Placed(name, site, rack, number, "switch-tor", index, tor.bottom + tor.units - 1 - turn, 1)
        yield Placed(f"{site}-pdu-{number:02d}{side}", site, rack, number, "pdu", index, 0, 0)
    if oob := slots.get("switch-oob"):
        yield Placed(f"{site}-oob-{number:02d}", site, rack, number, "switch-oob", number, oob.bottom, 1)
    if (firewall := slots.get("firewall")) and number in layout.firewall_racks:
        index = layout.firewall_racks.index(number) + 1
        yield Placed(f"{site}-firewall-{index:02d}", site, rack, number, "firewall", index, firewall.bottom, 1)
