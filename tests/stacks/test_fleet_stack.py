"""The fleet stack with the real engine, the real provider and a rack on paper: from the lease plan to the return."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from capacity.faults import Exit, StepFailed
from infra.engine.cost import cost_difference
from infra.engine.workspace import LAYERS, Environment
from infra.outputs import read_outputs
from infra.toolchain import Toolchain
from tests.infra import plans
from tests.infra.paper import PaperRack, paper_rack
from tests.stacks.conftest import Site

pytestmark = pytest.mark.toolchain


def powers(rack: PaperRack) -> dict[str, str]:
    return {name: item["power"] for name, item in rack.seen().items()}


def boots(rack: PaperRack) -> dict[str, int]:
    return {name: item["boots"] for name, item in rack.seen().items()}


def test_the_life_of_a_fleet(site: Site) -> None:
    first = set(site.plan.phases[0].rack.servers)
    with paper_rack(site.rack(), site.state) as rack:
        foreseen = site.engine.preview("fleet")
        assert set(foreseen.servers) == first
        assert set(powers(rack).values()) == {"Off"}  # a preview touches nothing
        rows = cost_difference(foreseen.before, foreseen.after)
        assert sum(row.per_month_idr for row in rows) == len(first) * 9_500_000

        site.engine.up("fleet")
        assert {name for name, power in powers(rack).items() if power == "On"} == first
        outputs = read_outputs(site.engine.outputs("fleet"))
        assert {server.name for server in outputs.servers} == first
        assert {server.state for server in outputs.servers} == {"provisioned"}
        assert len({value.get_secret_value() for _, value in outputs.secrets}) == len(list(outputs.secrets))

        assert set(site.engine.up("fleet")) == {"same"}
        assert boots(rack) == {name: int(name in first) for name in powers(rack)}

        # Somebody cuts the power: refresh shows it, the next up mends it.
        rack.set_power("primary-worker-01", "Off")
        assert site.engine.refresh("fleet")["update"] == 1
        assert site.engine.preview("fleet").servers == {"primary-worker-01": "update (power)"}
        site.engine.up("fleet")
        assert powers(rack)["primary-worker-01"] == "On"
        assert read_outputs(site.engine.outputs("fleet")).secrets == outputs.secrets

        secrets = [value.get_secret_value() for _, value in outputs.secrets] + [rack.password]
        assert_nowhere(secrets, site.state / "pulumi", site.folder / "stacks", site.state / "bmc.log")
        assert not any(secret in line for secret in secrets for line in site.notes.lines)

        site.engine.destroy("fleet")
        assert set(powers(rack).values()) == {"Off"}
        records = [json.loads(path.read_text()) for path in (site.state / "records" / "erasure").glob("*.json")]
        assert {record["server"] for record in records} == first
    assert "encryptionsalt" not in (site.folder / "stacks" / "Pulumi.trial.fleet.yaml").read_text()


def assert_nowhere(secrets: list[str], *places: Path) -> None:
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), f"a secret in clear in {file}"


def test_a_stale_plan_is_refused_with_the_command_to_run(site: Site) -> None:
    site.source.write_text(site.source.read_text() + "# a province moves to another phase\n")
    with pytest.raises(StepFailed) as caught:
        site.engine.preview("fleet")
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "has changed since the plan was made" in str(caught.value)
    assert "Run `oss plan" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_wrong_settings_are_listed_together(site: Site) -> None:
    site.settings("fleet", phase="7", colour="red")
    with pytest.raises(StepFailed) as caught:
        site.engine.preview("fleet")
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "phase" in str(caught.value)
    assert "colour" in str(caught.value)


def test_one_bad_controller_fails_by_name_and_the_rest_go_on(site: Site) -> None:
    with paper_rack(site.rack(1), site.state) as rack:
        rack.faults({"kind": "status", "status": 401, "system": rack.system("primary-worker-02")})
        with pytest.raises(StepFailed, match=r"primary-worker-02: its BMC .* refuses the credentials"):
            site.engine.up("fleet")
        assert powers(rack)["primary-worker-02"] == "Off"
        rack.faults()
        site.engine.up("fleet")
        assert set(powers(rack).values()) == {"On"}
        assert set(boots(rack).values()) == {1}


def test_a_run_that_was_killed_is_continued(site: Site) -> None:
    with paper_rack(site.rack(1), site.state, latency_s=1.5) as rack:
        site.begin("fleet")
        program = site.engine.variables | {"PULUMI_AUTOMATION_API": "true"}
        command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "-s", "trial.fleet"]
        process = subprocess.Popen(
            command, cwd=site.folder, env=program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while not any(sum(item["requests"].values()) for item in rack.seen().values()):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        state = site.state / "pulumi" / ".pulumi" / "stacks" / "oss" / "trial.fleet.json"
        sidecar = state.with_name(f"{state.name}.attrs")
        assert not sidecar.exists()  # a kill would leave one half written
        sidecar.touch()  # as an engine of another set-up does
        site.engine.up("fleet")
        assert any("was killed" in line for line in site.notes.lines)
        assert set(powers(rack).values()) == {"On"}
        assert set(boots(rack).values()) == {1}
        assert {server.name for server in read_outputs(site.engine.outputs("fleet")).servers} == set(powers(rack))


INTERRUPTED = """
import sys
from pathlib import Path
from infra.engine.workspace import LAYERS, Environment
from infra.toolchain import ensure
from oss.console import progress

with progress("fleet") as shown:
    try:
        Environment("trial", ensure(["pulumi"]), shown, Path(sys.argv[1])).up("fleet")
    except KeyboardInterrupt:
        raise SystemExit(130)
"""


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_an_interrupt_ends_in_order_and_the_next_run_continues(site: Site, signals: int) -> None:
    with paper_rack(site.rack(1), site.state, latency_s=2) as rack:
        site.begin("fleet")
        command = [sys.executable, "-c", INTERRUPTED, str(site.folder)]
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 120
        while not any(sum(item["requests"].values()) for item in rack.seen().values()):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        said = process.communicate(timeout=120)[1]
        assert process.returncode == Exit.INTERRUPTED
        assert "stopping" in said
        assert "Traceback" not in said
        site.engine.up("fleet")
        assert set(powers(rack).values()) == {"On"}
        assert set(boots(rack).values()) == {1}


def test_by_hand_as_well(site: Site) -> None:
    """`pulumi up -s <env>.fleet` with nothing but the environment that `oss env` prints; then a new lease plan."""
    with paper_rack(site.rack(1), site.state) as rack:
        for arguments in (["stack", "init", "trial.fleet"], ["up", "--yes", "-s", "trial.fleet"]):
            done = subprocess.run(
                ["pulumi", *arguments, "--non-interactive"],
                cwd=site.folder,
                env=site.engine.variables,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        assert set(powers(rack).values()) == {"On"}
        assert plugins_of(site) == []  # none outlives its engine
        plans.write(site.source.parent, plans.plan({**plans.SMALL, "worker": 3}))
        assert set(site.engine.preview("fleet").servers) == {"primary-worker-03"}


def plugins_of(site: Site) -> list[int]:
    mine = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if b"infra.lease.plugin" in command and str(site.state).encode() in (entry / "environ").read_bytes():
                mine.append(int(entry.name))
    return [pid for pid in mine if pid != os.getpid()]


def test_production_previews_the_same_programs(site: Site, programs: Toolchain) -> None:
    plans.write(site.source.parent, plans.plan(sites=("primary", "drc")))
    engine = Environment("production", programs, site.notes, site.folder)
    for layer in LAYERS:
        name = f"Pulumi.production.{layer}.yaml"
        given = (REPOSITORY / "stacks" / name).read_text().replace("capacity/plans/national.yaml", str(site.source))
        (site.folder / "stacks" / name).write_text(given)
    for layer in LAYERS:
        preview = engine.preview(layer)
        assert preview.counts["create"] > 10
        if layer == "fleet":
            assert set(preview.servers) == set(site.plan.phases[0].national.servers)
