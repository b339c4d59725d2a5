"""The pipeline: inputs → demand → sizing → leases → lease plan. Pure: reading and writing are the command's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from capacity.assembly.assumptions import assumptions
from capacity.assembly.bindings import bindings
from capacity.assembly.computed import Computed, phase_end, phase_months
from capacity.assembly.deployments import deployments
from capacity.assembly.leases import cost, lease_lines, leased_servers, skus_used, supporting_by_year
from capacity.assembly.people import on_call, staff
from capacity.assembly.risk import EFFORT, lease_risk, lease_rules, rule_costs
from capacity.assembly.scenarios import retry_margin, stress_results
from capacity.assembly.sensitivity import next_measurement, sensitivity
from capacity.assembly.sitebindings import site_bindings
from capacity.assembly.sufficiency import sufficiency
from capacity.assembly.supporting import supporting_lines
from capacity.demand.design import DesignPoint, held_points, phase_point
from capacity.demand.model import Draws, World, draw_inputs, registrations, world
from capacity.demand.peaks import Peaks, peaks
from capacity.faults import Infeasible
from capacity.inputs import Inputs
from capacity.launch import EndpointPlan, Launch, Phase, TrafficClassPlan
from capacity.leaseplan import (
    DemandBand,
    Deployment,
    Endpoint,
    HindcastRow,
    LeasedServer,
    LeasePlan,
    PhasePlan,
    SiteResources,
    TrafficClass,
)
from capacity.leasing import LeaseCover, Rules, Vat, cover
from capacity.leasing.money import money
from capacity.memo import Calls, direct, narrowed
from capacity.progress import Progress, Silent
from capacity.sizing.facilities import Stored, site_resources, stored
from capacity.sizing.needs import SiteNeed, lease_needs, offers, ready_months
from capacity.sizing.pods import Sized, size_stations
from capacity.sizing.roles import server_sizes, site_needs
from capacity.sizing.scaling import Scaling
from capacity.sizing.workload import Workload, calibrated, journey_costs, workload

BANDS = (0.5, 0.8, 0.95)
CEILING_ROUNDS = 3
TAX_ROUNDING_IDR = 100
"""Monthly tax of servers and of supporting lines is rounded apart: by how much a year can differ at most, and more."""


def make_plan(
    inputs: Inputs, draws: int | None = None, progress: Progress | None = None, call: Calls = direct
) -> LeasePlan:
    """The lease plan of `inputs`. Deterministic: the same inputs and draws give the same plan, remembered or not.

    Raises Infeasible when no plan meets the SLOs, no SKU carries a role, or no lease plan keeps the rules.
    """
    final, plan = solve(inputs, draws, progress, call)
    return studied(final, plan, progress, call)


def solve(
    inputs: Inputs, draws: int | None = None, progress: Progress | None = None, call: Calls = direct
) -> tuple[Computed, LeasePlan]:
    """The lease plan without its studies, and everything that it was made from. Raises Infeasible."""
    computed = compute(inputs, draws, progress, call)
    if progress:
        progress.update("predictions, people, cost")
    final = _within_ceilings(computed, call)
    return final, assemble(final, call, studies=False)


STUDIES = ("stress", "sensitivity", "next_measurement", "risk", "rule_costs")
"""Fields of the lease plan that judge it and decide nothing in it: `solve` leaves them out, `studied` adds them."""


def studied(all_of: Computed, plan: LeasePlan, progress: Progress | None = None, call: Calls = direct) -> LeasePlan:
    """The lease plan with what is asked of it afterwards: stress, sensitivity, alternatives."""
    say = progress or Silent()
    say.update("stress scenarios and sensitivity")
    found = _studies(all_of)
    say.update("alternatives: worst draws, least regret, without each rule")
    found |= {"risk": lease_risk(all_of, call), "rule_costs": rule_costs(all_of, call)}
    return plan.model_copy(update=found)


def _studies(all_of: Computed) -> dict[str, Any]:
    moving = sensitivity(all_of)
    measure = next_measurement(moving)
    return {
        "stress": stress_results(all_of),
        "sensitivity": moving,
        "next_measurement": measure.input if measure else None,
    }


def repriced(all_of: Computed, inputs: Inputs) -> Computed:
    """The same lease lines at the rents of `inputs`, which differ in nothing else: no optimum, but an upper bound."""
    offered = {(p.vendor, p.sku, p.term_months): p for p in inputs.prices}
    lines = []
    for line in all_of.leased.lines:
        price = offered[line.vendor, line.sku, line.term]
        lines.append(dataclasses.replace(line, monthly_rent_idr=price.monthly_rent, quotation=price.quotation))
    ceilings = {c.year: c.ceiling_idr for c in inputs.launch.leasing.ceilings}
    paid = money(lines, lease_needs(inputs, all_of.needs), inputs.vat, ceilings)
    return dataclasses.replace(
        all_of, inputs=inputs, leased=dataclasses.replace(all_of.leased, lines=tuple(lines), money=paid)
    )


def compute(
    inputs: Inputs, draws: int | None = None, progress: Progress | None = None, call: Calls = direct
) -> Computed:
    """Everything up to the leases; `assemble` writes it down. Raises Infeasible.

    `call` may remember the results of the stages (`capacity.memo.Memo`); each is given only what it may depend on.
    """
    say = progress or Silent()
    launch = inputs.launch
    endpoints = calibrated(launch, inputs.calibration)
    say.update("adoption, calendar, draws")
    place = dataclasses.replace(call(world, _demand_side(inputs)), launch=launch)
    drawn = call(draw_inputs, _seen(place, *_DRAWN), draws or launch.draws, launch.seed)
    say.update("busiest hours")
    live = _seen(place, "phases", "horizon", "demand", "classes")
    volume = call(registrations, live, drawn)
    found = call(peaks, live, drawn, journey_costs(launch, endpoints), volume, progress=say)
    points = call(_points, _seen(place, "phases", "horizon", "demand", "classes", "design"), drawn, found)
    kept = call(
        stored, narrowed(launch, "storage", "design.quantile", "classes", "endpoints", "stations"), drawn, volume
    )
    say.update("replicas and servers")
    overhead = inputs.calibration.overhead_ms if inputs.calibration else {}
    scaling = inputs.calibration.scaling if inputs.calibration else {}
    works, sized, needs = call(_sites_sized, narrowed(launch, *_SIZED), endpoints, points, kept, overhead, scaling)
    say.update("leases")
    rules = lease_rules(inputs, None)
    leased = _lease(inputs, needs, rules, call)
    return Computed(inputs, endpoints, place, drawn, found, points, works, sized, kept, needs, leased, rules)


_DRAWN = (
    "demand",
    "classes",
    "design.application_factor",
    "storage.document_kib",
    "storage.database_kib_per_registration",
    "people.support.contacts_per_registration",
    "people.support.handling_min",
)
_SIZED = (
    *("sites", "classes", "endpoints", "stations", "services", "roles", "storage", "facilities", "horizon"),
    "leasing.ready_days",
)


def _demand_side(inputs: Inputs) -> Inputs:
    """The inputs that adoption and calendar rest on; the rest is left out."""
    launch = narrowed(inputs.launch, "phases", "horizon", "demand.adoption", "demand.profiles")
    nothing = Path()
    return Inputs(nothing, launch, inputs.provinces, inputs.usage, (), (), (), Vat(()), inputs.calendar, None, {})


def _seen(place: World, *fields: str) -> World:
    return dataclasses.replace(place, launch=narrowed(place.launch, *fields))


def _points(place: World, drawn: Draws, found: Peaks) -> list[DesignPoint]:
    """The design points of the months, then of the phases."""
    phases = [phase_point(place, drawn, found, phase_months(place.launch, p)) for p in place.launch.phases]
    return [*held_points(place, drawn, found), *phases]


SitesSized = tuple[dict[str, Workload], dict[str, Sized], dict[tuple[str, str], list[SiteNeed]]]


def _sites_sized(
    launch: Launch,
    endpoints: tuple[EndpointPlan, ...],
    points: list[DesignPoint],
    kept: Stored,
    overhead_ms: Mapping[str, float],
    scaling: Scaling,
) -> SitesSized:
    """Workload, replicas and monthly needs (by site and role) of every site."""
    works: dict[str, Workload] = {}
    sized: dict[str, Sized] = {}
    needs: dict[tuple[str, str], list[SiteNeed]] = {}
    ahead = ready_months(launch)
    for site in launch.sites:
        work = _site_work(launch, endpoints, points, site.share)
        at_peaks = _at_own_peaks(launch, work, points, site.share)
        works[site.id] = work
        fixed = server_sizes(launch, at_peaks, scaling)
        sized[site.id] = size_stations(launch, endpoints, at_peaks, fixed, overhead_ms, scaling)
        rows = site_needs(launch, endpoints, at_peaks, sized[site.id], kept, scaling)
        for role, series in rows.items():
            needs[site.id, role] = [series[min(m + ahead, len(series) - 1)] for m in range(len(series))]
    return works, sized, needs


def _lease(
    inputs: Inputs, needs: Mapping[tuple[str, str], Sequence[SiteNeed]], rules: Rules, call: Calls = direct
) -> LeaseCover:
    """The cost-least lines for the needs."""
    asked = lease_needs(inputs, needs)
    return call(cover, asked, offers(inputs, asked), rules, EFFORT)


def _within_ceilings(all_of: Computed, call: Calls = direct) -> Computed:
    """Lease again under the ceilings, supporting lines counted in. Other SKUs can need other supporting lines, so that
    it is looked at again. Raises Infeasible, naming the ceiling and by how much to raise it."""
    ceilings = {c.year: c.ceiling_idr for c in all_of.launch.leasing.ceilings}
    if not ceilings:
        return all_of
    beside: dict[int, int] = {}
    for _ in range(CEILING_ROUNDS):
        now = supporting_by_year(all_of, assemble(all_of, call, studies=False).supporting)
        if all_of.rules.ceilings_idr and all(now.get(year, 0) <= beside.get(year, 0) for year in ceilings):
            return all_of
        beside = {year: max(now.get(year, 0) + TAX_ROUNDING_IDR, beside.get(year, 0)) for year in ceilings}
        rules = lease_rules(all_of.inputs, beside)
        all_of = dataclasses.replace(all_of, leased=_lease(all_of.inputs, all_of.needs, rules, call), rules=rules)
    return all_of


def _site_work(
    launch: Launch, endpoints: tuple[EndpointPlan, ...], points: list[DesignPoint], share: float
) -> Workload:
    rates = {c.id: np.array([p.class_rates[c.id] for p in points]) * share for c in launch.classes}
    return workload(launch, endpoints, rates, np.array([p.factor for p in points]))


def _at_own_peaks(launch: Launch, work: Workload, points: list[DesignPoint], share: float) -> Workload:
    """Every station at least at its own busiest hour, which may be another than that of all pods together."""
    stations = {
        s.id: work.stations[s.id].at_least(np.array([p.station_busy[s.id] for p in points]) * share)
        for s in launch.stations
    }
    return dataclasses.replace(work, stations=stations)


def _traffic_class(given: TrafficClassPlan, launch: Launch) -> TrafficClass:
    """The class as the load tests need it, with its working day as shares of the busiest hour."""
    day = launch.demand.profiles[given.profile].weekday
    shares = tuple(round(weight / max(day), 4) for weight in day)
    return TrafficClass(**given.model_dump(include=set(TrafficClass.model_fields)), hours=shares)


def assemble(all_of: Computed, call: Calls = direct, studies: bool = True) -> LeasePlan:
    """The lease plan from what was computed. Without `studies` it holds no stress results and no sensitivity."""
    inputs, launch = all_of.inputs, all_of.launch
    servers = leased_servers(all_of)
    check_addresses(launch, servers)
    deployed = deployments(all_of, servers, call)
    phases = tuple(
        _phase(all_of, p, servers, deployed[p.id, "national"], deployed[p.id, "rack"], call) for p in launch.phases
    )
    supporting = supporting_lines(all_of, phases)
    people, shifts = staff(all_of, call)
    return LeasePlan(
        version=1,
        plan=inputs.path.name,
        title_id=launch.title_id,
        title_en=launch.title_en,
        inputs=inputs.hashes,
        horizon_start=launch.horizon.start,
        horizon_months=launch.horizon.months,
        skus=skus_used(all_of),
        sites=launch.sites,
        network=launch.network,
        servers=servers,
        leases=lease_lines(all_of),
        classes=tuple(_traffic_class(c, launch) for c in launch.classes),
        endpoints=tuple(Endpoint(**e.model_dump(include=set(Endpoint.model_fields))) for e in all_of.endpoints),
        phases=phases,
        loadtests=launch.loadtests,
        cost=cost(all_of, supporting),
        people=people,
        shifts=shifts,
        assumptions=assumptions(all_of),
        rack_supernet=launch.rack.supernet,
        draws=all_of.draws.count,
        seed=launch.seed,
        supporting=supporting,
        on_call=on_call(all_of, people),
        **(_studies(all_of) if studies else {}),
        hindcast=tuple(
            HindcastRow(
                fitted_on=h.fitted_on,
                period=h.label,
                published_per_day=h.published,
                predicted_per_day=round(h.predicted, 1),
                error=round(h.error, 4),
            )
            for h in all_of.place.hindcast
        ),
    )


def check_addresses(launch: Launch, servers: Sequence[LeasedServer]) -> None:
    """Raises Infeasible when a role has more servers at a site than its range of the address plan holds."""
    room = {r.role: r.capacity for r in launch.network.roles}
    for server in servers:
        if server.index > room.get(server.role, 0):
            most = max(s.index for s in servers if (s.site, s.role) == (server.site, server.role))
            raise Infeasible(
                f"the address plan holds {room.get(server.role, 0)} servers of the role {server.role} at a site, "
                f"{server.site} needs {most}",
                f"Raise `capacity` of {server.role} in network.roles to {most} at least, or lease larger servers.",
            )


def _phase(
    all_of: Computed,
    phase: Phase,
    servers: tuple[LeasedServer, ...],
    national: Deployment,
    rack: Deployment,
    call: Calls,
) -> PhasePlan:
    launch = all_of.launch
    months = list(phase_months(launch, phase))
    point = all_of.phase_point(phase)
    size = {p.code: p.businesses for p in all_of.inputs.provinces}
    standing = tuple(s for s in servers if s.phase <= phase.id)
    growth, collapse = retry_margin(all_of, phase, call)
    busiest = np.quantile(all_of.found.busiest_day[:, months].max(axis=1), BANDS)
    rates = np.quantile(all_of.found.rates[:, :, months].max(axis=2), BANDS, axis=1)
    sites = _sites(all_of, phase, standing)
    return PhasePlan(
        id=phase.id,
        name_id=phase.name_id,
        name_en=phase.name_en,
        start=phase.start,
        end=phase_end(launch, phase),
        provinces=phase.provinces,
        businesses=sum(size[code] for code in phase.provinces),
        registrations_per_day={f"p{q * 100:.0f}": round(float(v), 1) for q, v in zip(BANDS, busiest, strict=True)},
        demand=tuple(
            DemandBand(
                traffic_class=name,
                p50_per_s=round(float(rates[0, k]), 4),
                p80_per_s=round(float(rates[1, k]), 4),
                p95_per_s=round(float(rates[2, k]), 4),
                design_per_s=round(point.class_rates[name], 5),
                peak_hour=point.hour,
            )
            for k, name in enumerate(all_of.found.costs.classes)
        ),
        national=national,
        rack=rack,
        bindings=(*bindings(all_of, phase, standing), *site_bindings(all_of, phase, sites)),
        sufficiency=sufficiency(all_of, phase, standing),
        retry_growth=growth,
        collapse_multiple=collapse,
        sites=sites,
    )


def _sites(all_of: Computed, phase: Phase, standing: tuple[LeasedServer, ...]) -> tuple[SiteResources, ...]:
    last = phase_months(all_of.launch, phase).stop - 1
    kept = {f.name: float(getattr(all_of.kept, f.name)[last]) for f in dataclasses.fields(all_of.kept)}
    return tuple(
        site_resources(
            all_of.launch,
            site.id,
            all_of.endpoints,
            all_of.works[site.id].pick(all_of.phase_index(phase)),
            kept,
            [all_of.sku(s.sku) for s in standing if s.site == site.id],
        )
        for site in all_of.launch.sites
    )
