"""What the fleet stack hands to the playbooks, the load tests and the verdict, typed.

The stack exports `FleetOutputs.model_dump(mode="json")`; every reader goes through `read_outputs`.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from capacity.documents import Document, validate
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Role, Scale
from infra.gates.records import GateRecord


class Bmc(Document):
    """Where a server's management controller answers."""

    url: str = Field(description="address of the Redfish service, e.g. https://10.20.0.33")
    system: str = Field(description="id of the system there")
    ca_file: str = Field(description="certificates that the controller's own is verified with; empty: the machine's")


class FleetServer(Document):
    """A leased server that was accepted and is powered on."""

    name: str
    site: str
    role: Role
    index: int = Field(ge=1)
    sku: str
    phase: int = Field(ge=1, le=3, description="the first phase that needs it")
    rack: str = Field(description="name of the rack it stands in, unique over all sites")
    address: str = Field(description="on the cluster network")
    addresses: dict[str, str] = Field(description="network id → address; `cluster` alone in a rack")
    ssh_host: str = Field(description="where the machine that runs the playbooks reaches it")
    ssh_port: int = Field(ge=1, le=65535)
    bmc: Bmc
    leases: tuple[str, ...] = Field(description="ids of the lease lines that cover it, in time order")
    lease_end: dt.date = Field(description="first day without a lease")
    state: str = Field(description="state in the lease's table of transitions (infra/lease/states.py)")


class FleetNetwork(Document):
    """One network of one site."""

    site: str
    id: str
    vlan: int
    cidr: str
    gateway: str


class FleetVirtual(Document):
    """An address that moves between the servers of a role at a site, and the names that lead to it."""

    id: str
    site: str
    role: Role
    network: str
    address: str
    prefix: int
    router_id: int
    names: tuple[str, ...]


class FleetEndpoints(Document):
    """Where people and load generators reach the environment."""

    portal: str = Field(description="https address of the edge")
    api: str = Field(description="https address of the mobile API, under the edge")
    kubernetes: str = Field(description="https address of the API server, as the operator's machine reaches it")
    kubernetes_internal: str = Field(description="https address of the API server, as the servers reach it")


class FleetSecrets(Document):
    """Secrets that the playbooks hand to the servers. Shown as asterisks wherever they are printed."""

    database_password: SecretStr = Field(description="of the services' own role")
    database_admin_password: SecretStr = Field(description="of the superuser")
    database_replication_password: SecretStr
    service_secret: SecretStr = Field(description="signs sessions and callbacks (OSS_SECRET)")


class FleetReturned(Document):
    """A machine that was erased and given back. The record itself stays on the machine that the stack is run from."""

    server: str
    erased_at: dt.datetime
    complete: bool = Field(description="every drive was erased over the BMC; else somebody has to sign")
    record: str = Field(description="path of the record of erasure")
    sha256: str


class FleetOutputs(Document):
    """All outputs of `<env>.fleet`."""

    environment: str
    plan_hash: str = Field(description="SHA-256 of the lease plan file that was applied")
    phase: int = Field(ge=1, le=3)
    scale: Scale
    domain: str
    servers: tuple[FleetServer, ...]
    networks: tuple[FleetNetwork, ...]
    endpoints: FleetEndpoints
    secrets: FleetSecrets
    virtual: tuple[FleetVirtual, ...] = ()
    cabling: tuple[dict[str, str], ...] = Field(default=(), description="one row a cable; none in a rack")
    ledger_hash: str = Field(default="", description="SHA-256 of the decisions since the plan; empty: none")
    on_order: tuple[str, ...] = Field(default=(), description="servers that wait for a machine, not among `servers`")
    returned: tuple[FleetReturned, ...] = ()
    gates: tuple[GateRecord, ...] = Field(default=(), description="phases that were let start, in order of time")

    def with_role(self, role: Role, site: str | None = None) -> tuple[FleetServer, ...]:
        """The servers of a role, of one site when given, by name."""
        found = (s for s in self.servers if s.role == role and site in (None, s.site))
        return tuple(sorted(found, key=lambda s: s.name))

    def databases(self) -> tuple[FleetServer, ...]:
        """The database servers, the primary first: at the plan's first site, the lowest index; replicas follow it."""
        sites = list(dict.fromkeys(network.site for network in self.networks))
        order = {site: number for number, site in enumerate(sites)}
        return tuple(sorted(self.with_role("database"), key=lambda s: (order.get(s.site, len(order)), s.index)))

    def server(self, name: str) -> FleetServer:
        """The server of that name; KeyError when the fleet has none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)


def read_outputs(outputs: str | Path | dict[str, Any], environment: str = "ENV") -> FleetOutputs:
    """The fleet's outputs from a dictionary, JSON text, or a file of `pulumi stack output --json --show-secrets`.

    Raises BadInput when the stack was never applied (it says how to apply `environment`), or by another version of the
    program.
    """
    source = str(outputs) if isinstance(outputs, Path) else "outputs of the fleet stack"
    try:
        text = outputs.read_text("utf-8") if isinstance(outputs, Path) else outputs
        data = json.loads(text) if isinstance(text, str) else text
    except (OSError, ValueError) as error:
        raise BadInput([Fault(source, "", "", f"cannot be read as JSON: {error}", "Run `oss up` again.")]) from None
    if not data:
        remedy = f"Run `oss up {environment}` first."
        raise BadInput([Fault(source, "", "", "the fleet stack has no outputs yet", remedy)])
    return validate(FleetOutputs, data, source)
