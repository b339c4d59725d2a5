"""Latency second by second, so that a stall is seen where it was and not averaged away.

Each second of the run keeps counts and a small logarithmic histogram: four buckets an octave, so a percentile read from
it is at most 19 % too high. Verdicts use the exact histograms; this one is for looking at.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("second", "calls", "errors", "p50_ms", "p99_ms", "max_ms")


@dataclass(slots=True)
class Second:
    """Calls whose intended start fell into one second."""

    calls: int = 0
    errors: int = 0
    max_us: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def percentile_us(self, percentile: float) -> float:
        """Upper edge of the bucket that holds the percentile; 0 without calls."""
        wanted = percentile / 100 * self.calls
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(upper_us(bucket), float(self.max_us))
        return 0.0


def buckets_of(latency_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The buckets of latencies: octave and the two bits that follow the highest one; below 4 the value itself."""
    values = np.clip(latency_us, 0, 2**60)
    length = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return np.where(values < 4, values, (length << 2) | ((values >> np.maximum(length - 3, 0)) & 3))


def upper_us(bucket: int) -> float:
    """The first latency above a bucket."""
    if bucket < 4:
        return float(bucket + 1)
    return float((5 + (bucket & 3)) * 2.0 ** ((bucket >> 2) - 3))


class Timeline:
    """Seconds by number."""

    def __init__(self) -> None:
        self.seconds: dict[int, Second] = {}

    def add(self, at_s: NDArray[np.float64], latency_us: NDArray[np.int64]) -> None:
        """Count calls at the seconds in which they ought to have been sent."""
        numbers = at_s.astype(np.int64)
        # Seconds and buckets in one number each, so that one pass counts both.
        combined, counts = np.unique(numbers << 8 | buckets_of(latency_us), return_counts=True)
        for both, count in zip(combined.tolist(), counts.tolist(), strict=True):
            second = self._second(both >> 8)
            second.calls += count
            second.buckets[both & 255] = second.buckets.get(both & 255, 0) + count
        order = np.lexsort((latency_us, numbers))
        last = np.flatnonzero(np.diff(numbers[order], append=-1))
        for number, most in zip(numbers[order][last].tolist(), latency_us[order][last].tolist(), strict=True):
            second = self._second(number)
            second.max_us = max(second.max_us, most)

    def failed(self, at_s: float) -> None:
        """Count an error at the second in which its call ought to have been sent."""
        self._second(int(at_s)).errors += 1

    def _second(self, number: int) -> Second:
        found = self.seconds.get(number)
        if found is None:
            found = self.seconds[number] = Second()
        return found

    def plain(self) -> list[list[Any]]:
        """All seconds as plain data."""
        return [[n, s.calls, s.errors, s.max_us, list(s.buckets.items())] for n, s in self.seconds.items()]

    def merge(self, plain: list[list[Any]]) -> None:
        """Add what another timeline gave as plain data."""
        for number, calls, errors, max_us, buckets in plain:
            second = self._second(number)
            second.calls += calls
            second.errors += errors
            second.max_us = max(second.max_us, max_us)
            for bucket, count in buckets:
                second.buckets[bucket] = second.buckets.get(bucket, 0) + count

    def to_csv(self) -> str:
        """One row a second, gaps included, with the columns of `COLUMNS`."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number in range(max(self.seconds, default=-1) + 1):
            s = self.seconds.get(number, Second())
            times = (s.percentile_us(50), s.percentile_us(99), s.max_us)
            writer.writerow((number, s.calls, s.errors, *(f"{t / 1e3:.1f}" for t in times)))
        return out.getvalue()
