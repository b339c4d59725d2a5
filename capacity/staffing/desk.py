"""Seats of a support desk in every half hour of a week, from contacts by time zone.

Formulas (S1)–(S5) of docs/model/staffing.md. Erlang C (Erlang 1917) assumes that nobody hangs up and is the safe side;
Erlang A (Palm 1946; Mandelbaum & Zeltyn 2007) counts those who do. Both look at each half hour in steady state, which
holds when a contact takes much less than half an hour of queue to settle (SIPP; Green, Kolesar & Soares 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from capacity.faults import BadInput, Fault
from capacity.queueing import erlang_a, erlang_a_tail, erlang_c

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DAYS = 7
SLOTS = 48
"""Half hours of a day."""
SLOT_S = 1800.0
WEEK = DAYS * SLOTS


@dataclass(frozen=True)
class Contacts:
    """Contacts started at the desk. `arrivals[z, d, h]`: in half hour h of day d (0 is Monday), local time of zone z.
    `ahead_h[z]`: whole or half hours that the zone's clock is ahead of the desk's."""

    zones: tuple[str, ...]
    ahead_h: tuple[float, ...]
    arrivals: FloatArray
    handling_s: float
    patience_s: float


@dataclass(frozen=True)
class Target:
    """The promise: `answer_share` of the contacts within `answer_within_s`; at most `max_abandonment` hang up (Erlang A
    only); nobody is busier than `max_occupancy` of the time."""

    answer_share: float = 0.8
    answer_within_s: float = 60.0
    max_abandonment: float = 0.05
    max_occupancy: float = 0.85


@dataclass(frozen=True)
class Seats:
    """Seats taken in each half hour (days, half hours), desk time, and what they achieve. Where nobody calls: 0 seats,
    service level 1."""

    seats: IntArray
    service_level: FloatArray
    abandonment: FloatArray
    occupancy: FloatArray


def at_the_desk(contacts: Contacts) -> FloatArray:
    """(zones, days, half hours) arrivals by the desk's clock: a zone that is ahead calls earlier. Raises BadInput."""
    _check(contacts)
    moved = [
        np.roll(week.reshape(WEEK), -round(2 * ahead)).reshape(DAYS, SLOTS)
        for week, ahead in zip(contacts.arrivals, contacts.ahead_h, strict=True)
    ]
    return np.array(moved)


def desk_seats(
    arrivals: FloatArray,
    handling_s: float,
    target: Target,
    patience_s: float | None = None,
    model: Literal["erlang_c", "erlang_a"] = "erlang_c",
) -> Seats:
    """Fewest seats that keep the target in every half hour; `arrivals` (days, half hours) is one desk's.

    Both measures improve with every seat, so that the first number that keeps them is the least. Raises ValueError for
    Erlang A without patience.
    """
    if model == "erlang_a" and patience_s is None:
        raise ValueError("Erlang A needs the patience of callers")
    if not (0 < target.answer_share < 1 and target.max_occupancy > 0 and target.max_abandonment > 0):
        raise ValueError("a target needs an answer share between 0 and 1, and an occupancy and abandonment above 0")
    unique, place = np.unique(arrivals, return_inverse=True)
    load = unique / SLOT_S * handling_s

    def measures(c: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        if model == "erlang_c":
            return _erlang_c_level(load, c, target.answer_within_s / handling_s), np.zeros(len(load)), load / c
        rate, patience = unique / SLOT_S, float(patience_s or 0.0)
        level = 1 - erlang_a_tail(target.answer_within_s, rate, handling_s, c, patience)
        gone = np.asarray(erlang_a(rate, handling_s, c, patience).abandon_probability)
        return level, gone, load * (1 - gone) / c

    def kept(c: IntArray) -> npt.NDArray[np.bool_]:
        level, gone, busy = measures(c)
        limit = target.max_abandonment if model == "erlang_a" else 1.0
        return np.asarray((level >= target.answer_share) & (busy <= target.max_occupancy) & (gone <= limit))

    low = np.zeros(len(unique), dtype=np.int64)
    high = np.ceil(load / min(target.max_occupancy, 1.0)).astype(np.int64) + 1
    while not (enough := kept(high)).all():
        low, high = np.where(enough, low, high), np.where(enough, high, 2 * high)
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, 1)
        enough = kept(middle)
        low, high = np.where(enough, low, middle), np.where(enough, np.minimum(high, middle), high)
    level, gone, busy = measures(high)
    calm = unique <= 0

    def shaped(values: FloatArray, empty: float) -> FloatArray:
        return np.asarray(np.where(calm, empty, values)[place].reshape(arrivals.shape))

    seats = np.where(calm, 0, high)[place].reshape(arrivals.shape)
    return Seats(seats, shaped(level, 1.0), shaped(gone, 0.0), shaped(busy, 0.0))


def _erlang_c_level(load: FloatArray, c: IntArray, within: float) -> FloatArray:
    """Formula (S2): 1 - C(c, a) exp(-(c - a) t / s), 0 where the queue has no steady state. `within` = t / s."""
    late = erlang_c(c, load) * np.exp(-np.maximum(c - load, 0.0) * within)
    return np.asarray(np.where(load < c, 1 - late, 0.0))


def _check(contacts: Contacts) -> None:
    faults: list[Fault] = []

    def fault(path: str, value: object, problem: str, remedy: str) -> None:
        faults.append(Fault("support desk", path, str(value), problem, remedy))

    shape = (len(contacts.zones), DAYS, SLOTS)
    if contacts.arrivals.shape != shape or len(contacts.ahead_h) != len(contacts.zones):
        fault("arrivals", contacts.arrivals.shape, f"shape should be {shape}", "Give every zone a week.")
    if not np.all(np.isfinite(contacts.arrivals)) or contacts.arrivals.min(initial=0) < 0:
        fault("arrivals", "", "holds a negative or infinite number", "Correct the contacts.")
    if contacts.handling_s <= 0 or contacts.patience_s <= 0:
        fault("handling_s, patience_s", "", "must be above 0", "State them in seconds.")
    if any(round(2 * ahead) != 2 * ahead for ahead in contacts.ahead_h):
        fault("ahead_h", contacts.ahead_h, "is no multiple of half an hour", "Use half hours.")
    if faults:
        raise BadInput(faults)
