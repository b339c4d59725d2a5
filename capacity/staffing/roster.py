"""Weekly roster by integer programming: fewest people whose tours cover the seats of every half hour.

Set covering over tours (Dantzig 1954; formulas (S6) and (S7) of docs/model/staffing.md) by HiGHS. People rotate from
tour to tour week by week in an order in which the rest between two weeks is kept, earlier shifts before later ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from capacity.faults import Infeasible
from capacity.leasing.solver import INFINITY, Program, solve
from capacity.staffing.desk import DAYS, SLOTS, WEEK, FloatArray, IntArray
from capacity.staffing.shifts import Tour, WorkRules, shift_templates, tours

OVERSTAFFED = 1e-5
"""Weight of a seat that nobody needs, against one person: it only chooses among plans of as many people."""


@dataclass(frozen=True)
class Roster:
    """One week. `tours[n]` is worked by one person; next week that person works tour `following[n]`.

    `needed` and `staffed`: (days, half hours) seats asked and taken. `heads`: people on the payroll, absence included.
    `bound`: no roster under these rules needs fewer people at work than this.
    """

    tours: tuple[Tour, ...]
    following: tuple[int, ...]
    needed: IntArray
    staffed: IntArray
    heads: int
    bound: int

    @property
    def at_work(self) -> int:
        """People who work the week."""
        return len(self.tours)


def weekly_roster(
    seats: IntArray,
    rules: WorkRules,
    shrinkage: float = 0.0,
    min_seats: int = 0,
    step: int = 1,
    seconds: float = 10.0,
) -> Roster:
    """Fewest people for `seats` (days, half hours), of whom at least `min_seats` whenever the desk is open.

    The desk is open in the half hours that any day asks for seats in, on the days that ask for any. `shrinkage`: share
    of paid time lost to leave, illness and training; it raises the payroll, not the seats. Raises BadInput for rules
    that no shift can keep, Infeasible when no set of tours covers the seats.
    """
    asked = np.asarray(seats, dtype=np.int64)
    open_slots = np.flatnonzero(asked.any(axis=0))
    open_days = tuple(int(d) for d in np.flatnonzero(asked.any(axis=1)))
    if not len(open_slots):
        return Roster((), (), asked, asked, 0, 0)
    first, last = int(open_slots[0]), int(open_slots[-1]) + 1
    asked = asked.copy()
    for day in open_days:
        asked[day, first:last] = np.maximum(asked[day, first:last], min_seats)
    choices = tours(shift_templates(first, last, rules, step), rules, open_days)
    cover = np.array([tour.covers() for tour in choices], dtype=np.float64).T
    need = asked.reshape(WEEK).astype(np.float64)
    unreachable = (need > 0) & ~cover.any(axis=1)
    if unreachable.any():
        place = int(np.flatnonzero(unreachable)[0])
        raise Infeasible(
            f"no shift covers day {place // SLOTS + 1} of the week at {place % SLOTS / 2:g} h",
            "Allow more working days, other breaks or a shorter step between shift starts.",
        )
    counts, bound = _fewest(cover, need, seconds)
    chosen = sorted(
        (tour for tour, count in zip(choices, counts, strict=True) for _ in range(count)),
        key=lambda t: (t.shift.start, t.days, t.shift.rest_after),
    )
    staffed = (cover @ counts).astype(np.int64).reshape(DAYS, SLOTS)
    heads = int(np.ceil(len(chosen) / (1 - shrinkage) - 1e-9))
    return Roster(tuple(chosen), _rotation(chosen, rules), asked, staffed, heads, bound)


def _fewest(cover: FloatArray, need: FloatArray, seconds: float) -> tuple[IntArray, int]:
    rows = np.flatnonzero(need > 0)
    surplus = cover.sum(axis=0)
    program = Program(
        1 + OVERSTAFFED * surplus / max(1.0, surplus.max(initial=1.0)),
        sp.csr_array(cover[rows]),
        need[rows],
        np.full(len(rows), INFINITY),
        np.zeros(cover.shape[1]),
        np.full(cover.shape[1], INFINITY),
        np.ones(cover.shape[1], dtype=bool),
    )
    found = solve(program, gap=1e-6, seconds=seconds)
    relaxed = solve(program, relax=True)
    bound = int(np.ceil(max(found.bound, relaxed.objective) / (1 + OVERSTAFFED) - 1e-6))
    if not len(found.x):
        return np.ceil(relaxed.x - 1e-9).astype(np.int64), bound
    return np.rint(found.x).astype(np.int64), bound


def _rotation(chosen: list[Tour], rules: WorkRules) -> tuple[int, ...]:
    """For each tour the one its person works next week. Least assignment: to the next later shift where rest allows;
    a person stays on the same tour only when nothing else keeps the rest."""
    n = len(chosen)
    if n <= 1:
        return tuple(range(n))
    rest = np.array([[one.rest_before(other) for other in chosen] for one in chosen])
    step = (np.arange(n)[None, :] - np.arange(n)[:, None] - 1) % n
    cost = step + np.where(rest < 2 * rules.rest_h, float(n * n), 0.0)
    _, following = linear_sum_assignment(cost)
    return tuple(int(k) for k in following)
