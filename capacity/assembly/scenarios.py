"""Stress scenarios: what a named extreme would do to the capacity that the plan leases, and how far retries are."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from capacity.assembly.bindings import upstream_a_day
from capacity.assembly.computed import Computed, months_between, phase_months
from capacity.assembly.deployments import installed_cores
from capacity.assembly.leases import leased_servers
from capacity.demand.design import phase_point
from capacity.demand.peaks import amplification
from capacity.faults import BadInput, Fault, Infeasible
from capacity.launch import EndpointPlan, Launch, Phase, Scenario, Station
from capacity.leaseplan import QuotaUse, StationUnderStress, StressResult
from capacity.memo import Calls, direct, narrowed
from capacity.sizing.facilities import bandwidth_mbit_s, sessions
from capacity.sizing.needs import SiteNeed, standing
from capacity.sizing.pods import size_stations
from capacity.sizing.retries import Amplified, holds, with_retries
from capacity.sizing.roles import role_cores, server_sizes
from capacity.sizing.size import Size
from capacity.sizing.workload import StationLoad, visits_a_journey, workload

MARGIN_STEP = 0.05


def stress_results(all_of: Computed) -> tuple[StressResult, ...]:
    """Every scenario of the plan."""
    return tuple(stress(all_of, scenario.id) for scenario in all_of.launch.scenarios)


def stress(all_of: Computed, name: str) -> StressResult:
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
    sizes = installed_sizes(all_of, site, phase)
    day = _registrations(all_of, scenario, phase, everyone) * share
    after = with_retries(launch, all_of.endpoints, rates, factor, sizes)
    first = workload(launch, all_of.endpoints, rates, factor)
    needed, workers_needed, database_fits = _needed(all_of, site, rates, factor)
    servers = [s for s in leased_servers(all_of) if s.phase <= phase.id and s.site == site]
    stations = tuple(
        _station(s, sizes[s.id], first.stations[s.id], after.work.stations[s.id], needed[s.id]) for s in launch.stations
    )
    quotas = _quotas(all_of, scenario, phase, day, share, after)
    served = _served(all_of, everyone, factor, sizes)
    detail_id, detail_en = _words(stations, quotas, after, served)
    return StressResult(
        id=scenario.id,
        name_id=scenario.name_id,
        name_en=scenario.name_en,
        phase=scenario.phase,
        source=scenario.source,
        site=site,
        share=share,
        class_rates_per_s={kind: round(rate, 4) for kind, rate in rates.items()},
        calls_per_s=round(float(sum(r[0] for r in first.endpoint_rates.values())), 2),
        registrations_per_day=round(day, 1),
        retry_growth=round(after.growth, 4),
        stable=after.stable,
        served=round(served, 4),
        stations=stations,
        workers=sum(1 for s in servers if s.role == "worker"),
        workers_needed=workers_needed,
        database_fits=database_fits,
        mbit_s=round(float(bandwidth_mbit_s(launch, all_of.endpoints, first)[0]), 1),
        sessions=math.ceil(float(sessions(launch, first)[0])),
        quotas=quotas,
        holds=after.stable and all(s.holds for s in stations) and all(q.calls <= q.quota for q in quotas),
        detail_id=detail_id,
        detail_en=detail_en,
    )


def _station(plan: Station, at: Size, first: StationLoad, grown: StationLoad, needed: float) -> StationUnderStress:
    """Loads beyond what a station can ever answer are shown as all that comes."""
    busy, with_retries = (float(b) if np.isfinite(b := at.busy(x)[0]) else float(x.busy[0]) for x in (first, grown))
    installed = float(at.total[0])
    return StationUnderStress(
        station=plan.id,
        installed=round(installed, 3),
        busy=round(busy, 4),
        busy_with_retries=round(with_retries, 4),
        limit=plan.max_utilisation,
        needed=round(needed, 3),
        holds=with_retries <= installed * plan.max_utilisation * (1 + 1e-9),
    )


def _words(
    stations: tuple[StationUnderStress, ...], quotas: tuple[QuotaUse, ...], after: Amplified, served: float
) -> tuple[str, str]:
    """What gives way, in Indonesian and English."""
    full = ", ".join(s.station for s in stations if not s.holds)
    over = ", ".join(q.upstream for q in quotas if q.calls > q.quota)
    words_id, words_en = [], []
    if full:
        words_id.append(f"kelebihan beban pada {full}")
        words_en.append(f"overloaded: {full}")
    if not after.stable:
        words_id.append(f"runtuh oleh percobaan ulang ({after.growth:.2f} panggilan tiap panggilan)")
        words_en.append(f"collapses under retries ({after.growth:.2f} calls for each that was meant)")
    if over:
        words_id.append(f"kuota {over} terlampaui")
        words_en.append(f"quota of {over} exceeded")
    if served < 1:
        words_id.append(f"tanpa kelebihan beban {served:.0%} perjalanan dapat diterima")
        words_en.append(f"without overload {served:.0%} of the journeys can be let in")
    return "; ".join(words_id) or "tertampung", "; ".join(words_en) or "carried"


def retry_margin(all_of: Computed, phase: Phase, call: Calls = direct) -> tuple[float, float]:
    """Calls made over calls meant at the design rates, and the multiple of these at which retries bring it down.

    At most the multiple that saturates the fullest station by first calls alone; less when waits near it make clients
    try again (C4).
    """
    launch, point = all_of.launch, all_of.phase_point(phase)
    sizes = installed_sizes(all_of, launch.site_of_kind("primary").id, phase)
    seen = narrowed(launch, "classes", "stations", "endpoints")
    return call(_retry_margin, seen, all_of.endpoints, dict(point.class_rates), point.factor, sizes)


def _retry_margin(
    launch: Launch,
    endpoints: tuple[EndpointPlan, ...],
    class_rates: Mapping[str, float],
    factor: float,
    sizes: Mapping[str, Size],
) -> tuple[float, float]:
    growth = max(1.0, round(with_retries(launch, endpoints, class_rates, factor, sizes).growth, 4))
    work = workload(launch, endpoints, class_rates, factor)
    full = min(
        float(at_one.carries(1.0)[0] / work.stations[name].busy[0])
        for name, at_one in sizes.items()
        if work.stations[name].busy[0] > 0
    )
    steps = max(1, math.ceil((full - 1.0) / MARGIN_STEP))
    times = np.linspace(1.0, max(full, 1.0), steps + 1)[1:]
    stands = holds(launch, endpoints, class_rates, factor, sizes, times[:-1])
    broken = np.flatnonzero(~stands)
    return growth, round(float(times[broken[0]] if len(broken) else times[-1]), 2)


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


def installed_sizes(all_of: Computed, site: str, phase: Phase) -> dict[str, Size]:
    """What stands at a site in a phase, with the redundant servers lost."""
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
) -> tuple[QuotaUse, ...]:
    """Calls on that day, retries included, of every upstream with a quota."""
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
        out.append(QuotaUse(upstream=station.id, calls=round(daily, 1), quota=station.quota_per_day))
    return tuple(out)
