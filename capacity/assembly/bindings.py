"""What binds each size: the chain from a number back to hour, provinces, class, station and rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from capacity.assembly.computed import Computed, need_months, phase_months
from capacity.demand.design import DesignPoint
from capacity.demand.peaks import amplification
from capacity.launch import Phase, RolePlan, Station
from capacity.leaseplan import Binding, LeasedServer
from capacity.sizing.needs import standing
from capacity.sizing.pods import binding_rule
from capacity.sizing.workload import Floats, visits_a_journey

MOST_PROVINCES = 5
RESOURCE_ID = {"cores": "inti", "memory_gib": "GiB memori", "disk_gb": "GB cakram", "iops": "IOPS", "mbit_s": "Mbit/s"}
RESOURCE_EN = {
    "cores": "cores",
    "memory_gib": "GiB of memory",
    "disk_gb": "GB of disk",
    "iops": "IOPS",
    "mbit_s": "Mbit/s",
}


def bindings(all_of: Computed, phase: Phase, servers: Sequence[LeasedServer]) -> tuple[Binding, ...]:
    """Of every service and role at every site, and of every upstream with a quota."""
    return (*_services(all_of, phase), *_servers(all_of, phase, servers), *_quotas(all_of, phase))


def _services(all_of: Computed, phase: Phase) -> Iterator[Binding]:
    launch, w = all_of.launch, all_of.phase_index(phase)
    point = all_of.phase_point(phase)
    for site in launch.sites:
        work, sized = all_of.works[site.id].pick(w), all_of.sized[site.id].pick(w)
        for station in launch.stations:
            if station.kind != "pods":
                continue
            rule, endpoint = binding_rule(
                launch, all_of.endpoints, work, sized, station, all_of.overhead_ms, all_of.scaling
            )
            replicas = int(sized.sizes[station.id].queues[0])
            load = float(work.stations[station.id].busy[0])
            tail_id, tail_en = _rule_words(rule, endpoint, station.max_utilisation)
            yield Binding(
                subject=f"services.{station.service}@{site.id}",
                value=replicas,
                rule=rule,
                hour=point.hour,
                provinces=tuple(point.provinces)[:MOST_PROVINCES],
                traffic_class=heaviest_class(all_of, point, station.id),
                station=station.id,
                detail_id=f"{load:.2f} inti sibuk pada {replicas} replika; {tail_id}",
                detail_en=f"{load:.2f} cores busy on {replicas} replicas; {tail_en}",
            )


def _rule_words(rule: str, endpoint: str, limit: float) -> tuple[str, str]:
    if rule == "max_utilisation":
        return f"paling banyak {limit:.0%} sibuk", f"at most {limit:.0%} busy"
    if rule == "minimum":
        return "jumlah paling sedikit", "the minimum"
    return f"{rule} dari {endpoint}", f"{rule} of {endpoint}"


def _servers(all_of: Computed, phase: Phase, servers: Sequence[LeasedServer]) -> Iterator[Binding]:
    launch = all_of.launch
    point = all_of.phase_point(phase)
    stations = {s.role: s.id for s in launch.stations if s.kind == "server"}
    for site in launch.sites:
        for role in launch.roles:
            mine = [s for s in servers if s.site == site.id and s.role == role.role]
            if not mine:
                continue
            needs = all_of.needs[site.id, role.role][: need_months(launch, phase).stop]
            need = needs[-1] if len(needs) == 1 else max(needs, key=lambda n: n.values())
            count, resource = standing(role, need, all_of.sku(mine[0].sku))
            rule = "minimum" if count + role.redundancy <= role.min_servers else "n_plus_k"
            busiest = _busiest_station(all_of, point) if role.role == "worker" else stations.get(role.role)
            yield Binding(
                subject=f"servers.{site.id}.{role.role}",
                value=len(mine),
                rule=rule,
                hour=point.hour if busiest else None,
                provinces=tuple(point.provinces)[:MOST_PROVINCES] if busiest else (),
                traffic_class=heaviest_class(all_of, point, busiest) if busiest else None,
                station=busiest,
                detail_id=_server_words(
                    role, need.values(), count, resource, RESOURCE_ID, ("cadangan", "paling sedikit")
                ),
                detail_en=_server_words(role, need.values(), count, resource, RESOURCE_EN, ("spare", "at least")),
            )


def _server_words(
    role: RolePlan,
    amounts: tuple[float, ...],
    count: int,
    resource: str,
    names: dict[str, str],
    words: tuple[str, str],
) -> str:
    amount = amounts[list(names).index(resource)]
    return f"{amount:,.1f} {names[resource]}: {count} + {role.redundancy} {words[0]}, {words[1]} {role.min_servers}"


def _quotas(all_of: Computed, phase: Phase) -> Iterator[Binding]:
    """Of every upstream: its quota a day, and the parallel calls that it allows."""
    launch, w = all_of.launch, all_of.phase_index(phase)
    work = all_of.works[launch.site_of_kind("primary").id].pick(w)
    point = all_of.phase_point(phase)
    for station in launch.stations:
        if station.kind != "upstream":
            continue
        heavy = heaviest_class(all_of, point, station.id)
        busy, allowed = float(work.stations[station.id].busy[0]), float(station.connections or 1)
        share = busy / allowed
        yield Binding(
            subject=f"connections.{station.id}",
            value=round(busy, 2),
            rule="connections" if share > station.max_utilisation else "connections_hold",
            hour=point.hour,
            provinces=tuple(point.provinces)[:MOST_PROVINCES],
            traffic_class=heavy,
            station=station.id,
            detail_id=f"{share:.0%} dari {allowed:.0f} panggilan serentak, masing-masing {station.latency_ms:g} ms",
            detail_en=f"{share:.0%} of {allowed:.0f} calls at once, {station.latency_ms:g} ms each",
        )
        if station.quota_per_day is not None:
            yield _quota(all_of, phase, station, station.quota_per_day, heavy)


def _quota(all_of: Computed, phase: Phase, station: Station, quota: float, heavy: str | None) -> Binding:
    launch = all_of.launch
    months = phase_months(launch, phase)
    q = launch.design.quantile
    daily = upstream_a_day(all_of, station.id, months)
    level = float(np.quantile(daily, q))
    chance = float((daily > quota).mean())
    words_id = f"{level / quota:.0%} dari kuota {quota:,.0f} sehari; peluang terlampaui {chance:.1%}"
    words_en = f"{level / quota:.0%} of the quota of {quota:,.0f} a day; exceeded with chance {chance:.1%}"
    if level > quota:
        each = (float(np.quantile(upstream_a_day(all_of, station.id, range(m, m + 1)), q)) for m in months)
        first = next((all_of.month(m) for m, value in zip(months, each, strict=True) if value > quota), None)
        since_id, since_en = (f" sejak {first:%Y-%m}", f" from {first:%Y-%m}") if first else ("", "")
        words_id += f"; mengikat{since_id}: minta {level:,.0f} sehari, atau {quota / level:.0%} permohonan terlayani"
        words_en += f"; binds{since_en}: ask for {level:,.0f} a day, or {quota / level:.0%} of the cases are served"
    return Binding(
        subject=f"upstream.{station.id}",
        value=round(level, 1),
        rule="quota" if level > quota else "quota_holds",
        traffic_class=heavy,
        station=station.id,
        detail_id=words_id,
        detail_en=words_en,
    )


def upstream_a_day(all_of: Computed, station: str, months: range) -> Floats:
    """(D,) calls of an upstream on the busiest day of the months. Formula (C12)."""
    launch = all_of.launch
    busiest = all_of.found.busiest_day[:, list(months)].max(axis=1)
    calls = {e.id: e.calls.get(station, 0.0) for e in all_of.endpoints}
    visits = visits_a_journey(launch)
    total = np.zeros(all_of.draws.count)
    for kind in launch.classes:
        each = sum(count * calls[e] for e, count in visits[kind.id].items())
        if each and kind.driver == "registrations":
            total += busiest * all_of.draws.per_unit[kind.id] * amplification(kind, 0.0) * each
    return total


def heaviest_class(all_of: Computed, point: DesignPoint, station: str) -> str | None:
    """The class that keeps most of a station busy at a design point."""
    costs = all_of.found.costs
    s = costs.stations.index(station)
    load = [
        point.class_rates[k] * (costs.fixed[s, n] + point.factor * costs.scaled[s, n])
        for n, k in enumerate(costs.classes)
    ]
    return costs.classes[int(np.argmax(load))] if max(load) > 0 else None


def _busiest_station(all_of: Computed, point: DesignPoint) -> str:
    costs = all_of.found.costs
    rates = np.array([point.class_rates[k] for k in costs.classes])
    load = (costs.fixed + point.factor * costs.scaled) @ rates
    return max(
        (name for name, pod in zip(costs.stations, costs.pods, strict=True) if pod),
        key=lambda n: load[costs.stations.index(n)],
    )
