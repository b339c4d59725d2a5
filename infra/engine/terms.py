"""What an environment asks of its servers beyond the lease plan: decisions since, firmware, how they are installed."""

from __future__ import annotations

from pathlib import Path

from capacity.documents import REPOSITORY
from capacity.leaseplan import LeasedServer, load_lease_plan
from infra.lease.decided import Decided, decided
from infra.lease.decisions import decisions_file, read_decisions
from infra.lease.inputs import Firmware, Terms
from infra.lease.model import BootInterface, BootPlan
from infra.network.addresses import AddressPlan
from infra.settings import FleetSettings, Settings

_BMC_NETWORK = "oob"


def plan_in_force(environment: str, settings: Settings, project: Path = REPOSITORY) -> Decided:
    """The lease plan as decided on since. Raises BadInput for a stale plan, and for decisions that it does not bear."""
    file = decisions_file(environment, project)
    return decided(load_lease_plan(settings.lock_file), read_decisions(file), f"stacks/{file.name}")


def terms(settings: FleetSettings, since: Decided, addresses: AddressPlan) -> Terms:
    """For `server_inputs`."""
    firmware = {sku: Firmware(bios=least.bios, bmc=least.bmc) for sku, least in settings.firmware.items()}
    return Terms(since, firmware, lambda server: boot_plan(settings, server, addresses, since.plan.network.domain))


def boot_plan(settings: FleetSettings, server: LeasedServer, addresses: AddressPlan, domain: str) -> BootPlan | None:
    """How a server is installed; None where the vendor does it. By default it routes over edge or management."""
    if settings.boot is None:
        return None
    networks = [network for network in addresses.networks() if network.id != _BMC_NETWORK]
    public = "edge" if server.role == "edge" else "management"
    way = public if any(network.id == public for network in networks) else networks[0].id
    subnets = {network.id: addresses.subnet(server.site, network.id) for network in networks}
    return BootPlan(
        method=settings.boot.method,
        image=settings.boot.image,
        seed_dir=settings.boot.seed_dir,
        seed_url=settings.boot.seed_url,
        user=settings.ssh_user,
        ssh_keys=settings.boot.ssh_keys,
        domain=domain,
        interfaces=tuple(
            BootInterface(
                network=network,
                vlan=subnet.vlan,
                address=f"{addresses.address(server, network)}/{subnet.cidr.prefixlen}",
                gateway=str(subnet.gateway) if network == way else "",
            )
            for network, subnet in subnets.items()
        ),
    )
