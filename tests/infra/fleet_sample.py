"""A small fleet as the fleet stack hands it over, for tests of what reads it."""

from __future__ import annotations

import datetime as dt

from pydantic import SecretStr

from capacity.leaseplan import Role
from infra.network.addresses import loopback_address
from infra.outputs import Bmc, FleetEndpoints, FleetNetwork, FleetOutputs, FleetSecrets, FleetServer

BASES: dict[Role, int] = {"edge": 10, "control": 20, "worker": 30, "database": 200, "storage": 220, "ops": 240}


def server(role: Role, index: int, site: str = "primary", prefix: str = "10.94.2") -> FleetServer:
    """A rack's server at `<prefix>.<base of the role + index>`, reached over loopback."""
    address = f"{prefix}.{BASES[role] + index}"
    name = f"{site}-{role}-{index:02d}"
    return FleetServer(
        name=name,
        site=site,
        role=role,
        index=index,
        sku="M1",
        phase=1,
        rack="sample",
        address=address,
        addresses={"cluster": address},
        ssh_host=loopback_address(address),
        ssh_port=2222,
        bmc=Bmc(url="https://127.94.0.2:8443", system=name, ca_file=""),
        leases=(),
        lease_end=dt.date(2019, 7, 1),
        state="deployed",
    )


def fleet(*servers: FleetServer, environment: str = "sample", networks: tuple[FleetNetwork, ...] = ()) -> FleetOutputs:
    """A fleet of these servers; without any: one control, two workers, one database, one edge server."""
    standing = servers or (
        server("control", 1),
        server("worker", 1),
        server("worker", 2),
        server("database", 1),
        server("edge", 1),
    )
    edge = next((s.ssh_host for s in standing if s.role == "edge"), "127.94.2.11")
    control = next((s for s in standing if s.role == "control"), None)
    host, inner = (control.ssh_host, control.address) if control else ("127.94.2.21", "10.94.2.21")
    cluster = FleetNetwork(site="primary", id="cluster", vlan=102, cidr="10.94.2.0/24", gateway="10.94.0.1")
    return FleetOutputs(
        environment=environment,
        plan_hash="0" * 64,
        phase=1,
        scale="rack",
        domain="oss.internal",
        servers=standing,
        networks=networks or (cluster,),
        endpoints=FleetEndpoints(
            portal=f"https://{edge}:8443",
            api=f"https://{edge}:8443/api",
            kubernetes=f"https://{host}:6443",
            kubernetes_internal=f"https://{inner}:6443",
        ),
        secrets=FleetSecrets(
            database_password=SecretStr("sample-database"),
            database_admin_password=SecretStr("sample-admin"),
            database_replication_password=SecretStr("sample-replication"),
            service_secret=SecretStr("sample-service"),
        ),
    )
