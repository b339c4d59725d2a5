"""Drills that a phase asks for (docs/gates.md): they break something on purpose, measure, and write evidence.

`restore` takes a base backup of the database, restores it beside the live one and compares every table. `failover` cuts
the power of one worker through its BMC while a small load runs against the edge, and gives it back. Both leave the
environment as it was, after Ctrl-C too, and write evidence/<run>.json, which `oss up production --phase N` reads.

  oss drill restore local                   bounds: --rto 900 --rpo 60 (seconds)
  oss drill failover local                  bounds: --recovery 90 s, --errors 5 %, --back 180 s
  oss drill failover local --server primary-worker-02 --share 0.3

Exit codes: 0 passed; 1 a bound was broken, or the run is invalid; 2 bad input; 4 the machine lacks something; 5 a step
failed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from capacity.documents import REPOSITORY, sha256, shown
from capacity.evidence import Evidence
from capacity.faults import BadInput, Exit, Fault
from capacity.leaseplan import LeasePlan, load_lease_plan
from capacity.progress import Progress
from infra.drills.evidence import drill_evidence
from infra.drills.restore import restore
from infra.engine.rollout import Rollout, check_environment_name
from infra.outputs import FleetOutputs
from infra.playbooks.configure import ssh_access
from loadtests.keeping import keep
from loadtests.machine import this_machine
from oss import failover
from oss.console import out, progress, table

EVIDENCE = REPOSITORY / "evidence"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss drill`."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="restore|failover")
    restoring = kinds.add_parser("restore", help="restore a backup of the database beside it, and compare")
    failing = kinds.add_parser("failover", help="cut one worker's power under load, and measure")
    for kind in (restoring, failing):
        kind.add_argument("environment", metavar="ENV", help="local, or another rack's name")
        kind.add_argument("--server", default="", metavar="NAME", help="default: the first database, the last worker")
        kind.add_argument("--evidence-folder", type=Path, default=EVIDENCE, help="where evidence is written")
    restoring.add_argument("--rto", type=float, default=900.0, metavar="S", help="until the copy answers (900)")
    restoring.add_argument("--rpo", type=float, default=60.0, metavar="S", help="work that may be lost (60)")
    failover.arguments(failing)


def run(args: argparse.Namespace) -> int:
    """Do the drill, show what came of it, and give its exit code."""
    rollout = Rollout(check_environment_name(args.environment))
    plan = load_lease_plan(rollout.settings.lock_file)
    with progress(f"{args.kind} drill") as line:
        outputs = rollout.outputs(line)
        check_standing(outputs, rollout, args.environment)
        if args.kind == "restore":
            evidence, timeline = _restore(args, rollout, outputs, plan, line), ""
        else:
            evidence, timeline = failover.drill(args, rollout, outputs, plan, line)
        path = keep(evidence, timeline, args.evidence_folder)
        if not timeline:
            path.with_suffix(".timeline.csv").unlink(missing_ok=True)
    show(evidence, path)
    if evidence.verdict == "interrupted":
        return Exit.INTERRUPTED
    return Exit.GO if evidence.verdict == "passed" else Exit.NO_GO


def check_standing(outputs: FleetOutputs, rollout: Rollout, environment: str) -> None:
    """Raise BadInput when the fleet was applied from another lease plan: its evidence would open no gate."""
    if outputs.plan_hash != sha256(rollout.settings.lock_file):
        problem = "the fleet stands by an earlier lease plan, so a drill of it would prove nothing for this one"
        remedy = f"Run `oss up {environment}` first."
        raise BadInput([Fault(f"{environment}.fleet", "plan_hash", "", problem, remedy)])


def _restore(
    args: argparse.Namespace, rollout: Rollout, outputs: FleetOutputs, plan: LeasePlan, line: Progress
) -> Evidence:
    databases = outputs.databases()
    chosen = [s for s in databases if s.name == args.server] if args.server else databases[:1]
    if not chosen:
        known = ", ".join(s.name for s in databases) or "none"
        raise BadInput([Fault("--server", "", args.server, "is no database server", f"There are: {known}.")])
    server = chosen[0]
    started = dt.datetime.now(dt.UTC)
    access = ssh_access(args.environment, outputs, rollout.settings)
    made = restore(server, access, line)
    notes = [f"{made.tables} tables with {made.rows} rows compared, by count and checksum", *made.differing]
    notes.append("the backup was taken by the drill itself; RPO counts from its end")
    notes.append(f"the newest nightly backup on the server: {made.nightly or 'none yet'}")
    return drill_evidence(
        "restore_drill",
        outputs,
        plan,
        this_machine(),
        server.name,
        made.steps,
        made.bounds(args.rto, args.rpo),
        notes,
        started,
        dt.datetime.now(dt.UTC),
    )


def show(evidence: Evidence, path: Path) -> None:
    """Print steps, bounds and the verdict."""
    if evidence.drill:
        rows = [(s.name, f"{s.duration_s:.1f}", s.result) for s in evidence.drill.steps]
        table(f"Steps on {evidence.drill.server}", ("step", "s", "result"), rows, right=(1,))
    bounds = [
        (t.rule, "-" if t.value is None else f"{t.value:.4g} {t.unit}".strip(), "held" if t.passed else "BROKEN")
        for t in evidence.thresholds
    ]
    table("Bounds", ("bound", "measured", ""), bounds, right=(1,))
    out.print(
        f"{evidence.verdict.upper()} (phase {evidence.phase}, {evidence.scale} scale)", style="bold", markup=False
    )
    for reason in evidence.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    out.print(f"evidence: {shown(path)}", markup=False, soft_wrap=True)
