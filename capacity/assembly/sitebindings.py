"""What sets the size of everything that a site provides beside its servers: racks, power, addresses, lines, volumes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from capacity.assembly.computed import Computed, phase_months
from capacity.launch import Phase
from capacity.leaseplan import Binding, SiteResources
from capacity.sizing.facilities import seen_endpoints
from capacity.sizing.workload import visits_a_journey

MOST_PROVINCES = 5
SUPPORTS = {
    "colocation": "racks",
    "switch": "racks",
    "firewall": "firewall_sessions",
    "load_balancer": "load_balancer_sessions",
    "link": "replication_mbit_s",
    "bandwidth-domestic": "domestic_mbit_s",
    "bandwidth-international": "international_mbit_s",
}
"""Kind or id of a supporting item → the site's resource that it serves."""


def site_bindings(all_of: Computed, phase: Phase, sites: tuple[SiteResources, ...]) -> Iterator[Binding]:
    """`sites.<site>.<resource>` for every resource of every site in a phase."""
    for resources in sites:
        yield from _hardware(all_of, resources)
        yield from _traffic(all_of, phase, resources)
        yield from _volumes(all_of, phase, resources)


def _bind(resources: SiteResources, what: str, rule: str, words: tuple[str, str], **more: object) -> Binding:
    return Binding(
        subject=f"sites.{resources.site}.{what}",
        value=float(getattr(resources, what)),
        rule=rule,
        detail_id=words[0],
        detail_en=words[1],
        **more,
    )


def _hardware(all_of: Computed, r: SiteResources) -> Iterator[Binding]:
    rules = all_of.launch.facilities
    by_units, by_power = math.ceil(r.rack_units / rules.rack_units), math.ceil(r.power_w / rules.rack_power_w)
    rule = "rack_power" if by_power > by_units else "rack_units"
    yield _bind(
        r,
        "racks",
        rule,
        (
            f"{r.rack_units} U dari {rules.rack_units} U tiap rak, {r.power_w} W dari {rules.rack_power_w} W tiap rak",
            f"{r.rack_units} U of {rules.rack_units} U a rack, {r.power_w} W of {rules.rack_power_w} W a rack",
        ),
    )
    count = (r.addresses - rules.virtual_addresses) // 3
    yield _bind(
        r,
        "addresses",
        "three_a_server",
        (
            f"3 alamat untuk {count} server (luar jalur, pengelolaan, peran), {rules.virtual_addresses} virtual",
            f"3 addresses for {count} servers (out of band, management, role), {rules.virtual_addresses} virtual",
        ),
    )


def _traffic(all_of: Computed, phase: Phase, r: SiteResources) -> Iterator[Binding]:
    launch, rules, point = all_of.launch, all_of.launch.facilities, all_of.phase_point(phase)
    at_peak = {"hour": point.hour, "provinces": tuple(point.provinces)[:MOST_PROVINCES]}
    visits, kib = visits_a_journey(launch), {e.id: e.response_kib for e in seen_endpoints(all_of.endpoints)}
    bytes_of = {
        k: rate * sum(n * kib.get(e, 0.0) for e, n in visits[k].items()) for k, rate in point.class_rates.items()
    }
    heavy = max(bytes_of, key=lambda k: bytes_of[k])
    for what, share in (
        ("domestic_mbit_s", 1 - rules.international_share),
        ("international_mbit_s", rules.international_share),
    ):
        yield _bind(
            r,
            what,
            "peak_hour",
            (
                f"{share:.0%} dari jam puncak, {rules.protocol_overhead:g} kali untuk protokol, "
                f"{rules.bandwidth_headroom:g} kali cadangan",
                f"{share:.0%} of the peak hour, times {rules.protocol_overhead:g} for protocols, "
                f"times {rules.bandwidth_headroom:g} in reserve",
            ),
            traffic_class=heavy,
            **at_peak,
        )
    yield _bind(
        r,
        "replication_mbit_s",
        "peak_hour",
        (
            "setengah lalu lintas tepi (dokumen) dan 16 KiB tiap penulisan basis data",
            "half of the edge's traffic (documents) and 16 KiB for each database write",
        ),
        **at_peak,
    )
    stays = {
        k.id: point.class_rates[k.id] * (k.think_time_s * max(0.0, sum(visits[k.id].values()) - 1) + rules.keep_alive_s)
        for k in launch.classes
    }
    longest = max(stays, key=lambda k: stays[k])
    for what, times in (("load_balancer_sessions", 1.0), ("firewall_sessions", rules.firewall_sessions_per_client)):
        yield _bind(
            r,
            what,
            "peak_hour",
            (
                f"laju × lama tinggal (hukum Little), {times:g} sesi tiap klien",
                f"rate × stay (Little's law), {times:g} sessions a client",
            ),
            traffic_class=longest,
            **at_peak,
        )
    yield _bind(
        r,
        "database_iops",
        "peak_hour",
        (
            f"{launch.storage.iops_per_write:g} operasi tiap penulisan pada jam puncak",
            f"{launch.storage.iops_per_write:g} operations for each write in the peak hour",
        ),
        station="database",
        **at_peak,
    )


def _volumes(all_of: Computed, phase: Phase, r: SiteResources) -> Iterator[Binding]:
    rules, q = all_of.launch.storage, all_of.launch.design.quantile
    until = all_of.month(phase_months(all_of.launch, phase).stop - 1)
    end_id, end_en = f"sampai akhir {until:%Y-%m}, P{q * 100:.0f}", f"by the end of {until:%Y-%m}, P{q * 100:.0f}"
    words: Mapping[str, tuple[str, str]] = {
        "documents_gb": (f"dokumen tiap permohonan {end_id}", f"documents of every registration {end_en}"),
        "database_gb": (f"baris dan indeks {end_id}", f"rows and indexes {end_en}"),
        "logs_gb": (f"log {rules.log_days} hari terakhir {end_id}", f"logs of the last {rules.log_days} days {end_en}"),
        "backups_gb": (
            f"{rules.backup_copies:g} salinan basis data dan sepersepuluh dokumen {end_id}",
            f"{rules.backup_copies:g} copies of the database and a tenth of the documents {end_en}",
        ),
    }
    for what, (indonesian, english) in words.items():
        rule = "retention" if what == "logs_gb" else "volume"
        yield _bind(r, what, rule, (indonesian, english))


def subject_of(site: str, kind: str, item: str) -> str | None:
    """The binding's subject behind a supporting line; None when nothing of the site sets it."""
    what = SUPPORTS.get(item) or SUPPORTS.get(kind)
    return f"sites.{site}.{what}" if what else None
