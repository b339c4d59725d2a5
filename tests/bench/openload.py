"""A locustfile that offers one GET at a constant rate through the load tests' own engine, and prints what it got.

`generators.py` runs it; the variable OPENLOAD holds rate, seconds and warm-up as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from capacity.leaseplan import Stage
from loadtests import histogram
from loadtests.arrivals import RateStage
from loadtests.client import target
from loadtests.engine import ArrivalUser, Coordinator, ScheduleShape, Settings, attach, coordinator_of
from loadtests.profiles import CallSpec, ClassLoad, LoadTest
from loadtests.visitor import Visitor

__all__ = ["ArrivalUser", "ScheduleShape"]


def hit(visitor: Visitor) -> None:
    """One call over shared connections."""
    visitor.connect_as_machine()
    visitor.call("bench.hit")


def constant_load(rate: float, seconds: float, warmup_s: float) -> LoadTest:
    """A load test of one class and one endpoint."""
    stages = [Stage(label="main", duration_s=seconds, share=1.0, arrivals="constant")]
    if warmup_s:
        stages.insert(0, Stage(label="warm-up", duration_s=warmup_s, share=1.0, arrivals="constant", warmup=True))
    return LoadTest(
        plan="bench",
        plan_hash="",
        phase=1,
        scale="rack",
        load_factor=1.0,
        profile="bench",
        description="one call at a constant rate",
        think_factor=1.0,
        classes=(ClassLoad("bench", {"bench.hit": 1.0}, 0.0),),
        endpoints={"bench.hit": CallSpec("bench.hit", "GET", "/")},
        stages=tuple(stages),
        rates=tuple(RateStage.linear(s.label, s.duration_s, (rate,), (rate,), "constant") for s in stages),
        thresholds=(),
    )


@events.init.add_listener  # type: ignore[untyped-decorator]
def set_up(environment: Environment, **_: Any) -> None:
    """Make the coordinator."""
    wanted = json.loads(os.environ["OPENLOAD"])
    settings = Settings("bench", 1, 1e9, "", "", journeys=[hit], machine_connections=4000)
    load = constant_load(wanted["rate"], wanted["seconds"], wanted["warmup"])
    coordinator = Coordinator(environment, load, target(str(environment.host)), settings)
    attach(environment, coordinator)
    coordinator.register()


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """Watch the workers."""
    coordinator = coordinator_of(environment)
    if not isinstance(environment.runner, WorkerRunner):
        coordinator.begin_run()
        coordinator.expect_workers()
        gevent.spawn(coordinator.watch)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """Print the result as one line."""
    if isinstance(environment.runner, WorkerRunner):
        return
    result = coordinator_of(environment).result
    if result is None or result.generator is None:
        return
    main = result.stages[-1]
    calls = sum(r.count for s in result.stages for r in s.endpoints)
    latency = histogram.merged(r.histogram for r in main.endpoints)
    told = {f"p{p}_ms": histogram.percentile_ms(latency, p) for p in (50, 90, 95, 99)} | {
        "offered_per_s": main.offered_calls_per_s,
        "achieved_per_s": main.achieved_calls_per_s,
        "unsent": main.unsent,
        "lateness_p99_ms": result.generator.lateness_p99_ms,
        "cpu_us": result.generator.cpu_seconds / max(1, calls) * 1e6,
    }
    print("OPENLOAD " + json.dumps(told), flush=True)
    sys.stdout.flush()
