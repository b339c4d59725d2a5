"""What a generator process measures: one histogram for each class, endpoint and stage, and counters beside it.

`Recorder` is the hot path: it notes samples in lists and counts them into the histograms by the thousand. `Tally` is
what workers' samples add up to at their master; adding is exact, in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hdrh.histogram import HdrHistogram

from loadtests import histogram
from loadtests.timeline import Timeline

MAX_MESSAGES = 200
FOLD_AT = 2048


class CellKey(NamedTuple):
    """Where a sample belongs."""

    stage: int
    kind: str
    endpoint: str


@dataclass(slots=True)
class Cell:
    """Samples of one class and endpoint in one stage."""

    latency: HdrHistogram = field(default_factory=histogram.new)
    errors: int = 0
    total_us: int = 0

    @property
    def count(self) -> int:
        """All samples, the failed ones too."""
        return int(self.latency.get_total_count())


class _Pending:
    """Samples of one cell that are not yet counted."""

    __slots__ = ("add_intended", "add_latency", "errors", "intended_s", "latency_us")

    def __init__(self) -> None:
        self.latency_us: list[int] = []
        self.intended_s: list[float] = []
        self.add_latency = self.latency_us.append
        self.add_intended = self.intended_s.append
        self.errors = 0


@dataclass(slots=True)
class StageCounters:
    """Journeys and calls of one stage: intended, and what became of them."""

    journeys: int = 0
    journeys_done: int = 0
    journeys_unsent: int = 0
    calls: int = 0
    calls_done: int = 0


class Recorder:
    """Collects samples in one process."""

    def __init__(self, warmup: Sequence[bool]) -> None:
        self._warmup = tuple(warmup)
        self._pending: dict[CellKey, _Pending] = {}
        self._late_us: list[int] = []
        self._tally = Tally(len(self._warmup))

    @property
    def stages(self) -> list[StageCounters]:
        """Counters by stage, for the caller to count journeys and intended calls in."""
        return self._tally.stages

    def sample(self, key: CellKey, intended_s: float, latency_us: int, error: str | None) -> None:
        """One answered call; `intended_s` is seconds after the start of the run, when it ought to have been sent."""
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending()
        pending.add_latency(latency_us)
        pending.add_intended(intended_s)
        if error is None:
            self._tally.stages[key.stage].calls_done += 1
        else:
            pending.errors += 1
            self._tally.failed(key.endpoint, error, intended_s)
        if len(pending.latency_us) >= FOLD_AT:
            self._fold(key, self._pending.pop(key))

    def late(self, stage: int, lateness_us: int) -> None:
        """How late a call was sent. Warm-up does not count: connections and caches are still being made."""
        if not self._warmup[stage]:
            self._late_us.append(lateness_us)
            if len(self._late_us) >= FOLD_AT:
                self._fold_lateness()

    def fold(self) -> Tally:
        """Count what is pending; the tally so far, which goes on counting."""
        for key, pending in self._pending.items():
            self._fold(key, pending)
        self._pending = {}
        self._fold_lateness()
        return self._tally

    def take(self) -> Tally:
        """Everything since the last `take`; the recorder starts anew."""
        self.fold()
        taken, self._tally = self._tally, Tally(len(self._warmup))
        return taken

    def _fold(self, key: CellKey, pending: _Pending) -> None:
        latency = np.array(pending.latency_us, dtype=np.int64)
        cell = self._tally.cell(key)
        histogram.record_many(cell.latency, latency)
        cell.errors += pending.errors
        cell.total_us += int(latency.sum())
        self._tally.timeline.add(np.array(pending.intended_s), latency)

    def _fold_lateness(self) -> None:
        histogram.record_many(self._tally.lateness, np.array(self._late_us, dtype=np.int64))
        self._late_us.clear()


class Tally:
    """Samples that were counted: of one recorder, or the sum over all recorders of a run."""

    def __init__(self, stages: int) -> None:
        self.cells: dict[CellKey, Cell] = {}
        self.stages = [StageCounters() for _ in range(stages)]
        self.lateness = histogram.new()
        self.messages: Counter[tuple[str, str]] = Counter()
        self.timeline = Timeline()

    def cell(self, key: CellKey) -> Cell:
        """The cell of that key, made when there is none."""
        found = self.cells.get(key)
        if found is None:
            found = self.cells[key] = Cell()
        return found

    def failed(self, endpoint: str, message: str, intended_s: float) -> None:
        """Count an error's message, as long as there are not too many different ones."""
        name = (endpoint, message)
        if name in self.messages or len(self.messages) < MAX_MESSAGES:
            self.messages[name] += 1
        self.timeline.failed(intended_s)

    def plain(self) -> dict[str, Any]:
        """As plain data, for a message to the master."""
        return {
            "cells": [[*key, histogram.encode(c.latency), c.errors, c.total_us] for key, c in self.cells.items()],
            "stages": [[getattr(s, name) for name in StageCounters.__slots__] for s in self.stages],
            "lateness": histogram.encode(self.lateness),
            "messages": [[*name, count] for name, count in self.messages.items()],
            "timeline": self.timeline.plain(),
        }

    def add(self, plain: dict[str, Any]) -> None:
        """Add what another tally gave as plain data."""
        for stage, kind, endpoint, encoded, errors, total_us in plain["cells"]:
            cell = self.cell(CellKey(stage, kind, endpoint))
            cell.latency.decode_and_add(encoded)
            cell.errors += errors
            cell.total_us += total_us
        for mine, theirs in zip(self.stages, plain["stages"], strict=True):
            for name, value in zip(StageCounters.__slots__, theirs, strict=True):
                setattr(mine, name, getattr(mine, name) + value)
        self.lateness.decode_and_add(plain["lateness"])
        for endpoint, message, count in plain["messages"]:
            self.messages[(endpoint, message)] += count
        self.timeline.merge(plain["timeline"])
