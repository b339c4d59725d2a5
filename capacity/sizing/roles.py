"""What each role of servers must carry at a site in each month: pods, edge traffic, database, documents, backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from capacity.launch import EndpointPlan, Launch, Service
from capacity.leaseplan import Role
from capacity.sizing.facilities import Stored, bandwidth_mbit_s, sessions, writes_per_s
from capacity.sizing.needs import SiteNeed
from capacity.sizing.pods import Sized, service_of
from capacity.sizing.scaling import Scaling, kept_busy
from capacity.sizing.size import Size, busy_or_infeasible, size
from capacity.sizing.workload import Floats, Workload

SYSTEM_DISK_GB = 200.0


def memory_mib(service: Service) -> int:
    """Memory of one replica."""
    return service.memory_base_mib + service.processes * service.memory_per_process_mib


def server_sizes(launch: Launch, work: Workload, scaling: Scaling | None = None) -> dict[str, Size]:
    """Sizes of the stations that are servers, just large enough for their utilisation limit, and of upstreams.

    Raises Infeasible when a station does not scale to its load, however large (C8).
    """
    out: dict[str, Size] = {}
    for station in launch.stations:
        if station.kind == "server":
            fit = (scaling or {}).get(station.id)
            busy = busy_or_infeasible(station.id, fit, work.stations[station.id].busy)
            plain = size(1.0, np.maximum(1.0, busy / station.max_utilisation))
            out[station.id] = Size(plain.queues, plain.servers, fit=fit)
        elif station.kind == "upstream":
            out[station.id] = size(np.ones(work.factor.shape), float(station.connections or 1))
    return out


def site_needs(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    work: Workload,
    sized: Sized,
    kept: Stored,
    scaling: Scaling | None = None,
) -> dict[Role, list[SiteNeed]]:
    """Need of every role in each of the months (the first M workloads), before the shift for delivery."""
    months = len(kept.documents_gb)
    pods = [(service_of(launch, s.service), sized.sizes[s.id]) for s in launch.stations if s.kind == "pods"]
    pods = [(service, at) for service, at in pods if "national" in service.scales]
    busy = {
        s.role: kept_busy((scaling or {}).get(s.id), work.stations[s.id].busy) / s.max_utilisation
        for s in launch.stations
        if s.kind == "server"
    }
    fill = launch.storage.fill_limit
    zero = np.zeros(work.factor.shape)
    out: dict[Role, list[SiteNeed]] = {}
    for plan in launch.roles:
        cores: Floats = zero + plan.fixed_cores / plan.max_utilisation
        memory: Floats = zero + plan.fixed_memory_gib
        disk, iops, network = np.zeros(months), zero, zero
        if plan.role == "worker":
            cores = cores + sum(at.total for _, at in pods)
            memory = memory + sum(at.queues * memory_mib(service) for service, at in pods) / 1024
            disk = disk + SYSTEM_DISK_GB
        else:
            cores = cores + busy.get(plan.role, zero)
        if plan.role == "database":
            memory = memory + launch.storage.cache_share * np.pad(kept.database_gb, (0, len(zero) - months), "edge")
            disk = kept.database_gb / fill
            iops = writes_per_s(endpoints, work) * launch.storage.iops_per_write
        elif plan.role == "edge":
            # to clients and to pods, over the same ports
            network = network + 2 * bandwidth_mbit_s(launch, endpoints, work)
            memory = memory + sessions(launch, work) * launch.facilities.session_kib / 1024**2
        elif plan.role == "storage":
            disk = (kept.documents_gb + kept.logs_gb + kept.backups_gb) / fill
        out[plan.role] = [
            SiteNeed(float(cores[m]), float(memory[m]), float(disk[m]), float(iops[m]), float(network[m]))
            for m in range(months)
        ]
    return out


def role_cores(
    by_role: Mapping[str, float], launch: Launch, width: int, scaling: Scaling | None = None
) -> dict[str, Size]:
    """Sizes of the stations that are servers, from the cores installed for their roles."""
    out: dict[str, Size] = {}
    for station in launch.stations:
        if station.kind == "server":
            at = size(np.ones(width), by_role[station.role or ""])
            out[station.id] = Size(at.queues, at.servers, fit=(scaling or {}).get(station.id))
        elif station.kind == "upstream":
            out[station.id] = size(np.ones(width), float(station.connections or 1))
    return out
