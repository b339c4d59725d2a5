"""Locust's own web page: runs one after another, chosen there; workers that come late; evidence to download."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from capacity.documents import REPOSITORY, load
from capacity.evidence import Evidence
from capacity.leaseplan import Stage
from tests.loadtests.plans import small_plan, write_plan
from tests.loadtests.postgres import free_port
from tests.loadtests.service import SECRET, Service

STAGES = (
    Stage(label="warm", duration_s=1, share=0.5, warmup=True),
    Stage(label="main", duration_s=6, share=1.0),
)
WAIT_S = 60.0


class Locusts:
    """Processes of Locust with the load tests' locustfile, ended with the block."""

    def __init__(self, stack: ExitStack, plan: Path, host: str, folder: Path) -> None:
        self._stack = stack
        self.folder = folder
        self._words = ["--host", host, "--plan", str(plan.with_name("small.lock.yaml")), "--load-profile", "test"]
        self._words += ["--lateness-bound", "5000", "--evidence", str(folder)]

    def start(self, *more: str) -> None:
        """One more process."""
        words = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *self._words, *more]
        environment = {"PATH": "/usr/bin:/bin", "OSS_SECRET": SECRET}
        process = subprocess.Popen(words, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
        self._stack.callback(_end, process)

    def evidence(self) -> list[Evidence]:
        """What the runs so far left, in order."""
        return [load(Evidence, path) for path in sorted(self.folder.glob("*.json"))]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def page(stack: ExitStack) -> Iterator[tuple[httpx.Client, tuple[str, ...]]]:
    """A client of a web page to be, and the arguments that put it there."""
    port = str(free_port())
    client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10))
    yield client, ("--web-host", "127.0.0.1", "--web-port", port)


@pytest.fixture
def locusts(service: Service, tmp_path: Path) -> Iterator[Locusts]:
    plan = write_plan(tmp_path, small_plan(STAGES))
    with ExitStack() as stack:
        yield Locusts(stack, plan, service.url, tmp_path / "evidence")


def swarm(client: httpx.Client, **chosen: str) -> None:
    said = client.post("/swarm", data={"user_count": "1", "spawn_rate": "1", **chosen}).json()
    assert said["success"], said


def test_runs_follow_each_other_as_they_are_chosen_on_the_page(locusts: Locusts) -> None:
    with ExitStack() as stack, page(stack) as (client, where):
        locusts.start(*where)
        wait(lambda: answers(client))
        form = client.get("/").text
        for name in ("load_profile", "phase", "scale", "seed"):
            assert name in form
        assert "callback" not in form
        swarm(client)
        wait(lambda: len(locusts.evidence()) == 1)
        assert "oss_loadtest_journeys_done_total" in client.get("/metrics").text
        names = {row["name"] for row in client.get("/stats/requests").json()["stats"]}
        assert {"portal.home", "api.issue", "Aggregated"} <= names
        wait(lambda: client.get("/stats/requests").json()["state"] == "stopped")
        swarm(client, seed="7", load_profile="nothing")
        wait(lambda: len(locusts.evidence()) == 2)
        first, refused = locusts.evidence()
        assert (first.verdict, first.seed) == ("passed", 2018), first.reasons
        assert refused.verdict == "invalid"
        assert "no such load profile in the plan" in refused.reasons[0]
        listed = client.get("/evidence/").text
        assert first.run in listed
        assert refused.run in listed
        assert client.get(f"/evidence/{first.run}.json").json()["run"] == first.run
        assert "Response time over time" in client.get(f"/evidence/{first.run}.html").text
        for name in ("../small.lock.yaml", "%2e%2e%2fsmall.lock.yaml", "nothing.json"):
            assert client.get(f"/evidence/{name}").status_code == 404


def test_a_worker_that_comes_late_changes_nothing_and_takes_part_in_the_next_run(locusts: Locusts) -> None:
    with ExitStack() as stack, page(stack) as (client, where):
        port = str(free_port())
        worker = ("--worker", "--master-host", "127.0.0.1", "--master-port", port)
        locusts.start("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, *where)
        wait(lambda: answers(client))
        locusts.start(*worker)
        wait(lambda: len(seen(client)) == 1)
        swarm(client)
        locusts.start(*worker)
        wait(lambda: len(seen(client)) == 2 or locusts.evidence())
        assert not locusts.evidence(), "the second worker came after the run"
        wait(lambda: len(locusts.evidence()) == 1)
        wait(lambda: client.get("/stats/requests").json()["state"] == "stopped")
        swarm(client)
        wait(lambda: len(locusts.evidence()) == 2)
        one, two = locusts.evidence()
        for run, workers in ((one, 1), (two, 2)):
            assert run.verdict == "passed", run.reasons
            assert run.generator is not None
            assert (run.generator.workers, run.generator.lost_workers) == (workers, 0)
        assert [s.offered_journeys_per_s for s in one.stages] == [s.offered_journeys_per_s for s in two.stages]


CLOSED = """
from locust import HttpUser, constant, task

class Closed(HttpUser):
    wait_time = constant(0.2)

    @task
    def healthy(self):
        self.client.get("/healthz", name="closed")
"""


def test_users_in_a_closed_loop_run_beside_the_arrivals(locusts: Locusts, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(CLOSED)
    with ExitStack() as stack, page(stack) as (client, where):
        locusts.start("-f", f"loadtests/locustfile.py,{mine}", "--closed-users", "3", "--processes", "2", *where)
        wait(lambda: answers(client) and len(seen(client)) == 2)
        swarm(client)
        wait(lambda: client.get("/stats/requests").json()["user_count"] == 5)
        wait(lambda: locusts.evidence())
        (run,) = locusts.evidence()
        assert run.verdict == "passed", run.reasons
        assert run.generator is not None
        assert run.generator.workers == 2
        assert {r.endpoint for s in run.stages for r in s.endpoints}.isdisjoint({"closed"})
        rows = {row["name"]: row["num_requests"] for row in client.get("/stats/requests").json()["stats"]}
        assert rows["closed"] >= 10
        assert rows["api.issue"] > 0


def seen(client: httpx.Client) -> list[Any]:
    """The workers that the master sees."""
    return list(client.get("/stats/requests").json().get("workers", []))


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


def wait(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline, "waited a minute for nothing"
        time.sleep(0.1)
