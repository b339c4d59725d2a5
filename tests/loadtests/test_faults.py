"""Targets that misbehave, and machines that do: each ends with a clear verdict and readable evidence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from capacity.leaseplan import Stage
from tests.loadtests.certificates import new_authority
from tests.loadtests.plans import small_plan, write_plan
from tests.loadtests.postgres import free_port
from tests.loadtests.runs import bad_server, ran

STAGES = (Stage(label="main", duration_s=3, share=1.0, arrivals="constant"),)
RULES = ("errors < 1 %", "unsent = 0", "p(95) < 300 ms")
COMMON = ("--classes", "callbacks", "--lateness-bound", "5000", "--timeout", "1")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return write_plan(tmp_path, small_plan(STAGES, RULES, {"callbacks": 5.0}))


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("slow", "broken: p(95) < 300 ms"),
        ("silent", "no answer in time"),
        ("reset", "connection reset"),
        ("cut", "connection closed within the answer"),
        ("wrong", "wrong answer: another event"),
        ("garbage", "answer is not HTTP"),
        ("refuse", "status 503"),
    ],
)
def test_a_target_that_misbehaves_fails_the_run_with_the_cause(
    mode: str, reason: str, plan: Path, tmp_path: Path
) -> None:
    with bad_server(mode) as host:
        run = ran(plan, host, tmp_path / "evidence", *COMMON)
    assert run.code == 1, run.said
    assert run.evidence is not None
    assert run.evidence.verdict == "failed", run.evidence.reasons
    assert reason in run.reasons
    stage = run.evidence.stages[0]
    assert stage.offered_journeys_per_s == pytest.approx(5.0)


def test_a_good_server_passes_the_same_rules(plan: Path, tmp_path: Path) -> None:
    with bad_server("good") as host:
        run = ran(plan, host, tmp_path / "evidence", *COMMON, "--lateness-bound", "5000")
    assert run.evidence is not None
    assert not [t for t in run.evidence.thresholds if not t.passed and t.unit != "ms"], run.reasons


def test_a_generator_that_is_late_proves_nothing_however_good_the_answers(plan: Path, tmp_path: Path) -> None:
    with bad_server("good") as host:
        run = ran(plan, host, tmp_path / "evidence", *COMMON[:2], "--lateness-bound", "0.001")
    assert run.code == 4, run.said
    assert run.evidence is not None
    assert run.evidence.verdict == "invalid"
    assert "the generator was late" in run.reasons


def test_a_target_that_is_down_or_unknown_is_told_before_the_load(plan: Path, tmp_path: Path) -> None:
    down = ran(plan, f"http://127.0.0.1:{free_port()}", tmp_path / "down", *COMMON)
    unknown = ran(plan, "http://no-such-host.invalid", tmp_path / "unknown", *COMMON)
    for run, cause in ((down, "connection refused"), (unknown, "host name not found")):
        assert run.code == 5, run.said
        assert cause in run.said
        assert run.evidence is not None
        assert run.evidence.verdict == "invalid"
        assert not run.evidence.stages


def test_a_target_that_lets_nobody_sign_in_is_told_in_its_words(tmp_path: Path) -> None:
    plan = write_plan(tmp_path, small_plan(STAGES, RULES, {"local_government": 5.0}))
    with bad_server("refuse") as host:
        run = ran(plan, host, tmp_path / "evidence", "--classes", "local_government", *COMMON[2:])
    assert run.code == 5, run.said
    error = run.said[run.said.rindex("oss loadtest:") :]
    assert "was answered 503, without a session" in " ".join(error.split())


def test_a_certificate_for_another_name_or_of_another_authority_is_refused(plan: Path, tmp_path: Path) -> None:
    authority, other = new_authority(tmp_path / "pki"), new_authority(tmp_path / "other")
    for name, files in (
        ("name", authority.server("name", "10.1.1.1")),
        ("authority", other.server("authority", "127.0.0.1")),
    ):
        with bad_server("good", files) as host:
            run = ran(plan, host, tmp_path / name, *COMMON, "--ca", str(authority.file))
        assert run.code == 5, run.said
        assert "certificate not valid" in run.said


def test_bad_input_is_told_before_anything_is_offered(plan: Path, tmp_path: Path) -> None:
    run = ran(plan, "ftp://example", tmp_path / "evidence", *COMMON)
    assert run.code == 2, run.said
    assert "is no base address" in run.said
    wrong = ran(plan, "http://127.0.0.1:1", tmp_path / "evidence", "--station", "api", "--scale", "half")
    assert wrong.code == 2
    unknown = ran(plan, "http://127.0.0.1:1", tmp_path / "evidence", "--station", f"service={os.getpid()}")
    assert unknown.code == 2
    assert "is no station of the plan" in unknown.said
    assert "Traceback" not in run.said + wrong.said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a full disk needs root")
def test_evidence_survives_a_full_disk(plan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=True)
    try:
        with bad_server("good") as host:
            run = ran(plan, host, folder, *COMMON)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert run.code == 5, run.said
    assert "No space left" in run.said
    assert "the verdict was" in run.said
    kept = Path(run.said.split("is kept as ")[1].split(";")[0].replace("\n", ""))
    assert kept.is_file()
    kept.unlink()
