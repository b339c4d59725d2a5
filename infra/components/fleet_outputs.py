"""The fleet's networks, servers and endpoints as the other parts are told of them. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capacity.documents import sha256
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Role, Scale
from infra.lease.model import ServerInputs
from infra.lease.records import read_erasures
from infra.network.addresses import AddressPlan, loopback_address
from infra.outputs import Bmc, FleetEndpoints, FleetNetwork, FleetReturned, FleetServer, FleetVirtual

RACK_SSH_PORT = 2222
RACK_TLS_PORT = 8443
API_SERVER_PORT = 6443
MANAGEMENT = "management"
CLUSTER = "cluster"


def fleet_networks(addresses: AddressPlan) -> tuple[FleetNetwork, ...]:
    """Every network of every site."""
    return tuple(
        FleetNetwork(site=s.site, id=s.network, vlan=s.vlan, cidr=str(s.cidr), gateway=str(s.gateway))
        for s in addresses.subnets()
    )


def fleet_virtual(inputs: Sequence[ServerInputs], addresses: AddressPlan, domain: str) -> tuple[FleetVirtual, ...]:
    """The virtual addresses of every site that has servers of their role. Each answers to the public names."""
    found = []
    for line in addresses.plan.virtual:
        sites = [site for site in addresses.supernets if any(s.site == site and s.role == line.role for s in inputs)]
        public = tuple(domain if name == "@" else f"{name}.{domain}" for name in line.names)
        for site in sites:
            network = line.network if addresses.scale == "national" else CLUSTER
            found.append(
                FleetVirtual(
                    id=line.id,
                    site=site,
                    role=line.role,
                    network=network,
                    address=str(addresses.virtual(site, line)),
                    prefix=addresses.subnet(site, network).cidr.prefixlen,
                    router_id=line.router_id,
                    # A site that takes over answers to the public names too.
                    names=(f"{line.id}.{site}.{domain}", *public),
                )
            )
    return tuple(found)


def fleet_returned(environment: str) -> tuple[FleetReturned, ...]:
    """Every machine that was erased and given back until now, by its record on this machine."""
    return tuple(
        FleetReturned(
            server=made.server, erased_at=made.erased_at, complete=made.complete, record=str(path), sha256=sha256(path)
        )
        for path, made in read_erasures(environment)
    )


def fleet_servers(
    inputs: Sequence[ServerInputs], states: Mapping[str, str], ca_file: str, scale: Scale
) -> tuple[FleetServer, ...]:
    """The servers as the playbooks reach them: by loopback in a rack, else by their management address."""
    return tuple(
        FleetServer(
            name=server.server,
            site=server.site,
            role=server.role,
            index=server.index,
            sku=server.sku.id,
            phase=server.phase,
            rack=server.rack,
            address=server.addresses[CLUSTER],
            addresses=server.addresses,
            ssh_host=reached_at(server, scale),
            ssh_port=RACK_SSH_PORT if scale == "rack" else 22,
            bmc=Bmc(url=server.bmc.url, system=server.bmc.system, ca_file=ca_file),
            leases=tuple(line.id for line in server.leases),
            lease_end=max(line.end for line in server.leases),
            state=states[server.server],
        )
        for server in inputs
    )


def fleet_endpoints(inputs: Sequence[ServerInputs], addresses: AddressPlan, domain: str) -> FleetEndpoints:
    """Where people and operators reach the environment: at the first site that has the role.

    Raises BadInput when the phase has no edge or no control server.
    """
    scale, sites = addresses.scale, list(addresses.supernets)
    edge, control = _first(inputs, "edge", sites), _first(inputs, "control", sites)
    portal = f"https://{reached_at(edge, scale)}:{RACK_TLS_PORT}" if scale == "rack" else f"https://{domain}"
    internal = f"https://kubernetes.{control.site}.{domain}:{API_SERVER_PORT}"
    return FleetEndpoints(
        portal=portal,
        api=f"{portal}/api",
        kubernetes=f"https://{reached_at(control, scale)}:{API_SERVER_PORT}" if scale == "rack" else internal,
        kubernetes_internal=internal,
    )


def reached_at(server: ServerInputs, scale: Scale) -> str:
    """The address at which the operator's machine reaches the server."""
    if scale == "rack":
        return loopback_address(server.addresses[CLUSTER])
    return server.addresses.get(MANAGEMENT, server.addresses[CLUSTER])


def _first(inputs: Sequence[ServerInputs], role: Role, sites: Sequence[str]) -> ServerInputs:
    found = min((s for s in inputs if s.role == role), key=lambda s: (sites.index(s.site), s.index), default=None)
    if found is None:
        remedy = f"Give the phase at least one {role} server, then run `oss plan`."
        raise BadInput([Fault("lease plan", "servers", "", f"the phase has no {role} server", remedy)])
    return found
