"""Bringing a rack up and taking it down. Each step looks before it acts, so any run continues what another left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from capacity.documents import write_text
from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.network.addresses import loopback_address
from infra.rack import cleanup
from infra.rack.image import ensure_image, image_tag
from infra.rack.inotify import check_inotify
from infra.rack.keys import BmcAccess, bmc_access, client_key, write_ssh_files
from infra.rack.machine import check_machine
from infra.rack.network import ensure_rack_network
from infra.rack.report import RackStatus, read_status
from infra.rack.selfcheck import check_isolation
from infra.rack.server import Container, containers, create, made_of, power_off, remove
from infra.rack.services import daemons, start_apt_cache, start_services
from infra.rack.spec import APT_PORT, SSH_LOOPBACK_PORT, SSH_USER, RackServer, RackSpec
from infra.rack.state import rack_dir, read_spec, spec_file, state_of, write_spec
from infra.rack.unfinished import wait_for_unfinished
from infra.toolchain.store import locked

RUN = Path("/run")


@dataclass(frozen=True, slots=True)
class RackHandle:
    """A rack that stands: how its controllers and its servers are reached. `changed` says whether `up` did anything."""

    spec: RackSpec
    state: Path
    bmc: BmcAccess
    ssh_key: Path
    known_hosts: Path
    ssh_config: Path
    changed: bool
    ssh_user: str = SSH_USER
    ssh_port: int = SSH_LOOPBACK_PORT

    def ssh_host(self, server: str) -> str:
        """Loopback address on which the server's ssh answers (port `ssh_port`)."""
        return loopback_address(self.spec.server(server).address)

    def system(self, server: str) -> str:
        """Id of the server's Redfish system."""
        return self.spec.bmc_id(self.spec.server(server))


def up(spec: RackSpec, progress: Progress, force: bool = False) -> RackHandle:
    """See that the rack is as `spec` says, with new servers switched off. A second run changes nothing.

    A server that the spec no longer names is removed when it is off, or with `force`; one that is on stays, and is
    removed by the next run after its power is cut. A server whose image or limits changed is made anew when
    it is off, and one whose machine was replaced at once. Raises BadInput, MachineLacks, or StepFailed naming the step.
    """
    spec.check()
    check_machine()
    state = state_of(spec.name)
    with _held(spec.name, state, progress):
        wait_for_unfinished(spec.name, progress)
        standing = containers(spec.name)
        before = read_spec(spec_file(state))
        spec = _with_kept(spec, standing, before, force, progress)
        check_inotify([s for s in spec.servers if not ((found := standing.get(s.name)) and found.on)])
        changed = ensure_rack_network(spec)
        progress.update("starting the apt cache")
        changed |= start_apt_cache(spec, state, network_is_new=changed)
        image = ensure_image(f"http://{spec.apt_address}:{APT_PORT}", progress)
        progress.update("checking that servers cannot reach the machine")
        changed |= check_isolation(spec.name, image, rack_dir(state) / "isolation")
        access = bmc_access(state, spec)
        write_ssh_files(state, spec)
        changed |= write_spec(spec_file(state), spec)
        changed |= _ensure_servers(spec, standing, _replaced(spec, before), image, state, progress)
        progress.update("starting the management controllers and the forwarder")
        changed |= start_services(spec, state, access)
        ssh = state / "ssh"
        return RackHandle(spec, state, access, client_key(state), ssh / "known_hosts", ssh / "config", changed)


def down(name: str, progress: Progress) -> bool:
    """Remove the rack with all it has on this machine; True when there was anything. Data of its servers is lost.

    Raises StepFailed naming what could not be removed.
    """
    RackSpec(name=name).check()
    check_machine()
    state = state_of(name)
    with _held(name, state, progress):
        progress.update("ending the rack's processes")
        found = sum(daemon.stop() for daemon in daemons(name, state)) > 0
        wait_for_unfinished(name, progress)
        progress.update("removing servers and their disks")
        found |= cleanup.remove_containers(name) > 0
        found |= cleanup.remove_namespaces(name) > 0
        cleanup.remove_cgroups(name)
        for folder in (rack_dir(state), state / "ssh", state / "bmc"):
            found |= folder.exists()
            shutil.rmtree(folder, ignore_errors=True)
        if left := list(cleanup.leftovers(name)):
            raise StepFailed(f"rack {name} left {', '.join(left)}", "run `oss rack down` again; see what holds them")
        _owner_file(name).unlink(missing_ok=True)
        if {path.name for path in state.iterdir()} <= {".lock"}:
            shutil.rmtree(state, ignore_errors=True)
        return found


def status(name: str) -> RackStatus | None:
    """What stands in the rack now; None when there is none."""
    check_machine()
    state = state_of(name)
    found = read_status(name, state, image_tag())
    if found is None:
        with suppress(OSError):
            state.rmdir()  # asking made it
    return found


def _with_kept(
    spec: RackSpec, standing: dict[str, Container], before: RackSpec | None, force: bool, progress: Progress
) -> RackSpec:
    """The spec, and the servers that it no longer names but that are on: their controllers must still know them."""
    named = {server.name for server in spec.servers}
    kept: list[RackServer] = []
    for server in before.servers if before and not force else ():
        if server.name not in named and (found := standing.get(server.name)) and found.on:
            progress.note(f"{server.name} is no longer planned but still on: kept until its power is cut")
            kept.append(server)
    if not kept:
        return spec
    whole = spec.model_copy(update={"servers": (*spec.servers, *kept)})
    whole.check()
    return whole


def _ensure_servers(
    spec: RackSpec, standing: dict[str, Container], replaced: set[str], image: str, state: Path, progress: Progress
) -> bool:
    changed = False
    named = {server.name for server in spec.servers}
    for name in standing.keys() - named - {""}:
        progress.note(f"{name} is no longer planned: removed")
        remove(spec.name, name, state)
        changed = True
    for number, server in enumerate(spec.servers):
        found = standing.get(server.name)
        if found and found.made_of == made_of(spec, server, image):
            continue
        if found and found.on and server.name in replaced:
            progress.note(f"{server.name} is another machine now: the old one is carried away")
            power_off(spec.name, server.name, "force")
        elif found and found.on:
            progress.note(f"{server.name} keeps its older image or limits until it is off and `oss rack up` runs again")
            continue
        progress.update("delivering servers", number, len(spec.servers))
        if found:
            remove(spec.name, server.name, None)
        create(spec, server, image, state)
        changed = True
    return changed


def _replaced(spec: RackSpec, before: RackSpec | None) -> set[str]:
    """Servers whose system has another id than before: another machine stands there under the same name."""
    had = {server.name: before.bmc_id(server) for server in before.servers} if before else {}
    return {server.name for server in spec.servers if had.get(server.name, spec.bmc_id(server)) != spec.bmc_id(server)}


@contextmanager
def _held(name: str, state: Path, progress: Progress) -> Iterator[None]:
    """Hold the rack's name on this machine: one `up` or `down` at a time, and one state folder a name."""
    with locked(RUN / f"oss-rack-{name}.lock", f"rack {name} is being changed by another process", progress):
        owner = _owner_file(name)
        other = Path(owner.read_text(encoding="utf-8").strip()) if owner.exists() else state
        if other != state and spec_file(other).exists():
            remedy = "choose another name (--name) and supernet, or take that rack down first"
            raise StepFailed(f"a rack {name} stands on this machine already; its state is in {other}", remedy)
        write_text(owner, f"{state}\n")
        yield


def _owner_file(name: str) -> Path:
    return RUN / f"oss-rack-{name}.owner"
