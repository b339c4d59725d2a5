"""What each role of servers must carry at a site: pods, edge traffic, the database, documents and backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from capacity.launch import EndpointPlan, Launch, Service
from capacity.leaseplan import Role
from capacity.sizing.needs import SiteNeed
from capacity.sizing.pods import Sized
from capacity.sizing.predict import Size
from capacity.sizing.workload import Workload

KIB_A_GB = 1e9 / 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """Volumes kept at a site by the end of a month, in decimal gigabytes, before mirroring."""

    documents_gb: float
    database_gb: float
    logs_gb: float
    backups_gb: float


def stored(launch: Launch, registrations: float, calls: float, document_kib: float, database_kib: float) -> Stored:
    """`registrations` and `calls` so far (logs: of the last `log_days`)."""
    rules = launch.storage
    documents = registrations * document_kib / KIB_A_GB
    database = registrations * database_kib / KIB_A_GB
    logs = calls * rules.log_kib_per_call / KIB_A_GB
    return Stored(documents, database, logs, (documents * 0.1 + database) * rules.backup_copies)


def writes_per_s(endpoints: tuple[EndpointPlan, ...], work: Workload) -> float:
    """Database writes a second: calls that are not GET and touch the database."""
    return sum(work.endpoint_rates[e.id] for e in endpoints if e.method != "GET" and "database" in e.demand_ms)


def memory_mib(service: Service) -> int:
    """Memory of one replica."""
    return service.memory_base_mib + service.processes * service.memory_per_process_mib


def service_of(launch: Launch, identity: str | None) -> Service:
    """The service of that id."""
    return next(s for s in launch.services if s.id == identity)


def site_needs(
    launch: Launch, endpoints: tuple[EndpointPlan, ...], work: Workload, sized: Sized, kept: Stored
) -> dict[Role, SiteNeed]:
    """Need of every role at a site that carries `work`."""
    pods = [(service_of(launch, s.service), sized.sizes[s.id]) for s in launch.stations if s.kind == "pods"]
    pods = [(s, size) for s, size in pods if "national" in s.scales]
    busy = {s.role: work.stations[s.id].busy / s.max_utilisation for s in launch.stations if s.kind == "server"}
    fill = launch.storage.fill_limit
    out: dict[Role, SiteNeed] = {}
    for plan in launch.roles:
        cores, memory = plan.fixed_cores / plan.max_utilisation, plan.fixed_memory_gib
        disk = iops = 0.0
        if plan.role == "worker":
            cores += sum(size.total for _, size in pods)
            memory += sum(size.queues * memory_mib(s) for s, size in pods) / 1024
            disk = 200.0
        elif plan.role == "database":
            cores += busy.get("database", 0.0)
            memory += 0.25 * kept.database_gb
            disk = kept.database_gb / fill
            iops = writes_per_s(endpoints, work) * launch.storage.iops_per_write
        elif plan.role == "storage":
            disk = (kept.documents_gb + kept.logs_gb + kept.backups_gb) / fill
        else:
            cores += busy.get(plan.role, 0.0)
        out[plan.role] = SiteNeed(max(cores, 1e-6), memory, disk, iops)
    return out


def server_sizes(launch: Launch, cores: Mapping[str, float]) -> dict[str, Size]:
    """Sizes of stations that are servers or upstreams; `cores` of a role's servers that share the load."""
    out = {}
    for station in launch.stations:
        if station.kind == "server":
            out[station.id] = Size(1, cores[station.role or ""])
        elif station.kind == "upstream":
            out[station.id] = Size(1, float(station.connections or 1))
    return out
