"""`<env>.fleet`: the leased servers of the phase, accepted against their contract, powered on and addressed."""

from __future__ import annotations

from typing import Any

import pulumi

from capacity.documents import sha256
from capacity.leaseplan import load_lease_plan
from infra.components.fleet import LeasedFleet
from infra.components.fleet_outputs import fleet_endpoints, fleet_networks, fleet_servers, fleet_virtual
from infra.engine.access import bmc_access, bmc_places, missing_access
from infra.lease.inputs import server_inputs
from infra.network.addresses import address_plan
from infra.network.documents import cabling_rows, network_of
from infra.outputs import FleetSecrets
from infra.settings import FleetSettings
from stacks import config


async def program(environment: str) -> None:
    """Declare the fleet and export what the later layers and the playbooks read (`infra/outputs.py`)."""
    settings = config.read(FleetSettings)
    plan = load_lease_plan(settings.lock_file)
    deployment = plan.deployment(settings.phase, settings.scale)
    addresses = address_plan(plan, settings.scale, settings.supernet, str(settings.lock_file.name))
    places = bmc_places(environment, settings, plan, deployment, addresses)
    inputs = server_inputs(plan, deployment.servers, environment, addresses, places, settings.racks_per_site)
    access = bmc_access(environment, settings)
    if not access.username:
        if not pulumi.runtime.is_dry_run():
            raise missing_access(environment, settings)
        pulumi.log.warn("no BMC credentials are set, so this preview asks no server; `oss up` will need them")
    fleet = LeasedFleet("fleet", inputs, access)

    def servers(states: dict[str, str]) -> list[dict[str, Any]]:
        made = fleet_servers(inputs, states, access.ca_file, settings.scale)
        return [server.model_dump(mode="json") for server in made]

    def secrets(values: dict[str, str]) -> dict[str, str]:
        FleetSecrets.model_validate(values)
        return values

    pulumi.export("environment", environment)
    pulumi.export("plan_hash", sha256(settings.lock_file))
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
    pulumi.export("secrets", fleet.secrets.apply(secrets))
