"""The hardware that a rack on one machine delivers for a phase. Pure: from the lease plan to the rack's own spec."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from capacity.leaseplan import Deployment, LeasePlan
from infra.network.addresses import AddressPlan
from infra.rack.spec import Mount, RackServer, RackSpec


def rack_spec(
    environment: str,
    plan: LeasePlan,
    deployment: Deployment,
    addresses: AddressPlan,
    mounts: Sequence[Mount] = (),
    machines: Mapping[str, str] | None = None,
) -> RackSpec:
    """The rack named like the environment, with the phase's servers as their vendors deliver them.

    `machines` names the servers whose machine was replaced, and the server of the plan that it was meant for.
    """
    limits = cpu_limits(plan, deployment)
    supernet = next(iter(addresses.supernets.values()))
    servers = (plan.server(name) for name in deployment.servers)
    delivered = RackSpec(
        name=environment,
        supernet=supernet,
        mounts=tuple(mounts),
        servers=tuple(
            RackServer(
                name=server.name,
                role=server.role,
                sku=plan.sku(server.sku),
                address=ipaddress.IPv4Address(addresses.address(server)),
                asset_tag=server.leases[0],
                cpu_limit=limits.get(server.role),
            )
            for server in servers
        ),
    )
    moved = {name: delivered.system_of(meant) for name, meant in (machines or {}).items()}
    return delivered.model_copy(
        update={"servers": tuple(s.model_copy(update={"bmc_id": moved.get(s.name, "")}) for s in delivered.servers)}
    )


def cpu_limits(plan: LeasePlan, deployment: Deployment) -> dict[str, float]:
    """Role → CPUs of each of its servers, where the model holds a station of that role to a number of them."""
    count: dict[str, int] = {}
    for name in deployment.servers:
        role = plan.server(name).role
        count[role] = count.get(role, 0) + 1
    return {
        station.role: station.servers / count[station.role]
        for station in deployment.stations
        if station.kind == "server" and station.role is not None and count.get(station.role)
    }
