"""Where an environment's BMCs answer, and with which credentials: a rack's from its state, others' from settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, LeasedServer, LeasePlan
from infra.components.fleet import BmcAccess
from infra.engine.rack import rack_spec
from infra.lease.decided import Decided
from infra.lease.model import BmcPlace, system_id
from infra.network.addresses import AddressPlan
from infra.paths import state_dir
from infra.settings import FleetSettings


def bmc_places(
    environment: str,
    settings: FleetSettings,
    plan: LeasePlan,
    deployment: Deployment,
    addresses: AddressPlan,
    since: Decided | None = None,
) -> Callable[[LeasedServer], BmcPlace]:
    """Which BMC and system is whose: that of its own place, or of the place that its machine was decided to have.

    Raises BadInput for a setting that names no server of the plan.
    """
    known = {server.name for server in plan.servers}
    if unknown := [name for name in settings.bmcs if name not in known]:
        problem, remedy = "the lease plan has no such server", "Correct the name, or remove the entry."
        file = f"stacks/Pulumi.{environment}.fleet.yaml"
        raise BadInput(Fault(file, f"oss:bmcs.{name}", name, problem, remedy) for name in unknown)
    rack = rack_spec(environment, plan, deployment, addresses) if settings.scale == "rack" else None

    def place(server: LeasedServer) -> BmcPlace:
        if since and server.name in since.machines:
            server = since.places[since.machines[server.name]]
        if own := settings.bmcs.get(server.name):
            return BmcPlace(url=own.url, system=own.system)
        if rack:
            return BmcPlace(url=rack.bmc_url, system=rack.system_of(server.name))
        return BmcPlace(url=f"https://{addresses.address(server, 'oob')}", system=settings.bmc_system)

    return place


def lost_machines(since: Decided, place: Callable[[LeasedServer], BmcPlace]) -> dict[str, str]:
    """Id of each machine that nobody can erase over its BMC → why. `place`: of `bmc_places` without decisions."""
    return {system_id(place(since.places[name])): reason for name, reason in since.lost.items()}


def bmc_access(environment: str, settings: FleetSettings, lost: Mapping[str, str] | None = None) -> BmcAccess:
    """Credentials and trust: those in the settings, else those that the rack made. An empty username: none yet."""
    erase, image, unreachable = settings.erase, settings.eraser_image, lost or {}
    if settings.bmc_username:
        password = settings.bmc_password.get_secret_value()
        return BmcAccess(settings.bmc_username, password, settings.bmc_ca_file, erase, image, unreachable)
    folder = state_dir(environment) / "bmc"
    if settings.scale == "rack" and (folder / "credentials.json").exists():
        stored = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
        return BmcAccess(stored["username"], stored["password"], str(folder / "ca.crt"), erase, image, unreachable)
    return BmcAccess("", "", "", erase, image, unreachable)


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
