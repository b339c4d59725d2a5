"""Provinces to phases: the frontier between fast coverage and small steps of load, under stated rules.

    choices = frontier(problem, rules)       from the fastest to the most level, with alternatives
    apply_phases(inputs, phase_of)           write one into the launch plan

`capacity.phasing.demand.phasing_problem` makes the problem of a launch plan. The mathematics: docs/model/phasing.md.
"""

from capacity.phasing.assign import Assignment, broken, evaluate, fastest, most_level, unlike
from capacity.phasing.frontier import Choice, frontier
from capacity.phasing.problem import PHASES, PhaseLimits, PhasingRules, Problem, check

__all__ = [
    "PHASES",
    "Assignment",
    "Choice",
    "PhaseLimits",
    "PhasingRules",
    "Problem",
    "broken",
    "check",
    "evaluate",
    "fastest",
    "frontier",
    "most_level",
    "unlike",
]
