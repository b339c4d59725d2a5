"""The load tests as a locustfile: open arrivals from the lease plan, with the web page or headless.

    locust -f loadtests/locustfile.py --host https://127.0.0.1:8443 --ca-file ca.crt --load-profile smoke
    locust -f loadtests/locustfile.py --headless --processes 2 …      on all cores of this machine
    locust -f loadtests/locustfile.py --master | --worker             on several machines

Users and spawn rate are not asked for: the number of journeys a second is the plan's. On the web page each run may
choose profile, phase and scale anew; finished runs are under /evidence/ there, and Prometheus metrics under /metrics.
Users in a closed loop may run beside the arrivals: `-f loadtests/locustfile.py,mine.py --closed-users 20`. Locust
counts their requests, the evidence does not.

The test accounts' password and the callbacks' key come from OSS_TEST_PASSWORD and OSS_CALLBACK_KEY, or are derived from
OSS_SECRET; each of the three may be in a file instead (OSS_SECRET_FILE).
"""

from __future__ import annotations

import argparse
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
from capacity.faults import BadInput, Fault, OssError
from loadtests.arrivals import read_trace
from loadtests.client import ANSWER_S, Target, target
from loadtests.engine import ArrivalUser, Coordinator, ScheduleShape, Settings, attach, coordinator_of
from loadtests.journeys import check
from loadtests.keeping import keep, keep_pages
from loadtests.outcome import exit_of, lateness_bound_ms
from loadtests.profiles import LoadTest, load_test, with_trace
from loadtests.target.settings import derive, with_secret_files
from loadtests.web import publish

__all__ = ["ArrivalUser", "ScheduleShape"]

PLAN = REPOSITORY / "capacity/plans/national.lock.yaml"

log = logging.getLogger("oss.loadtest")


# What is chosen anew for each run, on the web page or by the master; all else is the process's own.
PER_RUN = ("load_profile", "phase", "scale", "class_ids", "think_time", "seed")


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def arguments(parser: LocustArgumentParser, **_: Any) -> None:
    """The load test's own arguments. Those of a run are on the web page too."""
    parser.add_argument("--load-profile", default="smoke", help="load profile of the plan (default: smoke)")
    parser.add_argument("--phase", type=int, default=1, help="phase of the launch (default: 1)")
    parser.add_argument("--scale", default="rack", help="rack, national, or a fraction of the national rates")
    parser.add_argument("--seed", type=int, default=2018, help="of arrivals and made-up data")
    parser.add_argument("--think-time", default="", help="factor on think times (default: so that stages are steady)")
    parser.add_argument("--closed-users", type=int, default=0, help="users of other classes beside the arrivals")
    # Locust shows on its page what is added to the parser itself, and not what is in a group.
    group = parser.add_argument_group("Load test of the lease plan")
    group.add_argument(
        "--class-ids", nargs="*", default=[], metavar="CLASS", help="only these traffic classes (default: all)"
    )
    group.add_argument("--plan", default=str(PLAN), help="the lease plan")
    group.add_argument(
        "--plan-alone", action="store_true", help="do not compare the plan with its inputs: they are not here"
    )
    group.add_argument("--ca-file", default="", help="authority that the target's certificate is verified with")
    group.add_argument("--timeout", type=float, default=ANSWER_S, help="seconds to wait for an answer (default: 15)")
    group.add_argument(
        "--trace", default="", help="replay arrivals from a CSV file (at_s, class) instead of the stages"
    )
    group.add_argument("--lateness-bound", type=float, default=0.0, help="p99, ms (0: a tenth of the rules' times)")
    group.add_argument("--metrics-port", type=int, default=0, help="Prometheus metrics on this loopback port")
    group.add_argument("--run-id", default="", help="name of the run (default: time, profile, phase, scale)")
    group.add_argument(
        "--evidence", default=str(REPOSITORY / "evidence"), help="folder for the evidence file and the page"
    )


@events.init.add_listener  # type: ignore[untyped-decorator]
def set_up(environment: Environment, **_: Any) -> None:
    """Read the plan and make the coordinator; what is wrong is said at once, and nothing is offered."""
    own: Any = environment.parsed_options
    environment.__dict__["oss_own"] = dict(vars(own))
    try:
        coordinator = Coordinator(environment, *_chosen(environment))
        attach(environment, coordinator)
        if not isinstance(environment.runner, WorkerRunner):
            publish(coordinator, own.metrics_port, environment.web_ui, Path(own.evidence))
    except OssError as error:
        print(f"locust: {error}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    environment.__dict__["oss_chosen"] = _per_run(environment)
    coordinator.register()
    if own.headless and not isinstance(environment.runner, WorkerRunner):
        # Locust installs its own only when a headless shape has ended: until then a signal would lose the results.
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, coordinator.finish, interrupted=True)


def _per_run(environment: Environment) -> dict[str, Any]:
    now: Any = vars(environment.parsed_options)
    return {name: now[name] for name in PER_RUN} | {"host": environment.host}


def _chosen(environment: Environment) -> tuple[LoadTest, Target, Settings]:
    """The run that the options ask for. Raises BadInput with what is wrong in them."""
    options = argparse.Namespace(**(environment.__dict__["oss_own"] | _per_run(environment)))
    test = load_test(
        Path(options.plan),
        options.load_profile,
        options.phase,
        options.scale,
        options.class_ids,
        _factor(options.think_time),
        verify=not options.plan_alone,
    )
    check(test)
    trace = read_trace(Path(options.trace), [c.id for c in test.classes]) if options.trace else None
    if trace is not None:
        test = with_trace(test, trace)
    if not options.host:
        raise BadInput([Fault("--host", "", "", "no target was given", "Give --host https://HOST:PORT.")])
    unread: list[str] = []
    given = with_secret_files(os.environ, unread)
    if unread:
        raise BadInput([Fault("environment", "", "", words, "Mount the secret there.") for words in unread])
    secret = given.get("OSS_SECRET", "")
    settings = Settings(
        run=options.run_id,
        seed=options.seed,
        lateness_bound_ms=options.lateness_bound or lateness_bound_ms(test),
        password=given.get("OSS_TEST_PASSWORD") or derive(secret, "test accounts"),
        callback_key=given.get("OSS_CALLBACK_KEY") or derive(secret, "callbacks"),
        trace=trace,
    )
    where = target(options.host, Path(options.ca_file) if options.ca_file else None, options.timeout)
    return test, where, settings


def _factor(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadInput([Fault("--think-time", "", text, "is no number", "Give a factor such as 0.1.")]) from None


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """A run begins, perhaps not the first of this process, and perhaps with other options than the last."""
    coordinator = coordinator_of(environment)
    fault: OssError | None = None
    if environment.__dict__["oss_chosen"] != _per_run(environment):
        try:
            coordinator.configure(*_chosen(environment))
            environment.__dict__["oss_chosen"] = _per_run(environment)
        except OssError as error:
            fault = error
    coordinator.begin_run()
    if not isinstance(environment.runner, WorkerRunner):
        coordinator.expect_workers()
        gevent.spawn(coordinator.watch)
    if fault is not None:
        log.error("%s", fault)
        coordinator.refuse(fault)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def end(environment: Environment, **_: Any) -> None:
    """A run ended, or was stopped: write the evidence."""
    coordinator = coordinator_of(environment)
    if isinstance(environment.runner, WorkerRunner):
        coordinator.cease()
        return
    coordinator.finish(interrupted=not coordinator.finished.is_set())
    result = coordinator.result
    assert result is not None
    timeline = coordinator.tally.timeline.to_csv()
    try:
        place = keep(result, timeline, Path(environment.__dict__["oss_own"]["evidence"]))
        if not coordinator.told:
            keep_pages(result, timeline, place)
    except OssError as error:
        print(f"locust: {error}", file=sys.stderr)
        environment.process_exit_code = int(error.exit_code)
        return
    print(f"{result.verdict}: {'; '.join(result.reasons)}", file=sys.stderr)
    print(f"evidence: {shown(place)}", file=sys.stderr)
    coordinator.say({"event": "end", "evidence": str(place), "verdict": result.verdict})
    code = coordinator.error.exit_code if coordinator.error is not None else exit_of(result)
    environment.process_exit_code = int(code)
