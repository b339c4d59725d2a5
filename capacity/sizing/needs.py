"""What every role must hold at every site in every month, as the lease model asks it.

Resources are named `<role>.<resource>` because a role's own reserve (operating system, agents) lessens what a server of
the same SKU carries in it.
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

RESOURCES = ("cores", "memory_gib", "disk_gb", "iops")


@dataclass(frozen=True, slots=True)
class SiteNeed:
    """Need of one role at one site in one month: what its servers carry together, or (mirror) each of them."""

    cores: float
    memory_gib: float
    disk_gb: float = 0.0
    iops: float = 0.0

    def values(self) -> tuple[float, ...]:
        """In the order of RESOURCES."""
        return (self.cores, self.memory_gib, self.disk_gb, self.iops)


def usable(sku: SkuRow, role: RolePlan) -> dict[str, float]:
    """What a server of the SKU carries in the role: resource → units."""
    usable_disk = sku.disks * sku.disk_gb / 2  # mirrored pairs
    return {
        "cores": max(0.0, sku.cores - role.reserved_cores),
        "memory_gib": max(0.0, sku.memory_gib - role.reserved_memory_gib),
        "disk_gb": float(usable_disk),
        "iops": float(sku.iops),
    }


def servers_needed(role: RolePlan, need: SiteNeed, sku: SkuRow) -> int:
    """Servers of the SKU that carry `need` with `redundancy` of them lost; at least the role's minimum."""
    carries = usable(sku, role)
    amount = dict(zip(RESOURCES, need.values(), strict=True))
    whole = max(math.ceil(v / carries[k] - 1e-9) for k, v in amount.items() if v > 0)
    return max(whole + role.redundancy, role.min_servers)


def lease_needs(launch: Launch, needs: Mapping[tuple[str, str], Sequence[SiteNeed]]) -> Needs:
    """`needs[site, role][month]` as the lease model's arrays. Needs never fall: later phases keep them.

    A mirrored role states what one server carries; the number of its servers is the minimum and the spare.
    """
    sites = tuple(s.id for s in launch.sites)
    roles = tuple(r.role for r in launch.roles)
    names = tuple(f"{role}.{resource}" for role in roles for resource in RESOURCES)
    months = launch.horizon.months
    amount = np.zeros((1, len(sites), len(roles), months, len(names)))
    minimum = np.zeros((len(sites), len(roles), months), dtype=np.int64)
    spare = np.zeros((len(sites), len(roles)), dtype=np.int64)
    for i, site in enumerate(sites):
        for r, role in enumerate(roles):
            plan = launch.role(role)
            spare[i, r] = plan.redundancy
            column = r * len(RESOURCES)
            series = np.array([n.values() for n in needs[site, role]])
            held = np.maximum.accumulate(series, axis=0)
            amount[0, i, r, :, column : column + len(RESOURCES)] = held
            minimum[i, r] = np.where(held[:, 0] > 0, plan.min_servers, 0)
    return Needs(launch.horizon.start, sites, roles, names, amount, spare, minimum)


def offers(inputs: Inputs, needs: Needs) -> tuple[Offer, ...]:
    """The price book as offers. For a mirrored role only SKUs of which one server carries the whole need."""
    launch = inputs.launch
    out = []
    for price in inputs.prices:
        if price.term_months not in launch.leasing.terms_months:
            continue
        sku = next(s for s in inputs.skus if s.id == price.sku)
        roles = [launch.role(r) for r in needs.roles if r in sku.roles]  # type: ignore[arg-type]
        fits = [r for r in roles if r.spread == "replica" or _carries_alone(needs, sku, r)]
        if not fits:
            continue
        out.append(
            Offer(
                sku=price.sku,
                vendor=price.vendor,
                months=price.term_months,
                monthly_rent_idr=price.monthly_rent,
                setup_idr=price.setup,
                capacity={f"{r.role}.{k}": v for r in fits for k, v in usable(sku, r).items()},
                roles=frozenset(r.role for r in fits),
                lead_time_days=price.lead_time_days,
                quotation=price.quotation,
            )
        )
    for role in needs.roles:
        if not any(role in o.roles for o in out):
            worst = needs.amount[0][:, needs.roles.index(role)].max(axis=(0, 1))
            asked = ", ".join(
                f"{n.split('.')[1]} {v:.0f}" for n, v in zip(needs.resources, worst, strict=True) if v > 0
            )
            raise Infeasible(
                f"no SKU in the price book carries the role {role} on one server ({asked})",
                f"Add a larger SKU for {role}, or lower what one server must carry.",
            )
    return tuple(out)


def _carries_alone(needs: Needs, sku: SkuRow, role: RolePlan) -> bool:
    worst = needs.amount[0][:, needs.roles.index(role.role)].max(axis=(0, 1))
    has = usable(sku, role)
    return all(
        has[name.split(".")[1]] >= value
        for name, value in zip(needs.resources, worst, strict=True)
        if name.startswith(f"{role.role}.")
    )
