"""`oss fit` around the trial: what it refuses before it starts anything, and what it says and writes of a result."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from capacity.documents import sha256
from capacity.evidence import Evidence
from capacity.faults import Exit
from capacity.leaseplan import lock_path
from infra.fit import Case, Fit, Shortage, Unplaced
from infra.fit.reading import Amount, reasons
from oss import fit as command
from oss.cli import main
from tests.infra import plans

MESSAGE = "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available."
POD = Unplaced("portal-x", "portal", Amount(1000, 768), reasons(MESSAGE), MESSAGE)
SHORT = Shortage(Amount(2000, 1536), Amount(500, 9000), Amount(300, 5000))
BROKEN = Case("server", "primary", "one worker server lost", 5, 2, (POD, POD), SHORT, "M1", 1)
WHOLE = Case("whole", "primary", "whole", 5)


def test_a_phase_that_is_not_there_and_a_stale_plan_start_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "control_plane", pytest.fail)
    source = plans.write(tmp_path, plans.plan())
    assert main(["fit", str(source), "--phase", "7"]) == Exit.BAD_INPUT
    assert "no such phase" in capsys.readouterr().err
    source.write_text("changed: yes\n")
    assert main(["fit", str(source)]) == Exit.BAD_INPUT
    assert "has changed since the plan was made" in capsys.readouterr().err
    lock_path(source).unlink()
    assert main(["fit", str(source)]) == Exit.BAD_INPUT
    assert "there is no lease plan yet" in capsys.readouterr().err


def test_what_does_not_fit_is_shown_with_reason_shortage_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    command.show([Fit(1, "national", (WHOLE, BROKEN))], Path("plan.yaml"))
    said = capsys.readouterr().out
    for part in (
        "DOES NOT FIT",
        "2 of portal, each asking 1 CPU and 0.75 GiB: Insufficient cpu (2 nodes)",
        "1.5 CPU and 0 GiB missing",
        "1 more M1 at primary let everything fit (tried): raise `redundancy` of the role worker in plan.yaml",
        "it does NOT fit",
    ):
        assert part in said


def test_remedies_follow_the_case() -> None:
    plan = Path("plan.yaml")
    whole = Case("whole", "primary", "whole", 5, 0, (POD,), SHORT, "M1", 2)
    assert "raise `min_servers`" in command.remedy(Fit(1, "national", ()), whole, plan)
    hopeless = Case("whole", "primary", "whole", 5, 0, (POD,), SHORT, "M1", None)
    assert "a larger SKU or smaller replicas" in command.remedy(Fit(1, "national", ()), hopeless, plan)
    assert "rack.load_factor" in command.remedy(Fit(1, "rack", ()), whole, plan)
    alone = Case("site", "primary", "site primary lost", 5, stands=False)
    assert "another site control servers" in command.remedy(Fit(1, "national", ()), alone, plan)


def test_the_evidence_has_a_rule_a_case_and_reads_back() -> None:
    plan = plans.plan()
    started = dt.datetime(2018, 6, 1, tzinfo=dt.UTC)
    made = command.evidence(Fit(1, "national", (WHOLE, BROKEN)), plan, "sha256:0", started)
    again = Evidence.model_validate_json(made.model_dump_json())
    assert (again.kind, again.verdict, again.phase, again.scale) == ("fit_check", "failed", 1, "national")
    assert [(t.value, t.passed) for t in again.thresholds] == [(0.0, True), (2.0, False)]
    assert again.reasons == (f"primary, one worker server lost: 2 of portal without a node: {MESSAGE}",)
    good = command.evidence(Fit(1, "rack", (WHOLE,)), plan, sha256(Path(__file__)), started)
    assert (good.verdict, good.reasons) == ("passed", ("every pod has a node",))
    assert good.load_factor == plan.deployment(1, "rack").load_factor


def test_the_document_for_scripts_is_plain_json() -> None:
    made = json.loads(json.dumps(command.document(Fit(1, "national", (WHOLE, BROKEN)), Path("e.json"))))
    assert made["fits"] is False
    assert made["cases"][1]["unplaced"][0]["asks"] == {"cpu_m": 1000, "memory_mib": 768}
    assert made["cases"][1]["shortage"]["missing"] == {"cpu_m": 1500, "memory_mib": 0}
    assert made["cases"][0]["shortage"] is None
