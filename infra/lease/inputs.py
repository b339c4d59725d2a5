"""From the lease plan to the inputs of leased servers. Pure; the fleet component only hands them to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from capacity.leaseplan import LeasedServer, LeasePlan, Sku
from infra.lease.model import BmcPlace, LeaseTerms, ServerInputs, SkuContract
from infra.network.addresses import AddressPlan
from infra.network.placement import rack_of


def server_inputs(
    plan: LeasePlan,
    names: Iterable[str],
    environment: str,
    addresses: AddressPlan,
    bmc: Callable[[LeasedServer], BmcPlace],
    racks_per_site: int,
) -> tuple[ServerInputs, ...]:
    """The inputs of the named servers, in the order of the names. `bmc` says where each one's controller answers."""
    servers = {server.name: server for server in plan.servers}
    contracts = {sku.id: contract(sku) for sku in plan.skus}
    terms = {
        line.id: LeaseTerms(
            id=line.id,
            vendor=line.vendor,
            start=line.start,
            end=line.end,
            months=line.months,
            notice_date=line.notice_date,
            monthly_rent_idr=line.monthly_rent_idr,
            setup_idr=line.setup_idr,
            quotation=line.quotation,
        )
        for line in plan.leases
    }
    return tuple(
        ServerInputs(
            environment=environment,
            server=server.name,
            site=server.site,
            role=server.role,
            index=server.index,
            phase=server.phase,
            rack=rack_of(server, racks_per_site),
            sku=contracts[server.sku],
            leases=tuple(terms[line] for line in server.leases),
            addresses=addresses.addresses(server),
            bmc=bmc(server),
        )
        for server in (servers[name] for name in names)
    )


def contract(sku: Sku) -> SkuContract:
    """What of a SKU a BMC can be held to."""
    return SkuContract(
        id=sku.id,
        cores=sku.cores,
        memory_gib=sku.memory_gib,
        disks=sku.disks,
        disk_gb=sku.disk_gb,
        nics=sku.nics,
        nic_gbit_s=sku.nic_gbit_s,
    )
