"""From the lease plan to the inputs of leased servers. Pure; the fleet component only hands them to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from capacity.leaseplan import LeasedServer, LeasePlan, Sku
from infra.lease.decided import Decided
from infra.lease.model import BmcPlace, BootPlan, LeaseTerms, ServerInputs, SkuContract
from infra.network.addresses import AddressPlan
from infra.network.placement import rack_of


@dataclass(frozen=True, slots=True)
class Firmware:
    """Least versions that a SKU's servers are accepted with; empty: any."""

    bios: str = ""
    bmc: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an environment asks of its servers beyond the plan: decisions since, firmware by SKU, how they boot."""

    decided: Decided | None = None
    firmware: Mapping[str, Firmware] = field(default_factory=dict)
    boot: Callable[[LeasedServer], BootPlan | None] = lambda server: None


def server_inputs(
    plan: LeasePlan,
    names: Iterable[str],
    environment: str,
    addresses: AddressPlan,
    bmc: Callable[[LeasedServer], BmcPlace],
    racks_per_site: int,
    asked: Terms | None = None,
) -> tuple[ServerInputs, ...]:
    """The inputs of the named servers, in the order of the names. `bmc` says where each one's controller answers."""
    asked = asked or Terms()
    since = asked.decided or Decided(plan)
    servers = {server.name: server for server in plan.servers}
    contracts = {sku.id: contract(sku, asked.firmware.get(sku.id, Firmware())) for sku in plan.skus}
    terms = {
        line.id: LeaseTerms(
            id=line.id,
            vendor=line.vendor,
            contract=since.contracts.get(line.id),
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
            rack=since.racks.get(server.name) or rack_of(server, racks_per_site),
            sku=contracts[server.sku],
            leases=tuple(terms[line] for line in server.leases),
            addresses=addresses.addresses(server),
            bmc=bmc(server),
            delivered=server.name not in since.on_order,
            tags=tags(server, environment, tuple(terms[line] for line in server.leases)),
            boot=asked.boot(server),
        )
        for server in (servers[name] for name in names)
    )


def tags(server: LeasedServer, environment: str, leases: tuple[LeaseTerms, ...]) -> dict[str, str]:
    """The ledger in words: whose server it is, under which lines and contracts, and until when."""
    last = max(leases, key=lambda line: line.end)
    return {
        "environment": environment,
        "phase": str(server.phase),
        "leases": " ".join(line.id for line in leases),
        "vendors": ", ".join(dict.fromkeys(line.vendor for line in leases)),
        "contracts": " ".join(line.contract or "unsigned" for line in leases),
        "notice": last.notice_date.isoformat(),
        "end": last.end.isoformat(),
    }


def contract(sku: Sku, firmware: Firmware | None = None) -> SkuContract:
    """What of a SKU a BMC can be held to."""
    least = firmware or Firmware()
    return SkuContract(
        id=sku.id,
        cores=sku.cores,
        memory_gib=sku.memory_gib,
        disks=sku.disks,
        disk_gb=sku.disk_gb,
        nics=sku.nics,
        nic_gbit_s=sku.nic_gbit_s,
        bios=least.bios,
        bmc_firmware=least.bmc,
    )
