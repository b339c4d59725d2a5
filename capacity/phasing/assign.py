"""Regions to phases by integer programming: how fast businesses are covered against how much one launch adds.

Formulas (P1)–(P8) of docs/model/phasing.md, with x[r, k] = 1 when region r joins in phase k:

- waiting: days that the average business waits after the first launch, sum of weight x start_day x / sum of weight;
- step: the largest load that any phase adds in any hour of its launch day.

Both are linear in x, so that the frontier between them is a row of mixed-integer programs (the epsilon-constraint
method, Haimes, Lasdon & Wismer 1971), solved by HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from capacity.faults import Infeasible
from capacity.leasing.solver import INFINITY, Program, solve
from capacity.phasing.problem import PHASES, FloatArray, IntArray, PhasingRules, Problem

GAP = 5e-4
"""Relative gap at which a program counts as solved: sums of 34 provinces come so close to each other that closing it
wholly would cost minutes and change nothing that anybody could see."""
EXACT = 1e-9
SECONDS = 60.0


@dataclass(frozen=True)
class Assignment:
    """`phase[r]` in 1..3 and what it means.

    `waiting_days`: of the average business. `step`: largest load added by one launch. `added[k]`: load phase k adds in
    its busiest hour; `peak[k]`: busiest hour of its launch day, everything that joined before included; `share[k]`:
    businesses that join; `gap`: of the program that found it.
    """

    phase: tuple[int, ...]
    waiting_days: float
    step: float
    added: tuple[float, ...]
    peak: tuple[float, ...]
    share: tuple[float, ...]
    gap: float = 0.0

    @property
    def growth(self) -> tuple[float, ...]:
        """Growth of the peak from phase to phase, in the unit of load; the first from nothing."""
        return tuple(float(v) for v in np.diff(np.concatenate([[0.0], self.peak])))


def evaluate(problem: Problem, phase: IntArray, gap: float = 0.0) -> Assignment:
    """What an assignment means, whatever made it."""
    index = phase - 1
    rows = np.arange(len(index))
    joins = index[:, None] == np.arange(PHASES)
    added = np.array([problem.launch[rows[index == k], k].sum(axis=0) for k in range(PHASES)])
    before = np.zeros_like(added)
    for k in range(PHASES):
        earlier = index < k
        before[k] = problem.carried[rows[earlier], index[earlier], k].sum(axis=0)
    total = problem.weight.sum()
    return Assignment(
        tuple(int(p) for p in phase),
        float(problem.weight @ problem.start_day[index] / total),
        float(added.max()),
        tuple(float(v) for v in added.max(axis=1)),
        tuple(float(v) for v in (added + before).max(axis=1)),
        tuple(float(v) for v in problem.weight @ joins / total),
        gap,
    )


def fastest(
    problem: Problem, rules: PhasingRules, max_step: float = INFINITY, prefer: IntArray | None = None
) -> Assignment:
    """Least waiting with a step of at most `max_step`. Among assignments within GAP of it the one that moves fewest
    regions from `prefer`, or without that the one of the smallest step. Raises Infeasible."""
    tie = _step_column(problem) if prefer is None else -_same(problem, prefer)
    return _solved(problem, rules, _waiting(problem), max_step=max_step, tie=tie)


def most_level(problem: Problem, rules: PhasingRules) -> Assignment:
    """Smallest step, and among assignments within GAP of it the fastest. Raises Infeasible."""
    return _solved(problem, rules, _step_column(problem), tie=_waiting(problem))


def unlike(problem: Problem, rules: PhasingRules, other: Assignment, slack: float = 0.02) -> Assignment | None:
    """The assignment that differs in most regions from `other` while waiting and step exceed its own by at most
    `slack`; None when none differs."""
    found = _solved(
        problem,
        rules,
        _same(problem, np.array(other.phase)),
        max_step=other.step * (1 + slack),
        max_waiting=other.waiting_days * (1 + slack) + EXACT,
    )
    return None if found.phase == other.phase else found


def _same(problem: Problem, phase: IntArray) -> FloatArray:
    """One for each region that stays where `phase` has it."""
    cost = np.zeros(_width(problem))
    cost[np.arange(len(phase)) * PHASES + phase - 1] = 1.0
    return cost


def _width(problem: Problem) -> int:
    """x[r, k] row by row, then the step."""
    return len(problem.regions) * PHASES + 1


def _waiting(problem: Problem) -> FloatArray:
    cost = np.zeros(_width(problem))
    cost[:-1] = np.outer(problem.weight, problem.start_day).ravel() / problem.weight.sum()
    return cost


def _step_column(problem: Problem) -> FloatArray:
    cost = np.zeros(_width(problem))
    cost[-1] = 1.0
    return cost


def _solved(
    problem: Problem,
    rules: PhasingRules,
    cost: FloatArray,
    max_step: float = INFINITY,
    max_waiting: float = INFINITY,
    tie: FloatArray | None = None,
) -> Assignment:
    """`cost` first, then `tie` among the assignments within GAP of the least."""
    rows = _Rows(problem)
    _rule_rows(problem, rules, rows)
    waiting = _waiting(problem)
    if np.isfinite(max_waiting):
        rows.add(waiting, -INFINITY, max_waiting)
    lower, upper = _bounds(problem, rules)
    upper[-1] = max_step
    program = rows.program(cost, lower, upper)
    found = solve(program, gap=GAP, seconds=SECONDS)
    if not len(found.x):
        raise Infeasible(*_why(problem, rules, max_step, max_waiting))
    gap = max(0.0, 1 - found.bound / found.objective) if found.objective > 0 else 0.0
    x = found.x
    if tie is not None and tie.any():
        rows.add(cost, -INFINITY, found.objective * (1 + GAP) + EXACT)
        second = solve(rows.program(tie, lower, upper), gap=GAP, seconds=SECONDS)
        x = second.x if len(second.x) else x
    phase = np.rint(x[:-1]).reshape(-1, PHASES).argmax(axis=1) + 1
    return evaluate(problem, phase.astype(np.int64), gap)


def broken(problem: Problem, rules: PhasingRules, phase: IntArray) -> list[str]:
    """Which rules an assignment breaks, in words; none for what this module returns."""
    rows = _Rows(problem)
    x = np.zeros(rows.width)
    x[np.arange(len(phase)) * PHASES + phase - 1] = 1.0
    x[-1] = evaluate(problem, phase).step
    lower, upper = _bounds(problem, rules)
    wrong = (x < lower - EXACT) | (x > upper + EXACT)
    places = sorted({int(n) // PHASES for n in np.flatnonzero(wrong)})
    out = []
    for r in places:
        why = _forbidden_by(rules, problem.regions[r], int(phase[r]))
        out.append(f"{problem.regions[r]} may not join in phase {phase[r]} ({why})")
    parts: dict[str, dict[str, Any]] = {
        "shares or counts of the phases": {"zones": "free", "together": ()},
        "the time-zone rule": {"limits": (), "together": ()},
        "regions kept together": {"limits": (), "zones": "free"},
    }
    for name, change in parts.items():
        one = _Rows(problem)
        _rule_rows(problem, rules.model_copy(update=change), one)
        value = np.array(one.rows) @ x
        if ((value < np.array(one.low) - EXACT) | (value > np.array(one.high) + EXACT)).any():
            out.append(name)
    return out


def _forbidden_by(rules: PhasingRules, region: str, phase: int) -> str:
    """Which rule forbids a region a phase."""
    if rules.fixed.get(region, phase) != phase:
        return f"fixed to phase {rules.fixed[region]}"
    if phase in rules.forbidden.get(region, ()):
        return "forbidden"
    if phase < rules.ready.get(region, 1):
        return f"its satgas is ready from phase {rules.ready[region]}"
    return f"special economic zones join by phase {rules.special_zones_by}"


class _Rows:
    """Rows of the program, gathered one by one."""

    def __init__(self, problem: Problem) -> None:
        self.width = _width(problem)
        self.rows: list[FloatArray] = []
        self.low: list[float] = []
        self.high: list[float] = []
        count = len(problem.regions)
        for r in range(count):
            row = np.zeros(self.width)
            row[r * PHASES : (r + 1) * PHASES] = 1.0
            self.add(row, 1.0, 1.0)
        for k in range(PHASES):
            for h in range(problem.launch.shape[2]):
                if problem.launch[:, k, h].any():
                    row = np.zeros(self.width)
                    row[k:-1:PHASES] = problem.launch[:, k, h]
                    row[-1] = -1.0
                    self.add(row, -INFINITY, 0.0)

    def add(self, row: FloatArray, low: float, high: float) -> None:
        self.rows.append(row)
        self.low.append(low)
        self.high.append(high)

    def program(self, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> Program:
        whole = np.ones(self.width, dtype=bool)
        whole[-1] = False
        matrix = sp.csr_array(np.array(self.rows))
        return Program(cost, matrix, np.array(self.low), np.array(self.high), lower, upper, whole)


def _bounds(problem: Problem, rules: PhasingRules) -> tuple[FloatArray, FloatArray]:
    """Fixed, forbidden, not ready, and special economic zones that must have joined: bounds of single x."""
    lower, upper = np.zeros(_width(problem)), np.ones(_width(problem))
    upper[-1] = INFINITY
    for r, region in enumerate(problem.regions):
        for k in range(1, PHASES + 1):
            place = r * PHASES + k - 1
            late = rules.special_zones_by is not None and region in rules.special_zones and k > rules.special_zones_by
            if k < rules.ready.get(region, 1) or k in rules.forbidden.get(region, ()) or late:
                upper[place] = 0.0
            if rules.fixed.get(region) == k:
                lower[place] = 1.0
    return lower, upper


def _rule_rows(problem: Problem, rules: PhasingRules, rows: _Rows) -> None:
    total = problem.weight.sum()
    for k in range(PHASES):
        limit = rules.limit(k + 1)
        share, count = np.zeros(rows.width), np.zeros(rows.width)
        share[k:-1:PHASES] = problem.weight / total
        count[k:-1:PHASES] = 1.0
        rows.add(share, limit.min_share, limit.max_share)
        rows.add(count, limit.min_regions, INFINITY if limit.max_regions is None else limit.max_regions)
        if rules.zones == "spread":
            for z in range(len(problem.zones)):
                if (problem.zone == z).sum() >= PHASES:
                    row = np.zeros(rows.width)
                    row[k:-1:PHASES] = problem.zone == z
                    rows.add(row, 1.0, INFINITY)
    groups = [[problem.regions.index(region) for region in group] for group in rules.together]
    if rules.zones == "together":
        groups += [np.flatnonzero(problem.zone == z).tolist() for z in range(len(problem.zones))]
    for group in groups:
        for other in group[1:]:
            for k in range(PHASES):
                row = np.zeros(rows.width)
                row[group[0] * PHASES + k], row[other * PHASES + k] = 1.0, -1.0
                rows.add(row, 0.0, 0.0)


def _why(problem: Problem, rules: PhasingRules, max_step: float, max_waiting: float) -> tuple[str, str]:
    """Which rules contradict each other: each kind is left out alone, and those that set the problem free are named."""
    left_out: dict[str, dict[str, Any]] = {
        "the shares and counts of the phases (limits)": {"limits": ()},
        "the time-zone rule (zones)": {"zones": "free"},
        "special economic zones first (special_zones_by)": {"special_zones_by": None},
        "the readiness of the satgas (ready)": {"ready": {}},
        "fixed regions (fixed)": {"fixed": {}},
        "forbidden phases (forbidden)": {"forbidden": {}},
        "regions kept together (together)": {"together": ()},
    }
    bound = ""
    if np.isfinite(max_step) or np.isfinite(max_waiting):
        bound = " within the step and the wait asked for"
    guilty = [name for name, change in left_out.items() if _free(problem, rules.model_copy(update=change))]
    if guilty:
        return f"no assignment of regions to phases keeps all rules{bound}", f"Relax {', or '.join(guilty)}."
    return f"no assignment of regions to phases keeps all rules{bound}", "Relax several rules: no single one is enough."


def _free(problem: Problem, rules: PhasingRules) -> bool:
    rows = _Rows(problem)
    _rule_rows(problem, rules, rows)
    lower, upper = _bounds(problem, rules)
    if (lower > upper).any():
        return False
    return len(solve(rows.program(np.zeros(rows.width), lower, upper), seconds=SECONDS).x) > 0
