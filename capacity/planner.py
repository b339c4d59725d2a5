"""The pipeline: inputs → demand → sizing → leases → lease plan. Pure: reading and writing are the command's."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.demand.model import PeakDemand, peak_demand
from capacity.inputs import Inputs
from capacity.launch import EndpointPlan, Launch, Phase, add_months
from capacity.leaseplan import (
    Assumption,
    Binding,
    Cost,
    DemandBand,
    Deployment,
    Endpoint,
    FiscalYearCost,
    LeasedServer,
    LeaseLine,
    LeasePlan,
    PhasePlan,
    ServicePlan,
    Sku,
    StaffLine,
    TrafficClass,
)
from capacity.leasing import LeaseCover, Rules, cover
from capacity.progress import Progress, Silent
from capacity.queueing import erlang_c
from capacity.sizing.needs import SiteNeed, lease_needs, offers, servers_needed, usable
from capacity.sizing.pods import Sized, size_stations
from capacity.sizing.predict import Size, endpoint_predictions, station_plan, wait_at
from capacity.sizing.roles import memory_mib, server_sizes, service_of, site_needs, stored
from capacity.sizing.workload import Workload, calibrated, workload

BAND = 0.01
"""The design point averages the draws whose load lies within this much (in probability) of the design quantile."""


READY_MONTHS = 1
"""Servers are leased this many months before the month that needs them: delivery, acceptance, rehearsal."""


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """One month at the design quantile: class rates (headroom included) and the application factor that go together."""

    month: int
    hour: dt.datetime
    class_rates: Mapping[str, float]
    factor: float


def make_plan(inputs: Inputs, draws: int | None = None, progress: Progress | None = None) -> LeasePlan:
    """The lease plan of `inputs`. Deterministic: the same inputs and draws give the same plan.

    Raises Infeasible when no plan meets the SLOs or no SKU carries a role.
    """
    say = progress or Silent()
    launch = inputs.launch
    endpoints = calibrated(launch, inputs.calibration)
    say.update("demand")
    peaks = peak_demand(inputs, draws or launch.draws, launch.seed)
    points = design_points(launch, endpoints, peaks)
    say.update("sizing")
    months = range(launch.horizon.months)
    works: dict[str, list[Workload]] = {}
    sized: dict[str, list[Sized]] = {}
    needs: dict[tuple[str, str], list[SiteNeed]] = {}
    largest = {role.role: _largest_cores(inputs, role.role) for role in launch.roles}
    for site in launch.sites:
        works[site.id] = [
            workload(launch, endpoints, {k: r * site.share for k, r in p.class_rates.items()}, p.factor) for p in points
        ]
        sized[site.id] = [size_stations(launch, endpoints, w, server_sizes(launch, largest)) for w in works[site.id]]
        total = np.median(peaks.volume, axis=0).cumsum()
        for m in months:
            kept = stored(launch, float(total[m]), 0.0, launch.storage.document_kib.p50, _db_kib(launch))
            shifted = min(m + READY_MONTHS, months[-1])
            row = site_needs(launch, endpoints, works[site.id][shifted], sized[site.id][shifted], kept)
            for role, need in row.items():
                needs.setdefault((site.id, role), []).append(need)
    say.update("leases")
    asked = lease_needs(launch, needs)
    book = offers(inputs, asked)
    rules = Rules(ceilings_idr={c.year: c.ceiling_idr for c in launch.leasing.ceilings}, vat=inputs.vat)
    leased = cover(asked, book, rules)
    return _Assembly(inputs, endpoints, peaks, points, sized, works, needs, leased).plan()


def design_points(launch: Launch, endpoints: Sequence[EndpointPlan], peaks: PeakDemand) -> list[DesignPoint]:
    """For every month the class rates and the application factor at the design quantile of the pods' CPU load."""
    cost = _cpu_a_journey(launch, tuple(endpoints))
    out = []
    for m in range(len(peaks.months)):
        load = (peaks.rates[:, m] @ cost) * peaks.application
        order = np.argsort(load, kind="stable")
        n = len(order)
        low = int((launch.design.quantile - BAND) * n)
        high = max(low + 1, min(n, math.ceil((launch.design.quantile + BAND) * n)))
        band = order[low:high]
        rates = peaks.rates[band, m].mean(axis=0)
        factor = float(load[band].mean() / (rates @ cost)) if rates.any() else launch.design.application_factor.p50
        rates = rates * launch.design.headroom
        out.append(
            DesignPoint(m, peaks.peak_hours[m], dict(zip(peaks.classes, map(float, rates), strict=True)), factor)
        )
    return out


def _cpu_a_journey(launch: Launch, endpoints: tuple[EndpointPlan, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    pods = {s.id for s in launch.stations if s.kind == "pods"}
    loads = [workload(launch, endpoints, {c.id: 1.0}, 1.0) for c in launch.classes]
    return np.array([sum(load.stations[s].busy for s in pods) for load in loads])


def _largest_cores(inputs: Inputs, role: str) -> float:
    plan = inputs.launch.role(role)  # type: ignore[arg-type]
    return max((usable(s, plan)["cores"] for s in inputs.skus if role in s.roles), default=1.0)


def _db_kib(launch: Launch) -> float:
    return launch.storage.database_kib_per_registration.p50


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Everything computed, put into the form of the lease plan."""

    inputs: Inputs
    endpoints: tuple[EndpointPlan, ...]
    peaks: PeakDemand
    points: Sequence[DesignPoint]
    sized: Mapping[str, Sequence[Sized]]
    works: Mapping[str, Sequence[Workload]]
    needs: Mapping[tuple[str, str], Sequence[SiteNeed]]
    leased: LeaseCover

    def plan(self) -> LeasePlan:
        launch = self.inputs.launch
        servers = self._servers()
        used = {s.sku for s in servers}
        return LeasePlan(
            version=1,
            plan=self.inputs.path.name,
            title_id=launch.title_id,
            title_en=launch.title_en,
            inputs=self.inputs.hashes,
            horizon_start=launch.horizon.start,
            horizon_months=launch.horizon.months,
            skus=tuple(
                Sku(**{k: v for k, v in s.model_dump().items() if k in Sku.model_fields}, description=s.description_en)
                for s in self.inputs.skus
                if s.id in used
            ),
            sites=launch.sites,
            network=launch.network,
            servers=servers,
            leases=self._lines(),
            classes=tuple(
                TrafficClass(
                    id=c.id, name_id=c.name_id, name_en=c.name_en, journey=c.journey, think_time_s=c.think_time_s
                )
                for c in launch.classes
            ),
            endpoints=tuple(
                Endpoint(**{k: v for k, v in e.model_dump().items() if k in Endpoint.model_fields})
                for e in self.endpoints
            ),
            phases=tuple(self._phase(p, servers) for p in launch.phases),
            loadtests=launch.loadtests,
            cost=self._cost(),
            people=self._people(),
            assumptions=self._assumptions(),
            rack_supernet=launch.rack.supernet,
        )

    def _month(self, index: int) -> dt.date:
        return add_months(self.inputs.launch.horizon.start, index)

    def _phase_months(self, phase: Phase) -> range:
        launch = self.inputs.launch
        start = _months_between(launch.horizon.start, phase.start)
        ends = [p.start for p in launch.phases if p.id == phase.id + 1]
        end = _months_between(launch.horizon.start, ends[0]) if ends else launch.horizon.months
        return range(start, max(end, start + 1))

    def _servers(self) -> tuple[LeasedServer, ...]:
        launch = self.inputs.launch
        skus = {s.id: s for s in self.inputs.skus}
        needed: dict[tuple[str, str, int], int] = {}
        out = []
        for s in self.leased.servers:
            plan = launch.role(s.role)  # type: ignore[arg-type]
            for phase in launch.phases:
                until = self._phase_months(phase).stop - READY_MONTHS
                most = max(
                    servers_needed(plan, need, skus[s.sku]) for need in self.needs[s.site, s.role][: max(until, 1)]
                )
                needed[s.site, s.role, phase.id] = most
            first = next((p.id for p in launch.phases if s.index <= needed[s.site, s.role, p.id]), 3)
            out.append(
                LeasedServer(
                    name=s.name,
                    site=s.site,
                    role=s.role,  # type: ignore[arg-type]
                    index=s.index,
                    sku=s.sku,
                    phase=first,
                    leases=s.lines,
                    start=self._month(s.start),
                    end=self._month(s.end),
                )
            )
        return tuple(out)

    def _lines(self) -> tuple[LeaseLine, ...]:
        terms = {(p.vendor, p.sku, p.term_months): p for p in self.inputs.prices}
        out = []
        for line in self.leased.lines:
            price = terms[line.vendor, line.sku, line.term]
            start, end = self._month(line.start), self._month(line.end)
            out.append(
                LeaseLine(
                    id=line.id,
                    vendor=line.vendor,
                    sku=line.sku,
                    role=line.role,  # type: ignore[arg-type]
                    site=line.site,
                    quantity=line.quantity,
                    start=start,
                    months=line.months,
                    end=end,
                    notice_date=end - dt.timedelta(days=price.notice_days),
                    order_date=start - dt.timedelta(days=price.lead_time_days),
                    monthly_rent_idr=line.monthly_rent_idr,
                    setup_idr=line.setup_idr,
                    quotation=line.quotation,
                    renews=line.renews,
                )
            )
        return tuple(out)

    def _phase(self, phase: Phase, servers: tuple[LeasedServer, ...]) -> PhasePlan:
        launch = self.inputs.launch
        months = self._phase_months(phase)
        cost = _cpu_a_journey(launch, self.endpoints)
        load = [
            sum(p.class_rates[k] * c for k, c in zip(p.class_rates, cost, strict=True)) * p.factor for p in self.points
        ]
        top = max(months, key=lambda m: load[m])
        size = {p.code: p.businesses for p in self.inputs.provinces}
        standing = tuple(s for s in servers if s.phase <= phase.id)
        later = [p.start for p in launch.phases if p.id == phase.id + 1]
        national = self._national(top, months, standing)
        registrations = self.peaks.registrations[:, list(months)].max(axis=1)
        peak_rates = self.peaks.rates[:, list(months)].max(axis=1)
        quantiles = (0.5, 0.8, 0.95)
        return PhasePlan(
            id=phase.id,
            name_id=phase.name_id,
            name_en=phase.name_en,
            start=phase.start,
            end=later[0] if later else launch.horizon_end(),
            provinces=phase.provinces,
            businesses=sum(size[code] for code in phase.provinces),
            registrations_per_day={
                f"p{round(q * 100)}": round(float(np.quantile(registrations, q)), 1) for q in quantiles
            },
            demand=tuple(
                DemandBand(
                    traffic_class=c,
                    **{
                        f"p{round(q * 100)}_per_s": round(float(np.quantile(peak_rates[:, k], q)), 4) for q in quantiles
                    },
                    design_per_s=national.class_rates_per_s[c],
                    peak_hour=self.points[top].hour,
                )
                for k, c in enumerate(self.peaks.classes)
            ),
            national=national,
            rack=self._rack(self.points[top], standing),
            bindings=self._bindings(phase, months, top, standing),
            sufficiency=self._sufficiency(months, top),
        )

    def _national(self, top: int, months: range, servers: Sequence[LeasedServer]) -> Deployment:
        launch = self.inputs.launch
        primary = launch.site_of_kind("primary")
        work = self.works[primary.id][top]
        sized = self.sized[primary.id][top]
        cores = {r.role: self._role_cores(primary.id, r.role, servers) for r in launch.roles}
        sizes = {**sized.sizes, **server_sizes(launch, cores)}
        services = []
        for site in launch.sites:
            for station in launch.stations:
                service = service_of(launch, station.service) if station.kind == "pods" else None
                if service is None or "national" not in service.scales:
                    continue
                replicas = self.sized[site.id][top].sizes[station.id].queues
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
        return self._deployment("national", 1.0, work, sizes, tuple(s.name for s in servers), tuple(services))

    def _role_cores(self, site: str, role: str, servers: Sequence[LeasedServer]) -> float:
        plan = self.inputs.launch.role(role)  # type: ignore[arg-type]
        skus = {s.id: s for s in self.inputs.skus}
        mine = [usable(skus[s.sku], plan)["cores"] for s in servers if s.site == site and s.role == role]
        if not mine:
            return 1.0
        if plan.spread == "mirror":
            return min(mine)
        return sum(sorted(mine)[: max(1, len(mine) - plan.redundancy)])

    def _deployment(
        self,
        scale: str,
        load_factor: float,
        work: Workload,
        sizes: Mapping[str, Size],
        servers: tuple[str, ...],
        services: tuple[ServicePlan, ...],
    ) -> Deployment:
        launch = self.inputs.launch
        waits = {name: wait_at(work.stations[name], size) for name, size in sizes.items()}
        overhead = self.inputs.calibration.overhead_ms if self.inputs.calibration else {}
        reference = workload(launch, self.endpoints, work.class_rates, 1.0)
        slos = self._station_slos()
        return Deployment(
            scale=scale,  # type: ignore[arg-type]
            load_factor=load_factor,
            class_rates_per_s={k: round(r, 5) for k, r in work.class_rates.items()},
            servers=servers,
            services=services,
            stations=tuple(
                station_plan(
                    launch,
                    s,
                    work.stations[s.id],
                    sizes[s.id],
                    slos[s.id],
                    work.stations[s.id].busy / reference.stations[s.id].busy if reference.stations[s.id].busy else 1.0,
                )
                for s in launch.stations
            ),
            endpoints=endpoint_predictions(launch, self.endpoints, work, waits, overhead),
        )

    def _station_slos(self) -> dict[str, tuple[float, float]]:
        """The tightest SLO among the endpoints that a station serves."""
        out = {}
        for s in self.inputs.launch.stations:
            mine = [e for e in self.endpoints if s.id in e.demand_ms or s.id in e.calls]
            out[s.id] = (min(e.slo_p95_ms for e in mine), min(e.slo_p99_ms for e in mine))
        return out

    def _rack(self, point: DesignPoint, servers: Sequence[LeasedServer]) -> Deployment:
        launch = self.inputs.launch
        rack = launch.rack
        primary = launch.site_of_kind("primary")
        names: list[str] = []
        for role in launch.roles:
            mine = [s.name for s in servers if s.site == primary.id and s.role == role.role]
            names += mine[: math.ceil(rack.server_share.get(role.role, 0.0) * len(mine) - 1e-9)]
        rates = {k: r * rack.load_factor for k, r in point.class_rates.items()}
        work = workload(launch, self.endpoints, rates, 1.0)
        sizes: dict[str, Size] = {}
        services = []
        for service in launch.services:
            station = next(s for s in launch.stations if s.service == service.id)
            load = work.stations[station.id]
            wanted = (
                load.busy / station.max_utilisation / service.rack.replicas * 1e3 if station.kind == "pods" else 0.0
            )
            cpu = min(
                max(math.ceil(wanted / 50) * 50, service.rack.min_cpu_millicores), service.rack.max_cpu_millicores
            )
            if station.kind == "pods":
                sizes[station.id] = Size(service.rack.replicas, cpu / 1e3)
            services.append(
                ServicePlan(
                    id=service.id,
                    site=primary.id,
                    namespace=service.namespace,
                    replicas=service.rack.replicas,
                    min_available=1 if service.rack.replicas > 1 else 0,
                    cpu_millicores=cpu,
                    memory_mib=service.rack.memory_mib,
                    processes=1,
                )
            )
        for station in launch.stations:
            if station.kind == "server":
                sizes[station.id] = Size(1, rack.edge_cores if station.role == "edge" else rack.database_cores)
            elif station.kind == "upstream":
                sizes[station.id] = Size(1, float(station.connections or 1))
        return self._deployment("rack", rack.load_factor, work, sizes, tuple(names), tuple(services))

    def _bindings(self, phase: Phase, months: range, top: int, servers: Sequence[LeasedServer]) -> tuple[Binding, ...]:
        launch = self.inputs.launch
        reached = tuple(code for p in launch.phases if p.id <= phase.id for code in p.provinces)
        out = []
        for site in launch.sites:
            sized = self.sized[site.id][top]
            for station, (rule, endpoint) in sized.rules.items():
                service = launch.station(station).service
                out.append(
                    Binding(
                        subject=f"services.{service}@{site.id}",
                        value=sized.sizes[station].queues,
                        rule=rule,
                        hour=self.points[top].hour,
                        provinces=reached,
                        station=station,
                        detail_id=f"{rule} {endpoint}".strip(),
                        detail_en=f"{rule} {endpoint}".strip(),
                    )
                )
            for role in launch.roles:
                count = sum(1 for s in servers if s.site == site.id and s.role == role.role)
                rule = "minimum" if count == role.min_servers else "n_plus_k"
                out.append(
                    Binding(
                        subject=f"servers.{site.id}.{role.role}",
                        value=count,
                        rule=rule,
                        hour=self.points[top].hour,
                        detail_id=f"{count - role.redundancy} + {role.redundancy} server",
                        detail_en=f"{count - role.redundancy} + {role.redundancy} servers",
                    )
                )
        return tuple(out)

    def _sufficiency(self, months: range, top: int) -> float:
        """Share of draws whose peak CPU load stays within the pods' design load."""
        cost = _cpu_a_journey(self.inputs.launch, self.endpoints)
        load = (self.peaks.rates[:, list(months)] @ cost) * self.peaks.application[:, None]
        point = self.points[top]
        design = sum(r * c for r, c in zip(point.class_rates.values(), cost, strict=True)) * point.factor
        return round(float((load.max(axis=1) <= design).mean()), 4)

    def _cost(self) -> Cost:
        money = self.leased.money
        return Cost(
            currency="IDR",
            total_before_vat_idr=money.total_before_vat_idr,
            vat_idr=money.vat_idr,
            total_idr=money.total_idr,
            p50_idr=money.total_idr,
            p80_idr=money.total_idr,
            p95_idr=money.total_idr,
            years=tuple(
                FiscalYearCost(
                    year=y.year,
                    rent_idr=y.rent_idr,
                    setup_idr=y.setup_idr,
                    vat_idr=y.vat_idr,
                    total_idr=y.total_idr,
                    ceiling_idr=y.ceiling_idr,
                )
                for y in money.years
            ),
            optimality_gap=round(self.leased.gap, 6),
            indicative=any(line.quotation is None for line in self.leased.lines),
        )

    def _people(self) -> tuple[StaffLine, ...]:
        launch = self.inputs.launch
        support = launch.people.support
        out = []
        for phase in launch.phases:
            months = self._phase_months(phase)
            day = float(np.quantile(self.peaks.registrations[:, list(months)].max(axis=1), 0.8))
            contacts = day * support.contacts_per_registration.p50
            hour = contacts * 0.12 / 3600
            handling = support.handling_min.p50 * 60
            seats = max(1, math.ceil(hour * handling))
            while _answered(hour, handling, seats, support.answer_within_s) < support.answer_share:
                seats += 1
            shift = (support.close_hour - support.open_hour) * 7 / support.weekly_hours
            heads = math.ceil(seats * shift / (1 - support.shrinkage))
            rule = "erlang_c"
            detail = f"{support.answer_share:.0%} / {support.answer_within_s:.0f} s"
            out.append(_staff("support", phase.id, heads, seats, rule, detail))
            ops = launch.people.operations
            out.append(
                _staff(
                    "operations",
                    phase.id,
                    math.ceil(ops.seats * 168 / 37.5 / 0.85),
                    ops.seats,
                    "round_the_clock",
                    "24/7",
                )
            )
            developers = launch.people.developers[phase.id - 1]
            out.append(_staff("developers", phase.id, developers, developers, "stated", launch.people.source))
            visitors = launch.people.counters_visitors_per_day[phase.id - 1]
            counters = math.ceil(visitors * launch.people.counter_minutes / 60 / 7)
            out.append(_staff("counters", phase.id, counters, counters, "visitors", f"{visitors} a day"))
        return tuple(out)

    def _assumptions(self) -> tuple[Assumption, ...]:
        launch = self.inputs.launch
        d = launch.demand
        named = {
            "demand.adoption_level": d.adoption_level,
            "demand.month_peak": d.month_peak,
            "demand.busyness": d.busyness,
            "demand.province_spread": d.province_spread,
            "demand.within_hour_peak": d.within_hour_peak,
            "demand.surge.first_day_multiple": d.surge.first_day_multiple,
            "demand.surge.half_life_days": d.surge.half_life_days,
            "demand.surge.peak_hour_multiple": d.surge.peak_hour_multiple,
            "design.application_factor": launch.design.application_factor,
            "storage.document_kib": launch.storage.document_kib,
            "storage.database_kib_per_registration": launch.storage.database_kib_per_registration,
            **{f"classes.{c.id}.journeys_per_unit": c.journeys_per_unit for c in launch.classes},
        }
        return tuple(
            Assumption(
                id=name,
                value=f"P10 {q.p10:g}, P50 {q.p50:g}, P90 {q.p90:g}",
                unit=q.unit,
                source=q.source,
                estimate=q.estimate,
            )
            for name, q in named.items()
        )


def _staff(group: str, phase: int, heads: int, seats: int, rule: str, detail: str) -> StaffLine:
    return StaffLine(
        group=group,  # type: ignore[arg-type]
        phase=phase,
        heads=heads,
        peak_seats=seats,
        rule=rule,
        detail_id=detail,
        detail_en=detail,
    )


def _answered(rate: float, handling: float, seats: int, within: float) -> float:
    """Share answered within `within` seconds, M/M/c (Erlang C)."""
    load = rate * handling
    if load >= seats:
        return 0.0
    return 1 - float(erlang_c(seats, load)) * math.exp(-(seats - load) * within / handling)


def _months_between(start: dt.date, day: dt.date) -> int:
    return (day.year - start.year) * 12 + day.month - start.month
