"""A small rehearsal of the whole loop on a rack of its own: killed on its way, continued, repeated, removed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY, load
from capacity.evidence import Evidence
from infra.paths import state_dir

pytestmark = [pytest.mark.e2e, pytest.mark.rack, pytest.mark.toolchain]

NAME = "e2e"
SUPERNET = "10.97.0.0/16"
OSS = [sys.executable, "-m", "oss.cli"]
RUN_TIMEOUT_S = 1200


@pytest.fixture(scope="module")
def environment() -> Iterator[str]:
    """A rack of its own name and network; whatever a test left of it is removed."""
    files = [REPOSITORY / "stacks" / f"Pulumi.{NAME}.{layer}.yaml" for layer in ("fleet", "platform", "services")]
    for file in files:
        file.write_text(f"config:\n  oss:supernet: {SUPERNET}\n", encoding="utf-8")
    yield NAME
    oss("down", NAME)
    for file in files:
        file.unlink(missing_ok=True)


def oss(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OSS, *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
    )


def rehearse(page: Path) -> tuple[str, ...]:
    return ("rehearse", "--environment", NAME, "--profile", "smoke", "--keep", "--page", str(page))


@pytest.mark.timeout(2400)
def test_killed_continued_repeated_removed(environment: str, tmp_path: Path) -> None:
    page = tmp_path / "rehearsal.html"

    _kill_when_it_says("configure servers", rehearse(page))
    continued = oss(*rehearse(page))
    assert continued.returncode in (0, 1), continued.stderr
    assert "power" in continued.stderr  # the fleet step was there
    _page_fits(page, continued)

    again = oss(*rehearse(page))
    assert again.returncode in (0, 1), again.stderr
    for words in ("servers stand as planned", "nothing to change"):
        assert words in again.stderr.replace("\n", " ")
    for step in ("lease and power on", "platform", "services"):
        assert re.search(rf"\] {step} .*\n(?:(?!\[).*\n)*?\s+\d+ as they were", again.stderr), again.stderr

    _drills_pass(environment)

    down = oss("down", environment)
    assert down.returncode == 0, down.stderr
    _nothing_stays(environment)


def _kill_when_it_says(words: str, command: tuple[str, ...]) -> None:
    process = subprocess.Popen([*OSS, *command], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stderr.close()
    assert process.wait(60) == -signal.SIGKILL


def _page_fits(page: Path, run: subprocess.CompletedProcess[str]) -> None:
    """The page says what the exit code says, from the evidence that the run names, and loads nothing from outside."""
    assert page.is_file(), run.stderr
    html = page.read_text(encoding="utf-8")
    assert ('<div class="word">Go</div>' in html) == (run.returncode == 0)
    named = re.search(r"evidence/\S+\.json", run.stderr)
    assert named is not None
    evidence = load(Evidence, REPOSITORY / named.group())
    assert evidence.run in html
    assert evidence.verdict in ("passed", "failed")
    stage = next(s for s in evidence.stages if not s.warmup)
    assert {r.station for r in stage.stations} >= {"portal", "api", "gateway", "satgas", "database", "edge"}
    assert sum(r.count for r in stage.endpoints) > 0
    assert "http://" not in html.replace("http://www.w3.org", "")


def _drills_pass(environment: str) -> None:
    """Both drills on the standing rack: what they measured is evidence for its phase, and all workers have power."""
    failover = ("failover", environment, "--before", "5", "--outage", "100", "--after", "15")
    for kind, words in (("restore_drill", ("restore", environment)), ("failover_drill", failover)):
        done = oss("drill", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        named = re.search(r"evidence: (\S+\.json)", done.stdout)
        assert named is not None
        evidence = load(Evidence, REPOSITORY / named.group(1))
        assert (evidence.kind, evidence.phase, evidence.verdict) == (kind, 1, "passed")
        assert evidence.drill is not None
        assert len(evidence.drill.steps) >= 3
    (without,) = (stage for stage in evidence.stages if stage.label == "without")
    assert sum(result.count for result in without.endpoints) > 0
    status = subprocess.run([*OSS, "rack", "status", "--name", environment], cwd=REPOSITORY, check=False)
    assert status.returncode == 0


def _nothing_stays(environment: str) -> None:
    containers = subprocess.run(
        ["podman", "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    assert f"oss-{environment}-" not in containers.stdout
    volumes = subprocess.run(["podman", "volume", "ls", "-q"], capture_output=True, text=True, check=True)
    assert f"oss-{environment}-" not in volumes.stdout
    namespaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True)
    assert f"oss-{environment}" not in namespaces.stdout
    assert f"oss-{environment}" not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not list(Path("/sys/fs/cgroup").glob(f"*/oss-{environment}*"))
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        assert str(state_dir(environment)).encode() not in b" ".join(words)
    assert {path.name for path in state_dir(environment).iterdir()} <= {"records"}
