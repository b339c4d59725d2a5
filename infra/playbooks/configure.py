"""Configure a fleet: certificates, inventory, one run of the playbooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from capacity.faults import StepFailed
from capacity.leaseplan import LeasePlan
from capacity.progress import Progress
from infra.engine.stack_files import read_settings
from infra.nodes import forget_left, reached
from infra.outputs import FleetOutputs
from infra.paths import state_dir
from infra.pki.fleet import ensure_credentials, kubeconfig_file
from infra.playbooks.choice import Choice
from infra.playbooks.inventory import NodeImage, Programs, SshAccess, inventory, secret_variables
from infra.playbooks.mirror import NAMES, PROGRAMS, mirror, on_server
from infra.playbooks.reach import wait_for_ssh
from infra.playbooks.runner import PLAYBOOKS, run_playbook
from infra.settings import FleetSettings, ServicesSettings

PLAYBOOK = "site.yml"


@dataclass(frozen=True, slots=True)
class ConfigureResult:
    """What a run came to. `tasks` went well; `changed`: server → tasks that changed something; wall-clock seconds."""

    servers: int
    tasks: int
    changed: dict[str, list[str]]
    seconds: float

    def __str__(self) -> str:
        count = sum(len(tasks) for tasks in self.changed.values())
        what = f"{count} changes on {len(self.changed)} of {self.servers} servers" if count else "nothing to change"
        return f"{what}, {self.tasks} tasks"


def configure(
    environment: str,
    outputs: FleetOutputs,
    plan: LeasePlan,
    progress: Progress,
    settings: FleetSettings,
    choice: Choice | None = None,
) -> ConfigureResult:
    """Bring every server of the fleet to its role. A second run changes nothing.

    Raises BadInput for outputs that form no cluster, StepFailed naming servers and tasks, MachineLacks.
    """
    started = time.monotonic()
    hosts = inventory_of(environment, outputs, plan, progress, settings)
    chosen = choice or Choice()
    chosen.check_against(hosts, PLAYBOOKS / PLAYBOOK)
    progress.update("issuing certificates")
    credentials = ensure_credentials(environment, outputs)
    if credentials.changes:
        progress.note(f"{len(credentials.changes)} certificates issued")
    wait_for_ssh(outputs.servers, progress)
    secrets = secret_variables(credentials.files, outputs)
    course = run_playbook(PLAYBOOK, hosts, secrets, state_dir(environment), progress, chosen)
    forget_left(reached(kubeconfig_file(environment)), {server.name for server in outputs.servers}, progress)
    return ConfigureResult(len(outputs.servers), course.ok, course.changed, time.monotonic() - started)


def inventory_of(
    environment: str, outputs: FleetOutputs, plan: LeasePlan, progress: Progress, settings: FleetSettings
) -> dict[str, Any]:
    """The fleet's inventory. Raises BadInput as `infra.playbooks.inventory`, StepFailed without keys for ssh."""
    return inventory(outputs, plan, ssh_access(environment, outputs, settings), _programs(outputs, settings, progress))


def _programs(outputs: FleetOutputs, settings: FleetSettings, progress: Progress) -> Programs:
    if outputs.scale != "rack":
        return Programs(
            archive_url=settings.kubernetes_archive_url,
            archive_sha256=settings.kubernetes_archive_sha256,
            pause_image=settings.pause_image,
        )
    services = read_settings(ServicesSettings, outputs.environment, "services")
    made = mirror(progress, with_generator=services.load_test is not None)
    return Programs(
        folder=str(PROGRAMS),
        coredns=str(NAMES / "coredns"),
        pause_image=made.pause.reference,
        images=tuple(NodeImage(on_server(a), a.reference, a.digest) for a in made.archives),
    )


def ssh_access(environment: str, outputs: FleetOutputs, settings: FleetSettings) -> SshAccess:
    """Keys from the environment's state folder, which the rack fills; elsewhere an operator puts them there."""
    folder = state_dir(environment) / "ssh"
    keys: Sequence[str] = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.pub"))]
    private = [path.with_suffix("") for path in sorted(folder.glob("*.pub")) if path.with_suffix("").exists()]
    if not private or not (folder / "known_hosts").exists():
        raise StepFailed(
            f"{folder} has no key pair and known_hosts file for the servers",
            f"Run `oss up {environment}`."
            if outputs.scale == "rack"
            else "Put id_ed25519, id_ed25519.pub and known_hosts there.",
        )
    user = "root" if outputs.scale == "rack" else settings.ssh_user
    return SshAccess(user, str(private[0]), str(folder / "known_hosts"), tuple(keys))
