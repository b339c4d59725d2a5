"""Ask the real kube-scheduler whether a phase's pods fit on its leased servers, whole and after each loss.

Starts a control plane on loopback whose nodes are the leased workers (size of the SKU less what the system keeps) and
places the pods that the services stack would deploy. Then it takes away one server of each kind, and each site, and
looks at what finds no place. Nothing runs on the nodes; no rack is needed. It takes about half a minute a phase.

  oss fit                          every phase of the national plan
  oss fit --phase 3                one phase
  oss fit --phase 3 --json         for a script
  oss fit --scale rack             the phase as the rack on this machine carries it

Exit code 0: everything fits in every case. 1: something does not, and is named with the remedy. Evidence of kind
fit_check is written for each phase.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, sha256, shown, to_json, write_text
from capacity.evidence import Evidence, ThresholdResult
from capacity.faults import Exit
from capacity.launch import plan_path
from capacity.leaseplan import LeasePlan, load_lease_plan, lock_path
from infra.fit import Case, Fit, Unplaced, check
from infra.toolchain import ensure
from infra.toolchain.loopback import control_plane
from infra.toolchain.modules import MODULES
from loadtests.machine import this_machine
from oss.console import out, progress, table

EVIDENCE = REPOSITORY / "evidence"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss fit`."""
    parser.add_argument("plan", nargs="?", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument("--phase", type=int, action="append", help="a phase; may be given again (default: every phase)")
    parser.add_argument("--scale", choices=("national", "rack"), default="national", help="default: national")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--evidence-folder", type=Path, default=EVIDENCE, help="where evidence is written")


def run(args: argparse.Namespace) -> int:
    """Check and show. Exit codes: 0 fits, 1 does not, 2 bad input or stale plan, 4 machine lacks, 5 step failed."""
    path = plan_path(args.plan)
    lock = lock_path(path)
    plan = load_lease_plan(lock)
    numbers = sorted({plan.phase(number).id for number in args.phase or [phase.id for phase in plan.phases]})
    found: list[tuple[Fit, Path]] = []
    with progress("fit") as shows:
        programs = ensure(["kubernetes", "kwok"], shows)
        shows.update("starting a control plane on loopback")
        with control_plane(programs, pretends=True) as running:
            for number in numbers:
                started = dt.datetime.now(dt.UTC)
                fit = check(running, plan, number, plan.deployment(number, args.scale), shows)
                made = evidence(fit, plan, sha256(lock), started)
                file = args.evidence_folder / f"{made.run}.json"
                write_text(file, to_json(made))
                found.append((fit, file))
    fits = [fit for fit, _ in found]
    if args.json:
        print(json.dumps([document(fit, file) for fit, file in found], ensure_ascii=False, indent=2))
    else:
        show(fits, path)
        out.print("evidence: " + " ".join(shown(file) for _, file in found), markup=False, style="dim")
    return Exit.GO if all(fit.fits for fit in fits) else Exit.NO_GO


def show(fits: list[Fit], plan: Path) -> None:
    """The cases as a table, then what does not fit and what to do."""
    table(
        "Placed by kube-scheduler " + MODULES["kubernetes"].version,
        ("phase", "cluster", "case", "pods", "moved", "without a node", ""),
        [
            (
                fit.phase,
                case.cluster,
                case.what,
                case.pods or "",
                case.displaced or "",
                len(case.unplaced) or "",
                _word(case),
            )
            for fit in fits
            for case in fit.cases
        ],
        right=(0, 3, 4, 5),
    )
    for fit in fits:
        for case in fit.cases:
            if not case.fits:
                _show_broken(fit, case, plan)
    out.print("everything fits" if all(fit.fits for fit in fits) else "it does NOT fit", style="bold")


def _word(case: Case) -> str:
    word = "fits" if case.fits else "DOES NOT FIT"
    if not case.pods and case.fits:
        return case.note
    return f"{word}; {case.note}" if case.note else word


def _show_broken(fit: Fit, case: Case, plan: Path) -> None:
    out.print(f"\nphase {fit.phase}, {case.cluster}, {case.what}", style="bold", markup=False)
    for service, count, one in _alike(case.unplaced):
        reasons = ", ".join(f"{r.words} ({r.nodes} nodes)" for r in one.reasons) or one.message
        out.print(f"  {count} of {service}, each asking {one.asks}: {reasons}", markup=False)
    if case.shortage:
        out.print(f"  {case.shortage}", markup=False)
    out.print(f"  remedy: {remedy(fit, case, plan)}", markup=False)


def _alike(pods: tuple[Unplaced, ...]) -> list[tuple[str, int, Unplaced]]:
    counts = Counter(pod.service for pod in pods)
    return [(name, count, next(p for p in pods if p.service == name)) for name, count in counts.items()]


def remedy(fit: Fit, case: Case, plan: Path) -> str:
    """What to change in the launch plan."""
    if not case.stands:
        return f"give another site control servers in {shown(plan)}, then run `oss plan`"
    if fit.scale == "rack":
        return f"lower `rack.load_factor` or raise `rack.server_share` of worker in {shown(plan)}, then run `oss plan`"
    if case.added is None:
        return f"no number of further {case.sku} that was tried lets them in: choose a larger SKU or smaller replicas"
    field = "`redundancy`" if case.kind == "server" else "`min_servers`, or `fixed_cores`,"
    tried = f"{case.added} more {case.sku} at {case.cluster} let everything fit (tried)"
    return f"{tried}: raise {field} of the role worker in {shown(plan)}, then run `oss plan`"


def evidence(fit: Fit, plan: LeasePlan, plan_hash: str, started: dt.datetime) -> Evidence:
    """The check as evidence: one rule a case."""
    deployment = plan.deployment(fit.phase, "rack" if fit.scale == "rack" else "national")
    rules = tuple(
        ThresholdResult(
            rule=f"{case.cluster}, {case.what}: pods without a node = 0",
            value=float(len(case.unplaced)),
            unit="pods",
            passed=case.fits,
        )
        for case in fit.cases
        if case.pods
    )
    broken = tuple(
        f"{case.cluster}, {case.what}: {count} of {service} without a node: {one.message}"
        for case in fit.cases
        for service, count, one in _alike(case.unplaced)
    )
    return Evidence(
        version=1,
        run=f"fit-phase-{fit.phase}-{fit.scale}-{started:%Y%m%dT%H%M%SZ}",
        kind="fit_check",
        started=started,
        finished=dt.datetime.now(dt.UTC),
        plan=plan.plan,
        plan_hash=plan_hash,
        phase=fit.phase,
        scale=deployment.scale,
        load_factor=deployment.load_factor,
        profile="fit",
        target=f"kube-scheduler {MODULES['kubernetes'].version}",
        seed=0,
        machine=this_machine(),
        thresholds=rules,
        verdict="passed" if fit.fits else "failed",
        reasons=broken or (() if fit.fits else ("a loss leaves no control plane",)) or ("every pod has a node",),
    )


def document(fit: Fit, file: Path) -> dict[str, Any]:
    """The result for a script."""
    cases = [
        {
            **dataclasses.asdict(case),
            "fits": case.fits,
            "unplaced": [
                {"pod": p.pod, "service": p.service, "asks": p.asks._asdict(), "message": p.message}
                for p in case.unplaced
            ],
            "shortage": None
            if case.shortage is None
            else {name: getattr(case.shortage, name)._asdict() for name in ("asked", "free", "largest", "missing")},
        }
        for case in fit.cases
    ]
    return {"phase": fit.phase, "scale": fit.scale, "fits": fit.fits, "evidence": str(file), "cases": cases}
