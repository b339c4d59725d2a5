"""Which port is cabled to which: a pure function of the lease plan, by explicit numbers, so that nothing is re-plugged.

A port has the number of the unit that the other end stands in: the cable of unit 12 is in port 12 of both top-of-rack
switches, of the out-of-band switch and of both power strips. A device of several units may use a port for each.
Ports above the last unit join switches: 49 to 51 the other racks, 52 and 53 the pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.faults import BadInput, Fault
from infra.network.placement import SIDES, Placed

UNIT_M = 0.04445  # one rack unit (EIA-310-D: 1.75 inches)
RACK_WIDTH_M = 0.6  # usual width of a 19-inch cabinet
SLACK_M = 1.0  # from the port to the side of the rack and back, at both ends together
OVERHEAD_M = 4.0  # up to the tray above the racks and down again
LENGTHS_M = (1, 2, 3, 5, 7, 10, 15, 20)
RACK_PORTS = 49
PAIR_PORTS = (52, 53)
MOST_RACKS = 4  # the first rack's switches join the others: ports 49 to 51
PDU_PORTS = {"a": 43, "b": 44}
LONGEST_COPPER_M = 5  # passive twinax at 10 and 25 Gbit/s

Kind = Literal["data", "oob", "power", "switch", "carrier"]


@dataclass(frozen=True, slots=True)
class End:
    """One end of a cable."""

    device: str
    port: str


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable, its label on both ends. `length_m` is the class to order; 0 where the carrier brings it."""

    label: str
    kind: Kind
    medium: str
    length_m: int
    a: End
    b: End
    rack: str


def cables(placed: Sequence[Placed], segments: Sequence[str] = ()) -> tuple[Cable, ...]:
    """All cables of the placed servers and devices. `segments`: ids of the carriers' segments, one port each.

    Raises BadInput for a site with more racks than its first rack's switches can join, and for a server with more
    cards than its units have ports.
    """
    faults = list(_faults(placed))
    if faults:
        raise BadInput(faults)
    by_name = {each.name: each for each in placed}
    found: list[Cable] = []
    for each in placed:
        found += _data(each, by_name)
        found += _out_of_band(each, by_name)
        found += _power(each, by_name)
        found += _between_switches(each, by_name)
        found += _carriers(each, segments)
    return tuple(found)


def _faults(placed: Sequence[Placed]) -> Iterator[Fault]:
    for site in sorted({each.site for each in placed}):
        racks = max(each.rack_number for each in placed if each.site == site)
        if racks > MOST_RACKS:
            problem = f"the switches of the first rack join {MOST_RACKS} racks at most"
            remedy = "Use fewer racks a site (racksPerSite); more need a spine of switches, which this plan has not."
            yield Fault("lease plan", f"sites.{site}", str(racks), problem, remedy)
    for each in placed:
        if each.nics > 2 * each.units > 0:
            problem = f"{each.nics} network cards, but {2 * each.units} ports for its {each.units} units"
            yield Fault("lease plan", f"servers.{each.name}", each.sku, problem, "Use an SKU with fewer cards.")


def nic_ends(each: Placed) -> Iterator[tuple[str, str, int]]:
    """Card, side of the switch and port: odd cards to switch a, even ones to switch b."""
    for card in range(1, each.nics + 1):
        yield f"nic{card}", SIDES[(card + 1) % 2], each.bottom + (card - 1) // 2


def _data(each: Placed, by_name: Mapping[str, Placed]) -> Iterator[Cable]:
    ends = list(nic_ends(each))
    if each.holds == "firewall":
        ends = [("lan1", "a", each.bottom), ("lan2", "b", each.bottom)]
    for port, side, number in ends:
        switch = by_name.get(f"{each.site}-tor-{each.rack_number:02d}{side}")
        if switch:
            yield _cable("data", each, port, switch, f"port{number}")


def _out_of_band(each: Placed, by_name: Mapping[str, Placed]) -> Iterator[Cable]:
    switch = by_name.get(f"{each.site}-oob-{each.rack_number:02d}")
    if switch is None or switch is each:
        return
    number = PDU_PORTS[each.name[-1]] if each.holds == "pdu" else each.bottom
    yield _cable("oob", each, "bmc" if each.sku else "mgmt", switch, f"port{number}")


def _power(each: Placed, by_name: Mapping[str, Placed]) -> Iterator[Cable]:
    if each.holds == "pdu":
        return
    for number, side in enumerate(SIDES, start=1):
        strip = by_name[f"{each.site}-pdu-{each.rack_number:02d}{side}"]
        yield _cable("power", each, f"psu{number}", strip, f"outlet{each.bottom}")


def _between_switches(each: Placed, by_name: Mapping[str, Placed]) -> Iterator[Cable]:
    if each.holds == "switch-tor":
        if each.name.endswith("a") and (other := by_name.get(f"{each.name[:-1]}b")):
            for port in PAIR_PORTS:
                yield _cable("switch", each, f"port{port}", other, f"port{port}")
        if each.rack_number > 1 and (first := by_name.get(f"{each.site}-tor-01{each.name[-1]}")):
            yield _cable("switch", each, f"port{RACK_PORTS}", first, f"port{RACK_PORTS + each.rack_number - 2}")
    if each.holds == "switch-oob" and each.rack_number > 1 and (first := by_name.get(f"{each.site}-oob-01")):
        yield _cable("switch", each, "port47", first, f"port{44 + each.rack_number}")
    if each.holds == "firewall" and each.index == 1 and (other := by_name.get(f"{each.site}-firewall-02")):
        yield _cable("switch", each, "sync", other, "sync")


def _carriers(each: Placed, segments: Sequence[str]) -> Iterator[Cable]:
    if each.holds != "firewall":
        return
    for number, segment in enumerate(segments, start=1):
        label = _label(each, f"wan{number}")
        outlet = End(f"{each.site}-{segment}", f"handover{each.index}")
        yield Cable(label, "carrier", "smf-os2", 0, End(each.name, f"wan{number}"), outlet, each.rack)


def _cable(kind: Kind, a: Placed, a_port: str, b: Placed, b_port: str) -> Cable:
    length = _length(a, b)
    medium = {
        "power": "power",
        "oob": "cat6",
        "data": "dac-passive",
        "switch": "dac-passive" if length <= LONGEST_COPPER_M else "aoc",
        "carrier": "smf-os2",
    }[kind]
    if a.holds == "switch-oob":
        medium = "cat6"
    return Cable(_label(a, a_port), kind, medium, length, End(a.name, a_port), End(b.name, b_port), a.rack)


def _label(each: Placed, port: str) -> str:
    return f"{each.name}/{port}".upper()


def _length(a: Placed, b: Placed) -> int:
    """The next length class. A power strip runs along the whole rack, so its outlet is at the height of the unit."""
    height = abs(a.bottom - b.bottom) * UNIT_M if "pdu" not in (a.holds, b.holds) else 0.0
    wanted = SLACK_M + height
    if a.rack != b.rack:
        wanted = OVERHEAD_M + abs(a.rack_number - b.rack_number) * RACK_WIDTH_M
    return next((length for length in LENGTHS_M if length >= wanted), math.ceil(wanted))
