"""Offer a load profile of the lease plan to an environment, and write evidence of how it went.

Arrivals are open: journeys start when the plan's rates say so, however slow the answers are, and response times are
counted from the intended start. Load that could not be offered, or was offered late, makes the run invalid. CPU of the
stations is read on their servers meanwhile, for `oss validate`.

  oss loadtest smoke                                 the rack of this machine (--env local)
  oss loadtest rehearsal --phase 2
  oss loadtest launch-hour --host https://oss.example.go.id --scale 0.05
  oss loadtest rehearsal --trace arrivals.csv        recorded arrivals in place of the profile's
  oss loadtest search                                the highest rate that keeps the rules, by bisection
  oss loadtest show evidence/RUN.json                tables, page and JUnit XML of a run that was

With --host the test accounts' password and the key of callbacks come from OSS_TEST_PASSWORD and OSS_CALLBACK_KEY, or
from OSS_SECRET, of which both are derived. They are never written anywhere.

Exit codes: 0 every rule held; 1 a rule was broken; 2 bad input; 4 the run is invalid, since this machine was too slow
to offer the load on time; 5 the target cannot be used, a worker was lost, or a step failed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, sha256, shown
from capacity.evidence import Evidence
from capacity.faults import BadInput, Exit, Fault
from capacity.leaseplan import Deployment, LeasePlan, Scale, load_lease_plan, lock_path
from capacity.progress import Progress
from loadtests import running
from loadtests.arrivals import read_trace
from loadtests.client import target as usable_target
from loadtests.journeys import check
from loadtests.outcome import exit_of
from loadtests.profiles import LoadTest, load_test, run_name, with_trace
from loadtests.stations import servers_of
from oss import runs, searching
from oss.console import progress
from oss.target import Target, address_target, environment_target

PLAN = REPOSITORY / "capacity/plans/national.yaml"
EVIDENCE = REPOSITORY / "evidence"
LOGS = REPOSITORY / "build" / "loadtest"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss loadtest`."""
    parser.add_argument("profile", metavar="PROFILE", help="a load profile of the plan; or `search`, `show`")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="of `show`: the evidence")
    where = parser.add_argument_group("where")
    where.add_argument("--env", metavar="ENV", default="local", help="environment to test (default local)")
    where.add_argument("--host", metavar="URL", help="test this address instead of an environment")
    where.add_argument("--ca", type=Path, metavar="FILE", help="with --host: authority of the target's certificate")
    where.add_argument(
        "--station", action="append", default=[], metavar="NAME=PID", help="with --host: CPU of a local process tree"
    )
    what = parser.add_argument_group("what")
    what.add_argument("--plan", type=Path, default=PLAN, help="the launch plan")
    what.add_argument("--phase", type=int, default=1, help="phase of the launch (default 1)")
    what.add_argument("--scale", default="rack", help="rack (default), national, or a fraction of the national rates")
    what.add_argument("--classes", nargs="+", default=[], metavar="CLASS", help="only these traffic classes")
    what.add_argument("--think-time", type=float, metavar="FACTOR", help="factor on the plan's think times")
    what.add_argument("--trace", type=Path, metavar="FILE", help="replay arrivals of a CSV file (at_s, class)")
    what.add_argument("--seed", type=int, default=2018, help="of arrivals and made-up data (default 2018)")
    how = parser.add_argument_group("how")
    how.add_argument("--workers", type=int, default=1, help="generator processes (default 1)")
    how.add_argument("--timeout", type=float, default=15.0, metavar="S", help="to wait for an answer (default 15)")
    how.add_argument("--lateness-bound", type=float, default=0.0, metavar="MS", help="p99 of lateness; above: invalid")
    how.add_argument("--metrics-port", type=int, default=0, metavar="PORT", help="Prometheus metrics on loopback")
    how.add_argument("--evidence-folder", type=Path, default=EVIDENCE, help="where evidence is written")
    how.add_argument("--json", action="store_true", help="print path and verdict as JSON instead of a table")
    searching.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the load test, show what came of it, and give its exit code."""
    if args.profile == "show":
        return _show(args)
    if args.profile == "search":
        return _search(args)
    with progress(f"load test {args.profile}") as line:
        outcome = offer(args, line)
    _tell(args, outcome.evidence, outcome.path)
    if outcome.error is not None:
        print(f"oss loadtest: {outcome.error}", file=sys.stderr)
    return outcome.exit_code


def measure(environment: str, profile: str, phase: int, progress: Progress) -> Path:
    """Run a profile against an environment, as `oss rehearse` does; the evidence file.

    Raises what stands in the way, and KeyboardInterrupt when it was interrupted (the evidence is kept).
    """
    parser = argparse.ArgumentParser()
    configure(parser)
    outcome = offer(parser.parse_args([profile, "--env", environment, "--phase", str(phase)]), progress)
    if outcome.error is not None:
        raise outcome.error
    if outcome.exit_code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    return outcome.path


def _show(args: argparse.Namespace) -> int:
    if args.file is None:
        raise BadInput([Fault("FILE", "", "", "no evidence file was given", "Give evidence/RUN.json.")])
    evidence = runs.read(args.file)
    runs.write_pages(evidence, args.file, _plan_of(evidence, args.plan))
    _tell(args, evidence, args.file)
    return exit_of(evidence)


def _tell(args: argparse.Namespace, evidence: Evidence, path: Path) -> None:
    if args.json:
        print(json.dumps({"evidence": str(path), "verdict": evidence.verdict, "reasons": evidence.reasons}, indent=2))
    else:
        runs.show(evidence, path)


def _plan_of(evidence: Evidence, plan: Path) -> LeasePlan | None:
    """The lease plan when it is the one that gave the run its rates; predictions of another would mislead."""
    lock = lock_path(plan)
    if not lock.exists() or sha256(lock) != evidence.plan_hash:
        return None
    return load_lease_plan(lock, verify=False)


def _search(args: argparse.Namespace) -> int:
    lock = lock_path(args.plan)
    plan = load_lease_plan(lock)
    scale: Scale = "rack" if args.scale == "rack" else "national"
    name = f"{dt.datetime.now(dt.UTC).strftime('%Y%m%dT%H%M%SZ')}-search-phase{args.phase}"
    with progress("search") as line:
        target = _target(args, plan.deployment(args.phase, scale), line)
        found = searching.find(args, plan, sha256(lock), target, name, LOGS, line)
    return searching.show(found, LOGS / name, args.json)


def _target(args: argparse.Namespace, deployment: Deployment, progress: Progress) -> Target:
    """Where to go. Raises BadInput when the address or the certificate cannot be used."""
    if args.host:
        target = address_target(args.host, args.ca, args.station, servers_of(deployment))
    else:
        target = environment_target(args.env, deployment, progress)
    usable_target(target.host, args.ca or target.ca_file)
    return target


def offer(args: argparse.Namespace, progress: Progress) -> running.Outcome:
    """Read the plan, find the target, run the generator. Raises BadInput before anything is offered."""
    lock = lock_path(args.plan)
    test = load_test(lock, args.profile, args.phase, args.scale, args.classes, args.think_time)
    check(test)
    if args.trace:
        test = with_trace(test, read_trace(args.trace, [load.id for load in test.classes]))
    deployment = load_lease_plan(lock).deployment(args.phase, test.scale)
    target = _target(args, deployment, progress)
    name = run_name(test)
    request = running.Request(
        test=test,
        run=name,
        plan=lock,
        profile=args.profile,
        phase=args.phase,
        scale=args.scale,
        host=target.host,
        evidence_folder=args.evidence_folder,
        log_file=LOGS / f"{name}.log",
        password=target.password,
        callback_key=target.callback_key,
        ca_file=args.ca or target.ca_file,
        classes=tuple(args.classes),
        seed=args.seed,
        workers=args.workers,
        trace=args.trace,
        lateness_bound_ms=args.lateness_bound,
        metrics_port=args.metrics_port,
        timeout_s=args.timeout,
    )
    progress.note(f"{test.description}: {test.duration_s:.0f} s, up to {test.peak_rate_per_s:.3g} journeys/s")
    progress.update("starting the generator")
    outcome = running.run(request, target.sources, servers_of(deployment), Live(test, progress))
    page = runs.write_pages(outcome.evidence, outcome.path, _plan_of(outcome.evidence, args.plan))
    progress.note(f"page: {shown(page)}")
    return outcome


class Live:
    """Shows the generator's status lines as progress."""

    def __init__(self, test: LoadTest, progress: Progress) -> None:
        self._test = test
        self._progress = progress
        self._before: dict[str, float] = {}

    def __call__(self, status: dict[str, Any]) -> None:
        """Show one line of the generator."""
        if status["event"] != "status":
            return
        elapsed, before = float(status["elapsed_s"]), self._before
        self._before = status
        passed = elapsed - before.get("elapsed_s", 0.0)
        if passed <= 0:
            return
        calls = (status["calls"] - before.get("calls", 0)) / passed
        failed = status["calls"] - status["calls_done"]
        p95 = f"p95 {status['p95_ms']:.0f} ms" if status["p95_ms"] is not None else "no answers yet"
        more = f", {status['unsent']} unsent" if status["unsent"] else ""
        more += f", {failed} not answered well" if failed > status["in_flight"] else ""
        self._progress.update(
            f"{self._stage(elapsed)}: {calls:.1f} calls/s, {p95}, {status['in_flight']} under way{more}",
            round(min(elapsed, self._test.duration_s)),
            round(self._test.duration_s),
        )

    def _stage(self, elapsed: float) -> str:
        for stage in self._test.stages:
            if elapsed < stage.duration_s:
                return stage.label
            elapsed -= stage.duration_s
        return "draining"
