"""The load tests as a locustfile: open arrivals from the lease plan, with the web page or headless.

    locust -f loadtests/locustfile.py --host https://127.0.0.1:8443 --ca-file ca.crt --load-profile smoke
    locust -f loadtests/locustfile.py --headless --processes 2 …      on all cores of this machine
    locust -f loadtests/locustfile.py --master | --worker             on several machines

Users and spawn rate are not asked for: the number of journeys a second is the plan's. The test accounts' password
and the callbacks' key come from OSS_TEST_PASSWORD and OSS_CALLBACK_KEY, or are derived from OSS_SECRET.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from capacity.documents import REPOSITORY, shown
from capacity.faults import BadInput, Exit, Fault, OssError
from loadtests.arrivals import read_trace
from loadtests.client import ANSWER_S, target
from loadtests.engine import ArrivalUser, Coordinator, ScheduleShape, Settings, attach, coordinator_of
from loadtests.exporter import serve
from loadtests.journeys import check
from loadtests.keeping import keep
from loadtests.outcome import lateness_bound_ms
from loadtests.profiles import load_test, with_trace
from loadtests.target.settings import derive

__all__ = ["ArrivalUser", "ScheduleShape"]

PLAN = REPOSITORY / "capacity/plans/national.lock.yaml"

log = logging.getLogger("oss.loadtest")


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def arguments(parser: LocustArgumentParser, **_: Any) -> None:
    """The load test's own arguments."""
    group = parser.add_argument_group("Load test of the lease plan")
    group.add_argument("--load-profile", default="smoke", help="load profile of the plan (default: smoke)")
    group.add_argument("--phase", type=int, default=1, help="phase of the launch (default: 1)")
    group.add_argument("--scale", default="rack", help="rack, national, or a fraction of the national rates")
    group.add_argument("--plan", default=str(PLAN), help="the lease plan")
    group.add_argument("--ca-file", default="", help="authority that the target's certificate is verified with")
    group.add_argument("--class-ids", nargs="*", default=[], metavar="CLASS", help="only these traffic classes")
    group.add_argument("--think-time", type=float, help="factor on think times (default: so that stages are steady)")
    group.add_argument("--timeout", type=float, default=ANSWER_S, help="seconds to wait for an answer (default: 15)")
    group.add_argument("--seed", type=int, default=2018, help="of arrivals and made-up data")
    group.add_argument(
        "--trace", default="", help="replay arrivals from a CSV file (at_s, class) instead of the stages"
    )
    group.add_argument("--lateness-bound", type=float, default=0.0, help="p99, ms (0: a tenth of the rules' times)")
    group.add_argument("--metrics-port", type=int, default=0, help="Prometheus metrics on this loopback port")
    group.add_argument("--run-id", default="", help="name of the run (default: time, profile, phase, scale)")
    group.add_argument("--evidence", default=str(REPOSITORY / "evidence"), help="folder for the evidence file")


@events.init.add_listener  # type: ignore[untyped-decorator]
def set_up(environment: Environment, **_: Any) -> None:
    """Read the plan and make the coordinator; what is wrong is said at once, and nothing is offered."""
    options: Any = environment.parsed_options
    environment.__dict__["oss_options"] = options
    try:
        coordinator = _coordinator(environment, options)
        attach(environment, coordinator)
        if not isinstance(environment.runner, WorkerRunner):
            serve(coordinator, options.metrics_port, environment.web_ui)
    except OssError as error:
        print(f"locust: {error}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    coordinator.register()
    if options.headless and not isinstance(environment.runner, WorkerRunner):
        # Locust installs its own only when a headless shape has ended: until then a signal would lose the results.
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, coordinator.finish, interrupted=True)


def _coordinator(environment: Environment, options: Any) -> Coordinator:
    test = load_test(
        Path(options.plan), options.load_profile, options.phase, options.scale, options.class_ids, options.think_time
    )
    check(test)
    trace = read_trace(Path(options.trace), [c.id for c in test.classes]) if options.trace else None
    if trace is not None:
        test = with_trace(test, trace)
    if not environment.host:
        raise BadInput([Fault("--host", "", "", "no target was given", "Give --host https://HOST:PORT.")])
    secret = os.environ.get("OSS_SECRET", "")
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    settings = Settings(
        run=options.run_id or f"{now}-{test.profile}-phase{test.phase}-{test.scale}",
        seed=options.seed,
        lateness_bound_ms=options.lateness_bound or lateness_bound_ms(test),
        password=os.environ.get("OSS_TEST_PASSWORD") or derive(secret, "test accounts"),
        callback_key=os.environ.get("OSS_CALLBACK_KEY") or derive(secret, "callbacks"),
        trace=trace,
    )
    ca_file = Path(options.ca_file) if options.ca_file else None
    where = target(environment.host, ca_file, options.timeout)
    return Coordinator(environment, test, where, settings)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """A run begins, perhaps not the first of this process."""
    coordinator = coordinator_of(environment)
    if not isinstance(environment.runner, WorkerRunner):
        coordinator.reset()
        coordinator.expect_workers()
        gevent.spawn(coordinator.watch)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """A run ended, or was stopped: write the evidence."""
    if isinstance(environment.runner, WorkerRunner):
        return
    coordinator = coordinator_of(environment)
    coordinator.finish(interrupted=not coordinator.finished.is_set())
    result = coordinator.result
    assert result is not None
    try:
        place = keep(result, coordinator.tally.timeline.to_csv(), Path(environment.__dict__["oss_options"].evidence))
    except OssError as error:
        print(f"locust: {error}", file=sys.stderr)
        environment.process_exit_code = int(error.exit_code)
        return
    print(f"{result.verdict}: {'; '.join(result.reasons)}", file=sys.stderr)
    print(f"evidence: {shown(place)}", file=sys.stderr)
    coordinator.say({"event": "end", "evidence": str(place), "verdict": result.verdict})
    if coordinator.error is not None:
        environment.process_exit_code = int(coordinator.error.exit_code)
    else:
        codes = {"passed": Exit.GO, "interrupted": Exit.INTERRUPTED}
        environment.process_exit_code = int(codes.get(result.verdict, Exit.NO_GO))
