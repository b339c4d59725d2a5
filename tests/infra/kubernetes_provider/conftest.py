"""A control plane on loopback with two pretended nodes, and projects that a real engine runs against it."""

from __future__ import annotations

import json
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from capacity.documents import REPOSITORY
from infra.toolchain import Toolchain, ensure
from infra.toolchain.loopback import LoopbackCluster, control_plane

ENGINE_TIMEOUT_SECONDS = 300
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "status": {key: {"cpu": "8", "memory": "16Gi", "pods": "110"} for key in ("allocatable", "capacity")},
}
PROGRAM = """
import json, os
import pulumi
import pulumi_kubernetes as k8s
given = json.loads(os.environ["GIVEN"])
provider = k8s.Provider("cluster", kubeconfig=os.environ["CLUSTER"], **given.pop("provider", {}))
options = pulumi.ResourceOptions(provider=provider)
"""


@dataclass
class Kubectl:
    """The built kubectl, aimed at the cluster."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        command = [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]
        answer = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", *arguments, "--output=json"))
        return found


@dataclass
class Project:
    """A Pulumi project on disk with one stack; `run` is the real CLI."""

    folder: Path
    environment: dict[str, str]
    given: dict[str, Any] = field(default_factory=dict)

    def write(self, program: str) -> None:
        (self.folder / "__main__.py").write_text(PROGRAM + textwrap.dedent(program))

    def run(self, *arguments: str, fails: bool = False) -> str:
        answer = self.answer(*arguments)
        said = answer.stdout + answer.stderr
        assert (answer.returncode != 0) == fails, said
        return said

    def answer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env={**self.environment, "GIVEN": json.dumps(self.given)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENGINE_TIMEOUT_SECONDS,
            check=False,
        )

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def steps(self) -> dict[str, str]:
        """What a preview would do: resource name → operation, without what is left alone or only read."""
        answer = self.answer("preview", "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        steps = json.loads(answer.stdout)["steps"]
        return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] not in ("same", "read")}

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json"))
        return found


@pytest.fixture(scope="session")
def programs() -> Toolchain:
    return ensure(("pulumi", "kubernetes", "kwok"))


@pytest.fixture(scope="session")
def cluster(programs: Toolchain) -> Iterator[LoopbackCluster]:
    with control_plane(programs, pretends=True) as running:
        kubectl = Kubectl(programs.binary("kubectl"), running.kubeconfig)
        for name in ("node-1", "node-2"):
            kubectl("create", "--filename=-", stdin=json.dumps(NODE | {"metadata": {"name": name}}))
        kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
        yield running


@pytest.fixture(scope="session")
def kubectl(programs: Toolchain, cluster: LoopbackCluster) -> Kubectl:
    return Kubectl(programs.binary("kubectl"), cluster.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = f"test-{time.monotonic_ns()}"
    kubectl("create", "namespace", name)
    return name


@pytest.fixture
def project(programs: Toolchain, tmp_path: Path, cluster: LoopbackCluster) -> Iterator[Project]:
    state = tmp_path / "state"
    state.mkdir()
    environment = programs.environment() | {
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
        "PULUMI_HOME": str(tmp_path / "home"),
        "CLUSTER": cluster.kubeconfig.read_text(),
    }
    folder = tmp_path / "project"
    folder.mkdir()
    settings: Mapping[str, Any] = {
        "name": "trial",
        "runtime": {"name": "python", "options": {"virtualenv": str(REPOSITORY / ".venv")}},
        "main": "__main__.py",
    }
    (folder / "Pulumi.yaml").write_text(json.dumps(settings))
    made = Project(folder, environment)
    made.run("stack", "init", "organization/trial/test")
    yield made
    made.answer("destroy", "--yes", "--skip-preview")
