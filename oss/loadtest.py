"""Offer a load profile of the lease plan to an environment, and write evidence of how it went.

Arrivals are open: journeys start when the plan's rates say so, however slow the answers are, and response times are
counted from the intended start. Load that could not be offered, or was offered late, makes the run invalid. CPU of the
stations is read on servers and kubelets meanwhile, for `oss validate`.

  oss loadtest smoke                                 the rack of this machine (--env local)
  oss loadtest rehearsal --phase 2
  oss loadtest launch-hour --host https://oss.example.go.id --scale 0.05
  oss loadtest rehearsal --trace arrivals.csv        recorded arrivals in place of the profile's

With --host the test accounts' password and the key of callbacks come from OSS_TEST_PASSWORD and OSS_CALLBACK_KEY, or
from OSS_SECRET, of which both are derived. They are never written anywhere.

Exit codes: 0 every rule held; 1 a rule was broken, or the run is invalid (the reason is said); 2 bad input;
4 the machine lacks something; 5 the target cannot be used, or a step failed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, shown
from capacity.evidence import Evidence, StageResult
from capacity.faults import Exit
from capacity.leaseplan import load_lease_plan, lock_path
from capacity.progress import Progress
from loadtests import running
from loadtests.arrivals import read_trace
from loadtests.client import target as usable_target
from loadtests.histogram import merged, percentile_ms
from loadtests.journeys import check
from loadtests.profiles import LoadTest, load_test, with_trace
from loadtests.stations import servers_of
from oss.console import out, progress, table
from oss.target import address_target, environment_target

PLAN = REPOSITORY / "capacity/plans/national.yaml"
EVIDENCE = REPOSITORY / "evidence"
LOGS = REPOSITORY / "build" / "loadtest"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss loadtest`."""
    parser.add_argument("profile", metavar="PROFILE", help="a load profile of the plan")
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


def run(args: argparse.Namespace) -> int:
    """Run the load test, show what came of it, and give its exit code."""
    with progress(f"load test {args.profile}") as line:
        outcome = offer(args, line)
    if args.json:
        told = {"evidence": str(outcome.path), "verdict": outcome.evidence.verdict, "reasons": outcome.evidence.reasons}
        print(json.dumps(told, indent=2))
    else:
        show(outcome.evidence, outcome.path)
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


def offer(args: argparse.Namespace, progress: Progress) -> running.Outcome:
    """Read the plan, find the target, run the generator. Raises BadInput before anything is offered."""
    lock = lock_path(args.plan)
    test = load_test(lock, args.profile, args.phase, args.scale, args.classes, args.think_time)
    check(test)
    if args.trace:
        test = with_trace(test, read_trace(args.trace, [load.id for load in test.classes]))
    deployment = load_lease_plan(lock).deployment(args.phase, test.scale)
    if args.host:
        target = address_target(args.host, args.ca, args.station)
    else:
        target = environment_target(args.env, deployment, progress)
    ca_file = args.ca or target.ca_file
    usable_target(target.host, ca_file)
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
        ca_file=ca_file,
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
    return running.run(request, target.sources, servers_of(deployment), Live(test, progress))


def run_name(test: LoadTest) -> str:
    """Name of a run, unique by its second."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{now}-{test.profile}-phase{test.phase}-{test.scale}"


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


def show(evidence: Evidence, path: Path) -> None:
    """Print stages, endpoints, stations, rules and the verdict."""
    measured = [stage for stage in evidence.stages if not stage.warmup] or list(evidence.stages)
    table(
        "Stages: offered and achieved",
        ("stage", "s", "journeys/s", "achieved", "calls/s", "achieved", "unsent", "p95 ms", "errors"),
        [_stage_row(stage) for stage in evidence.stages],
        right=range(1, 9),
    )
    table(
        "Endpoints, all measured stages",
        ("endpoint", "calls", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"),
        _endpoint_rows(measured),
        right=range(1, 7),
    )
    stations = [
        (
            s.label,
            r.station,
            f"{r.cpu_seconds:.2f}",
            f"{r.servers:g}",
            f"{r.utilisation:.1%}",
            f"{r.throttled_share:.1%}",
        )
        for s in measured
        for r in s.stations
    ]
    if stations:
        columns = ("stage", "station", "CPU s", "CPUs", "used", "throttled")
        table("Stations, measured", columns, stations, right=range(2, 6))
    rows = [
        (t.rule, "-" if t.value is None else f"{t.value:.4g} {t.unit}", "held" if t.passed else "BROKEN")
        for t in evidence.thresholds
    ]
    table("Rules", ("rule", "measured", ""), rows, right=(1,))
    if health := evidence.generator:
        out.print(
            f"generator: {health.workers} process{'es' if health.workers > 1 else ''}, lateness p99 "
            f"{health.lateness_p99_ms:.1f} ms (bound {health.lateness_bound_ms:g}), {health.cpu_seconds:.1f} s of CPU",
            markup=False,
        )
    out.print(f"{evidence.verdict.upper()}", style="bold", markup=False)
    for reason in evidence.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    out.print(f"evidence: {shown(path)}", markup=False, soft_wrap=True)


def _stage_row(stage: StageResult) -> tuple[object, ...]:
    latency = merged(r.histogram for r in stage.endpoints if r.count)
    label = f"{stage.label} (warm-up)" if stage.warmup else stage.label
    return (
        label,
        f"{stage.duration_s:.0f}",
        f"{stage.offered_journeys_per_s:.2f}",
        f"{stage.achieved_journeys_per_s:.2f}",
        f"{stage.offered_calls_per_s:.2f}",
        f"{stage.achieved_calls_per_s:.2f}",
        stage.unsent or "-",
        f"{percentile_ms(latency, 95):.0f}",
        sum(r.errors for r in stage.endpoints) or "-",
    )


def _endpoint_rows(stages: list[StageResult]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name in sorted({r.endpoint for s in stages for r in s.endpoints}):
        results = [r for s in stages for r in s.endpoints if r.endpoint == name and r.count]
        latency = merged(r.histogram for r in results)
        errors = sum(r.errors for r in results)
        times = (f"{percentile_ms(latency, p):.0f}" for p in (50, 95, 99, 100))
        rows.append((name, sum(r.count for r in results), errors or "-", *times))
    return rows
