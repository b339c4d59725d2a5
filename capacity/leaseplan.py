"""The lease plan (`*.lock.yaml`): what the model decided, and the one file that every later part reads.

Written by `oss plan`, never by hand. It carries the hash of every input, so that a part which reads it can
refuse when plan and inputs differ. Everything downstream (stacks, playbooks, load tests, verdict, report)
takes its numbers from here.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from capacity.documents import Document, RuleBroken, load, sha256, shown
from capacity.faults import BadInput, Fault
from capacity.networkplan import ROLES as ROLES
from capacity.networkplan import FirewallRule as FirewallRule
from capacity.networkplan import Network as Network
from capacity.networkplan import NetworkPlan as NetworkPlan
from capacity.networkplan import Role as Role
from capacity.networkplan import RoleOffset as RoleOffset

Scale = Literal["national", "rack"]
Discipline = Literal["fcfs", "ps"]


class Sku(Document):
    """A server model as contracted; acceptance compares what the BMC reports with it."""

    id: str
    description: str
    cores: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    disks: int = Field(gt=0)
    disk_gb: int = Field(gt=0, description="capacity of one disk, decimal gigabytes")
    nics: int = Field(gt=0)
    nic_gbit_s: float = Field(gt=0)
    rack_units: int = Field(gt=0)
    power_w: int = Field(gt=0)


class Site(Document):
    """A data centre. `supernet` is its /16; `share` the part of the national peak that it must carry alone."""

    id: str
    kind: Literal["primary", "drc"]
    name_id: str
    name_en: str
    supernet: str
    share: float = Field(gt=0, le=1)


class LeasedServer(Document):
    """One physical server, named for good: `<site>-<role>-<index>` with the index as its explicit offset."""

    name: str
    site: str
    role: Role
    index: int = Field(ge=1)
    sku: str
    phase: int = Field(ge=1, le=3, description="the first phase that needs it")
    leases: tuple[str, ...] = Field(description="ids of the lease lines that cover it, in time order")
    start: dt.date
    end: dt.date


class LeaseLine(Document):
    """One contract line: SKU x quantity x site x start x months, at a price per server and month."""

    id: str
    vendor: str
    sku: str
    role: Role
    site: str
    quantity: int = Field(ge=1)
    start: dt.date
    months: int = Field(ge=1)
    end: dt.date = Field(description="first day after the term")
    notice_date: dt.date = Field(description="last day to give or renew notice")
    order_date: dt.date = Field(description="latest day to order, by the vendor's lead time")
    monthly_rent_idr: int = Field(ge=0, description="rupiah a server a month, before VAT")
    setup_idr: int = Field(ge=0, description="rupiah a server, once, before VAT")
    quotation: str | None = Field(default=None, description="reference of the quotation; None marks an estimate")
    renews: str | None = Field(default=None, description="the line whose servers this one keeps")


class SupportingLine(Document):
    """One line of supporting hard infrastructure: racks, switches, firewalls, bandwidth, links."""

    id: str
    item: str = Field(description="id in the table of supporting items")
    kind: str
    site: str
    vendor: str
    description_id: str
    description_en: str
    quantity: int = Field(ge=1)
    unit: str
    phase: int = Field(ge=1, le=3, description="the first phase that needs it")
    start: dt.date
    months: int = Field(ge=1)
    end: dt.date
    monthly_rent_idr: int = Field(ge=0, description="rupiah a unit a month, before VAT")
    setup_idr: int = Field(ge=0, description="rupiah a unit, once, before VAT")
    quotation: str | None = None
    estimate: bool
    source: str
    detail_id: str
    detail_en: str


class Visit(Document):
    """How often one journey calls an endpoint."""

    endpoint: str
    count: float = Field(gt=0)


class Endpoint(Document):
    """One operation of the permit service, and the CPU time it needs at each station it touches."""

    id: str
    service: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    demand_ms: dict[str, float] = Field(description="station id → CPU milliseconds a call")
    calls: dict[str, float] = Field(
        default_factory=dict, description="inner endpoint or upstream station id → calls a call"
    )
    scv: float | None = Field(
        default=None,
        ge=0,
        description="squared coefficient of variation of a call's demand at pods; None: the station's",
    )
    in_threads: float = Field(
        default=0.0, ge=0, le=1, description="share of its CPU at pods that threads beside the event loop use"
    )
    slo_p95_ms: float = Field(gt=0)
    slo_p99_ms: float = Field(gt=0)


class TrafficClass(Document):
    """A kind of visitor: which journey it makes, and what stands behind its numbers."""

    id: str
    name_id: str
    name_en: str
    journey: tuple[Visit, ...]
    think_time_s: float = Field(ge=0)
    hours: tuple[float, ...] = Field(
        default=(), description="rate in each local hour of a working day over that in the busiest hour"
    )


class ServicePlan(Document):
    """How a service is deployed: replicas, and requests = limits for each of them."""

    id: str
    site: str
    namespace: str
    replicas: int = Field(ge=1)
    min_available: int = Field(ge=0)
    cpu_millicores: int = Field(gt=0)
    memory_mib: int = Field(gt=0)
    processes: int = Field(ge=1, description="server processes a replica")


class StationPlan(Document):
    """A queueing station as predicted by the model at the design arrival rate. All values are predictions."""

    id: str
    kind: Literal["pods", "server", "upstream"]
    service: str | None = None
    role: Role | None = None
    servers: float = Field(gt=0, description="parallel CPU servers c: cores of all replicas together")
    arrival_rate_per_s: float = Field(ge=0)
    demand_ms: float = Field(ge=0, description="mean CPU milliseconds a visit at this station")
    demand_factor: float = Field(
        default=1.0, gt=0, description="CPU of what is deployed at this scale over `Endpoint.demand_ms`"
    )
    service_scv: float = Field(default=1.0, ge=0, description="squared coefficient of variation of one call's demand")
    discipline: Discipline = Field(
        default="fcfs", description="how calls are served: fcfs in turn, ps interleaved (processor sharing)"
    )
    utilisation: float = Field(ge=0)
    mean_ms: float = Field(ge=0, description="mean residence: waiting and service")
    p95_ms: float = Field(ge=0)
    p99_ms: float = Field(ge=0)
    capacity_per_s: float = Field(ge=0, description="highest arrival rate that still meets the SLO")
    quota_per_day: float | None = Field(default=None, description="of an upstream agency")


class EndpointPrediction(Document):
    """Predicted response time of an endpoint over all the stations it touches, at the design rate."""

    endpoint: str
    arrival_rate_per_s: float
    mean_ms: float
    p95_ms: float
    p99_ms: float


class Deployment(Document):
    """A phase at one scale: the nation's, or the rack's, which carries `load_factor` of the nation's load."""

    scale: Scale
    load_factor: float = Field(gt=0, le=1)
    class_rates_per_s: dict[str, float] = Field(description="class id → journeys started a second at design")
    servers: tuple[str, ...] = Field(description="names of the leased servers that stand in this phase")
    services: tuple[ServicePlan, ...]
    stations: tuple[StationPlan, ...]
    endpoints: tuple[EndpointPrediction, ...]


class DemandBand(Document):
    """Peak journeys a second of one class in this phase: quantiles over the draws, and the design value."""

    traffic_class: str
    p50_per_s: float
    p80_per_s: float
    p95_per_s: float
    design_per_s: float
    peak_hour: dt.datetime = Field(description="local time of the hour that sets the design value")


class Binding(Document):
    """What sets a size: the chain from the number back to the rule, for `oss explain` and the report."""

    subject: str = Field(description="what is sized: `services.api@primary`, `servers.primary.worker`, …")
    value: float
    rule: str = Field(description="name of the rule that binds: slo_p95, slo_p99, n_plus_k, memory, quota, minimum, …")
    hour: dt.datetime | None = None
    provinces: tuple[str, ...] = ()
    traffic_class: str | None = None
    station: str | None = None
    detail_id: str
    detail_en: str


class SiteResources(Document):
    """What one site must provide beside its servers, by the end of a phase, at the design quantile. All predicted."""

    site: str
    rack_units: int = Field(ge=0)
    racks: int = Field(ge=0)
    power_w: int = Field(ge=0)
    addresses: int = Field(ge=0, description="IP addresses in all networks, virtual ones included")
    domestic_mbit_s: float = Field(ge=0)
    international_mbit_s: float = Field(ge=0)
    replication_mbit_s: float = Field(ge=0, description="to the other site")
    load_balancer_sessions: int = Field(ge=0)
    firewall_sessions: int = Field(ge=0)
    documents_gb: float = Field(ge=0)
    database_gb: float = Field(ge=0)
    logs_gb: float = Field(ge=0)
    backups_gb: float = Field(ge=0)
    database_iops: float = Field(ge=0)


class PhasePlan(Document):
    """One phase of the launch; phase N includes the provinces of N-1."""

    id: int = Field(ge=1, le=3)
    name_id: str
    name_en: str
    start: dt.date
    end: dt.date = Field(description="first day after: the next phase's start or the horizon's end")
    provinces: tuple[str, ...] = Field(description="ISO 3166-2 codes that join in this phase")
    businesses: int
    registrations_per_day: dict[str, float] = Field(description="p50, p80, p95 of the phase's busiest day")
    demand: tuple[DemandBand, ...]
    national: Deployment
    rack: Deployment
    bindings: tuple[Binding, ...]
    sufficiency: float = Field(ge=0, le=1, description="share of draws in which the capacity suffices")
    retry_growth: float = Field(default=1.0, ge=1, description="calls made over calls meant at the design rates")
    collapse_multiple: float | None = Field(
        default=None, ge=1, description="of the design rates, at which clients' retries bring the capacity down"
    )
    sites: tuple[SiteResources, ...] = ()


class Stage(Document):
    """One stretch of a load profile; `share` of the phase's design rate at its start and end.

    With `hours` it walks from one local hour of a working day to another: each class follows its own hour profile, in
    which the busiest hour counts as `share`.
    """

    label: str
    duration_s: float = Field(gt=0)
    share: float = Field(ge=0)
    end_share: float | None = Field(default=None, description="for a ramp")
    arrivals: Literal["poisson", "constant"] = "poisson"
    warmup: bool = False
    held_out: bool = Field(default=False, description="kept out of calibration, to judge the prediction")
    hours: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _hours_of_a_day(self) -> Stage:
        if self.hours is not None:
            first, last = self.hours
            if not 0 <= first < last <= 24:
                raise RuleBroken("hours are not within a day", "Give two hours such as [6, 12].")
            if self.end_share is not None:
                raise RuleBroken("has hours and end_share", "Leave one of the two out: the hours are the ramp.")
        return self


class LoadProfile(Document):
    """A named load test: stages over the phase's design rates, and the rules it must pass."""

    id: str
    description: str
    stages: tuple[Stage, ...]
    classes: tuple[str, ...] = Field(default=(), description="empty: all classes")
    thresholds: tuple[str, ...]


class FiscalYearCost(Document):
    """Commitment of one fiscal year (calendar year), before and with VAT in force on the payment dates."""

    year: int
    rent_idr: int = Field(description="servers and supporting lines")
    setup_idr: int
    supporting_idr: int = Field(default=0, description="the part of rent and setup that is for supporting lines")
    vat_idr: int
    total_idr: int
    ceiling_idr: int | None = None


class Cost(Document):
    """What the leases cost over the horizon; quantiles over the draws' cost-least plans."""

    currency: Literal["IDR"]
    total_before_vat_idr: int
    supporting_before_vat_idr: int = Field(default=0, description="the part that is for supporting lines")
    vat_idr: int
    total_idr: int
    p50_idr: int
    p80_idr: int
    p95_idr: int
    years: tuple[FiscalYearCost, ...]
    optimality_gap: float = Field(ge=0)
    indicative: bool = Field(description="true while any price stands without a quotation")


class LeaseChoice(Document):
    """One way to lease, seen against the draws of demand. Rupiah with VAT, servers alone, under the plan's rules."""

    id: Literal["plan", "cvar", "least_regret"] = Field(
        description="the plan as it is; the ways that are best in the worst draws, and in regret"
    )
    servers: int = Field(ge=1, description="standing at the end of the horizon")
    lease_idr: int
    expected_idr: int = Field(description="leases, and shortage at its price, on average over the draws")
    cvar_idr: int = Field(description="the same over the worst draws")
    regret_idr: int = Field(description="most that it costs beyond foresight, over the scenarios")
    short_share: float = Field(ge=0, le=1, description="share of draws in which it ever lacks a server")


class LeaseRisk(Document):
    """The plan against alternatives over scenarios: how far certainty was bought, and at what price."""

    scenarios: int = Field(ge=1, description="draws that stand for all, by strata of what foresight would cost")
    cvar_level: float = Field(ge=0, lt=1, description="0.95: the worst twentieth of the draws")
    shortage_idr_per_core_month: int = Field(
        description="price of capacity that the rule N+k asks for and is not there"
    )
    choices: tuple[LeaseChoice, ...]
    least_regret: str = Field(description="id of the choice with the least regret")


class RuleCost(Document):
    """What one rule of the lease plan costs: the servers' cost with it, and without it alone. Rupiah with VAT."""

    rule: Literal["vendor_share", "lead_time", "ceilings"]
    value: str = Field(description="the rule as the launch plan states it")
    without_idr: int
    saving_idr: int = Field(ge=0)


class StaffLine(Document):
    """People infrastructure: one group, one phase."""

    group: Literal["support", "operations", "developers", "counters"]
    phase: int
    heads: int = Field(ge=0)
    peak_seats: int = Field(ge=0)
    rule: str
    detail_id: str
    detail_en: str


class ShiftLine(Document):
    """Part of a weekly roster: so many people work this shift on these days of the week (0 is Monday)."""

    group: Literal["support", "operations"]
    phase: int
    shift: str = Field(description="by the clock of the primary site (WIB), as 08:00–16:30, break included")
    days: tuple[int, ...]
    people: int = Field(ge=1)


class OnCallRoster(Document):
    """Who of operations stands by in each week of a phase. People have numbers; names are the operator's to fill in."""

    phase: int
    start: dt.date = Field(description="Monday of the first week")
    people: int = Field(ge=1)
    rest_weeks: int = Field(ge=0, description="weeks off between two duties of a person")
    weeks: tuple[tuple[int, ...], ...] = Field(description="for each week the people on call, first call first")
    burden: tuple[float, ...] = Field(description="for each person the weeks on call; a holiday adds a fifth of a week")


class Assumption(Document):
    """A number that the plan rests on, with where it comes from."""

    id: str
    value: str
    unit: str
    source: str
    estimate: bool
    note: str = ""


class HindcastRow(Document):
    """Adoption fitted on the early years only, against what was published later."""

    fitted_on: tuple[str, ...]
    period: str
    published_per_day: float
    predicted_per_day: float
    error: float = Field(description="(predicted - published) / published")


class StationUnderStress(Document):
    """CPU servers installed, and kept busy by the first calls alone and with retries; what would be needed."""

    station: str
    installed: float
    busy: float
    busy_with_retries: float
    limit: float = Field(description="highest utilisation that the plan allows")
    needed: float = Field(description="CPU servers that would carry it within the SLOs")
    holds: bool


class QuotaUse(Document):
    """Calls of an upstream agency on the scenario's day, and what it allows."""

    upstream: str
    calls: float
    quota: float


class StressResult(Document):
    """What a named extreme would do to the capacity that the plan leases. All predicted; nothing is leased for it."""

    id: str
    name_id: str
    name_en: str
    phase: int = Field(ge=1, le=3)
    source: str
    site: str = Field(description="that carries it")
    share: float = Field(description="of the journeys, what that site is leased to carry alone")
    class_rates_per_s: dict[str, float]
    calls_per_s: float
    registrations_per_day: float
    retry_growth: float = Field(description="calls made over calls meant, once clients try again")
    stable: bool = Field(description="false: the service collapses under its own retries")
    served: float = Field(ge=0, le=1, description="share of all journeys that can be let in without overload")
    stations: tuple[StationUnderStress, ...]
    workers: int
    workers_needed: int
    database_fits: bool = Field(description="whether any database server of the price book could carry it")
    mbit_s: float
    sessions: int
    quotas: tuple[QuotaUse, ...] = ()
    holds: bool = Field(description="every station, every quota, and no collapse")
    detail_id: str
    detail_en: str


class Influence(Document):
    """Sobol indices of one uncertain input: share of the variance it explains alone (first), and with others (total).

    Of the logarithms of peak load, of cost, and of risk: how full the fullest station gets in the last phase.
    """

    input: str
    name_id: str
    name_en: str
    estimate: bool
    load_first: float
    load_total: float
    cost_first: float
    cost_total: float
    risk_first: float
    risk_total: float
    measure_id: str = Field(description="the measurement that would narrow it")
    measure_en: str


class LeasePlan(Document):
    """The whole lease plan. `inputs` maps each input file, relative to this file's folder, to its hash."""

    version: Literal[1]
    plan: str
    title_id: str
    title_en: str
    inputs: dict[str, str]
    horizon_start: dt.date
    horizon_months: int
    skus: tuple[Sku, ...]
    sites: tuple[Site, ...]
    network: NetworkPlan
    servers: tuple[LeasedServer, ...]
    leases: tuple[LeaseLine, ...]
    classes: tuple[TrafficClass, ...]
    endpoints: tuple[Endpoint, ...]
    phases: tuple[PhasePlan, ...]
    loadtests: tuple[LoadProfile, ...]
    cost: Cost
    people: tuple[StaffLine, ...]
    shifts: tuple[ShiftLine, ...] = ()
    stress: tuple[StressResult, ...] = ()
    sensitivity: tuple[Influence, ...] = Field(default=(), description="the input that moves most first")
    next_measurement: str | None = Field(default=None, description="of the estimates, the input that moves most")
    assumptions: tuple[Assumption, ...]
    rack_supernet: str = Field(description="default /16 of a rack on one machine")
    draws: int = Field(default=0, ge=0, description="random draws behind the quantiles")
    seed: int = Field(default=0, ge=0)
    supporting: tuple[SupportingLine, ...] = ()
    hindcast: tuple[HindcastRow, ...] = ()
    on_call: tuple[OnCallRoster, ...] = ()
    risk: LeaseRisk | None = None
    rule_costs: tuple[RuleCost, ...] = ()

    def phase(self, number: int) -> PhasePlan:
        """The phase with that number. Raises BadInput naming the phases there are."""
        for phase in self.phases:
            if phase.id == number:
                return phase
        known = ", ".join(str(p.id) for p in self.phases)
        raise BadInput([Fault(self.plan, "phase", str(number), "no such phase in the lease plan", f"Use {known}.")])

    def deployment(self, phase: int, scale: Scale) -> Deployment:
        """A phase at one scale."""
        chosen = self.phase(phase)
        return chosen.rack if scale == "rack" else chosen.national

    def server(self, name: str) -> LeasedServer:
        """The server of that name; KeyError when the plan has none."""
        return next(server for server in self.servers if server.name == name)

    def sku(self, identity: str) -> Sku:
        """The SKU of that id; KeyError when the plan has none."""
        return next(sku for sku in self.skus if sku.id == identity)


def lock_path(plan: Path) -> Path:
    """`national.yaml` → `national.lock.yaml`."""
    return plan.with_name(plan.stem.removesuffix(".lock") + ".lock.yaml")


def load_lease_plan(path: Path, verify: bool = True) -> LeasePlan:
    """Read a lease plan. With `verify`, BadInput when any input differs from what the plan was made of."""
    if not path.exists():
        raise BadInput([Fault(shown(path), "", "", "there is no lease plan yet", f"Run `oss plan {_plan_of(path)}`.")])
    plan = load(LeasePlan, path)
    if verify and (stale := stale_inputs(plan, path)):
        raise BadInput(stale)
    return plan


def stale_inputs(plan: LeasePlan, path: Path) -> list[Fault]:
    """One fault for each input file that is missing or has changed since the plan was made."""
    faults = []
    for name, digest in plan.inputs.items():
        source = path.parent / name
        problem = "is missing" if not source.exists() else "has changed" if sha256(source) != digest else ""
        if problem:
            remedy = f"Run `oss plan {_plan_of(path)}` to make the lease plan from the inputs as they are now."
            faults.append(
                Fault(shown(path), f"inputs.{name}", "", f"this input {problem} since the plan was made", remedy)
            )
    return faults


def _plan_of(lock: Path) -> str:
    return shown(lock.with_name(lock.name.replace(".lock.yaml", ".yaml")))
