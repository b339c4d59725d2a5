"""`<env>.fleet`: the leased servers of the phase, accepted against their contract, powered on and addressed."""

from __future__ import annotations

from typing import Any

import pulumi

from capacity.documents import sha256
from infra.components.fleet import LeasedFleet
from infra.components.fleet_outputs import fleet_endpoints, fleet_networks, fleet_returned, fleet_servers, fleet_virtual
from infra.engine.access import bmc_access, bmc_places, lost_machines, missing_access
from infra.engine.terms import plan_in_force, terms
from infra.lease.decisions import decisions_file, decisions_hash
from infra.lease.inputs import server_inputs
from infra.network.addresses import address_plan
from infra.network.documents import cabling_rows, network_of
from infra.outputs import FleetSecrets
from infra.settings import FleetSettings
from stacks import config, governance


async def program(environment: str) -> None:
    """Declare the fleet and export what the later layers and the playbooks read (`infra/outputs.py`)."""
    settings = config.read(FleetSettings)
    since = plan_in_force(environment, settings, config.project())
    plan = since.plan
    deployment = plan.deployment(settings.phase, settings.scale)
    addresses = address_plan(plan, settings.scale, settings.supernet, str(settings.lock_file.name))
    own = bmc_places(environment, settings, plan, deployment, addresses)
    places = bmc_places(environment, settings, plan, deployment, addresses, since)
    inputs = server_inputs(
        plan,
        deployment.servers,
        environment,
        addresses,
        places,
        settings.racks_per_site,
        terms(settings, since, addresses),
    )
    governance.refuse(environment, settings, plan, inputs)
    opened = await governance.gates(environment, settings, plan)
    access = bmc_access(environment, settings, lost_machines(since, own))
    if not access.username:
        if not pulumi.runtime.is_dry_run():
            raise missing_access(environment, settings)
        pulumi.log.warn("no BMC credentials are set, so this preview asks no server; `oss up` will need them")
    fleet = LeasedFleet("fleet", inputs, access, since.machines)

    def servers(states: dict[str, str]) -> list[dict[str, Any]]:
        standing = [server for server in inputs if server.delivered]
        made = fleet_servers(standing, states, access.ca_file, settings.scale)
        return [server.model_dump(mode="json") for server in made]

    def secrets(values: dict[str, str]) -> dict[str, str]:
        FleetSecrets.model_validate(values)
        return values

    pulumi.export("environment", environment)
    pulumi.export("plan_hash", sha256(settings.lock_file))
    pulumi.export("ledger_hash", decisions_hash(decisions_file(environment, config.project())))
    pulumi.export("phase", settings.phase)
    pulumi.export("scale", settings.scale)
    pulumi.export("domain", plan.network.domain)
    pulumi.export("servers", fleet.states.apply(servers))
    network = network_of(
        plan, deployment.servers, settings.scale, settings.racks_per_site, settings.supernet, settings.lock_file.name
    )
    virtual = fleet_virtual(inputs, addresses, plan.network.domain)
    pulumi.export("virtual", [line.model_dump(mode="json") for line in virtual])
    pulumi.export("cabling", cabling_rows(network.cables))
    pulumi.export("networks", [network.model_dump(mode="json") for network in fleet_networks(addresses)])
    endpoints = fleet_endpoints(inputs, addresses, plan.network.domain)
    pulumi.export("endpoints", endpoints.model_dump(mode="json"))
    pulumi.export("gates", [record.model_dump(mode="json") for record in opened])
    pulumi.export("on_order", sorted(since.on_order & set(deployment.servers)))
    pulumi.export("returned", [line.model_dump(mode="json") for line in fleet_returned(environment)])
    pulumi.export("secrets", fleet.secrets.apply(secrets))
