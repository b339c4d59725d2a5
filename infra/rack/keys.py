"""Keys, certificates and credentials of a rack, in the environment's state folder (mode 0700, secrets 0600).

ssh/  id_ed25519            the key that every server accepts          bmc/  credentials.json  user, password
      hosts/<server>{,.pub} host keys, so that identity survives            ca.crt             of the controllers
      known_hosts, config   for people, Ansible and tests
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from infra.network.addresses import loopback_address
from infra.pki.certificates import Leaf, Usage
from infra.pki.store import locked, write_private
from infra.rack.machine import run
from infra.rack.spec import SSH_LOOPBACK_PORT, SSH_USER, RackServer, RackSpec

BMC_USER = "rack-operator"


@dataclass(frozen=True, slots=True)
class BmcAccess:
    """How the rack's Redfish service is reached. The password is in `credentials`, never in a message."""

    url: str
    ca: Path
    certificate: Path
    key: Path
    credentials: Path

    def read(self) -> tuple[str, str]:
        """User name and password."""
        stored = json.loads(self.credentials.read_text(encoding="utf-8"))
        return str(stored["username"]), str(stored["password"])


def client_key(state: Path) -> Path:
    """The private key that the rack's servers accept; made on first use."""
    return _ssh_key(state / "ssh" / "id_ed25519", "rack")


def host_key(state: Path, server: RackServer) -> Path:
    """The private host key of a server; made on first use, and kept, so that clients may check it strictly."""
    return _ssh_key(state / "ssh" / "hosts" / server.name, server.name)


def write_ssh_files(state: Path, spec: RackSpec) -> None:
    """`known_hosts` and `config` for all servers of the rack; `ssh -F …/ssh/config NAME` then just works."""
    folder = state / "ssh"
    known: list[str] = []
    config: list[str] = []
    for server in spec.servers:
        public = host_key(state, server).with_suffix(".pub").read_text(encoding="ascii").split()[:2]
        loopback = loopback_address(server.address)
        names = (f"[{loopback}]:{SSH_LOOPBACK_PORT}", str(server.address), server.name)
        known += [" ".join([name, *public]) for name in names]
        config += [
            f"Host {server.name} {server.address}",
            f"  HostName {loopback}",
            f"  Port {SSH_LOOPBACK_PORT}",
            f"  HostKeyAlias {server.name}",
        ]
    config += [
        "Host *",
        f"  User {SSH_USER}",
        f"  IdentityFile {folder / 'id_ed25519'}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {folder / 'known_hosts'}",
        "  StrictHostKeyChecking yes",
    ]
    write_private(folder / "known_hosts", ("\n".join(known) + "\n").encode())
    write_private(folder / "config", ("\n".join(config) + "\n").encode())


def bmc_access(state: Path, spec: RackSpec) -> BmcAccess:
    """Certificate, authority and credentials of the rack's Redfish service; made on first use."""
    folder = state / "bmc"
    with locked(state) as store:
        store.authority("bmc", f"Management controllers of rack {spec.name}")
        store.leaf("bmc", Leaf("service", f"bmc.{spec.name}.rack", Usage.SERVER, (spec.bmc_address, "localhost")))
    credentials = folder / "credentials.json"
    if not credentials.exists():
        text = json.dumps({"username": BMC_USER, "password": secrets.token_urlsafe(24)})
        write_private(credentials, f"{text}\n".encode())
    return BmcAccess(
        spec.bmc_url, folder / "ca.crt", folder / "service.crt", folder / "service.key", folder / "credentials.json"
    )


def _ssh_key(path: Path, comment: str) -> Path:
    public = path.with_suffix(".pub")
    if not (path.exists() and public.exists()):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    return path
