"""Stress scenarios: what a named extreme would do to the capacity that the plan leases. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.assembly.bindings import upstream_a_day
from capacity.assembly.computed import Computed, months_between, phase_months
from capacity.assembly.deployments import installed_cores
from capacity.assembly.leases import leased_servers
from capacity.demand.design import phase_point
from capacity.demand.peaks import amplification
from capacity.faults import BadInput, Fault, Infeasible
from capacity.launch import Phase, Scenario
from capacity.sizing.facilities import bandwidth_mbit_s, sessions
from capacity.sizing.needs import SiteNeed, standing
from capacity.sizing.pods import size_stations
from capacity.sizing.predict import Size
from capacity.sizing.retries import Amplified, with_retries
from capacity.sizing.roles import role_cores, server_sizes
from capacity.sizing.workload import visits_a_journey, workload

SERVED_STEPS = 30


@dataclass(frozen=True, slots=True)
class StationUnderStress:
    """CPU servers installed, and kept busy by the first calls alone and with retries; what would be needed."""

    station: str
    installed: float
    busy: float
    busy_with_retries: float
    limit: float
    needed: float

    @property
    def holds(self) -> bool:
        """Whether the station stays within its utilisation limit."""
        return self.busy_with_retries <= self.installed * self.limit * (1 + 1e-9)


@dataclass(frozen=True, slots=True)
class Stress:
    """The scenario at the site that carries it. `share`: of the journeys, what the site is leased to carry alone.

    `served`: share of all journeys that can be let in without overload.
    """

    scenario: Scenario
    site: str
    share: float
    class_rates: Mapping[str, float]
    calls_per_s: float
    registrations_per_day: float
    growth: float
    stable: bool
    served: float
    stations: tuple[StationUnderStress, ...]
    workers: int
    workers_needed: int
    database_fits: bool
    mbit_s: float
    sessions: int
    quotas: tuple[tuple[str, float, float], ...]

    @property
    def holds(self) -> bool:
        """Whether the leased capacity carries the scenario: every station and every quota."""
        return self.stable and all(s.holds for s in self.stations) and all(v <= q for _, v, q in self.quotas)


def stress(all_of: Computed, name: str) -> Stress:
    """Evaluate the scenario of that name against the phase's capacity. Raises BadInput for an unknown name."""
    launch = all_of.launch
    known = {s.id: s for s in launch.scenarios}
    if name not in known:
        raise BadInput([Fault("--scenario", "", name, "no such scenario in the plan", f"Use {', '.join(known)}.")])
    scenario = known[name]
    phase = launch.phases[scenario.phase - 1]
    carrier = next(s for s in launch.sites if s.id != scenario.lost_site)
    site, share = carrier.id, carrier.share if scenario.lost_site else 1.0
    everyone, factor = _rates(all_of, scenario, phase)
    rates = {kind: rate * share for kind, rate in everyone.items()}
    sizes = _installed(all_of, site, phase)
    day = _registrations(all_of, scenario, phase, everyone) * share
    after = with_retries(launch, all_of.endpoints, rates, factor, sizes)
    first = workload(launch, all_of.endpoints, rates, factor)
    needed, workers_needed, database_fits = _needed(all_of, site, rates, factor)
    servers = [s for s in leased_servers(all_of) if s.phase <= phase.id and s.site == site]
    return Stress(
        scenario=scenario,
        site=site,
        share=share,
        class_rates=rates,
        calls_per_s=float(sum(r[0] for e, r in first.endpoint_rates.items())),
        registrations_per_day=day,
        growth=after.growth,
        stable=after.stable,
        served=_served(all_of, everyone, factor, sizes),
        stations=tuple(
            StationUnderStress(
                station=s.id,
                installed=float(sizes[s.id].total[0]),
                busy=float(sizes[s.id].busy(first.stations[s.id])[0]),
                busy_with_retries=float(sizes[s.id].busy(after.work.stations[s.id])[0]),
                limit=s.max_utilisation,
                needed=needed[s.id],
            )
            for s in launch.stations
        ),
        workers=sum(1 for s in servers if s.role == "worker"),
        workers_needed=workers_needed,
        database_fits=database_fits,
        mbit_s=float(bandwidth_mbit_s(launch, all_of.endpoints, first)[0]),
        sessions=int(sessions(launch, first)[0]),
        quotas=_quotas(all_of, scenario, phase, day, share, after),
    )


def _rates(all_of: Computed, scenario: Scenario, phase: Phase) -> tuple[dict[str, float], float]:
    """Journeys a second by class in the scenario's busiest hour, and the application factor of the design."""
    launch = all_of.launch
    point = all_of.phase_point(phase)
    if scenario.day == "launch":
        point = phase_point(all_of.place, all_of.draws, all_of.found, _months(all_of, scenario, phase))
    rates = dict(point.class_rates)
    hourly = scenario.registrations_per_hour
    public = launch.demand.profiles["public"].weekday
    top = int(np.argmax(public))
    if scenario.registrations_per_day is not None:
        hourly = scenario.registrations_per_day * public[top] / sum(public)
    if hourly is not None:
        within = launch.demand.within_hour_peak.p50
        for kind in launch.classes:
            if kind.driver == "registrations":
                shape = launch.demand.profiles[kind.profile].weekday
                share = shape[top] / sum(shape) / (public[top] / sum(public))
                a_unit = kind.journeys_per_unit.p50 * amplification(kind, 0.0)
                rates[kind.id] = hourly / 3600 * within * share * a_unit
    if scenario.calls_per_s is not None:
        visits = visits_a_journey(launch)
        now = sum(rates[k] * sum(visits[k].values()) for k in rates)
        rates = {k: r * scenario.calls_per_s / now for k, r in rates.items()}
    return rates, point.factor


def _installed(all_of: Computed, site: str, phase: Phase) -> dict[str, Size]:
    launch, w = all_of.launch, all_of.phase_index(phase)
    servers = [s for s in leased_servers(all_of) if s.phase <= phase.id]
    cores = {r.role: installed_cores(all_of, site, r.role, servers) for r in launch.roles}
    pods = {s.id: all_of.sized[site].sizes[s.id].pick(w) for s in launch.stations if s.kind == "pods"}
    return {**role_cores({str(k): v for k, v in cores.items()}, launch, 1, all_of.scaling), **pods}


def _needed(
    all_of: Computed, site: str, rates: Mapping[str, float], factor: float
) -> tuple[dict[str, float], int, bool]:
    """Cores of every station that would carry the scenario within its SLOs, and the workers for the pods."""
    launch = all_of.launch
    work = workload(launch, all_of.endpoints, rates, factor)
    try:
        fixed = server_sizes(launch, work, all_of.scaling)
        sized = size_stations(launch, all_of.endpoints, work, fixed, all_of.overhead_ms, all_of.scaling)
        needed = {name: float(at.total[0]) for name, at in sized.sizes.items()}
    except Infeasible:
        needed = {s.id: float(work.stations[s.id].busy[0]) / s.max_utilisation for s in launch.stations}
    role = launch.role("worker")
    pods = sum(needed[s.id] for s in launch.stations if s.kind == "pods")
    leased = {s.role: s.sku for s in all_of.leased.servers if s.site == site}
    cores = pods + role.fixed_cores / role.max_utilisation
    count, _ = standing(role, SiteNeed(cores, role.fixed_memory_gib), all_of.sku(leased["worker"]))
    database = launch.role("database")
    one = SiteNeed(needed.get("database", 0.0), 0.0)
    fits = any(standing(database, one, s)[0] > 0 for s in all_of.inputs.skus if "database" in s.roles)
    return needed, count + role.redundancy, fits


def _served(all_of: Computed, rates: Mapping[str, float], factor: float, sizes: Mapping[str, Size]) -> float:
    """Largest share of the journeys at which no station passes its limit: what admission control could let in."""
    launch = all_of.launch
    work = workload(launch, all_of.endpoints, rates, factor)
    shares = [
        float(sizes[s.id].carries(s.max_utilisation)[0]) / float(work.stations[s.id].busy[0])
        for s in launch.stations
        if float(work.stations[s.id].busy[0]) > 0
    ]
    return min(1.0, *shares)


def _registrations(all_of: Computed, scenario: Scenario, phase: Phase, rates: Mapping[str, float]) -> float:
    """Registrations of the day: as stated, by the pace of the busiest hour, or of the draws at the design quantile."""
    launch = all_of.launch
    if scenario.registrations_per_day is not None:
        return scenario.registrations_per_day
    if scenario.registrations_per_hour is None and scenario.calls_per_s is None:
        busiest = all_of.found.busiest_day[:, list(_months(all_of, scenario, phase))].max(axis=1)
        return float(np.quantile(busiest, launch.design.quantile))
    public = launch.demand.profiles["public"].weekday
    kind = next(c for c in launch.classes if c.driver == "registrations" and c.profile == "public")
    hourly = rates[kind.id] * 3600 / (kind.journeys_per_unit.p50 * amplification(kind, 0.0))
    return hourly / launch.demand.within_hour_peak.p50 * sum(public) / max(public)


def _months(all_of: Computed, scenario: Scenario, phase: Phase) -> range:
    opening = months_between(all_of.launch.horizon.start, phase.start)
    return range(opening, opening + 1) if scenario.day == "launch" else phase_months(all_of.launch, phase)


def _quotas(
    all_of: Computed, scenario: Scenario, phase: Phase, day: float, share: float, after: Amplified
) -> tuple[tuple[str, float, float], ...]:
    """(upstream, calls on that day with retries, quota) of every upstream with a quota."""
    launch = all_of.launch
    visits = visits_a_journey(launch)
    stated = scenario.registrations_per_day or scenario.registrations_per_hour or scenario.calls_per_s
    out = []
    for station in launch.stations:
        if station.kind != "upstream" or station.quota_per_day is None:
            continue
        calls = {e.id: e.calls.get(station.id, 0.0) for e in all_of.endpoints}
        per_registration = 0.0
        for kind in launch.classes:
            if kind.driver == "registrations":
                each = sum(n * calls[e] for e, n in visits[kind.id].items())
                per_registration += each * kind.journeys_per_unit.p50 * amplification(kind, after.slow[kind.id])
        daily = day * per_registration
        if not stated:
            drawn = upstream_a_day(all_of, station.id, _months(all_of, scenario, phase))
            daily = float(np.quantile(drawn, launch.design.quantile)) * share * after.growth
        out.append((station.id, daily, station.quota_per_day))
    return tuple(out)
