"""The frontier between speed and steadiness: assignments of which no other is both faster and more level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from capacity.faults import Infeasible
from capacity.phasing.assign import Assignment, fastest, most_level, unlike
from capacity.phasing.problem import IntArray, PhasingRules, Problem

Progress = Callable[[str, float, float], None]

SAME = 1e-3


def no_progress(_what: str, _done: float, _total: float) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Choice:
    """One point of the frontier, and an assignment unlike it that is nearly as good (None when there is none)."""

    assignment: Assignment
    alternative: Assignment | None


def frontier(
    problem: Problem,
    rules: PhasingRules,
    points: int = 7,
    prefer: IntArray | None = None,
    slack: float = 0.02,
    progress: Progress = no_progress,
) -> tuple[Choice, ...]:
    """Up to `points` assignments from the fastest to the most level, by the epsilon-constraint method.

    The bound on the step falls evenly from that of the fastest to the least possible; each is solved for the least
    waiting, and near its optimum keeps to `prefer` (the plan as it is) where it can. Raises Infeasible when the rules
    leave nothing.
    """
    progress("the fastest", 0, points)
    fast = fastest(problem, rules, prefer=prefer)
    level = most_level(problem, rules)
    found = [fast]
    for n in range(1, points - 1):
        bound = fast.step + (level.step - fast.step) * n / (points - 1)
        try:
            progress("points between", n, points)
            found.append(fastest(problem, rules, bound, prefer))
        except Infeasible:
            break
    found.append(level)
    kept: list[Assignment] = []
    for one in sorted(found, key=lambda a: (a.waiting_days, a.step)):
        if not kept or one.step < kept[-1].step * (1 - SAME):
            kept.append(one)
    out = []
    for n, one in enumerate(kept):
        progress("alternatives", n + 1, len(kept))
        out.append(Choice(one, unlike(problem, rules, one, slack)))
    return tuple(out)
