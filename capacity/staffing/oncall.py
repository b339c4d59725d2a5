"""On-call roster for operations: who stands by in which week, fairly, with rest between duties.

Formulas (S8)–(S10) of docs/model/staffing.md: every week has its seats filled, nobody stands by twice within
`rest_weeks`, and the largest burden is as small as can be (a week counts more when it holds holidays). Duties are given
in turn to whoever carries least, then exchanged while that levels the burden; where this meets the bound (S13) it is
proven, else HiGHS looks further.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from capacity.faults import BadInput, Fault, Infeasible
from capacity.leasing.solver import INFINITY, Program, solve
from capacity.staffing.desk import FloatArray

Bools = np.typing.NDArray[np.bool_]
_GRAIN = 1e-3
"""Weights are told apart to this."""
_LONG_SECONDS = 60.0
"""For what cannot be given in turn, without a limit of the caller's."""


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
    in which a person cannot. First call alternates: the one with fewer first calls so far goes first. With `seconds`
    0 nothing is searched beyond what taking turns gives, so that every machine gives the same roster.

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
    weight = np.array(weights, dtype=np.float64)
    bound = least_burden(weights, seats, len(people))
    x = _in_turn(people, weight, seats, rest_weeks, away)
    if x is None or (seconds > 0 and float((x @ weight).max(initial=0)) > bound + 1e-9):
        found = solve(_program(people, weights, seats, rest_weeks, away), gap=1e-4, seconds=seconds or _LONG_SECONDS)
        if len(found.x):
            better = np.rint(found.x[: _duties(people, weights)]).reshape(len(people), len(weights)).astype(bool)
            if x is None or (better @ weight).max(initial=0) < (x @ weight).max(initial=0):
                x = better
            bound = max(bound, found.bound)
    if x is None:
        raise Infeasible(
            "nobody is left for some week once absences and rest are kept",
            "Shorten absences, add people or lower the rest.",
        )
    burden = tuple(float(b) for b in x @ weight)
    gap = max(burden, default=0.0) / bound - 1 if bound > 0 else 0.0
    return OnCall(people, _first_calls(people, x), burden, max(0.0, gap))


def least_burden(weights: tuple[float, ...], seats: int, people: int) -> float:
    """No roster has a smaller largest burden: formula (S13), an equal share rounded up to what weeks can add up to."""
    whole = [round(w / _GRAIN) for w in weights]
    step = math.gcd(*whole)
    if step == 0:
        return 0.0
    return math.ceil(seats * sum(whole) / people / step - 1e-9) * step * _GRAIN


def _in_turn(
    people: tuple[str, ...], weight: FloatArray, seats: int, rest: int, away: Mapping[str, tuple[int, ...]]
) -> Bools | None:
    """Week by week those who are free and carry least, of equals who rested longest; then level. None when a week
    finds too few."""
    n, weeks = len(people), len(weight)
    x = np.zeros((n, weeks), dtype=bool)
    free = np.ones((n, weeks), dtype=bool)
    for p, name in enumerate(people):
        free[p, list(away.get(name, ()))] = False
    burden, last = np.zeros(n), np.full(n, -weeks - rest - 1)
    for w in range(weeks):
        able = [p for p in range(n) if free[p, w] and w - last[p] > rest]
        if len(able) < seats:
            return None
        for p in sorted(able, key=lambda p: (round(float(burden[p]) / _GRAIN), int(last[p]), p))[:seats]:
            x[p, w] = True
            burden[p] += weight[w]
            last[p] = w
    _level(x, free, weight, rest)
    return x


def _level(x: Bools, free: Bools, weight: FloatArray, rest: int) -> None:
    """Exchange duties between who carries most and who carries less, as long as that brings the two closer."""
    n, weeks = x.shape

    def may(p: int, w: int, instead: int | None) -> bool:
        duties = [v for v in np.flatnonzero(x[p]).tolist() if v != instead]
        return bool(free[p, w] and not x[p, w] and all(abs(v - w) > rest for v in duties))

    def step() -> bool:
        burden = x @ weight
        for p in np.argsort(-burden, kind="stable").tolist():
            for q in np.argsort(burden, kind="stable").tolist():
                apart = burden[p] - burden[q]
                if apart <= _GRAIN:
                    break
                for w in np.flatnonzero(x[p]).tolist():
                    gives: list[int | None] = [None, *np.flatnonzero(x[q]).tolist()]
                    for v in gives:
                        moved = weight[w] - (0.0 if v is None else weight[v])
                        if not _GRAIN < moved < apart - _GRAIN or not may(q, w, v):
                            continue
                        if v is not None and not may(p, v, w):
                            continue
                        x[p, w], x[q, w] = False, True
                        if v is not None:
                            x[q, v], x[p, v] = False, True
                        return True
        return False

    for _ in range(n * weeks):
        if not step():
            return


def _duties(people: tuple[str, ...], weights: tuple[float, ...]) -> int:
    """Columns of the program that say who stands by when."""
    return len(people) * len(weights)


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
