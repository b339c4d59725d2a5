"""A fleet of five on a rack of the tests' own, switched on; taken away at the end, whatever happened."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from capacity.leaseplan import FirewallRule, LeasePlan, Role
from capacity.progress import Silent
from infra import rack
from infra.outputs import FleetNetwork, FleetOutputs, FleetVirtual
from infra.playbooks import Choice, ConfigureResult, configure
from infra.playbooks.mirror import mounts
from infra.rack import RackHandle, RackServer, RackSpec, cleanup
from infra.rack.machine import REQUIRED_PROGRAMS, find_program
from infra.rack.server import power_on
from infra.settings import FleetSettings
from tests.infra import plans
from tests.infra.fleet_sample import fleet, server
from tests.infra.network import sample
from tests.infra.paper import free_supernet

FLEET: tuple[tuple[Role, int], ...] = (("control", 1), ("worker", 1), ("worker", 2), ("database", 1), ("edge", 1))
ROLES: tuple[Role, ...] = ("control", "worker", "database", "edge")


def _rule(to_role: Role, source: str, *ports: int) -> FirewallRule:
    return FirewallRule(to_role=to_role, source=source, protocol="tcp", ports=ports, purpose=f"{source} to {to_role}")


FIREWALL = (
    *(_rule(role, "rack-gateway", 22) for role in ROLES),
    _rule("edge", "internet", 443, 80),
    _rule("control", "rack-gateway", 6443),
    _rule("control", "worker", 6443),
    _rule("worker", "control", 10250),
    _rule("worker", "edge", 30080),
    _rule("worker", "worker", 10250, 30080),
    _rule("worker", "worker", 8000),
    _rule("database", "worker", 5432),
    _rule("control", "servers", 53),
    FirewallRule(to_role="control", source="servers", protocol="udp", ports=(53,), purpose="names"),
)
VIRTUAL_HOST = 5


@dataclass(frozen=True, slots=True)
class Lab:
    """A rack with its fleet, and how a test works with both."""

    handle: RackHandle
    outputs: FleetOutputs
    plan: LeasePlan

    def configure(self, choice: Choice | None = None, plan: LeasePlan | None = None) -> ConfigureResult:
        """Run the playbooks."""
        name = self.outputs.environment
        return configure(name, self.outputs, plan or self.plan, Silent(), FleetSettings(), choice)

    def ssh(self, name: str, command: str) -> str:
        """What a command on a server said, both streams; it may fail."""
        words = ["ssh", "-F", str(self.handle.ssh_config), "-o", "ConnectTimeout=5", name, command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        return (done.stdout + done.stderr).strip()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Five servers that were just powered on."""
    if os.geteuid() != 0 or any(find_program(name) is None for name in REQUIRED_PROGRAMS):
        pytest.skip("a rack needs root and its container tools (see `oss doctor`)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSS_STATE", str(tmp_path_factory.mktemp("state")))
        name = f"play{os.getpid()}"
        try:
            yield _build(name)
        finally:
            rack.down(name, Silent())
        assert list(cleanup.leftovers(name)) == []


def _build(name: str) -> Lab:
    supernet = ipaddress.IPv4Network(free_supernet())
    prefix = ".".join([*str(supernet.network_address).split(".")[:2], "2"])
    servers = [server(role, index, prefix=prefix) for role, index in FLEET]
    network = FleetNetwork(site="primary", id="cluster", vlan=102, cidr=f"{prefix}.0/24", gateway=f"{prefix}.1")
    moving = FleetVirtual(
        id="edge",
        site="primary",
        role="edge",
        network="cluster",
        address=f"{prefix}.{VIRTUAL_HOST}",
        prefix=24,
        router_id=51,
        names=("edge.primary.oss.internal", "portal.oss.internal"),
    )
    outputs = fleet(*servers, environment=name, networks=(network,)).model_copy(update={"virtual": (moving,)})
    made, national = plans.plan(), sample.national()
    wanted = {"firewall": FIREWALL, "names": national.names, "virtual": national.virtual}
    plan = made.model_copy(update={"network": made.network.model_copy(update=wanted)})
    spec = RackSpec(
        name=name,
        supernet=supernet,
        mounts=mounts(Silent()),
        servers=tuple(
            RackServer(name=s.name, role=s.role, sku=plans.SKU, address=ipaddress.IPv4Address(s.address))
            for s in servers
        ),
    )
    handle = rack.up(spec, Silent())
    for each in spec.servers:
        power_on(spec, each)
    return Lab(handle, outputs, plan)


@pytest.fixture(scope="session")
def kill_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that configures a lab from its pickled parts, to be killed."""
    path = tmp_path_factory.mktemp("kill") / "configure.py"
    path.write_text(
        "import pickle, sys\n"
        "from capacity.progress import Silent\n"
        "from infra.playbooks import configure\n"
        "from infra.settings import FleetSettings\n"
        "outputs, plan = pickle.load(open(sys.argv[1], 'rb'))\n"
        "configure(outputs.environment, outputs, plan, Silent(), FleetSettings())\n"
    )
    return path
