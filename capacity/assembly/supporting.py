"""Supporting hard infrastructure: racks, switches, firewalls, bandwidth and the link between sites, phase by phase."""

from __future__ import annotations

import math
from collections.abc import Sequence

from capacity.assembly.computed import Computed, months_between, phase_months
from capacity.leaseplan import PhasePlan, SiteResources, SupportingLine
from capacity.sizing.needs import ready_months
from capacity.tables import Supporting

PORTS_A_SERVER = 2


def supporting_lines(all_of: Computed, phases: Sequence[PhasePlan]) -> tuple[SupportingLine, ...]:
    """Lines that raise each item of each site to what the phase needs; nothing is given back before the end."""
    launch = all_of.launch
    held: dict[tuple[str, str], int] = {}
    out = []
    for phase, plan in zip(phases, launch.phases, strict=True):
        start = max(0, phase_months(launch, plan).start - ready_months(launch))
        for resources in phase.sites:
            servers = sum(1 for name in phase.national.servers if name.startswith(f"{resources.site}-"))
            for item in all_of.inputs.supporting:
                quantity, why_id, why_en = _quantity(item, resources, servers, primary=_is_primary(all_of, resources))
                more = quantity - held.get((resources.site, item.id), 0)
                if more <= 0:
                    continue
                held[resources.site, item.id] = quantity
                begin = all_of.month(start)
                out.append(
                    SupportingLine(
                        id=f"{resources.site}-{item.id}-{phase.id}",
                        item=item.id,
                        kind=item.kind,
                        site=resources.site,
                        vendor=item.vendor,
                        description_id=item.description_id,
                        description_en=item.description_en,
                        quantity=more,
                        unit="Mbit/s" if item.kind == "bandwidth" else "unit",
                        phase=phase.id,
                        start=begin,
                        months=months_between(begin, launch.horizon_end()),
                        end=launch.horizon_end(),
                        monthly_rent_idr=item.monthly_rent,
                        setup_idr=item.setup,
                        quotation=item.quotation,
                        estimate=item.estimate,
                        source=item.source,
                        detail_id=why_id,
                        detail_en=why_en,
                    )
                )
    return tuple(out)


def _is_primary(all_of: Computed, resources: SiteResources) -> bool:
    return resources.site == all_of.launch.site_of_kind("primary").id


def _quantity(item: Supporting, need: SiteResources, servers: int, primary: bool) -> tuple[int, str, str]:
    """How many of an item a site needs in all, and why (in Indonesian and English)."""
    if item.kind == "colocation":
        return need.racks, f"{need.rack_units} U, {need.power_w} W", f"{need.rack_units} U, {need.power_w} W"
    if item.id == "switch-tor":
        ports = PORTS_A_SERVER * servers
        pairs = max(need.racks, math.ceil(ports / (2 * item.capacity)))
        return 2 * pairs, f"sepasang tiap rak, {ports} porta", f"a pair a rack, {ports} ports"
    if item.kind == "switch":
        return need.racks, "satu tiap rak", "one a rack"
    if item.kind == "firewall":
        pairs = math.ceil(need.firewall_sessions / item.capacity)
        return max(1, pairs), f"{need.firewall_sessions} sesi", f"{need.firewall_sessions} sessions"
    if item.id == "bandwidth-domestic":
        wanted = need.domestic_mbit_s
        return math.ceil(wanted), f"{wanted:.0f} Mbit/s pada jam puncak", f"{wanted:.0f} Mbit/s in the peak hour"
    if item.id == "bandwidth-international":
        wanted = need.international_mbit_s
        return math.ceil(wanted), f"{wanted:.0f} Mbit/s pada jam puncak", f"{wanted:.0f} Mbit/s in the peak hour"
    if item.kind == "link":
        wanted = need.replication_mbit_s
        count = math.ceil(wanted / item.capacity) if primary else 0
        return count, f"replikasi {wanted:.0f} Mbit/s", f"replication, {wanted:.0f} Mbit/s"
    return 0, "", ""  # power, UPS, load balancer: inside the rack's rent or on the edge servers
