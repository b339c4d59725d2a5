"""A real rack from nothing to nothing: delivered off, powered by Redfish, reached by ssh, kept from the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sushy
from sushy import auth

from capacity.faults import StepFailed
from capacity.progress import Silent
from infra import rack
from infra.rack import RackSpec, cleanup, selfcheck
from infra.rack.image import image_tag
from infra.rack.machine import machine_sysctls
from infra.rack.server import DROPPED_CAPABILITIES, containers
from infra.rack.sources import machine_sources
from tests.infra.rack.conftest import Machine, server

pytestmark = pytest.mark.rack

PATIENCE_S = 90.0


def wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.1)


def systems(machine: Machine) -> dict[str, sushy.resources.system.system.System]:
    user, password = machine.handle.bmc.read()
    url = f"{machine.handle.bmc.url}/redfish/v1"
    client = sushy.Sushy(url, auth=auth.BasicAuth(user, password), verify=str(machine.handle.bmc.ca))
    return {s.name: s for s in client.get_system_collection().get_members()}


def power(machine: Machine, name: str) -> sushy.PowerState:
    return systems(machine)[name].power_state


def reset(machine: Machine, name: str, kind: sushy.ResetType) -> None:
    systems(machine)[name].reset_system(kind)


def answers(machine: Machine, name: str) -> bool:
    return "yes" in machine.ssh(name, "echo yes", check=False)


@pytest.fixture(scope="module")
def machine(rack_spec: RackSpec) -> Machine:
    """The rack of the module, with `worker-1` on."""
    handle = rack.up(rack_spec, Silent())
    assert handle.changed
    standing = Machine(handle)
    assert {power(standing, s.name) for s in rack_spec.servers} == {sushy.PowerState.OFF}, "delivered switched off"
    reset(standing, "worker-1", sushy.ResetType.ON)
    wait("ssh", lambda: answers(standing, "worker-1"))
    return standing


def test_a_second_up_changes_nothing(machine: Machine, rack_spec: RackSpec) -> None:
    before = {name: (c.id, c.pid) for name, c in containers(rack_spec.name).items()}
    found = rack.status(rack_spec.name)
    assert found is not None
    assert found.complete
    assert not rack.up(rack_spec, Silent()).changed
    after = rack.status(rack_spec.name)
    assert after is not None
    assert after.processes == found.processes
    assert {name: (c.id, c.pid) for name, c in containers(rack_spec.name).items()} == before


def test_it_is_a_booted_debian_with_its_own_names(machine: Machine, rack_spec: RackSpec) -> None:
    wait("boot", lambda: "running" in machine.ssh("worker-1", "systemctl is-system-running", check=False))
    said = machine.ssh("worker-1", "hostname; cat /etc/machine-id; getent hosts control-1; ip -json address show eth0")
    lines = said.splitlines()
    worker = rack_spec.server("worker-1")
    assert lines[0] == "worker-1"
    assert lines[1] == rack_spec.bmc_id(worker).replace("-", "")
    assert lines[2].split()[0] == str(rack_spec.server("control-1").address)
    (link,) = json.loads(lines[3])
    assert link["address"] == worker.mac_address
    assert str(worker.address) in {a["local"] for a in link["addr_info"]}


def test_the_machine_is_out_of_reach(machine: Machine) -> None:
    settings = {"vm.swappiness": "7", "kernel.panic": "33", "fs.file-max": "4321", "vm.overcommit_memory": "2"}
    before = machine_sysctls(list(settings))
    offset = time.time() - time.monotonic()
    assert "not permitted" in machine.ssh("worker-1", "date -s 2018-06-01", check=False)
    for name, value in settings.items():
        machine.ssh("worker-1", f"sysctl -qw {name}={value}")
        assert machine.ssh("worker-1", f"sysctl -n {name}").strip() == value, "the server believes that it changed"
    machine.ssh("worker-1", "sysctl -qw fs.file-max=9; test $(sysctl -n fs.file-max) = 9")
    assert machine_sysctls(list(settings)) == before
    assert abs(time.time() - time.monotonic() - offset) < 60
    said = machine.ssh(
        "worker-1", "mknod /tmp/d b $(awk 'NR>2{print $1,$2;exit}' /proc/partitions) && head -c1 /tmp/d", check=False
    )
    assert "not permitted" in said or "denied" in said
    assert "refused" in machine.ssh("worker-1", "modprobe loop 2>&1 || echo refused", check=False)


def test_the_firewall_and_routes_of_the_machine_stay(machine: Machine, rack_spec: RackSpec) -> None:
    machine.ssh("worker-1", "nft add table inet oss_test; nft list tables | grep -q oss_test")
    network = str(rack_spec.supernet.network_address).rsplit(".", 2)[0] + "."
    for command in (["nft", "list", "ruleset"], ["ip", "route", "show", "table", "all"], ["ip", "-4", "address"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert network not in done.stdout
        assert "oss_test" not in done.stdout


def test_a_way_out_there_is_none_but_to_the_apt_cache(machine: Machine, rack_spec: RackSpec) -> None:
    host = machine_sources()[0].host
    direct = f"curl -s --noproxy '*' --connect-timeout 3 -o /dev/null http://{rack_spec.bmc_address}:8443 || echo no"
    assert machine.ssh("worker-1", direct).strip() == "no", "loopback of the server is not the machine's"
    cache = f"http://{rack_spec.gateway}:3142"
    page = f"curl -s -o /dev/null -w '%{{http_code}}' --proxy {cache}"
    assert machine.ssh("worker-1", f"{page} http://elsewhere.example/x").strip() == "403"
    assert host in machine.ssh("worker-1", "cat /etc/apt/sources.list.d/rack.sources")
    assert "E:" not in machine.ssh("worker-1", "apt-get install -y --no-install-recommends jq 2>&1; jq --version")


def test_a_reboot_comes_back_as_another_boot_with_a_clean_network(machine: Machine) -> None:
    machine.ssh("worker-1", "nft add table inet leftover; ip link add extra type bridge; echo kept > /var/lib/kept")
    inventory = ["worker-1,", "--ssh-common-args", f"-F {machine.handle.ssh_config}"]
    command = [
        str(Path(sys.executable).with_name("ansible")),
        "all",
        "-i",
        *inventory,
        "-m",
        "ansible.builtin.reboot",
        "-a",
        "reboot_timeout=80",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"rebooted": true' in done.stdout
    assert power(machine, "worker-1") == sushy.PowerState.ON
    said = machine.ssh("worker-1", "cat /var/lib/kept; nft list tables; ip -br link")
    assert "kept" in said
    assert "leftover" not in said
    assert "extra" not in said


def test_power_is_reported_as_it_is(machine: Machine) -> None:
    reset(machine, "edge-1", sushy.ResetType.ON)
    wait("ssh", lambda: answers(machine, "edge-1"))
    machine.ssh("edge-1", "systemctl poweroff", check=False)
    wait("its own poweroff", lambda: power(machine, "edge-1") == sushy.PowerState.OFF)
    reset(machine, "edge-1", sushy.ResetType.ON)
    wait("ssh", lambda: answers(machine, "edge-1"))
    reset(machine, "edge-1", sushy.ResetType.FORCE_OFF)
    assert power(machine, "edge-1") == sushy.PowerState.OFF
    reset(machine, "edge-1", sushy.ResetType.ON)
    wait("ssh", lambda: answers(machine, "edge-1"))
    reset(machine, "edge-1", sushy.ResetType.GRACEFUL_SHUTDOWN)
    wait("shutdown", lambda: power(machine, "edge-1") == sushy.PowerState.OFF)
    assert not answers(machine, "edge-1")


def test_what_is_lost_is_put_back(machine: Machine, rack_spec: RackSpec) -> None:
    """Processes killed, and a server that reboots while no controller is there to see it."""
    found = rack.status(rack_spec.name)
    assert found is not None
    for pid in found.processes.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    before = containers(rack_spec.name)["worker-1"]
    subprocess.run(["podman", "exec", before.id, "systemctl", "reboot"], check=False, timeout=60)
    wait("its end", lambda: not containers(rack_spec.name)["worker-1"].on)
    lost = rack.status(rack_spec.name)
    assert lost is not None
    assert not lost.complete
    assert rack.up(rack_spec, Silent()).changed
    wait("ssh", lambda: answers(machine, "worker-1"))
    assert power(machine, "worker-1") == sushy.PowerState.ON


def test_servers_are_added_and_taken_away_without_touching_others(machine: Machine, rack_spec: RackSpec) -> None:
    before = containers(rack_spec.name)
    more = server("worker-2", 32, str(rack_spec.supernet))
    grown = rack_spec.model_copy(update={"servers": (*rack_spec.servers, more)})
    assert rack.up(grown, Silent()).changed
    after = containers(rack_spec.name)
    assert {name: after[name] for name in before} == before
    reset(machine, "worker-2", sushy.ResetType.ON)
    rack.up(rack_spec, Silent())
    assert "worker-2" in containers(rack_spec.name), "a server that is on stays"
    reset(machine, "worker-2", sushy.ResetType.FORCE_OFF)
    rack.up(rack_spec, Silent())
    assert "worker-2" not in containers(rack_spec.name)
    assert "worker-2" not in systems(machine)
    assert containers(rack_spec.name)["worker-1"] == before["worker-1"]


def test_a_limit_changes_when_the_server_is_off(machine: Machine, rack_spec: RackSpec) -> None:
    small = rack_spec.server("control-1").model_copy(update={"cpu_limit": 0.5, "memory_limit_mib": 512})
    servers = tuple(small if s.name == "control-1" else s for s in rack_spec.servers)
    rack.up(rack_spec.model_copy(update={"servers": servers}), Silent())
    reset(machine, "control-1", sushy.ResetType.ON)
    wait("ssh", lambda: answers(machine, "control-1"))
    said = machine.ssh(
        "control-1", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max", check=False
    )
    assert str(512 << 20) in said, "seen at the root of the server's own cgroups"
    reset(machine, "control-1", sushy.ResetType.FORCE_OFF)
    rack.up(rack_spec, Silent())


def test_a_server_that_could_set_the_clock_is_refused(
    rack_spec: RackSpec, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuple(name for name in DROPPED_CAPABILITIES if name != "SYS_TIME")
    monkeypatch.setattr("infra.rack.server.DROPPED_CAPABILITIES", kept)
    with pytest.raises(StepFailed, match="CAP_SYS_TIME is there"):
        selfcheck.check_isolation(rack_spec.name, image_tag(), tmp_path / "proof")
    assert not (tmp_path / "proof").exists()


def test_the_self_check_sees_uncovered_settings(
    rack_spec: RackSpec, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rack.selfcheck.INIT", "/usr/bin/env")  # nothing is covered then
    with pytest.raises(StepFailed, match=r"not isolated.*vm/swappiness"):
        selfcheck.check_isolation(rack_spec.name, image_tag(), tmp_path / "proof")


def test_another_state_folder_cannot_take_the_name(
    rack_spec: RackSpec, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSS_STATE", str(tmp_path))
    with pytest.raises(StepFailed, match="stands on this machine already"):
        rack.up(rack_spec, Silent())


def test_down_leaves_nothing(machine: Machine, rack_spec: RackSpec) -> None:
    assert rack.down(rack_spec.name, Silent())
    assert list(cleanup.leftovers(rack_spec.name)) == []
    name = f"oss-{rack_spec.name}"
    for command in (["podman", "ps", "--all", "--external"], ["podman", "volume", "ls"], ["ip", "netns"]):
        assert name not in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert name not in Path("/proc/mounts").read_text()
    assert not list(Path("/sys/fs/cgroup").rglob(f"{name}*"))
    lines = [p.read_bytes().replace(b"\0", b" ") for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert not [line for line in lines if f"--rack {rack_spec.name}".encode() in line]
    assert not machine.handle.state.exists()
    assert not rack.down(rack_spec.name, Silent()), "a second down finds nothing"
    assert rack.status(rack_spec.name) is None
