"""Bandwidth, sessions, addresses, racks and power of a site, and the volumes that it keeps.

Sessions by Little's law: N = rate x time a client stays (thinking between calls, then keep-alive) (C5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.demand.model import Draws
from capacity.launch import EndpointPlan, Launch
from capacity.leaseplan import SiteResources
from capacity.sizing.workload import Floats, Workload, visits_a_journey
from capacity.tables import SkuRow

KIB_A_GB = 1e9 / 1024
NETWORKS_A_SERVER = 3
"""A server's addresses: out-of-band, management, and the network of its role."""
DAYS_A_MONTH = 30.44


@dataclass(frozen=True, slots=True)
class Stored:
    """(M,) volumes kept at a site by the end of each month, at the design quantile, decimal gigabytes, not mirrored."""

    documents_gb: Floats
    database_gb: Floats
    logs_gb: Floats
    backups_gb: Floats


def stored(launch: Launch, draws: Draws, volume: Floats) -> Stored:
    """Formula (C10) at the design quantile. `volume[d, m]`: registrations made in each month."""
    rules, q = launch.storage, launch.design.quantile
    made = volume.cumsum(axis=1)
    documents = made * draws.document_kib[:, None] / KIB_A_GB
    database = made * draws.database_kib[:, None] / KIB_A_GB
    visits = visits_a_journey(launch)
    calls = np.zeros(draws.count)
    for kind in launch.classes:
        if kind.driver == "registrations":
            calls = calls + draws.per_unit[kind.id] * sum(visits[kind.id].values())
    kept = max(1, math.ceil(rules.log_days / DAYS_A_MONTH))
    recent = made - np.pad(made, ((0, 0), (kept, 0)))[:, : made.shape[1]]
    logs = recent * calls[:, None] * rules.log_kib_per_call / KIB_A_GB
    # full copies of the database, and the month's tenth of documents that changed
    backups = rules.backup_copies * (database + 0.1 * documents)
    return Stored(*(np.quantile(v, q, axis=0) for v in (documents, database, logs, backups)))


def writes_per_s(endpoints: Sequence[EndpointPlan], work: Workload) -> Floats:
    """(W,) database writes a second: calls that are no GET and touch the database."""
    writing = [e.id for e in endpoints if e.method != "GET" and "database" in e.demand_ms]
    return np.asarray(sum(work.endpoint_rates[name] for name in writing))


def sessions(launch: Launch, work: Workload) -> Floats:
    """(W,) client connections open at once. Formula (C5)."""
    visits = visits_a_journey(launch)
    total = np.zeros(work.factor.shape)
    for kind in launch.classes:
        stay = kind.think_time_s * max(0.0, sum(visits[kind.id].values()) - 1) + launch.facilities.keep_alive_s
        total = total + work.class_rates[kind.id] * stay
    return total


def seen_endpoints(endpoints: Sequence[EndpointPlan]) -> list[EndpointPlan]:
    """The endpoints that pass the edge: those that somebody outside calls."""
    return [e for e in endpoints if "edge" in e.demand_ms]


def bandwidth_mbit_s(launch: Launch, endpoints: Sequence[EndpointPlan], work: Workload) -> Floats:
    """(W,) at the edge, the larger direction, with protocol overhead and headroom. Formula (C9)."""
    seen = seen_endpoints(endpoints)
    answers = sum(work.endpoint_rates[e.id] * e.response_kib for e in seen)
    documents = launch.storage.document_kib.p50 / 2
    uploads = sum(
        work.endpoint_rates[e.id] * (documents if e.id.endswith(".document") else launch.facilities.request_kib)
        for e in seen
    )
    larger = np.maximum(answers, uploads)
    return np.asarray(
        larger * 1024 * 8 / 1e6 * launch.facilities.protocol_overhead * launch.facilities.bandwidth_headroom
    )


def site_resources(
    launch: Launch,
    site: str,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    kept: Mapping[str, float],
    servers: Sequence[SkuRow],
) -> SiteResources:
    """Everything a site provides beside its servers, at workload 0. `kept`: volumes in GB by name of `Stored`."""
    rules = launch.facilities
    units, power = sum(s.rack_units for s in servers), sum(s.power_w for s in servers)
    racks = max(math.ceil(units / rules.rack_units), math.ceil(power / rules.rack_power_w))
    wire = float(bandwidth_mbit_s(launch, endpoints, work)[0])
    writes = float(writes_per_s(endpoints, work)[0])
    open_clients = math.ceil(float(sessions(launch, work)[0]))
    return SiteResources(
        site=site,
        rack_units=units,
        racks=racks,
        power_w=power,
        addresses=NETWORKS_A_SERVER * len(servers) + rules.virtual_addresses,
        domestic_mbit_s=round(wire * (1 - rules.international_share), 1),
        international_mbit_s=round(wire * rules.international_share, 1),
        replication_mbit_s=round(wire * 0.5 + writes * 16 * 1024 * 8 / 1e6, 1),
        load_balancer_sessions=open_clients,
        firewall_sessions=math.ceil(open_clients * rules.firewall_sessions_per_client),
        documents_gb=round(kept["documents_gb"], 1),
        database_gb=round(kept["database_gb"], 1),
        logs_gb=round(kept["logs_gb"], 1),
        backups_gb=round(kept["backups_gb"], 1),
        database_iops=round(writes * launch.storage.iops_per_write, 1),
    )
