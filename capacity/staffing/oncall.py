"""On-call roster for operations: who stands by in which week, fairly, with rest between duties.

Formulas (S8)–(S10) of docs/model/staffing.md, solved by HiGHS: every week has its seats filled, nobody stands by twice
within `rest_weeks`, and the largest burden is as small as can be (a week counts more when it holds holidays).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from capacity.faults import BadInput, Fault, Infeasible
from capacity.leasing.solver import INFINITY, Program, solve
from capacity.staffing.desk import FloatArray


@dataclass(frozen=True)
class OnCall:
    """`weeks[w]`: who stands by in week w, first call first. `burden[p]`: sum of the weights of a person's weeks.
    `gap`: the largest burden over the least possible, minus one."""

    people: tuple[str, ...]
    weeks: tuple[tuple[str, ...], ...]
    burden: tuple[float, ...]
    gap: float


def on_call_roster(
    people: tuple[str, ...],
    weights: tuple[float, ...],
    seats: int = 2,
    rest_weeks: int = 1,
    away: Mapping[str, tuple[int, ...]] | None = None,
    seconds: float = 5.0,
) -> OnCall:
    """Assign `seats` people to each week; `weights[w]` is the burden of week w (1 for an ordinary one). `away`: weeks
    in which a person cannot. First call alternates: the one with fewer first calls so far goes first.

    Raises BadInput for wrong input, Infeasible (with how many people are missing) when there are too few.
    """
    away = away or {}
    _check(people, weights, seats, away)
    least = seats * (rest_weeks + 1)
    if len(people) < least:
        raise Infeasible(
            f"{len(people)} people cannot fill {seats} on-call seats with {rest_weeks} week(s) of rest between",
            f"Name {least - len(people)} more, or lower the seats or the rest.",
        )
    n, weeks = len(people), len(weights)
    found = solve(_program(people, weights, seats, rest_weeks, away), gap=1e-4, seconds=seconds)
    if not len(found.x):
        raise Infeasible(
            "nobody is left for some week once absences and rest are kept",
            "Shorten absences, add people or lower the rest.",
        )
    x = np.rint(found.x[: n * weeks]).reshape(n, weeks).astype(bool)
    burden = tuple(float(np.array(weights)[x[p]].sum()) for p in range(n))
    bound = max(seats * sum(weights) / n, found.bound)
    gap = max(burden, default=0.0) / bound - 1 if bound > 0 else 0.0
    return OnCall(people, _first_calls(people, x), burden, max(0.0, gap))


def _program(
    people: tuple[str, ...], weights: tuple[float, ...], seats: int, rest: int, away: Mapping[str, tuple[int, ...]]
) -> Program:
    n, weeks = len(people), len(weights)
    width = n * weeks + 2
    most, fewest = n * weeks, n * weeks + 1
    rows: list[dict[int, float]] = []
    low: list[float] = []
    high: list[float] = []

    def add(terms: dict[int, float], at_least: float, at_most: float) -> None:
        rows.append(terms)
        low.append(at_least)
        high.append(at_most)

    for w in range(weeks):
        add({p * weeks + w: 1.0 for p in range(n)}, seats, seats)
    for p in range(n):
        for w in range(weeks - rest):
            add({p * weeks + w + k: 1.0 for k in range(rest + 1)}, 0, 1)
        load = {p * weeks + w: float(weights[w]) for w in range(weeks)}
        add({**load, most: -1.0}, -INFINITY, 0)
        add({**load, fewest: -1.0}, 0, INFINITY)
    upper = np.ones(width)
    upper[most:] = INFINITY
    for p, name in enumerate(people):
        upper[[p * weeks + w for w in away.get(name, ())]] = 0.0
    matrix = sp.lil_array((len(rows), width))
    for r, terms in enumerate(rows):
        for column, value in terms.items():
            matrix[r, column] = value
    cost: FloatArray = np.zeros(width)
    cost[most], cost[fewest] = 1.0, -1e-3
    whole = np.ones(width, dtype=bool)
    whole[most:] = False
    return Program(cost, sp.csr_array(matrix), np.array(low), np.array(high), np.zeros(width), upper, whole)


def _first_calls(people: tuple[str, ...], x: np.typing.NDArray[np.bool_]) -> tuple[tuple[str, ...], ...]:
    first = [0] * len(people)
    out = []
    for w in range(x.shape[1]):
        order = sorted(np.flatnonzero(x[:, w]).tolist(), key=lambda p: (first[p], p))
        if order:
            first[order[0]] += 1
        out.append(tuple(people[p] for p in order))
    return tuple(out)


def _check(
    people: tuple[str, ...], weights: tuple[float, ...], seats: int, away: Mapping[str, tuple[int, ...]]
) -> None:
    faults = []
    if len(set(people)) != len(people):
        faults.append(Fault("on-call roster", "people", str(people), "holds a name twice", "Name everybody once."))
    if seats < 1 or min(weights, default=1.0) < 0:
        faults.append(
            Fault("on-call roster", "seats, weights", "", "are out of range", "Use 1 seat or more, weights ≥ 0.")
        )
    for name, weeks in away.items():
        if name not in people or any(not 0 <= w < len(weights) for w in weeks):
            fix = f"Use the names given and weeks 0 to {len(weights) - 1}."
            faults.append(Fault("on-call roster", f"away.{name}", str(weeks), "names no such person or week", fix))
    if faults:
        raise BadInput(faults)
