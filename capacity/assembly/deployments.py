"""A phase at both scales: servers, services, and what the model predicts for stations and endpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capacity.assembly.computed import Computed
from capacity.launch import Phase
from capacity.leaseplan import Deployment, LeasedServer, Scale, ServicePlan
from capacity.memo import Calls, direct, narrowed
from capacity.sizing.needs import usable
from capacity.sizing.pods import service_of
from capacity.sizing.predict import endpoint_predictions, station_plans
from capacity.sizing.roles import memory_mib, role_cores
from capacity.sizing.size import Size, pods
from capacity.sizing.workload import Workload, workload


@dataclass(frozen=True, slots=True)
class _Draft:
    """A deployment before its predictions."""

    scale: Scale
    load_factor: float
    work: Workload
    sizes: Mapping[str, Size]
    servers: tuple[str, ...]
    services: tuple[ServicePlan, ...]


def deployments(
    all_of: Computed, servers: Sequence[LeasedServer], call: Calls = direct
) -> dict[tuple[int, Scale], Deployment]:
    """(phase, scale) → deployment. The queueing of all of them is computed together."""
    launch = all_of.launch
    nets = narrowed(launch, "stations")
    drafts: dict[tuple[int, Scale], _Draft] = {}
    for phase in launch.phases:
        standing = [s for s in servers if s.phase <= phase.id]
        drafts[phase.id, "national"] = _national(all_of, phase, standing)
        drafts[phase.id, "rack"] = _rack(all_of, phase, standing)
    plain = [workload(launch, all_of.endpoints, d.work.class_rates, 1.0) for d in drafts.values()]
    at = [(draft.work, one, draft.sizes) for draft, one in zip(drafts.values(), plain, strict=True)]
    stations = call(station_plans, nets, at, station_slos(all_of))
    return {
        key: Deployment(
            scale=draft.scale,
            load_factor=draft.load_factor,
            class_rates_per_s={k: round(float(r[0]), 5) for k, r in draft.work.class_rates.items()},
            servers=draft.servers,
            services=draft.services,
            stations=planned,
            endpoints=call(
                endpoint_predictions,
                nets,
                all_of.endpoints,
                draft.work,
                draft.sizes,
                all_of.overhead_ms,
            ),
        )
        for (key, draft), planned in zip(drafts.items(), stations, strict=True)
    }


def _national(all_of: Computed, phase: Phase, standing: Sequence[LeasedServer]) -> _Draft:
    """The phase at the size of the nation, predicted at the primary site, which carries all of it alone."""
    launch = all_of.launch
    primary = launch.site_of_kind("primary").id
    w = all_of.phase_index(phase)
    work = all_of.works[primary].pick(w)
    cores: dict[str, float] = {r.role: installed_cores(all_of, primary, r.role, standing) for r in launch.roles}
    replicated = {s.id: all_of.sized[primary].sizes[s.id].pick(w) for s in launch.stations if s.kind == "pods"}
    sizes = {**role_cores(cores, launch, 1, all_of.scaling), **replicated}
    services = []
    for site in launch.sites:
        for station in launch.stations:
            if station.kind != "pods":
                continue
            service = service_of(launch, station.service)
            if "national" not in service.scales:
                continue
            replicas = int(all_of.sized[site.id].sizes[station.id].queues[w])
            services.append(
                ServicePlan(
                    id=service.id,
                    site=site.id,
                    namespace=service.namespace,
                    replicas=replicas,
                    min_available=max(1, replicas - max(1, replicas // 4)),
                    cpu_millicores=service.replica_millicores,
                    memory_mib=memory_mib(service),
                    processes=service.processes,
                )
            )
    return _Draft("national", 1.0, work, sizes, tuple(s.name for s in standing), tuple(services))


def _rack(all_of: Computed, phase: Phase, standing: Sequence[LeasedServer]) -> _Draft:
    """The phase on one machine: `load_factor` of the rates, the reference service, a share of the primary's servers."""
    launch, small = all_of.launch, all_of.launch.rack
    primary = launch.site_of_kind("primary").id
    names: list[str] = []
    for role in launch.roles:
        mine = [s.name for s in standing if s.site == primary and s.role == role.role]
        names += mine[: math.ceil(small.server_share.get(role.role, 0.0) * len(mine) - 1e-9)]
    point = all_of.phase_point(phase)
    work = workload(launch, all_of.endpoints, {k: r * small.load_factor for k, r in point.class_rates.items()}, 1.0)
    sizes: dict[str, Size] = {}
    services = []
    for service in launch.services:
        station = next(s for s in launch.stations if s.service == service.id)
        floor, ceiling = service.rack.min_cpu_millicores, service.rack.max_cpu_millicores
        cpu = floor
        if station.kind == "pods":
            wanted = float(work.stations[station.id].busy[0]) / station.max_utilisation / service.rack.replicas * 1e3
            cpu = min(max(math.ceil(wanted / 50) * 50, floor), ceiling)
            sizes[station.id] = pods(float(service.rack.replicas), cpu / 1e3, 1, all_of.scaling.get(station.id))
        services.append(
            ServicePlan(
                id=service.id,
                site=primary,
                namespace=service.namespace,
                replicas=service.rack.replicas,
                min_available=1 if service.rack.replicas > 1 else 0,
                cpu_millicores=cpu,
                memory_mib=service.rack.memory_mib,
                processes=1,
            )
        )
    cores: dict[str, float] = {
        r.role: small.edge_cores if r.role == "edge" else small.database_cores for r in launch.roles
    }
    sizes |= role_cores(cores, launch, 1, all_of.scaling)
    return _Draft("rack", small.load_factor, work, sizes, tuple(names), tuple(services))


def installed_cores(all_of: Computed, site: str, role_name: str, servers: Sequence[LeasedServer]) -> float:
    """Cores that the servers of a role offer with the redundant ones lost; of a mirrored role those of one server."""
    role = all_of.launch.role(role_name)  # type: ignore[arg-type]
    mine = sorted(usable(all_of.sku(s.sku), role)["cores"] for s in servers if s.site == site and s.role == role_name)
    if not mine:
        return 1.0
    return mine[0] if role.spread == "mirror" else sum(mine[: max(1, len(mine) - role.redundancy)])


def station_slos(all_of: Computed) -> dict[str, tuple[float, float]]:
    """The tightest SLO (p95, p99 in ms) among the endpoints that a station serves."""
    out = {}
    for s in all_of.launch.stations:
        mine = [e for e in all_of.endpoints if s.id in e.demand_ms or s.id in e.calls]
        out[s.id] = (min(e.slo_p95_ms for e in mine), min(e.slo_p99_ms for e in mine))
    return out
