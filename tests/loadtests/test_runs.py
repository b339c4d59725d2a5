"""Whole runs against the real permit service: the load that the plan says, whoever offers it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from capacity.leaseplan import Stage
from loadtests.profiles import from_plan
from tests.loadtests.certificates import new_authority
from tests.loadtests.plans import small_plan, write_plan
from tests.loadtests.postgres import Server, free_port
from tests.loadtests.runs import children, end, printed, ran, start
from tests.loadtests.service import CALLBACK_KEY, PASSWORD, SECRET, Service, running_service

SLACK = ("--lateness-bound", "5000")  # what these tests look at does not depend on how busy the machine is


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return write_plan(tmp_path, small_plan())


def test_every_class_gets_through_and_what_was_offered_is_the_plans(
    service: Service, plan: Path, tmp_path: Path
) -> None:
    run = ran(plan, service.url, tmp_path / "evidence", *SLACK, "--station", f"api={service.pid}")
    assert run.code == 0, run.said
    evidence = run.evidence
    assert evidence is not None
    assert evidence.verdict == "passed", evidence.reasons
    assert printed(run.said)["verdict"] == "passed"
    main = next(s for s in evidence.stages if s.label == "main")
    assert main.unsent == 0
    assert main.achieved_journeys_per_s == main.offered_journeys_per_s > 0
    assert {r.traffic_class for r in main.endpoints} == {
        *("portal", "mobile", "local_government", "callbacks", "satgas", "priority")
    }
    assert not [r for s in evidence.stages for r in s.endpoints if r.errors]
    assert main.stations[0].station == "api"
    assert 0 < main.stations[0].cpu_seconds < main.duration_s * 4
    assert main.fixed_work_ms is not None
    text = (tmp_path / "evidence" / f"{evidence.run}.json").read_text()
    for secret in (PASSWORD, CALLBACK_KEY, SECRET):
        assert secret not in text
        assert secret not in run.said
    assert (tmp_path / "evidence" / f"{evidence.run}.timeline.csv").read_text().startswith("second,calls,errors")


def test_two_workers_offer_exactly_what_one_does(service: Service, plan: Path, tmp_path: Path) -> None:
    one = ran(plan, service.url, tmp_path / "one", *SLACK).evidence
    two = ran(plan, service.url, tmp_path / "two", *SLACK, "--workers", "2").evidence
    assert one is not None
    assert two is not None
    assert two.generator is not None
    assert (two.generator.workers, two.generator.lost_workers) == (2, 0)
    assert [s.offered_journeys_per_s for s in one.stages] == [s.offered_journeys_per_s for s in two.stages]
    assert two.verdict == "passed", two.reasons


def test_the_schedule_is_that_of_the_seed(service: Service, plan: Path, tmp_path: Path) -> None:
    test = from_plan(small_plan(), "plan", "", small_plan().loadtests[0], 1)
    run = ran(plan, service.url, tmp_path / "evidence", *SLACK, "--classes", "callbacks", "--seed", "7")
    assert run.evidence is not None
    assert run.evidence.seed == 7
    assert {r.endpoint for s in run.evidence.stages for r in s.endpoints} == {"gateway.callback"}
    assert sum(s.offered_journeys_per_s * s.duration_s for s in run.evidence.stages) > 0
    assert test.duration_s == sum(s.duration_s for s in run.evidence.stages)


def test_a_lost_worker_makes_the_run_invalid(service: Service, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, small_plan((Stage(label="main", duration_s=12, share=1.0),)))
    port = str(free_port())
    process = start(plan, service.url, tmp_path / "evidence", *SLACK, "--workers", "2", "--metrics-port", port)
    _under_load(port)
    workers = children(_first_child(process.pid))
    subprocess.run(["kill", "-KILL", str(workers[0])], check=True)
    run = end(process, tmp_path / "evidence")
    assert run.code == 5, run.said
    assert run.evidence is not None
    assert run.evidence.verdict == "invalid"
    assert "1 of 2 generator workers were lost" in run.reasons


def test_a_killed_generator_leaves_evidence_that_says_so(service: Service, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, small_plan((Stage(label="main", duration_s=30, share=1.0),)))
    port = str(free_port())
    process = start(plan, service.url, tmp_path / "evidence", *SLACK, "--metrics-port", port)
    _under_load(port)
    generator = _first_child(process.pid)
    subprocess.run(["kill", "-KILL", str(generator)], check=True)
    run = end(process, tmp_path / "evidence")
    assert run.evidence is not None
    assert run.evidence.verdict == "invalid"
    assert "SIGKILL" in run.reasons
    assert run.code == 5


def test_ctrl_c_ends_a_run_with_what_it_has(service: Service, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, small_plan((Stage(label="main", duration_s=60, share=1.0),)))
    port = str(free_port())
    process = start(plan, service.url, tmp_path / "evidence", *SLACK, "--metrics-port", port)
    _under_load(port)
    generator = _first_child(process.pid)
    process.send_signal(signal.SIGINT)
    run = end(process, tmp_path / "evidence")
    assert run.code == 130, run.said
    assert run.evidence is not None
    assert run.evidence.verdict == "interrupted"
    assert run.evidence.stages[0].duration_s < 60
    assert run.evidence.stages[0].endpoints
    assert not Path(f"/proc/{generator}").exists()


def test_tls_is_verified_with_the_authority_that_is_given(postgres: Server, tmp_path: Path) -> None:
    authority = new_authority(tmp_path / "pki")
    cert, key = authority.server("service", "127.0.0.1")
    plan = write_plan(tmp_path, small_plan())
    settings = {"OSS_TLS_CERT": str(cert), "OSS_TLS_KEY": str(key)}
    with running_service(postgres.create("tls"), settings, authority.file) as running:
        trusted = ran(plan, running.url, tmp_path / "trusted", *SLACK, "--ca", str(authority.file))
        assert trusted.code == 0, trusted.said
        distrusted = ran(plan, running.url, tmp_path / "distrusted", *SLACK)
    assert distrusted.code == 5
    assert "certificate not valid" in distrusted.said
    assert distrusted.evidence is not None
    assert distrusted.evidence.verdict == "invalid"


def _under_load(port: str) -> None:
    """Wait until the run's own metrics show journeys that reached their end."""

    def done() -> bool:
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=5).text
        except httpx.TransportError:
            return False
        return bool(re.search(r"^oss_loadtest_journeys_done_total\{.*\} [1-9]", text, re.M))

    _wait_for(done)


def _first_child(pid: int) -> int:
    return int(_wait_for(lambda: children(pid))[0])


def _wait_for(what: object) -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = what()  # type: ignore[operator]
        if found:
            return found  # type: ignore[no-any-return]
        time.sleep(0.1)
    raise AssertionError("waited a minute for nothing")
