"""Where an environment's BMCs answer, and with which credentials: a rack's from its state, others' from settings."""

from __future__ import annotations

import json
from collections.abc import Callable

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, LeasedServer, LeasePlan
from infra.components.fleet import BmcAccess
from infra.engine.rack import rack_spec
from infra.lease.model import BmcPlace
from infra.network.addresses import AddressPlan
from infra.paths import state_dir
from infra.settings import FleetSettings


def bmc_places(
    environment: str, settings: FleetSettings, plan: LeasePlan, deployment: Deployment, addresses: AddressPlan
) -> Callable[[LeasedServer], BmcPlace]:
    """Which BMC and system is whose. Raises BadInput for a setting that names no server of the plan."""
    known = {server.name for server in plan.servers}
    if unknown := [name for name in settings.bmcs if name not in known]:
        problem, remedy = "the lease plan has no such server", "Correct the name, or remove the entry."
        file = f"stacks/Pulumi.{environment}.fleet.yaml"
        raise BadInput(Fault(file, f"oss:bmcs.{name}", name, problem, remedy) for name in unknown)
    rack = rack_spec(environment, plan, deployment, addresses) if settings.scale == "rack" else None

    def place(server: LeasedServer) -> BmcPlace:
        if own := settings.bmcs.get(server.name):
            return BmcPlace(url=own.url, system=own.system)
        if rack:
            return BmcPlace(url=rack.bmc_url, system=rack.bmc_id(rack.server(server.name)))
        return BmcPlace(url=f"https://{addresses.address(server, 'oob')}", system=settings.bmc_system)

    return place


def bmc_access(environment: str, settings: FleetSettings) -> BmcAccess:
    """Credentials and trust: those in the settings, else those that the rack made. An empty username: none yet."""
    erase = settings.erase or ("record" if settings.scale == "rack" else "require")
    if settings.bmc_username:
        password = settings.bmc_password.get_secret_value()
        return BmcAccess(settings.bmc_username, password, settings.bmc_ca_file, erase)
    folder = state_dir(environment) / "bmc"
    if settings.scale == "rack" and (folder / "credentials.json").exists():
        stored = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
        return BmcAccess(stored["username"], stored["password"], str(folder / "ca.crt"), erase)
    return BmcAccess("", "", "", erase)


def missing_access(environment: str, settings: FleetSettings) -> BadInput:
    """Why a fleet without BMC credentials cannot be applied."""
    file = f"stacks/Pulumi.{environment}.fleet.yaml"
    if settings.scale == "rack":
        remedy = f"Run `oss rack up {environment}`, or `oss up {environment}`, which does it first."
        return BadInput([Fault(file, "", "", "there is no rack of this name on this machine", remedy)])
    remedy = (
        f"Run `pulumi config set bmcUsername NAME -s {environment}.fleet` and "
        f"`pulumi config set --secret bmcPassword -s {environment}.fleet`."
    )
    return BadInput([Fault(file, "oss:bmcUsername", "", "no BMC credentials are set", remedy)])
