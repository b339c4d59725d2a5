"""The leased fleet: servers accepted and powered on, and the secrets that the playbooks hand to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.lease.model import ServerInputs
from infra.lease.resources import Password, Provider, Server

SECRETS = ("database_password", "database_admin_password", "database_replication_password", "service_secret")
"""Fields of `infra.outputs.FleetSecrets`; each is a random secret of its own."""


@dataclass(frozen=True, slots=True)
class BmcAccess:
    """How the fleet's BMCs are spoken to, and what is done before a server is released.

    An empty username means: not known yet, previews only. `lost`: id of a machine that nobody can erase → why.
    """

    username: pulumi.Input[str]
    password: pulumi.Input[str]
    ca_file: str
    erase: str
    eraser_image: str = ""
    lost: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "BmcAccess(…)"


class LeasedFleet(pulumi.ComponentResource):
    """All leased servers of one environment and phase.

    `waits_for`: server → the one whose machine it takes over, which has to be erased and given up first.
    """

    states: pulumi.Output[dict[str, str]]
    secrets: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        servers: Sequence[ServerInputs],
        access: BmcAccess,
        waits_for: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("oss:fleet:LeasedFleet", name, {}, opts)
        mine = pulumi.ResourceOptions(parent=self)
        provider = Provider(
            f"{name}-bmc",
            access.username,
            access.password,
            access.ca_file,
            access.erase,
            access.eraser_image,
            access.lost,
            opts=mine,
        )
        owned = pulumi.ResourceOptions(parent=self, provider=provider)
        self.servers: dict[str, Server] = {}
        for inputs in sorted(servers, key=lambda inputs: inputs.delivered):
            gives = self.servers.get((waits_for or {}).get(inputs.server, "")) if inputs.delivered else None
            options = pulumi.ResourceOptions.merge(owned, pulumi.ResourceOptions(depends_on=[gives] if gives else None))
            self.servers[inputs.server] = Server(inputs.server, inputs, options)
        self.passwords = {secret: Password(secret.replace("_", "-"), opts=owned) for secret in SECRETS}
        self.states = pulumi.Output.all(**{name: server.state for name, server in self.servers.items()})
        self.secrets = pulumi.Output.secret(
            pulumi.Output.all(**{secret: password.result for secret, password in self.passwords.items()})
        )
        self.register_outputs({})
