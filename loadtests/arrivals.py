"""Open-model arrival schedules: when each journey starts is decided by the schedule, never by how fast answers come.

A stage gives every traffic class a rate in journeys a second: constant, changing linearly, or along a line through
equally spaced points, such as the half hours of a day. `poisson` draws a Poisson process; where the rate changes, by
inversion of its integral (Cinlar 1975, section 4.7): with Y_1 < Y_2 < … a Poisson process of rate one, the arrivals are
at L^-1(Y_k), where over a stretch of T seconds from rate r0 to rate r1

    L(t) = r0 t + (r1 - r0) t^2 / (2 T)      0 <= t <= T                                   (A1)
    L^-1(y) = (-r0 + sqrt(r0^2 + 2 a y)) / a,  a = (r1 - r0) / T                           (A2)

`constant` takes Y_k = k - 1/2 instead: evenly spaced where the rate is constant.
A schedule depends on its seed alone. Workers share one by taking every n-th arrival, so any number of them
offers exactly the same load.
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.documents import read_csv, shown
from capacity.faults import BadInput, Fault

BLOCK = 4096


class Arrival(NamedTuple):
    """One journey to start: seconds after the start of the run, number of its class, number of its stage."""

    at_s: float
    kind: int
    stage: int


@dataclass(frozen=True, slots=True)
class RateStage:
    """Journeys a second over a stage of `duration_s` seconds: for every class its rates at equally spaced times.

    The first is at the stage's start and the last at its end; between two the rate changes linearly.
    """

    label: str
    duration_s: float
    curves: tuple[tuple[float, ...], ...]
    arrivals: Literal["poisson", "constant"] = "poisson"

    @classmethod
    def linear(
        cls,
        label: str,
        duration_s: float,
        start_rates: Sequence[float],
        end_rates: Sequence[float],
        arrivals: Literal["poisson", "constant"] = "poisson",
    ) -> RateStage:
        """A stage whose rates go straight from those at its start to those at its end."""
        return cls(label, duration_s, tuple(zip(start_rates, end_rates, strict=True)), arrivals)

    @property
    def start_rates(self) -> tuple[float, ...]:
        """Every class's rate at the stage's start."""
        return tuple(curve[0] for curve in self.curves)

    @property
    def end_rates(self) -> tuple[float, ...]:
        """Every class's rate at the stage's end."""
        return tuple(curve[-1] for curve in self.curves)

    @property
    def peak_rate(self) -> float:
        """Most journeys a second of all classes together (at one of the given times, as all between are straight)."""
        return max((sum(rates) for rates in zip(*self.curves, strict=True)), default=0.0)

    def expected(self, kind: int | None = None) -> float:
        """Mean number of journeys over the stage: of one class, or of all."""
        chosen = self.curves if kind is None else (self.curves[kind],)
        return sum(_integrals(curve, self.duration_s)[-1] for curve in chosen)


class Schedule(Protocol):
    """Arrivals in order of time; iterating twice gives the same arrivals."""

    @property
    def duration_s(self) -> float:
        """Length of the whole schedule."""
        ...

    def __iter__(self) -> Iterator[Arrival]: ...


@dataclass(frozen=True, slots=True)
class RateSchedule:
    """Stages one after the other, as a schedule."""

    stages: tuple[RateStage, ...]
    seed: int

    @property
    def duration_s(self) -> float:
        """Sum of the stages' durations."""
        return sum(stage.duration_s for stage in self.stages)

    def __iter__(self) -> Iterator[Arrival]:
        offset = 0.0
        for number, stage in enumerate(self.stages):
            streams = [
                _arrivals(stage, number, kind, offset, self.seed)
                for kind, curve in enumerate(stage.curves)
                if any(rate > 0 for rate in curve)
            ]
            yield from heapq.merge(*streams)
            offset += stage.duration_s


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded trace as a schedule: each row is one arrival."""

    arrivals: tuple[Arrival, ...]
    duration_s: float

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self.arrivals)


def share(schedule: Iterable[Arrival], part: int, parts: int) -> Iterator[Arrival]:
    """Every `parts`-th arrival, beginning with number `part`: what one worker of `parts` walks."""
    if not 0 <= part < parts:
        raise ValueError(f"part {part} of {parts}")
    return islice(iter(schedule), part, None, parts)


def read_trace(path: Path, classes: Sequence[str]) -> Replay:
    """A trace from a CSV file with the columns `at_s` (seconds from its start, rising) and `class`.

    Raises BadInput with every row that is wrong.
    """
    faults: list[Fault] = []
    arrivals: list[Arrival] = []
    numbers = {name: number for number, name in enumerate(classes)}
    before = 0.0
    for number, row in enumerate(read_csv(path, ("at_s", "class")), start=2):
        try:
            at_s = float(row["at_s"])
        except ValueError:
            at_s = float("nan")
        if not before <= at_s < float("inf"):
            remedy = "Give seconds from the start of the trace, in rising order."
            faults.append(
                Fault(shown(path), f"row {number}, at_s", row["at_s"], "is no time at or after the last", remedy)
            )
        elif row["class"] not in numbers:
            remedy = f"Use one of {', '.join(classes)}."
            faults.append(Fault(shown(path), f"row {number}, class", row["class"], "is no class of the plan", remedy))
        else:
            before = at_s
            arrivals.append(Arrival(at_s, numbers[row["class"]], 0))
    if not arrivals and not faults:
        faults.append(Fault(shown(path), "", "", "has no arrivals", "Record at least one."))
    if faults:
        raise BadInput(faults)
    return Replay(tuple(arrivals), arrivals[-1].at_s)


def write_trace(path: Path, schedule: Iterable[Arrival], classes: Sequence[str]) -> int:
    """Write a schedule as a trace that `read_trace` reads; returns the number of arrivals."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("at_s", "class"))
        for arrival in schedule:
            writer.writerow((f"{arrival.at_s:.6f}", classes[arrival.kind]))
            count += 1
    return count


def _arrivals(stage: RateStage, number: int, kind: int, offset: float, seed: int) -> Iterator[Arrival]:
    curve = stage.curves[kind]
    total = _integrals(curve, stage.duration_s)[-1]
    for block in _unit_times(stage.arrivals, np.random.default_rng((seed, number, kind))):
        inside = block[block < total]
        for at in _inverse(inside, curve, stage.duration_s).tolist():
            yield Arrival(offset + at, kind, number)
        if len(inside) < len(block):
            return


def _integrals(curve: Sequence[float], duration_s: float) -> list[float]:
    """The integral of a rate from the stage's start to each of its points."""
    step = duration_s / (len(curve) - 1)
    return [0.0, *accumulate((a + b) / 2 * step for a, b in pairwise(curve))]


def _unit_times(arrivals: str, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Arrival times of a process of rate one, in blocks, without end."""
    last = 0.0
    while True:
        block = np.arange(0.5, BLOCK) if arrivals == "constant" else np.cumsum(rng.standard_exponential(BLOCK))
        yield np.add(block, last, dtype=np.float64)
        last += BLOCK if arrivals == "constant" else float(block[-1])


def _inverse(y: NDArray[np.float64], curve: Sequence[float], duration_s: float) -> NDArray[np.float64]:
    """(A2) on the stretch that each y falls into, in the form that neither loses digits for small slopes nor divides by
    zero; a y that rounding puts at a stretch's end stays within it."""
    step = duration_s / (len(curve) - 1)
    ends = np.array(_integrals(curve, duration_s))
    stretch = np.clip(np.searchsorted(ends, y, side="right") - 1, 0, len(curve) - 2)
    rates = np.array(curve)
    start, slope, left = rates[stretch], (rates[stretch + 1] - rates[stretch]) / step, y - ends[stretch]
    pace = start + np.sqrt(np.maximum(start * start + 2 * slope * left, 0.0))
    inside = np.divide(2 * left, pace, out=np.zeros_like(left), where=pace > 0)
    return np.asarray(stretch * step + np.minimum(inside, step))
