"""The fleet as the layers above see it: as it stands, or, in a preview, as the lease plan foresees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pydantic import SecretStr

from capacity.documents import sha256
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, LeasePlan
from infra.components.fleet_outputs import fleet_endpoints, fleet_networks, fleet_servers
from infra.components.unknown import unknown_text
from infra.engine.access import bmc_places
from infra.engine.terms import plan_in_force, terms
from infra.lease.decided import Decided
from infra.lease.inputs import server_inputs
from infra.network.addresses import AddressPlan, address_plan
from infra.outputs import FleetOutputs, FleetSecrets, read_outputs
from infra.pki.fleet import kubeconfig_file
from infra.settings import FleetSettings, Settings
from stacks import config


@dataclass(frozen=True, slots=True)
class Standing:
    """The lease plan's phase and the fleet for it. `applied` is False for a fleet that is only foreseen."""

    plan: LeasePlan
    deployment: Deployment
    addresses: AddressPlan
    outputs: FleetOutputs
    applied: bool

    def secret(self, value: SecretStr) -> pulumi.Output[str]:
        """One of the fleet's secrets; unknown while the fleet is only foreseen."""
        return pulumi.Output.secret(value.get_secret_value() if self.applied else unknown_text())


async def standing(environment: str, settings: Settings) -> Standing:
    """Read the fleet stack. Raises BadInput when it does not stand as the settings and the lease plan say.

    A preview goes on with the fleet that the plan foresees, so that all layers can be previewed together.
    """
    since = plan_in_force(environment, settings, config.project())
    plan = since.plan
    deployment = plan.deployment(settings.phase, settings.scale)
    addresses = address_plan(plan, settings.scale, settings.supernet, settings.lock_file.name)
    outputs = await _fleet(environment)
    digest = sha256(settings.lock_file)
    if outputs and (outputs.phase, outputs.scale, outputs.plan_hash) == (settings.phase, settings.scale, digest):
        return Standing(plan, deployment, addresses, outputs, applied=True)
    if not pulumi.runtime.is_dry_run():
        stands = f"phase {outputs.phase} of {_plan_name(outputs, digest)}" if outputs else "nothing yet"
        problem = f"the fleet stands at {stands}, not at phase {settings.phase} of the lease plan"
        remedy = f"Run `oss up {environment} --phase {settings.phase}`, which brings the fleet there first."
        raise BadInput([Fault(f"{environment}.fleet", "phase", "", problem, remedy)])
    pulumi.log.info(f"{environment}.fleet does not stand as planned yet; this preview foresees it")
    return Standing(plan, deployment, addresses, _foreseen(environment, settings, since, addresses), False)


def kubeconfig(environment: str, own: str) -> pulumi.Input[str]:
    """The kubeconfig's path. Raises BadInput when there is none, outside of previews."""
    path = Path(own).expanduser() if own else kubeconfig_file(environment)
    if path.exists():
        return str(path)
    if pulumi.runtime.is_dry_run():
        pulumi.log.info("there is no cluster yet; this preview compares with an empty one")
        return unknown_text()
    remedy = f"Run `oss up {environment}`: it builds the cluster before this layer."
    raise BadInput([Fault(str(path), "", "", "there is no kubeconfig, so no cluster yet", remedy)])


async def _fleet(environment: str) -> FleetOutputs | None:
    reference = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{environment}.fleet")
    found = {}
    for name in FleetOutputs.model_fields:
        details = await reference.get_output_details(name)
        value = details.value if details.value is not None else details.secret_value
        if value is not None:
            found[name] = value
    return read_outputs(found) if found else None


def _plan_name(outputs: FleetOutputs, digest: str) -> str:
    return "the lease plan" if outputs.plan_hash == digest else "an earlier lease plan"


def _foreseen(environment: str, settings: Settings, since: Decided, addresses: AddressPlan) -> FleetOutputs:
    plan, deployment = since.plan, since.plan.deployment(settings.phase, settings.scale)
    own = FleetSettings.model_validate(settings.model_dump(by_alias=True, include=set(Settings.model_fields)))
    places = bmc_places(environment, own, plan, deployment, addresses, since)
    asked = terms(own, since, addresses)
    inputs = server_inputs(plan, deployment.servers, environment, addresses, places, own.racks_per_site, asked)
    states = {server.server: "ordered" for server in inputs}
    nothing = SecretStr("")
    return FleetOutputs(
        environment=environment,
        plan_hash=sha256(settings.lock_file),
        phase=settings.phase,
        scale=settings.scale,
        domain=plan.network.domain,
        servers=fleet_servers(inputs, states, "", settings.scale),
        networks=fleet_networks(addresses),
        endpoints=fleet_endpoints(inputs, addresses, plan.network.domain),
        secrets=FleetSecrets(
            database_password=nothing,
            database_admin_password=nothing,
            database_replication_password=nothing,
            service_secret=nothing,
        ),
    )
