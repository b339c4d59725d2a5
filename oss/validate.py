"""Compare what the model predicted with what a load test measured, and say go or no-go for the phase.

Reads the newest evidence for the phase (or --evidence FILE) and the lease plan. A go needs all of: evidence
for this very plan and phase, fresh, from a generator that kept up, at the design rate, with every threshold met, no
station saturated, and the nation's deployment still within its limit when the measured service demands
take the place of the planned ones.

With --recalibrate the measured demands are written where `oss plan` reads them; the next plan is then sized
with what was measured. Exit code 0 is go, 1 is no-go.

  oss validate                      the verdict on phase 1
  oss validate --phase 2 --json     for a script
  oss validate --recalibrate        and keep the measured demands
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
from pathlib import Path

from capacity.calibration import Calibration, ScalabilityFit
from capacity.documents import REPOSITORY, load, sha256, shown, to_yaml, write_text
from capacity.evidence import Evidence
from capacity.faults import Exit, StepFailed
from capacity.leaseplan import load_lease_plan, lock_path
from capacity.validation.compare import Comparison, accuracy_words, conditions
from capacity.validation.recalibrate import calibration, fit_stations, measured_stages
from capacity.validation.scalability import scalability
from capacity.validation.store import newest
from capacity.validation.verdict import Verdict, decide
from oss.console import out, table

HELD_OUT = (
    ("utilisation", "Held-out stages, stations: predicted with the demands measured in the other stages"),
    ("p95", "Held-out stages, endpoints: 95th percentile predicted in the same way, ms"),
)
CALIBRATION_HEADER = "Measured service demands. Written by `oss validate --recalibrate`; do not edit."


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss validate`."""
    parser.add_argument(
        "--plan", type=Path, default=REPOSITORY / "capacity/plans/national.yaml", help="the launch plan"
    )
    parser.add_argument("--phase", type=int, default=1, help="the phase to judge (default 1)")
    parser.add_argument("--evidence", type=Path, help="an evidence file; default: the newest for the phase")
    parser.add_argument("--evidence-folder", type=Path, default=REPOSITORY / "evidence", help=argparse.SUPPRESS)
    parser.add_argument("--recalibrate", action="store_true", help="write the measured demands for the next `oss plan`")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def run(args: argparse.Namespace) -> int:
    """Judge, show, and with --recalibrate write. Exit code 0 for go, 1 for no-go."""
    verdict, measured, evidence = judge(args.plan, args.phase, args.evidence, args.evidence_folder)
    if args.json:
        print(json.dumps(dataclasses.asdict(verdict), indent=2, default=str))
    else:
        show(verdict, evidence)
    if args.recalibrate:
        if not measured.demands:
            raise StepFailed(
                "the evidence has no stage with CPU measured at a station",
                "Run `oss loadtest calibrate` against an environment whose stations can be measured.",
            )
        path = calibration_path(args.plan)
        write_text(path, to_yaml(measured, CALIBRATION_HEADER))
        if not args.json:
            _measured(measured)
            out.print(f"\nmeasured demands written to {shown(path)}; run `oss plan` to size with them", markup=False)
    return Exit.GO if verdict.go else Exit.NO_GO


def judge(
    plan_path: Path, phase: int, evidence_path: Path | None = None, folder: Path = REPOSITORY / "evidence"
) -> tuple[Verdict, Calibration, Evidence]:
    """Read plan and evidence and apply the rules. Raises BadInput."""
    lock = lock_path(plan_path)
    plan = load_lease_plan(lock)
    plan_hash = sha256(lock)
    chosen = evidence_path or newest(folder, phase, plan_hash)
    evidence = load(Evidence, chosen)
    fits = fit_stations(plan.endpoints, evidence)
    verdict = decide(plan, plan_hash, phase, evidence, fits, dt.datetime.now(dt.UTC))
    scaling = scalability(plan.endpoints, measured_stages(evidence), fits)
    deployment = plan.deployment(phase, evidence.scale)
    place = conditions(deployment, plan.endpoints, evidence, fits, with_measured=True)
    return verdict, calibration(evidence, sha256(chosen), fits, place.overhead_ms, scaling), evidence


def calibration_path(plan: Path) -> Path:
    """`national.yaml` → `national.calibration.yaml`."""
    return plan.with_name(f"{plan.stem}.calibration.yaml")


def show(verdict: Verdict, evidence: Evidence) -> None:
    """Print the comparison and the verdict."""
    _compare("Stations: share of CPU used at the design rate", verdict.stations, percent=True)
    _compare("Endpoints: 95th percentile of the response time, ms", verdict.endpoints)
    for quantity, title in HELD_OUT:
        told = tuple(r for r in verdict.held_out if r.quantity == quantity and r.telling)
        _compare(title, told, percent=quantity == "utilisation")
    if words := accuracy_words(verdict.accuracy):
        out.print(words, markup=False)
    rows = [
        (h.station, f"{h.servers:g}", f"{h.planned_utilisation:.1%}", f"{h.measured_utilisation:.1%}")
        for h in verdict.headroom
    ]
    if rows:
        title = "The nation's stations at the design rate: share of CPU with planned and with measured demands"
        table(title, ("station", "CPU", "planned", "with measured demands"), rows, right=(1, 2, 3))
    mark = {True: "held", False: "BROKEN"}
    table("Rules", ("rule", "", "reason"), [(r.name, mark[r.held], r.reason) for r in verdict.rules])
    word = "GO" if verdict.go else "NO-GO"
    out.print(
        f"phase {verdict.phase}: {word}  (evidence {evidence.run}, {evidence.scale} scale)", style="bold", markup=False
    )


def _measured(measured: Calibration) -> None:
    """Print demands and scalability with their 90 % bootstrap intervals."""
    rows = [
        (d.station, d.endpoint, f"{d.demand_ms:.3g}", f"{d.low_ms:.3g} to {d.high_ms:.3g}") for d in measured.demands
    ]
    table("Measured demands, ms of CPU a call", ("station", "endpoint", "demand", "90 %"), rows, right=(2, 3))
    if measured.scalability:
        columns = ("station", "calls/s a core", "contention", "90 %", "coherency", "90 %")
        table("Universal Scalability Law", columns, [_scaling(fit) for fit in measured.scalability], right=range(1, 6))


def _scaling(fit: ScalabilityFit) -> tuple[str, ...]:
    def ends(interval: tuple[float, float] | None) -> str:
        return "-" if interval is None else f"{interval[0]:.2g} to {interval[1]:.2g}"

    return (
        fit.station,
        f"{fit.rate_per_s:.3g}",
        f"{fit.contention:.2g}",
        ends(fit.contention_interval),
        f"{fit.coherency:.2g}",
        ends(fit.coherency_interval),
    )


def _compare(title: str, rows: tuple[Comparison, ...], percent: bool = False) -> None:
    def value(number: float | None) -> str:
        return "-" if number is None else f"{number:.1%}" if percent else f"{number:.0f}"

    def error(row: Comparison) -> str:
        return "-" if row.error is None else f"{row.error:+.0%}" if row.telling else "not judged"

    def bounds(row: Comparison) -> str:
        return f"{value(row.low)} to {'more' if row.high is None else value(row.high)}" if row.samples else ""

    if not rows:
        return
    several = len({r.stage for r in rows}) > 1
    head: tuple[str, ...] = ("", "predicted (model)", "measured", "error")
    cells: list[tuple[object, ...]] = [
        (f"{r.stage}: {r.subject}" if several else r.subject, value(r.predicted), value(r.measured), error(r))
        for r in rows
    ]
    if not percent:
        head = (*head, "90 % bounds", "samples")
        cells = [(*cell, bounds(r), r.samples or "") for cell, r in zip(cells, rows, strict=True)]
    table(title, head, cells, right=tuple(range(1, len(head))))
