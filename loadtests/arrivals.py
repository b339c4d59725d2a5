"""Open-model arrival schedules: when each journey starts is decided by the schedule, never by how fast answers come.

A stage gives every traffic class a rate in journeys a second, constant or changing linearly over the stage.
`poisson` draws a Poisson process; where the rate changes, by inversion of its integral (Cinlar 1975, section 4.7):
with Y_1 < Y_2 < … a Poisson process of rate one, the arrivals are at L^-1(Y_k), where

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
from itertools import islice
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
    """Journeys a second of every class, at the start and at the end of a stage of `duration_s` seconds."""

    label: str
    duration_s: float
    start_rates: tuple[float, ...]
    end_rates: tuple[float, ...]
    arrivals: Literal["poisson", "constant"] = "poisson"

    def expected(self) -> float:
        """Mean number of journeys over the stage."""
        return (sum(self.start_rates) + sum(self.end_rates)) / 2 * self.duration_s


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
                for kind in range(len(stage.start_rates))
                if stage.start_rates[kind] > 0 or stage.end_rates[kind] > 0
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
    start, end = stage.start_rates[kind], stage.end_rates[kind]
    total = (start + end) / 2 * stage.duration_s
    for block in _unit_times(stage.arrivals, np.random.default_rng((seed, number, kind))):
        inside = block[block < total]
        for at in _inverse(inside, start, end, stage.duration_s).tolist():
            yield Arrival(offset + at, kind, number)
        if len(inside) < len(block):
            return


def _unit_times(arrivals: str, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Arrival times of a process of rate one, in blocks, without end."""
    last = 0.0
    while True:
        block = np.arange(0.5, BLOCK) if arrivals == "constant" else np.cumsum(rng.standard_exponential(BLOCK))
        yield np.add(block, last, dtype=np.float64)
        last += BLOCK if arrivals == "constant" else float(block[-1])


def _inverse(y: NDArray[np.float64], start: float, end: float, duration_s: float) -> NDArray[np.float64]:
    """(A2), in the form that neither loses digits for small slopes nor divides by zero."""
    slope = (end - start) / duration_s
    return 2 * y / (start + np.sqrt(np.maximum(start * start + 2 * slope * y, 0.0)))
