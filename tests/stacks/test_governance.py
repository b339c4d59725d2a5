"""Policies and gates with the real engine: what a preview shows, what an update refuses, what the state remembers."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest

from capacity.documents import sha256, to_json
from capacity.evidence import Evidence, Machine
from capacity.faults import Exit, StepFailed
from capacity.leaseplan import Role, lock_path
from infra.engine.workspace import POLICY_PACK
from infra.gates.rules import KINDS
from infra.outputs import read_outputs
from tests.infra import plans
from tests.infra.paper import PaperRack, paper_rack
from tests.infra.watching import command_lines
from tests.stacks.conftest import Site

pytestmark = pytest.mark.toolchain
TWO_DATABASES: dict[Role, int] = {"edge": 1, "control": 1, "worker": 1, "database": 2}


def test_a_policy_refuses_in_preview_and_before_an_update_touches_anything(site: Site) -> None:
    plans.write(site.source.parent, plans.plan(TWO_DATABASES))
    site.settings("fleet", racksPerSite="1")
    with paper_rack(site.rack(1), site.state) as rack:
        foreseen = site.engine.preview("fleet")
        assert foreseen.refused
        assert set(foreseen.servers) == set(site.plan.phases[0].rack.servers)  # it is shown to its end all the same
        notes = {note.policy: note for note in foreseen.policies}
        assert set(notes) == {"database-racks", "quotation"}
        assert notes["database-racks"].level == "mandatory"
        assert "primary-database-01 and primary-database-02 stand in one rack" in notes["database-racks"].problem
        assert "raise oss:racksPerSite" in notes["database-racks"].remedy
        assert notes["quotation"].level == "advisory"

        with pytest.raises(StepFailed, match="database-racks") as caught:
            site.engine.up("fleet")
        assert caught.value.exit_code == Exit.NO_GO
        assert "raise oss:racksPerSite" in str(caught.value)
        assert not any(item["requests"] for item in rack.seen().values())

        site.settings("fleet", racksPerSite="2")
        site.engine.up("fleet")


def test_the_pack_alone_refuses_by_hand(site: Site) -> None:
    """As `oss env` sets it: no flag to remember, and pulumi's own exit code."""
    site.settings("fleet", approvedPlan="sha256:" + "0" * 64)
    variables = site.engine.variables | {"PULUMI_OPTION_POLICY_PACK": str(POLICY_PACK)}
    for arguments in (["stack", "init", "trial.fleet"], ["preview", "-s", "trial.fleet"]):
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=site.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode != 0
    assert "plan-hash" in done.stdout
    assert "was approved for this environment" in done.stdout


def nation(site: Site, rack: PaperRack, evidence: Path, phase: int) -> None:
    """The stack file of a nation whose servers are a rack's on paper."""
    names = {server.name for server in rack.spec.servers}
    bmcs = {name: {"url": rack.spec.bmc_url, "system": rack.system(name)} for name in names}
    given = {
        "plan": str(site.source),
        "phase": str(phase),
        "scale": "national",
        "evidence": str(evidence),
        "asOf": str(plans.START),
        "bmcUsername": rack.username,
        "bmcPassword": rack.password,
        "bmcCaFile": rack.ca_file,
        "bmcs": json.dumps(bmcs),
    }
    lines = [f"  oss:{key}: {value}" for key, value in given.items()]
    file = site.folder / "stacks" / f"Pulumi.{site.name}.fleet.yaml"
    file.write_text("\n".join(["config:", *lines, ""]), encoding="utf-8")


def write_evidence(site: Site, folder: Path, phase: int) -> None:
    """What the drills and a load test at the plan's rate would leave."""
    now = dt.datetime.now(dt.UTC)
    stage = {
        "label": "design",
        "warmup": False,
        "held_out": False,
        "started": now,
        "duration_s": 30,
        "share": 1.0,
        "offered_journeys_per_s": 5,
        "achieved_journeys_per_s": 5,
        "offered_calls_per_s": 20,
        "achieved_calls_per_s": 20,
        "unsent": 0,
        "endpoints": (),
    }
    for kind in KINDS:
        made = Evidence.model_validate(
            {
                "version": 1,
                "run": f"{kind}-{phase}",
                "kind": kind,
                "started": now,
                "finished": now,
                "plan": "test",
                "plan_hash": sha256(lock_path(site.source)),
                "phase": phase,
                "scale": "rack",
                "load_factor": site.plan.deployment(phase, "rack").load_factor,
                "profile": "rehearsal",
                "target": "https://127.97.2.11:8443",
                "seed": 1,
                "machine": Machine(cores=2, memory_gib=8, cpu="x", kernel="y"),
                "stages": (stage,) if kind == "load_test" else (),
                "verdict": "passed",
                "reasons": ("every rule held",),
            }
        )
        folder.mkdir(exist_ok=True)
        (folder / f"{made.run}.json").write_text(to_json(made), encoding="utf-8")


def test_a_phase_starts_with_its_evidence_or_by_a_name_that_stays(site: Site, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    with paper_rack(site.rack(), site.state) as rack:
        nation(site, rack, evidence, 1)
        foreseen = site.engine.preview("fleet")
        assert foreseen.refused
        assert foreseen.counts["create"] > len(site.plan.phases[0].national.servers)
        assert "oss drill restore local" in foreseen.gate
        with pytest.raises(StepFailed, match="the gate of phase 1 of trial is closed") as caught:
            site.engine.up("fleet")
        assert caught.value.exit_code == Exit.NO_GO
        for command in ("oss rehearse --phase 1 --keep", "oss drill restore local", "oss drill failover local"):
            assert f"Run `{command}`" in str(caught.value)
        assert not any(item["requests"] for item in rack.seen().values())

        # Somebody answers for it, and the outputs say who and for what.
        until = dt.date.today() + dt.timedelta(days=7)
        override = {"phase": "1", "by": "Ani", "reason": "restore drill on Friday", "until": str(until)}
        site.engine.configure_object("fleet", "gateOverride", override)
        site.engine.up("fleet")
        (first,) = read_outputs(site.engine.outputs("fleet")).gates
        assert first.override is not None
        assert (first.override.by, first.override.reason, len(first.override.missing)) == (
            "Ani",
            "restore drill on Friday",
            3,
        )
        assert any("by the word of Ani" in line for line in site.notes.lines)

        # The phase stands: nobody is asked again. The next one asks anew, and opens on evidence.
        nation(site, rack, evidence, 1)
        assert set(site.engine.up("fleet")) == {"same"}
        nation(site, rack, evidence, 2)
        with pytest.raises(StepFailed, match="the gate of phase 2 of trial is closed"):
            site.engine.up("fleet")
        write_evidence(site, evidence, 2)
        site.engine.up("fleet")
        gates = read_outputs(site.engine.outputs("fleet")).gates
        assert [gate.phase for gate in gates] == [1, 2]
        assert {found.kind for found in gates[1].evidence} == set(KINDS)
        assert gates[0] == first


def test_no_secret_is_seen_in_process_lists_diffs_state_or_what_is_said(site: Site) -> None:
    changed = "another-word-for-the-controllers"
    shows = (["stack", "export"], ["stack", "output", "--json"], ["stack", "--show-ids", "--show-urns"])
    with paper_rack(site.rack(), site.state) as rack, command_lines() as lines:
        site.engine.up("fleet")
        site.engine.configure("fleet", {"phase": "2"})
        said = []
        for arguments in (["preview", "--diff"], ["up", "--yes", "--diff"], *shows, ["preview", "--diff"]):
            done = subprocess.run(
                ["pulumi", *arguments, "-s", "trial.fleet", "--non-interactive"],
                cwd=site.folder,
                env=site.engine.variables,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            said.append(done.stdout + done.stderr)
            if arguments == shows[-1]:  # the last preview shows that the password is another one, and not which
                file = site.state / "bmc" / "credentials.json"
                file.write_text(json.dumps({"username": rack.username, "password": changed}))
        outputs = read_outputs(site.engine.outputs("fleet"))
        secrets = [value.get_secret_value() for _, value in outputs.secrets] + [rack.password, changed]
    assert len(set(secrets)) == 6
    kept = [*(site.state / "pulumi").rglob("*.json*"), *(site.folder / "stacks").glob("*.yaml")]
    said += [path.read_text(encoding="utf-8") for path in kept if path.is_file()]
    assert any("primary-worker-01" in text for text in said[-len(kept) :])  # the state is among them
    assert any(b"infra.lease.plugin" in line for line in lines.seen)  # the watch saw what it is for
    passphrase = (site.state / "passphrase").read_text().strip()
    assert lines.showing([*secrets, passphrase]) == []
    for text in [*said, *site.notes.lines]:
        assert not any(secret in text for secret in secrets)
