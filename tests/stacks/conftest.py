"""A copy of the project for each test: its own stack files and state, the repository's programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from capacity.leaseplan import LeasePlan, load_lease_plan, lock_path
from infra.engine.rack import rack_spec
from infra.engine.workspace import Environment
from infra.network.addresses import address_plan
from infra.rack.spec import RackSpec
from infra.toolchain import Toolchain, ensure
from tests.infra import plans
from tests.infra.paper import free_supernet


@dataclass(slots=True)
class Notes:
    """Progress that keeps what was said."""

    lines: list[str] = field(default_factory=list)

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        self.lines.append(what)

    def note(self, message: str) -> None:
        self.lines.append(message)


@dataclass(frozen=True, slots=True)
class Site:
    """One test's environment: a plan on disk, a project folder, the engine over them."""

    name: str
    folder: Path
    state: Path
    source: Path
    supernet: str
    engine: Environment
    notes: Notes

    @property
    def plan(self) -> LeasePlan:
        return load_lease_plan(lock_path(self.source))

    def rack(self, phase: int = 3) -> RackSpec:
        """The rack that delivers all servers of a phase."""
        addresses = address_plan(self.plan, "rack", self.supernet)
        return rack_spec(self.name, self.plan, self.plan.deployment(phase, "rack"), addresses)

    def begin(self, layer: str) -> None:
        """Make the layer's stack, empty, so that the next command is the update alone."""
        with self.engine._open(layer):
            pass

    def settings(self, layer: str, **values: str) -> None:
        """Write the layer's stack file."""
        given = {"plan": str(self.source), "supernet": self.supernet, **values}
        lines = [f"  oss:{key}: {value}" for key, value in given.items()]
        (self.folder / "stacks" / f"Pulumi.{self.name}.{layer}.yaml").write_text("\n".join(["config:", *lines, ""]))


@pytest.fixture(scope="session")
def programs() -> Toolchain:
    return ensure(["pulumi"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "stacks").mkdir(parents=True)
    (folder / "Pulumi.yaml").symlink_to(REPOSITORY / "Pulumi.yaml")
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    for file in (REPOSITORY / "stacks").glob("*.py"):
        (folder / "stacks" / file.name).symlink_to(file)
    return folder


@pytest.fixture
def site(tmp_path: Path, project: Path, programs: Toolchain, monkeypatch: pytest.MonkeyPatch) -> Site:
    state = tmp_path / "state"
    monkeypatch.setenv("OSS_STATE", str(state))
    source = plans.write(tmp_path, plans.plan())
    notes = Notes()
    engine = Environment("trial", programs, notes, project)
    made = Site("trial", project, state / "trial", source, free_supernet(), engine, notes)
    for layer in ("fleet", "platform", "services"):
        made.settings(layer)
    return made
