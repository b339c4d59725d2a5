"""Assign provinces to the three phases, and show what each choice costs: speed of coverage against growth of load.

Reads the plan and the rules beside it (PLAN.phasing.yaml: shares, time zones, special economic zones, readiness of the
satgas, fixed and forbidden provinces). Every row is a best compromise: no other assignment under the rules is both
faster and more level. Loads are what the model expects, in registrations an hour on launch days.

  oss phases                       the frontier of the national plan, and where the plan stands
  oss phases --points 12           more rows between the extremes
  oss phases --json                the same with every assignment and its alternative, for a script
  oss phases --apply 3             write row 3 into the plan (comments stay); then run `oss plan`
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from capacity.documents import load, shown
from capacity.faults import BadInput, Exit, Fault
from capacity.inputs import Inputs, load_inputs
from capacity.launch import plan_path
from capacity.phasing import Assignment, Choice, PhasingRules, Problem, broken, check, evaluate, frontier
from capacity.phasing.demand import phasing_problem
from capacity.phasing.edit import apply_phases, phasing_path
from oss.console import out, progress, table

POINTS = 7
LEGEND = """mean wait: days from the first launch until a business may register, on average over businesses
largest step: most that one phase adds to the load; peak: load on the launch day; moved: provinces unlike the plan"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss phases`."""
    parser.add_argument("plan", nargs="?", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument("--rules", type=Path, help="the stated rules (default: PLAN.phasing.yaml beside the plan)")
    parser.add_argument(
        "--points", type=int, default=POINTS, help=f"rows between the extremes, both included (default {POINTS})"
    )
    parser.add_argument("--json", action="store_true", help="print the frontier as JSON")
    parser.add_argument("--apply", type=int, metavar="K", help="write the assignment of row K into the plan")
    parser.add_argument("--alternative", action="store_true", help="with --apply: write the row's alternative instead")


def run(args: argparse.Namespace) -> int:
    """Show or apply. Exit codes: 0 done, 2 bad input, 3 the rules leave no assignment."""
    path = plan_path(args.plan)
    if args.points < 2:
        raise BadInput([Fault("--points", "", str(args.points), "a frontier has two ends", "Use 2 or more.")])
    with progress("phases") as shows:
        inputs = load_inputs(path)
        source = args.rules or phasing_path(path)
        rules = load(PhasingRules, source)
        problem = phasing_problem(inputs)
        check(problem, rules, shown(source))
        home = _current(inputs, problem)
        choices = frontier(problem, rules, args.points, home, progress=shows.update)
    if args.apply is not None:
        return _apply(inputs, problem, choices, args.apply, args.alternative)
    current = evaluate(problem, home)
    wrong = broken(problem, rules, home)
    if args.json:
        print(json.dumps(_document(problem, rules, choices, current, wrong), ensure_ascii=False, indent=2))
    else:
        _show(problem, rules, choices, current, wrong, path, args.points)
    return Exit.GO


def _current(inputs: Inputs, problem: Problem) -> np.typing.NDArray[np.int64]:
    home = {code: phase.id for phase in inputs.launch.phases for code in phase.provinces}
    return np.array([home[code] for code in problem.regions], dtype=np.int64)


def _apply(inputs: Inputs, problem: Problem, choices: tuple[Choice, ...], row: int, alternative: bool) -> int:
    if not 1 <= row <= len(choices):
        remedy = f"Use 1 to {len(choices)}; `oss phases` shows them."
        raise BadInput([Fault("--apply", "", str(row), "no such row of the frontier", remedy)])
    chosen = choices[row - 1].alternative if alternative else choices[row - 1].assignment
    if chosen is None:
        remedy = "Apply the row itself."
        raise BadInput([Fault("--alternative", "", str(row), "row has no alternative under the rules", remedy)])
    before = _current(inputs, problem)
    moved = [code for code, a, b in zip(problem.regions, before, chosen.phase, strict=True) if a != b]
    if not moved:
        out.print(f"{shown(inputs.path)} already has this assignment", markup=False)
        return Exit.GO
    apply_phases(inputs, dict(zip(problem.regions, chosen.phase, strict=True)))
    out.print(f"written: {shown(inputs.path)}, {len(moved)} provinces moved: {' '.join(moved)}", markup=False)
    out.print("check the names of the phases, which may list provinces; then run `oss plan`", markup=False)
    return Exit.GO


def _show(
    problem: Problem,
    rules: PhasingRules,
    choices: tuple[Choice, ...],
    current: Assignment,
    wrong: list[str],
    path: Path,
    points: int,
) -> None:
    out.print(f"rules: {rules.reason}", markup=False, style="dim")
    table(
        "Frontier, fastest to most level (predicted registrations/h on launch days)",
        ("row", "mean wait, days", "largest step", "step by phase", "peak by phase", "businesses by phase", "moved"),
        [
            (n, *_cells(choice.assignment), _moves(current, choice.assignment))
            for n, choice in enumerate(choices, start=1)
        ]
        + [("plan", *_cells(current), "")],
        right=(0, 1, 2, 6),
    )
    out.print(LEGEND, markup=False, style="dim")
    if wrong:
        out.print(f"the plan breaks the rules: {'; '.join(wrong)}", markup=False, style="yellow")
    for n, choice in enumerate(choices, start=1):
        out.print(f"row {n}", style="bold", markup=False)
        _show_phases(problem, choice.assignment)
        if choice.alternative is not None:
            differs = _moves(choice.assignment, choice.alternative)
            other = choice.alternative
            meaning = f"wait {other.waiting_days:.1f} days, step {other.step:,.0f}"
            out.print(f"  alternative: {differs} provinces elsewhere, {meaning}", markup=False, style="dim")
    same = f" --points {points}" if points != POINTS else ""
    hint = (
        f"`oss phases {shown(path)}{same} --apply ROW` writes a row into the plan, with --alternative the row's other"
    )
    out.print(f"\n{hint}; --json lists the alternatives' provinces", markup=False)


def _cells(one: Assignment) -> tuple[str, str, str, str, str]:
    return (
        f"{one.waiting_days:.1f}",
        f"{one.step:,.0f}",
        " ".join(f"{v:,.0f}" for v in one.added),
        " ".join(f"{v:,.0f}" for v in one.peak),
        " ".join(f"{v:.0%}" for v in one.share),
    )


def _moves(one: Assignment, other: Assignment) -> int:
    return sum(a != b for a, b in zip(one.phase, other.phase, strict=True))


def _show_phases(problem: Problem, one: Assignment) -> None:
    for phase in (1, 2, 3):
        codes = [code for code, p in zip(problem.regions, one.phase, strict=True) if p == phase]
        out.print(f"  {phase}: {' '.join(codes)}", markup=False)


def _document(
    problem: Problem, rules: PhasingRules, choices: tuple[Choice, ...], current: Assignment, wrong: list[str]
) -> dict[str, Any]:
    return {
        "unit": "registrations per hour on launch days, expected by the model",
        "rules": rules.model_dump(mode="json"),
        "plan": {**_point(problem, current), "breaks": wrong},
        "frontier": [
            {
                "row": n,
                **_point(problem, choice.assignment),
                "alternative": None if choice.alternative is None else _point(problem, choice.alternative),
            }
            for n, choice in enumerate(choices, start=1)
        ],
    }


def _point(problem: Problem, one: Assignment) -> dict[str, Any]:
    return {
        "mean_wait_days": round(one.waiting_days, 3),
        "largest_step": round(one.step, 3),
        "step_by_phase": [round(v, 3) for v in one.added],
        "peak_by_phase": [round(v, 3) for v in one.peak],
        "peak_growth_by_phase": [round(v, 3) for v in one.growth],
        "businesses_share_by_phase": [round(v, 6) for v in one.share],
        "optimality_gap": round(one.gap, 6),
        "provinces": {
            str(k): [code for code, p in zip(problem.regions, one.phase, strict=True) if p == k] for k in (1, 2, 3)
        },
    }
