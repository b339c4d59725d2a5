"""The failover drill: one worker loses its power under load, and gets it back. `oss drill failover` runs it."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, to_yaml, write_text
from capacity.evidence import DrillStep, Evidence
from capacity.faults import BadInput, Fault, OssError, StepFailed
from capacity.leaseplan import LeasePlan, LoadProfile, Stage, lock_path
from capacity.progress import Progress
from infra.drills.evidence import Verdict, drill_evidence
from infra.drills.failover import (
    Credentials,
    Disturbance,
    await_node,
    disturbance,
    is_on,
    read_timeline,
    set_power,
    victim,
)
from infra.engine.access import bmc_access, missing_access
from infra.engine.rollout import Rollout
from infra.outputs import FleetOutputs, FleetServer
from infra.pki.fleet import kubeconfig_file
from loadtests import running
from loadtests.machine import this_machine
from loadtests.profiles import load_test
from oss.target import Target, environment_target

PROFILE = "failover"
LATENESS_MS = 500.0  # the figures are in whole seconds
LOGS = REPOSITORY / "build" / "loadtest"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss drill failover`."""
    parser.add_argument("--share", type=float, default=0.3, help="of the phase's design rate to offer (0.3)")
    parser.add_argument("--before", type=float, default=15.0, metavar="S", help="load before the cut (15)")
    parser.add_argument("--outage", type=float, default=120.0, metavar="S", help="without power (120)")
    parser.add_argument("--after", type=float, default=45.0, metavar="S", help="load after the power is back (45)")
    until = "until at most 1 %% of calls fail (90)"
    parser.add_argument("--recovery", type=float, default=90.0, metavar="S", help=until)
    parser.add_argument("--errors", type=float, default=5.0, metavar="PERCENT", help="of calls that may fail (5)")
    parser.add_argument("--back", type=float, default=180.0, metavar="S", help="until the node is ready again (180)")
    parser.add_argument("--seed", type=int, default=2018, help="of arrivals and made-up data (2018)")


@dataclass
class Cut:
    """The power of one server, cut and given back at moments of the load, in a thread of its own."""

    server: FleetServer
    credentials: Credentials
    progress: Progress
    before_s: float
    outage_s: float
    kubeconfig: Path
    most_back_s: float
    back_s: float | None = None
    began: float = 0.0
    off_at: float | None = None
    on_at: float | None = None
    steps: list[DrillStep] = field(default_factory=list)
    error: OssError | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self, at: float) -> None:
        """The load begins at that moment (seconds since the epoch)."""
        self.began = at
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            if self._stop.wait(max(0.0, self.began + self.before_s - time.time())):
                return
            self.off_at = self._switch("Off")
            self._stop.wait(max(0.0, self.off_at + self.outage_s - time.time()))
            self.on_at = self._switch("On")
            self._await_node(self.on_at)
        except OssError as error:
            self.error = error

    def _await_node(self, on_at: float) -> None:
        seconds = await_node(self.kubeconfig, self.server, on_at, self.most_back_s, self._stop.wait)
        if seconds is None:
            return
        self.back_s = seconds
        self.progress.note(f"{self.server.name}: back in its cluster")
        clock = dt.datetime.fromtimestamp(on_at, dt.UTC)
        step = DrillStep(name="back in the cluster", started=clock, duration_s=seconds, result="its node is ready")
        self.steps.append(step)

    def _switch(self, wanted: str) -> float:
        words = "power cut" if wanted == "Off" else "power back"
        began = time.monotonic()
        at = set_power(self.server, self.credentials, "Off" if wanted == "Off" else "On", lambda _: None)
        self.progress.note(f"{self.server.name}: {words}")
        clock = dt.datetime.fromtimestamp(at, dt.UTC)
        shown = f"the BMC shows {wanted}"
        self.steps.append(DrillStep(name=words, started=clock, duration_s=time.monotonic() - began, result=shown))
        return at

    def settle(self) -> None:
        """Wait until the server is back, or has had the time for it."""
        if self._thread:
            self._thread.join()

    def end(self) -> None:
        """Give the power back now, whatever happened."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self.off_at is not None and self.on_at is None:
            self.on_at = self._switch("On")


def drill(
    args: argparse.Namespace, rollout: Rollout, outputs: FleetOutputs, plan: LeasePlan, progress: Progress
) -> tuple[Evidence, str]:
    """The whole drill: its evidence, and the load's timeline. The server has its power back in any case."""
    faults = [
        Fault(f"--{name}", "", str(getattr(args, name)), "must be above 0", "Leave it out for the usual value.")
        for name in ("share", "before", "outage", "after")
        if getattr(args, name) <= 0
    ]
    if faults:
        raise BadInput(faults)
    server = victim(outputs, args.server)
    credentials = bmc_credentials(args.environment, rollout)
    if not all(is_on(worker, credentials) for worker in outputs.with_role("worker")):
        raise StepFailed("a worker has no power already", f"Run `oss up {args.environment}` first.")
    target = environment_target(args.environment, plan.deployment(outputs.phase, outputs.scale), progress)
    cut = Cut(server, credentials, progress, args.before, args.outage, kubeconfig_file(args.environment), args.back)
    started = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory(prefix="oss-drill-") as name:
        folder = Path(name)
        try:
            outcome = running.run(_request(args, outputs, plan, target, folder), (), {}, _Live(cut, progress))
            interrupted = outcome.evidence.verdict == "interrupted"
            if not interrupted and outcome.error is None:
                progress.update(f"waiting for {server.name} in its cluster")
                cut.settle()
        finally:
            with _undisturbed():
                cut.end()
        timeline = outcome.path.with_suffix(".timeline.csv").read_text(encoding="utf-8")
    if outcome.error:
        remedy = f"See that `oss loadtest smoke --env {args.environment}` passes, then run the drill again."
        raise StepFailed(f"the load was not offered: {outcome.evidence.reasons[0]}", remedy)
    if cut.error:
        raise cut.error
    figures = _figures(timeline, cut)
    verdict: Verdict | None = None
    notes = [r for r in outcome.evidence.reasons if r != "every rule held"]
    if outcome.evidence.verdict in ("interrupted", "invalid"):
        verdict = "interrupted" if interrupted else "invalid"
    made = drill_evidence(
        "failover_drill",
        outputs,
        plan,
        this_machine(),
        server.name,
        cut.steps,
        figures.bounds(args.recovery, args.errors / 100, cut.back_s, args.back) if figures else (),
        notes,
        started,
        dt.datetime.now(dt.UTC),
        verdict,
    )
    kept = {"stages": outcome.evidence.stages, "generator": outcome.evidence.generator, "seed": args.seed}
    return made.model_copy(update=kept), timeline


def bmc_credentials(environment: str, rollout: Rollout) -> Credentials:
    """What opens the BMCs. Raises BadInput when nobody told."""
    access = bmc_access(environment, rollout.settings)
    if not isinstance(access.username, str) or not isinstance(access.password, str) or not access.password:
        raise missing_access(environment, rollout.settings)
    return Credentials(access.username, access.password)


def _request(
    args: argparse.Namespace, outputs: FleetOutputs, plan: LeasePlan, target: Target, folder: Path
) -> running.Request:
    """A load of its own: the phase's classes at a share of their rates, before, during and after the cut."""
    stages = (
        Stage(label="before", duration_s=args.before, share=args.share),
        Stage(label="without", duration_s=args.outage, share=args.share),
        Stage(label="after", duration_s=args.after, share=args.share),
    )
    profile = LoadProfile(id=PROFILE, description="One worker fails", stages=stages, thresholds=())
    lock = lock_path(folder / "drill.yaml")
    write_text(lock, to_yaml(plan.model_copy(update={"loadtests": (profile,), "inputs": {}})), mode=0o600)
    test = load_test(lock, PROFILE, outputs.phase, outputs.scale)
    name = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{PROFILE}"
    return running.Request(
        test=test,
        run=name,
        plan=lock,
        profile=PROFILE,
        phase=outputs.phase,
        scale=outputs.scale,
        host=target.host,
        evidence_folder=folder / "evidence",
        log_file=LOGS / f"{name}.log",
        password=target.password,
        callback_key=target.callback_key,
        ca_file=target.ca_file,
        seed=args.seed,
        lateness_bound_ms=LATENESS_MS,
    )


class _Live:
    """Starts the cut with the load, and shows both."""

    def __init__(self, cut: Cut, progress: Progress) -> None:
        self._cut, self._progress = cut, progress

    def __call__(self, line: dict[str, Any]) -> None:
        if line["event"] == "begin":
            self._cut.begin(time.time() + (line["at"] - time.perf_counter()))
        elif line["event"] == "status":
            failed = line["calls"] - line["calls_done"] - line["in_flight"]
            phase = "without power" if self._cut.off_at and not self._cut.on_at else "with power"
            words = f"{self._cut.server.name} {phase}: {line['calls']} calls, {max(0, failed)} failed"
            self._progress.update(f"{words}, {line['elapsed_s']:.0f} s")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: it must not keep a server without its power."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _figures(timeline: str, cut: Cut) -> Disturbance | None:
    if cut.off_at is None or cut.on_at is None:
        return None
    return disturbance(read_timeline(timeline), cut.off_at - cut.began, cut.on_at - cut.began)
