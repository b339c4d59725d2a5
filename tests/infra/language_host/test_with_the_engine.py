"""The language host under the real engine: programs, policies, errors, and the end of everything it started."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from infra.toolchain import Toolchain, ensure

pytestmark = pytest.mark.toolchain
TIMEOUT_SECONDS = 120
POLICY = """
from pulumi_policy import EnforcementLevel, PolicyPack, StackValidationPolicy
def refuse(args, report):
    report(f"{len(args.resources)} resources, and that is too many")
PolicyPack("strict", policies=[StackValidationPolicy(
    name="none", description="nothing may be", enforcement_level=EnforcementLevel.MANDATORY, validate=refuse)])
"""


@pytest.fixture(scope="module")
def programs() -> Toolchain:
    return ensure(("pulumi",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    runtime = {"name": "python", "options": {"virtualenv": str(REPOSITORY / ".venv")}}
    settings = {"name": "trial", "runtime": runtime, "main": "programs/main.py"}
    (tmp_path / "Pulumi.yaml").write_text(json.dumps(settings))
    (tmp_path / "programs").mkdir()
    return tmp_path


@pytest.fixture
def environment(programs: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("pulumi")
    return programs.environment() | {
        "PULUMI_BACKEND_URL": f"file://{place}",
        "PULUMI_HOME": str(place / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
    }


@pytest.fixture
def run(folder: Path, environment: dict[str, str]) -> _Run:
    made = _Run(folder, environment)
    made("stack", "init", "test")
    return made


class _Run:
    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        answer = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert (answer.returncode != 0) == fails, answer.stdout + answer.stderr
        return answer.stdout + answer.stderr

    def program(self, text: str) -> None:
        (self.folder / "programs" / "main.py").write_text("import os, pulumi, time\n" + text)


def test_a_program_gets_its_settings_and_secrets(run: _Run) -> None:
    run.program("""
config = pulumi.Config()
pulumi.export("plain", config.require("plain"))
pulumi.export("hidden", config.require_secret("hidden"))
pulumi.export("names", [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization()])
""")
    run("config", "set", "plain", "seen")
    run("config", "set", "--secret", "hidden", "unseen-value")
    said = run("up", "--yes", "--skip-preview")
    assert "unseen-value" not in said + run("stack", "export")
    outputs = json.loads(run("stack", "output", "--json", "--show-secrets"))
    assert outputs == {"plain": "seen", "hidden": "unseen-value", "names": ["trial", "test", "organization"]}
    about = json.loads(run("about", "--json").partition("\nwarning:")[0])
    known = {entry["name"]: entry["version"] for entry in about["dependencies"]}
    assert known["pulumi"] == metadata.version("pulumi")


def test_an_error_in_a_program_is_shown_without_our_own_traces(run: _Run) -> None:
    run.program("raise RuntimeError('the plan is stale')")
    said = run("preview", fails=True)
    assert "RuntimeError: the plan is stale" in said
    assert "language_host" not in said.replace("pulumi-language-python", "")
    assert "ended with exit code" not in said


def test_a_policy_pack_can_refuse(run: _Run) -> None:
    run.program("")
    pack = run.folder / "policies"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(POLICY)
    assert "1 resources, and that is too many" in run("preview", "--policy-pack", "policies", fails=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_when_the_engine_goes(run: _Run, how: signal.Signals) -> None:
    run.program("""
with open("here", "w") as file:
    file.write(f"{os.getpid()} {os.getppid()}")
os.rename("here", "running")
time.sleep(600)
""")
    with subprocess.Popen(
        ["pulumi", "--non-interactive", "preview"],
        cwd=run.folder,
        env=run.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        mark = run.folder / "programs" / "running"
        _until(mark.exists)
        pids = [int(word) for word in mark.read_text().split()]
        assert all(_lives(pid) for pid in pids)
        engine.send_signal(how)
        if how is signal.SIGINT:  # asked once, the engine waits for the program; asked twice, it stops at once
            engine.send_signal(how)
        engine.wait(TIMEOUT_SECONDS)
    _until(lambda: not any(_lives(pid) for pid in pids))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
