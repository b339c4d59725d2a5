"""The launch plan (`capacity/plans/*.yaml`): what people decide. `oss plan` turns it into the lease plan.

A number in it either names its source or is marked as an estimate; the report shows which. Tables (provinces, SKUs,
prices, taxes, published usage) are CSV files that the plan names; `capacity/tables.py` reads them.
`load_launch` checks the plan and its tables together and raises one BadInput with every fault.
"""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from capacity.documents import Document, RuleBroken
from capacity.leaseplan import Discipline, LoadProfile, NetworkPlan, Role, Scale, Site, Visit

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]*$")]
ProvinceCode = Annotated[str, Field(pattern=r"^ID-[A-Z]{2}$")]


class Quantiles(Document):
    """An uncertain non-negative input, stated by three quantiles and, where known, hard bounds."""

    p10: NonNegative
    p50: NonNegative
    p90: NonNegative
    lower: NonNegative = 0.0
    upper: float | None = None
    unit: str
    source: str = Field(min_length=3)
    estimate: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Quantiles:
        bound = float("inf") if self.upper is None else self.upper
        if not self.p10 < self.p50 < self.p90:
            raise RuleBroken(
                f"quantiles must rise: p10 {self.p10:g}, p50 {self.p50:g}, p90 {self.p90:g}",
                "State p10 < p50 < p90; swap them if they are the wrong way round.",
            )
        if not (self.lower < self.p10 and self.p90 < bound):
            raise RuleBroken(
                f"quantiles must lie inside the bounds ({self.lower:g}, {bound:g})", "Widen the bounds or mend them."
            )
        return self


class Tables(Document):
    """CSV files, relative to the plan's folder."""

    provinces: str
    usage: str
    skus: str
    prices: str
    supporting: str
    taxes: str
    calendar: str


class Horizon(Document):
    """Whole calendar months over which leases are planned."""

    start: dt.date
    months: int = Field(ge=1, le=120)

    @model_validator(mode="after")
    def _first_of_month(self) -> Horizon:
        if self.start.day != 1:
            raise RuleBroken("the horizon starts on the first of a month", f"Use {self.start.replace(day=1)}.")
        return self


class Phase(Document):
    """One step of the launch: provinces that join, and when they go live (09:00 local time)."""

    id: Literal[1, 2, 3]
    name_id: str
    name_en: str
    start: dt.date
    provinces: tuple[ProvinceCode, ...] = Field(min_length=1)


class HourProfile(Document):
    """Relative weight of each local hour 0..23, by kind of day; `holiday_share` of an ordinary weekday's total."""

    weekday: tuple[NonNegative, ...] = Field(min_length=24, max_length=24)
    friday: tuple[NonNegative, ...] | None = Field(default=None, min_length=24, max_length=24)
    ramadan: tuple[NonNegative, ...] | None = Field(default=None, min_length=24, max_length=24)
    saturday_share: NonNegative
    sunday_share: NonNegative
    holiday_share: NonNegative
    source: str
    estimate: bool = True


class Adoption(Document):
    """Bass adoption among all businesses, fitted to the published series with a prior on imitation."""

    imitation: Positive = Field(description="prior median of q, a year")
    imitation_log_sd: Positive
    noise_log_sd: Positive = Field(description="of a published yearly mean around the curve")
    hindcast_periods: int = Field(ge=2, description="fit on so many early periods to judge the prediction of the later")
    source: str


class Surge(Document):
    """Launch surge of a phase: demand over the adopted level on the first day, and its decay."""

    opening_hour: int = Field(ge=0, le=22, description="hour of the first day (WIB) at which the phase opens")
    first_day_multiple: Quantiles
    half_life_days: Quantiles
    peak_hour_multiple: Quantiles = Field(description="opening hour of the first day over the profile's busiest hour")


class Demand(Document):
    """What drives arrivals, nation-wide. Adoption itself is fitted to the usage table."""

    adoption: Adoption
    adoption_level: Quantiles = Field(description="factor on the fitted adoption curve")
    month_peak: Quantiles = Field(description="peak month over mean month of a year")
    busyness: Quantiles = Field(description="factor that all provinces and classes share in a month")
    busyness_persistence: Annotated[float, Field(ge=0, lt=1)] = Field(description="of busyness from month to month")
    province_spread: Quantiles = Field(description="factor of one province's readiness around the national mean")
    within_hour_peak: Quantiles = Field(description="busiest minutes over the mean of their hour")
    correlation: Annotated[float, Field(ge=0, lt=1)] = Field(description="Gaussian copula, between uncertain inputs")
    surge: Surge
    profiles: dict[Identifier, HourProfile]


class Retries(Document):
    """What a client does when a call fails or takes longer than it waits. `attempts` after the first."""

    attempts: int = Field(ge=0, le=10)
    base_failure: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="share of calls that the network loses anyway"
    )
    timeout_s: Positive


class TrafficClassPlan(Document):
    """A kind of visitor. Journeys follow from NIB registrations, from people (satgas) or from projects."""

    id: Identifier
    name_id: str
    name_en: str
    profile: Identifier
    driver: Literal["registrations", "people", "projects"]
    journeys_per_unit: Quantiles = Field(description="journeys a registration, or a person or project a working day")
    units: NonNegative | None = Field(default=None, description="people or projects at full launch")
    surges: bool = True
    retries: Retries
    think_time_s: NonNegative
    journey: tuple[Visit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _units(self) -> TrafficClassPlan:
        if (self.driver == "registrations") != (self.units is None):
            raise RuleBroken(
                "`units` belongs to the drivers `people` and `projects`",
                "Give it there, leave it out for registrations.",
            )
        return self


class Reference(Document):
    """Where the endpoints' `demand_ms` come from, when no calibration replaces them."""

    source: str = "own estimate of the reference service"
    estimate: bool = True


class EndpointPlan(Document):
    """One operation. `demand_ms` is CPU time of the reference permit service, until a calibration replaces it."""

    id: Identifier
    service: Identifier
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str = Field(pattern=r"^/")
    demand_ms: dict[str, NonNegative] = Field(min_length=1)
    calls: dict[str, Positive] = Field(
        default_factory=dict, description="endpoint (of another service) or upstream station → calls a call"
    )
    application: bool = Field(default=True, description="whether its CPU grows with `design.application_factor`")
    scv: NonNegative | None = Field(default=None, description="of one call's CPU; default: the station's")
    in_threads: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of its CPU at pods that threads beside the event loop use",
    )
    slo_p95_ms: Positive
    slo_p99_ms: Positive
    response_kib: Positive

    @model_validator(mode="after")
    def _slo(self) -> EndpointPlan:
        if self.slo_p99_ms < self.slo_p95_ms:
            raise RuleBroken(
                f"the p99 SLO {self.slo_p99_ms:g} ms is below the p95 SLO {self.slo_p95_ms:g} ms", "Raise slo_p99_ms."
            )
        return self


class Station(Document):
    """A queueing station: pods of a service, servers of a role, or an upstream agency."""

    id: Identifier
    kind: Literal["pods", "server", "upstream"]
    service: Identifier | None = None
    role: Role | None = None
    service_scv: NonNegative = Field(default=1.0, description="squared coefficient of variation of one call's demand")
    discipline: Discipline = Field(
        default="ps", description="how calls are served: ps interleaved (processor sharing), fcfs in turn"
    )
    max_utilisation: Share = 0.7
    application: bool = Field(default=True, description="whether its CPU grows with `design.application_factor`")
    latency_ms: NonNegative = Field(default=0.0, description="of an upstream, at no load")
    connections: int | None = Field(default=None, ge=1, description="parallel calls an upstream allows")
    quota_per_day: Positive | None = None
    source: str = ""
    estimate: bool = True

    @model_validator(mode="after")
    def _kind(self) -> Station:
        if self.kind == "pods" and self.service is None:
            raise RuleBroken("a station of pods names its service", "Add `service`.")
        if self.kind == "server" and self.role is None:
            raise RuleBroken("a station of servers names its role", "Add `role`.")
        if self.kind == "upstream" and self.connections is None:
            raise RuleBroken("an upstream states how many parallel calls it allows", "Add `connections`.")
        return self


class RackService(Document):
    """How small a service is in the rack; the model still sets the CPU limit, above the floor."""

    replicas: int = Field(ge=1)
    memory_mib: int = Field(ge=64)
    min_cpu_millicores: int = Field(ge=50)
    max_cpu_millicores: int = Field(ge=50)


class Service(Document):
    """A deployable of the soft infrastructure."""

    id: Identifier
    name_id: str
    name_en: str
    namespace: Identifier
    scales: tuple[Scale, ...] = ("national", "rack")
    min_replicas: int = Field(ge=1)
    replica_millicores: int = Field(gt=0, description="size of one replica at national scale")
    memory_base_mib: int = Field(gt=0)
    memory_per_process_mib: int = Field(gt=0)
    processes: int = Field(ge=1)
    rack: RackService


class RolePlan(Document):
    """What a role of servers must hold beyond the stations' CPU, and its redundancy."""

    role: Role
    min_servers: int = Field(ge=1)
    redundancy: int = Field(ge=0, description="k of N+k, a site")
    max_utilisation: Share
    reserved_cores: NonNegative = Field(description="operating system and agents, a server")
    reserved_memory_gib: NonNegative
    fixed_cores: NonNegative = Field(default=0.0, description="load that does not grow with demand, a site")
    fixed_memory_gib: NonNegative = 0.0
    spread: Literal["replica", "mirror", "shard"] = Field(
        default="replica",
        description="replica: CPU and memory divide over servers; mirror: each carries all; shard: data divides too",
    )
    copies: int = Field(default=1, ge=1, description="of every byte over the servers of a sharded role")


class Storage(Document):
    """Growth of documents, database and backups."""

    document_kib: Quantiles
    database_kib_per_registration: Quantiles
    log_kib_per_call: Positive
    log_days: int = Field(ge=1)
    cache_share: Share = Field(description="of the database that memory should hold")
    backup_copies: Positive
    iops_per_write: Positive
    fill_limit: Share


class Facilities(Document):
    """What turns traffic and servers into bandwidth, sessions, racks and power."""

    protocol_overhead: Annotated[float, Field(ge=1, le=3)] = Field(
        description="bytes on the wire over bytes of answers"
    )
    request_kib: Positive
    international_share: Annotated[float, Field(ge=0, le=1)]
    bandwidth_headroom: Annotated[float, Field(ge=1)]
    keep_alive_s: NonNegative
    session_kib: Positive = Field(default=64.0, description="memory of an open TLS session at the edge, with buffers")
    firewall_sessions_per_client: Positive = Field(description="client connection and the ones behind it")
    rack_units: int = Field(gt=0, description="for servers in one rack")
    rack_power_w: int = Field(gt=0)
    virtual_addresses: int = Field(ge=0, description="VIPs of a site")
    source: str


class Design(Document):
    """At which certainty the launch is sized, and how far beyond it must bend without breaking."""

    quantile: Annotated[float, Field(ge=0.5, lt=1)]
    headroom: Annotated[float, Field(ge=1, le=5)] = Field(
        description="factor on the design rate for what nobody foresaw"
    )
    application_factor: Quantiles = Field(description="CPU of the production application over the reference service")
    stress_multiple: Annotated[float, Field(ge=1, le=20)]


class Support(Document):
    """Assisted service: contacts follow registrations."""

    contacts_per_registration: Quantiles
    handling_min: Quantiles
    answer_share: Share
    answer_within_s: Positive
    patience_s: Positive
    open_hour: int = Field(ge=0, le=23)
    close_hour: int = Field(ge=1, le=24)
    shrinkage: Annotated[float, Field(ge=0, lt=1)]
    weekly_hours: Positive


class Operations(Document):
    """Round-the-clock operation of the sites, and on-call."""

    seats: int = Field(ge=1)
    on_call_seats: int = Field(ge=0)
    servers_per_head: Positive


class People(Document):
    """People infrastructure. Developers are a stated line; the rest is computed."""

    satgas_members: int = Field(ge=1)
    support: Support
    operations: Operations
    developers: tuple[int, int, int]
    counters_visitors_per_day: tuple[int, int, int]
    counter_minutes: Positive
    source: str


class Ceiling(Document):
    """Budget ceiling of one fiscal year (calendar year), with VAT."""

    year: int
    ceiling_idr: int = Field(gt=0)


class Leasing(Document):
    """Rules of the contracts. Prices, lead times and notice periods stand in the price book."""

    terms_months: tuple[int, ...] = Field(min_length=1)
    ready_days: int = Field(ge=0, description="servers are leased this long before the phase that needs them")
    earliest_order: dt.date = Field(description="no order is placed before; lead times count from here")
    vendor_share_max: Share = Field(description="of the whole commitment for servers, before VAT; 1: no limit")
    ceilings: tuple[Ceiling, ...] = ()
    shortage_idr_per_core_month: Annotated[float, Field(gt=0)]


class Rack(Document):
    """The rehearsal on one machine: the same model at a stated fraction."""

    supernet: str
    load_factor: Share
    server_share: dict[Role, Annotated[float, Field(ge=0, le=1)]]
    max_servers: int = Field(ge=4)
    edge_cores: Positive
    database_cores: Positive


class Scenario(Document):
    """A named stress case: what it changes of the design, for `oss plan --scenario`."""

    id: Identifier
    name_id: str
    name_en: str
    phase: Literal[1, 2, 3]
    registrations_per_day: Positive | None = None
    registrations_per_hour: Positive | None = None
    calls_per_s: Positive | None = None
    day: Literal["launch", "busiest"] = "busiest"
    lost_site: str | None = None
    source: str


class Launch(Document):
    """The whole launch plan."""

    version: Literal[1]
    id: Identifier
    title_id: str
    title_en: str
    as_of: dt.date = Field(description="rules, rates and holidays are those in force or foreseen on this day")
    statement_id: str = Field(description="what of this plan is a stated scenario, in Indonesian")
    statement_en: str
    seed: int = Field(ge=0)
    draws: int = Field(ge=100, le=1_000_000)
    calibration: str | None = None
    tables: Tables
    horizon: Horizon
    phases: tuple[Phase, Phase, Phase]
    sites: tuple[Site, ...] = Field(min_length=1)
    network: NetworkPlan
    demand: Demand
    classes: tuple[TrafficClassPlan, ...] = Field(min_length=1)
    reference: Reference = Reference()
    endpoints: tuple[EndpointPlan, ...] = Field(min_length=1)
    stations: tuple[Station, ...] = Field(min_length=1)
    services: tuple[Service, ...] = Field(min_length=1)
    roles: tuple[RolePlan, ...] = Field(min_length=1)
    storage: Storage
    facilities: Facilities
    design: Design
    people: People
    leasing: Leasing
    rack: Rack
    scenarios: tuple[Scenario, ...] = ()
    loadtests: tuple[LoadProfile, ...] = Field(min_length=1)

    def endpoint(self, identity: str) -> EndpointPlan:
        """The endpoint of that id; KeyError when there is none (`load_launch` has checked every reference)."""
        return {e.id: e for e in self.endpoints}[identity]

    def station(self, identity: str) -> Station:
        """The station of that id; KeyError when there is none."""
        return {s.id: s for s in self.stations}[identity]

    def role(self, role: Role) -> RolePlan:
        """The plan of that role; KeyError when there is none."""
        return {r.role: r for r in self.roles}[role]

    def site_of_kind(self, kind: Literal["primary", "drc"]) -> Site:
        """The first site of that kind; KeyError when there is none."""
        return {s.kind: s for s in reversed(self.sites)}[kind]

    def phase_starts(self) -> tuple[dt.date, ...]:
        """Start of each phase, in order."""
        return tuple(p.start for p in self.phases)

    def horizon_end(self) -> dt.date:
        """First day after the horizon."""
        return add_months(self.horizon.start, self.horizon.months)


def add_months(day: dt.date, months: int) -> dt.date:
    """`day` moved by whole months; the day of the month is kept, and must exist there (first days always do)."""
    index = day.year * 12 + day.month - 1 + months
    return day.replace(year=index // 12, month=index % 12 + 1)


def phases_overlap(phases: tuple[Phase, ...]) -> list[tuple[Phase, Phase]]:
    """Neighbours whose starts do not rise: each phase ends where the next begins, so this is what an overlap is."""
    return [(earlier, later) for earlier, later in pairwise(phases) if later.start <= earlier.start]


def plan_path(plan: str | None) -> Path:
    """Where the plan is: the given path, or the national plan of the repository."""
    from capacity.documents import REPOSITORY

    return Path(plan) if plan else REPOSITORY / "capacity" / "plans" / "national.yaml"
