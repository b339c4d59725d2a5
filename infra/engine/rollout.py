"""Bringing an environment to its lease plan, and away again: the steps in their order, each of which may be repeated.

rack (delivered hardware) → fleet → image → playbooks → platform → services. Each method does one step and returns what
came of it in a few words; `oss up` and `oss rehearse` show them as steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from capacity.documents import REPOSITORY
from capacity.faults import BadInput, Fault, StepFailed
from capacity.leaseplan import load_lease_plan
from capacity.progress import Progress
from infra.engine.preview import LayerPreview
from infra.engine.rack import rack_spec
from infra.engine.stack_files import forget_salt, read_settings, stack_file
from infra.engine.terms import plan_in_force
from infra.engine.workspace import LAYERS, Environment, has_state
from infra.network.addresses import address_plan
from infra.nodes import await_replicas, empty_leaving, forget_left, forget_silent, reached
from infra.outputs import FleetOutputs, read_outputs
from infra.paths import state_dir
from infra.pki.fleet import kubeconfig_file
from infra.rack.spec import RackSpec
from infra.settings import FleetSettings, GateOverride, ServicesSettings
from infra.toolchain import Toolchain, ensure

Layer = Literal["fleet", "platform", "services"]
StepWork = Callable[[Progress], str]


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A named step, what it does, and how long it usually takes on a rack, in seconds."""

    name: str
    do: StepWork
    usual_s: float


class Rollout:
    """One environment between its lease plan and what stands. Raises OssErrors only."""

    def __init__(self, environment: str, project: Path = REPOSITORY) -> None:
        self.environment = environment
        self._project = project
        self._toolchain: Toolchain | None = None

    @cached_property
    def settings(self) -> FleetSettings:
        """The fleet's settings, which name the plan, the phase and the scale."""
        return read_settings(FleetSettings, self.environment, "fleet", self._project)

    @property
    def is_rack(self) -> bool:
        """Whether the environment is a rack on this machine."""
        return self.settings.scale == "rack"

    def expect(self) -> None:
        """Raises BadInput where nobody described or brought up such an environment: its name is likely mistyped."""
        if stack_file(self.environment, "fleet", self._project).exists() or has_state(self.environment, "fleet"):
            return
        files = (self._project / "stacks").glob("Pulumi.*.fleet.yaml")
        described = ", ".join(sorted(file.name.split(".")[1] for file in files)) or "none"
        remedy = f"Described are: {described}. `oss up {self.environment}` brings up a rack of this name."
        raise BadInput([Fault("", "ENV", self.environment, "there is no such environment", remedy)])

    def steps(self, only: Layer | None = None) -> list[RolloutStep]:
        """The steps to bring it up, all or those of one layer."""
        rack = [RolloutStep("deliver servers", self.deliver, 30)] if self.is_rack else []
        by_layer: dict[str, list[RolloutStep]] = {
            "fleet": [*rack, RolloutStep("lease and power on", self.fleet, 15)],
            "configure": [RolloutStep("configure servers", self.configure, 90)],
            "platform": [RolloutStep("platform", self.platform, 15)],
            "services": [RolloutStep("services", self.services, 30)],
        }
        chosen = by_layer[only] if only else [step for steps in by_layer.values() for step in steps]
        return [RolloutStep("toolchain", self.ready, 3), *chosen]

    def choose(self, phase: int | None, progress: Progress) -> None:
        """Move all layers to a phase, in their stack files. None leaves it as it is.

        Raises BadInput when the lease plan is stale or has no such phase; nothing is changed then.
        """
        plan = load_lease_plan(self.settings.lock_file)
        plan.phase(phase or self.settings.phase)
        if phase is None or phase == self.settings.phase:
            return
        engine = self._engine(progress)
        for layer in LAYERS:
            engine.configure(layer, {"phase": str(phase)})
        self.__dict__.pop("settings", None)

    def override_gate(self, override: GateOverride, progress: Progress) -> None:
        """Note in the fleet's stack file who lets the phase start without its evidence, and why."""
        values = {key: str(value) for key, value in override.model_dump(mode="json").items()}
        self._engine(progress).configure_object("fleet", "gateOverride", values)
        self.__dict__.pop("settings", None)

    def ready(self, progress: Progress) -> str:
        """Make the programs ready that the layers need."""
        self._toolchain = ensure(progress=progress)
        return "ready"

    def deliver(self, progress: Progress) -> str:
        """The rack delivers the phase's servers, switched off; those that stand are left alone."""
        from infra import rack  # only here: a site's operator needs no container tools

        handle = rack.up(self._rack_spec(progress), progress)
        return f"{len(handle.spec.servers)} servers {'delivered' if handle.changed else 'stand as planned'}"

    def fleet(self, progress: Progress) -> str:
        """Lease, accept and power on. Workers that leave are emptied before, and forgotten by their cluster after."""
        clusters = reached(kubeconfig_file(self.environment))
        planned = self._planned() if clusters else ()
        moved = empty_leaving(clusters, planned, progress)
        told = [said(self._engine(progress).up("fleet"))]
        left = forget_left(clusters, planned, progress)
        told += [f"{moved} pods moved"] if moved else []
        told += [f"left the cluster: {', '.join(left)}"] if left else []
        return "; ".join(told)

    def _planned(self) -> tuple[str, ...]:
        since = plan_in_force(self.environment, self.settings, self._project)
        return since.plan.deployment(self.settings.phase, self.settings.scale).servers

    def configure(self, progress: Progress) -> str:
        """Run the playbooks over the fleet's outputs."""
        from infra import playbooks  # only here: it brings Ansible

        plan = load_lease_plan(self.settings.lock_file)
        return str(playbooks.configure(self.environment, self.outputs(progress), plan, progress, self.settings))

    def platform(self, progress: Progress) -> str:
        """Namespaces, quotas, policies."""
        return said(self._engine(progress).up("platform"))

    def services(self, progress: Progress) -> str:
        """Build the image where it is ours to build, then deploy."""
        engine = self._engine(progress)
        if self.is_rack:
            from infra.images import generator, permit  # only here: they need mmdebstrap

            images = {"image": permit.build(progress).reference}
            settings = read_settings(ServicesSettings, self.environment, "services", self._project)
            if settings.load_test is not None:
                images["loadTestImage"] = generator.build(progress).reference
            engine.configure("services", images)
        told = said(engine.up("services"))
        plan = load_lease_plan(self.settings.lock_file)
        places = {service.namespace for service in plan.deployment(self.settings.phase, self.settings.scale).services}
        for cluster in reached(kubeconfig_file(self.environment)):
            await_replicas(cluster, places, progress)
        return told

    def outputs(self, progress: Progress) -> FleetOutputs:
        """What the fleet stack handed over. Raises BadInput when it was never applied."""
        return read_outputs(self._engine(progress).outputs("fleet"), self.environment)

    def preview(self, layers: Sequence[str], progress: Progress) -> list[LayerPreview]:
        """What `up` would change in each layer, nothing being touched."""
        plan_in_force(self.environment, self.settings, self._project)
        engine = self._engine(progress)
        return [engine.preview(layer) for layer in layers]

    def down(self) -> list[RolloutStep]:
        """The steps that remove it again, in reverse order. A rack's own step comes last and always."""
        engine_layers: list[RolloutStep] = [
            RolloutStep(f"remove {layer}", self._remover(layer), 15)
            for layer in reversed(LAYERS)
            if has_state(self.environment, layer)
        ]
        programs = [RolloutStep("toolchain", self.ready, 3)] if engine_layers else []
        rack = [RolloutStep("take the rack away", self._take_rack_away, 10)] if self.is_rack else []
        return [*programs, *engine_layers, *rack]

    def _remover(self, layer: str) -> StepWork:
        def remove(progress: Progress) -> str:
            engine = self._engine(progress)
            if self.is_rack and layer == "services":
                forget_silent(reached(kubeconfig_file(self.environment)), progress)
            try:
                return said(engine.destroy(layer))
            except StepFailed as error:
                # On a rack the cluster and its servers may be gone already; what is described ends with the rack.
                if not self.is_rack:
                    raise
                progress.note(f"{layer}: {error.message.splitlines()[0]}")
                engine.forget(layer)
                return "was gone already; its state is dropped"

        return remove

    def _take_rack_away(self, progress: Progress) -> str:
        from infra import rack

        found = rack.down(self.environment, progress)
        folder = state_dir(self.environment)
        for name in ("pulumi", "pki"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("kubeconfig", "passphrase", "steps.json", "ansible.lock", ".lock"):
            (folder / name).unlink(missing_ok=True)
        for layer in LAYERS:
            forget_salt(stack_file(self.environment, layer, self._project))
        left = sorted(path.name for path in folder.iterdir())
        if not left:
            folder.rmdir()
        return ("removed" if found else "there was none") + (f"; kept: {', '.join(left)}" if left else "")

    def _rack_spec(self, progress: Progress) -> RackSpec:
        from infra.playbooks.mirror import mounts

        since = plan_in_force(self.environment, self.settings, self._project)
        plan = since.plan
        deployment = plan.deployment(self.settings.phase, "rack")
        addresses = address_plan(plan, "rack", self.settings.supernet, self.settings.lock_file.name)
        return rack_spec(self.environment, plan, deployment, addresses, mounts(progress), since.machines)

    def _engine(self, progress: Progress) -> Environment:
        if self._toolchain is None:
            self.ready(progress)
        assert self._toolchain is not None
        return Environment(self.environment, self._toolchain, progress, self._project)


def said(counts: dict[str, int]) -> str:
    """`{"create": 12, "same": 3}` → `12 created, 3 as they were`."""
    words = {
        "create": "created",
        "update": "changed",
        "delete": "removed",
        "replace": "replaced",
        "same": "as they were",
    }
    told = [f"{counts[kind]} {words[kind]}" for kind in words if counts.get(kind)]
    return ", ".join(told) or "nothing to do"


def check_environment_name(name: str) -> str:
    """The name, or BadInput: stack, rack and folder names are made of it."""
    if name.isascii() and name.isalnum() and name[:1].isalpha() and name == name.lower() and len(name) <= 16:
        return name
    remedy = "Use 1 to 16 of a-z and 0-9, beginning with a letter, such as local or production."
    raise BadInput([Fault("", "ENV", name, "not the name of an environment", remedy)])
