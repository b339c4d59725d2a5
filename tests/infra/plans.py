"""Small lease plans for tests: as many servers as a test wants, everything else as plain as the schema allows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from capacity.documents import sha256, to_yaml, write_text
from capacity.leaseplan import (
    Cost,
    Deployment,
    LeasedServer,
    LeaseLine,
    LeasePlan,
    Network,
    NetworkPlan,
    PhasePlan,
    Role,
    RoleOffset,
    Scale,
    ServicePlan,
    Site,
    Sku,
    StationPlan,
    lock_path,
)

START, END = dt.date(2018, 6, 1), dt.date(2020, 6, 1)
SKU = Sku(
    id="M1",
    description="test server",
    cores=32,
    memory_gib=256,
    disks=2,
    disk_gb=960,
    nics=2,
    nic_gbit_s=25,
    rack_units=1,
    power_w=500,
)
NETWORKS = tuple(
    Network(id=name, vlan=100 + n, offset=n, prefix=24)
    for n, name in enumerate(("oob", "management", "cluster", "data", "edge"))
)
ROLES = tuple(
    RoleOffset(role=role, base=base, capacity=capacity)
    for role, base, capacity in (("edge", 10, 9), ("control", 20, 9), ("worker", 30, 169), ("database", 200, 19))
)
SMALL: Mapping[Role, int] = {"edge": 1, "control": 1, "worker": 2, "database": 1}


def line(site: str, role: Role, quantity: int) -> LeaseLine:
    """A lease line of two years for the servers of a role."""
    return LeaseLine(
        id=f"{site}-{role}-2018-06",
        vendor="A",
        sku=SKU.id,
        role=role,
        site=site,
        quantity=quantity,
        start=START,
        months=24,
        end=END,
        notice_date=dt.date(2020, 3, 3),
        order_date=dt.date(2018, 4, 2),
        monthly_rent_idr=9_500_000,
        setup_idr=5_000_000,
    )


def server(site: str, role: Role, index: int, phase: int = 1) -> LeasedServer:
    """One server of a role, under the role's lease line."""
    return LeasedServer(
        name=f"{site}-{role}-{index:02d}",
        site=site,
        role=role,
        index=index,
        sku=SKU.id,
        phase=phase,
        leases=(f"{site}-{role}-2018-06",),
        start=START,
        end=END,
    )


def service(identity: str, namespace: str, replicas: int = 2) -> ServicePlan:
    """A service at the rack's size."""
    return ServicePlan(
        id=identity,
        site="primary",
        namespace=namespace,
        replicas=replicas,
        min_available=replicas - 1,
        cpu_millicores=300,
        memory_mib=192,
        processes=1,
    )


SERVICES = (
    service("portal", "oss-portal"),
    service("api", "oss-api"),
    service("gateway", "oss-gateway"),
    service("satgas", "oss-satgas"),
    service("registry", "oss-upstream", 1),
)


def deployment(scale: Scale, servers: tuple[LeasedServer, ...]) -> Deployment:
    """All the servers, the five services, and an upstream with a quota."""
    registry = StationPlan(
        id="registry",
        kind="upstream",
        servers=8,
        arrival_rate_per_s=1,
        demand_ms=60,
        utilisation=0.1,
        mean_ms=60,
        p95_ms=90,
        p99_ms=120,
        capacity_per_s=10,
        quota_per_day=100_000,
    )
    return Deployment(
        scale=scale,
        load_factor=0.1 if scale == "rack" else 1.0,
        class_rates_per_s={},
        servers=tuple(s.name for s in servers),
        services=SERVICES if scale == "rack" else SERVICES[:4],
        stations=(registry,),
        endpoints=(),
    )


def plan(counts: Mapping[Role, int] = SMALL, sites: tuple[str, ...] = ("primary",), phases: int = 3) -> LeasePlan:
    """A plan with `counts` servers of each role at every site in phase 1, and one more worker in each later phase."""
    first = [server(site, role, n) for site in sites for role, count in counts.items() for n in range(1, count + 1)]
    workers = counts.get("worker", 0)
    more = [server(sites[0], "worker", workers + phase - 1, phase) for phase in range(2, phases + 1)]
    servers = (*first, *more)
    lines = [
        line(site, role, sum(s.site == site and s.role == role for s in servers)) for site in sites for role in counts
    ]
    return LeasePlan(
        version=1,
        plan="test.yaml",
        title_id="Uji",
        title_en="Test",
        inputs={},
        horizon_start=START,
        horizon_months=24,
        skus=(SKU,),
        sites=tuple(
            Site(
                id=site,
                kind="primary" if n == 0 else "drc",
                name_id=site,
                name_en=site,
                supernet=f"10.{20 + n}.0.0/16",
                share=1.0,
            )
            for n, site in enumerate(sites)
        ),
        network=NetworkPlan(domain="oss.internal", networks=NETWORKS, roles=ROLES, firewall=()),
        servers=servers,
        leases=tuple(lines),
        classes=(),
        endpoints=(),
        phases=tuple(_phase(n, tuple(s for s in servers if s.phase <= n)) for n in range(1, phases + 1)),
        loadtests=(),
        cost=Cost(
            currency="IDR",
            total_before_vat_idr=0,
            vat_idr=0,
            total_idr=0,
            p50_idr=0,
            p80_idr=0,
            p95_idr=0,
            years=(),
            optimality_gap=0,
            indicative=True,
        ),
        people=(),
        assumptions=(),
        rack_supernet="10.97.0.0/16",
    )


def _phase(number: int, servers: tuple[LeasedServer, ...]) -> PhasePlan:
    return PhasePlan(
        id=number,
        name_id=f"Tahap {number}",
        name_en=f"Phase {number}",
        start=START,
        end=END,
        provinces=(),
        businesses=0,
        registrations_per_day={},
        demand=(),
        national=deployment("national", servers),
        rack=deployment("rack", servers),
        bindings=(),
        sufficiency=1.0,
    )


def write(folder: Path, made: LeasePlan) -> Path:
    """Write a launch plan stub and its lease plan, whose hash of it is right. Returns the launch plan's path."""
    source = folder / "test.yaml"
    write_text(source, "# the launch plan of a test\n")
    locked = made.model_copy(update={"inputs": {source.name: sha256(source)}})
    write_text(lock_path(source), to_yaml(locked))
    return source
