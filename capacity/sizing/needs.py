"""What every role must hold at every site in every month, as the lease model asks it: servers of each SKU.

    n = max(n_min, k + max over resources of ceil(need / what one server carries))                          (C6)

Counts follow from the SKU's own size, since a server's reserve (operating system, agents) is the same on a small server
as on a large one, and since a mirrored role (database, storage) needs one server that carries everything alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from capacity.faults import Infeasible
from capacity.inputs import Inputs
from capacity.launch import Launch, RolePlan
from capacity.leasing import Needs, Offer
from capacity.tables import SkuRow

RESOURCES = ("cores", "memory_gib", "disk_gb", "iops", "mbit_s")
NETWORK_SHARE = 0.7
"""Of a network card: beyond, bursts are dropped."""


@dataclass(frozen=True, slots=True)
class SiteNeed:
    """Need of one role at one site in one month: what its servers carry together, or (mirror) each of them."""

    cores: float
    memory_gib: float
    disk_gb: float = 0.0
    iops: float = 0.0
    mbit_s: float = 0.0

    def values(self) -> tuple[float, ...]:
        """In the order of RESOURCES."""
        return (self.cores, self.memory_gib, self.disk_gb, self.iops, self.mbit_s)


def usable(sku: SkuRow, role: RolePlan) -> dict[str, float]:
    """What a server of the SKU carries in the role: resource → units.

    Disks stand in mirrored pairs, unless sharded; network ports in pairs of which one may fail.
    """
    return {
        "cores": max(0.0, sku.cores - role.reserved_cores),
        "memory_gib": max(0.0, sku.memory_gib - role.reserved_memory_gib),
        "disk_gb": sku.disks * sku.disk_gb / (1 if role.spread == "shard" else 2),
        "iops": float(sku.iops),
        "mbit_s": max(1, sku.nics // 2) * sku.nic_gbit_s * 1e3 * NETWORK_SHARE,
    }


def standing(role: RolePlan, need: SiteNeed, sku: SkuRow) -> tuple[int, str]:
    """Servers of the SKU that carry `need` with nothing lost, and the resource that asks for so many.

    A mirrored role asks one server for everything; of a replicated one each server has its own disk; in a sharded one
    everything divides, at `copies` times the data. 0 when the SKU cannot carry the need at all.
    """
    carries = usable(sku, role)
    amount = dict(zip(RESOURCES, need.values(), strict=True))
    alone = {"mirror": set(RESOURCES), "replica": {"disk_gb", "iops"}, "shard": set()}[role.spread]
    amount["disk_gb"] *= role.copies
    count, binding = 1, "cores"
    for name, value in amount.items():
        if name in alone:
            if value > carries[name]:
                return 0, name
        elif carries[name] <= 0:
            return 0, name
        elif (whole := math.ceil(value / carries[name] - 1e-9)) > count:
            count, binding = whole, name
    return count, binding


def servers_needed(role: RolePlan, need: SiteNeed, sku: SkuRow) -> int:
    """Servers of the SKU that carry `need` with `redundancy` of them lost; at least the role's minimum."""
    count, _ = standing(role, need, sku)
    return max(count + role.redundancy, role.min_servers)


def lease_needs(inputs: Inputs, needs: Mapping[tuple[str, str], Sequence[SiteNeed]]) -> Needs:
    """`needs[site, role][month]` as the lease model's arrays. Needs never fall: later months keep what stands.

    Raises Infeasible when no SKU of the price book carries a role.
    """
    launch = inputs.launch
    sites, roles = tuple(s.id for s in launch.sites), tuple(r.role for r in launch.roles)
    months = launch.horizon.months
    priced = {p.sku for p in inputs.prices if p.term_months in launch.leasing.terms_months}
    counts: dict[tuple[str, str], np.typing.NDArray[np.int64]] = {}
    for role in launch.roles:
        held = {site: _held(needs[site, role.role]) for site in sites}
        for sku in inputs.skus:
            if role.role not in sku.roles or sku.id not in priced:
                continue
            rows = np.array([[standing(role, need, sku)[0] for need in held[site]] for site in sites], dtype=np.int64)
            if (rows > 0).all():
                counts[role.role, sku.id] = rows[None]
        if not any(name == role.role for name, _ in counts):
            raise _too_small(inputs, role, [need for site in sites for need in held[site]])
    return Needs(
        start=launch.horizon.start,
        sites=sites,
        roles=roles,
        resources=("servers",),
        amount=np.zeros((1, len(sites), len(roles), months, 1)),
        spare=np.array([[r.redundancy for r in launch.roles] for _ in sites], dtype=np.int64),
        minimum=np.array([[[r.min_servers] * months for r in launch.roles] for _ in sites], dtype=np.int64),
        counts=counts,
    )


def _held(series: Sequence[SiteNeed]) -> list[SiteNeed]:
    table = np.maximum.accumulate(np.array([need.values() for need in series]), axis=0)
    return [SiteNeed(*(float(v) for v in row)) for row in table]


def _too_small(inputs: Inputs, role: RolePlan, needs: Sequence[SiteNeed]) -> Infeasible:
    worst = [max(values) for values in zip(*(need.values() for need in needs), strict=True)]
    skus = [s for s in inputs.skus if role.role in s.roles]
    lacks = []
    for name, value in zip(RESOURCES, worst, strict=True):
        best = max((usable(s, role)[name] for s in skus), default=0.0)
        if value > best and role.spread != "shard" and (role.spread == "mirror" or name in ("disk_gb", "iops")):
            lacks.append(f"{name} {value:,.0f} asked, {best:,.0f} at most")
    return Infeasible(
        f"no SKU of the price book carries the role {role.role} on one server: {'; '.join(lacks) or 'none is priced'}",
        f"Add a larger SKU for {role.role} with its price, or lower what one server must carry.",
    )


def offers(inputs: Inputs, needs: Needs) -> tuple[Offer, ...]:
    """The price book as offers, for the roles that each SKU can serve."""
    launch = inputs.launch
    out = []
    for price in inputs.prices:
        roles = frozenset(role for role, sku in needs.counts if sku == price.sku)
        if price.term_months in launch.leasing.terms_months and roles:
            out.append(
                Offer(
                    sku=price.sku,
                    vendor=price.vendor,
                    months=price.term_months,
                    monthly_rent_idr=price.monthly_rent,
                    setup_idr=price.setup,
                    capacity={"servers": 1.0},
                    roles=roles,
                    lead_time_days=price.lead_time_days,
                    notice_days=price.notice_days,
                    quotation=price.quotation,
                )
            )
    return tuple(out)


def ready_months(launch: Launch) -> int:
    """Whole months by which servers are leased before the month that needs them."""
    return math.ceil(launch.leasing.ready_days / 31)
