"""CPU seconds that stations used during the stages of a load test, read where the work is done.

A source gives cumulative CPU counters, each with the time at which it was true. Counters are read every few seconds
and interpolated linearly at the stages' bounds. Nothing here is estimated from the load.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from capacity.evidence import StationResult
from capacity.leaseplan import Deployment

INTERVAL_S = 1.0
# An instance without a reading for so long has ended.
OLD_S = 30.0
Combine = Literal["sum", "max"]

log = logging.getLogger("oss.stations")


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulative counters of one process group, pod or server: their values, and when (seconds since the epoch).

    `threads_s`: of `cpu_s`, what threads beside each process's first one used; not a number where that is not told.
    """

    station: str
    instance: str
    at: float
    cpu_s: float
    periods: float = 0.0
    throttled: float = 0.0
    threads_s: float = math.nan


class Counters(NamedTuple):
    """The values of a reading."""

    cpu_s: float
    periods: float
    throttled: float
    threads_s: float

    def toward(self, other: Counters, part: float) -> Counters:
        """Those at a part of the way to another reading."""
        return Counters(*(low + part * (high - low) for low, high in zip(self, other, strict=True)))

    def since(self, other: Counters) -> Counters:
        """What was added since another reading."""
        return Counters(*(high - low for low, high in zip(other, self, strict=True)))


class Source(Protocol):
    """Something whose counters can be read. Raises OSError or StepFailed when it cannot be reached."""

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The stations it reads, and how their instances make up the station's CPU."""
        ...

    def read(self) -> list[Reading]:
        """All counters now."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class Series:
    """The readings of one instance in order of time; equal times are kept once."""

    at: list[float] = field(default_factory=list)
    values: list[Counters] = field(default_factory=list)

    def add(self, reading: Reading) -> None:
        """Keep a reading that is newer than the last."""
        if not self.at or reading.at > self.at[-1]:
            self.at.append(reading.at)
            self.values.append(Counters(reading.cpu_s, reading.periods, reading.throttled, reading.threads_s))

    def value(self, moment: float) -> Counters:
        """The counters at a moment, interpolated; before the first and after the last reading, those."""
        after = bisect_right(self.at, moment)
        if after == 0:
            return self.values[0]
        if after == len(self.at):
            return self.values[-1]
        before = after - 1
        part = (moment - self.at[before]) / (self.at[after] - self.at[before])
        return self.values[before].toward(self.values[after], part)

    def between(self, start: float, end: float) -> Counters:
        """What was added between two moments."""
        return self.value(end).since(self.value(start))


class Stations:
    """Reads sources in the background while a load test runs."""

    def __init__(self, sources: Sequence[Source], interval_s: float = INTERVAL_S) -> None:
        self._sources = sources
        self._interval_s = interval_s
        self._series: dict[tuple[str, str], Series] = defaultdict(Series)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.problems: dict[str, str] = {}

    def __enter__(self) -> Stations:
        """Begin to read."""
        for source in self._sources:
            thread = threading.Thread(target=self._keep_reading, args=(source,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close the sources."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
        for source in self._sources:
            with contextlib.suppress(Exception):
                source.close()

    def settle(self, moment: float, timeout_s: float = 20.0) -> None:
        """Wait until every instance that was read of late has a reading after `moment` (seconds since the epoch).

        Nothing is waited for when nothing was ever read, or when a source has failed since.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self._stop.is_set():
            with self._lock:
                newest = [s.at[-1] for s in self._series.values() if s.at and s.at[-1] > moment - OLD_S]
            if self.problems or min(newest, default=moment) >= moment:
                return
            time.sleep(0.2)

    def result(self, start: float, end: float, servers: Mapping[str, float]) -> tuple[StationResult, ...]:
        """CPU of every station between two moments. `servers` are the CPU servers that each has."""
        with self._lock:
            found: dict[str, list[Counters]] = defaultdict(list)
            for (station, _), series in self._series.items():
                if series.at and series.at[-1] > start and series.at[0] < end:
                    found[station].append(series.between(start, end))
        combine = {name: how for source in self._sources for name, how in source.stations.items()}
        return tuple(
            _station(station, parts, combine.get(station, "sum"), servers[station], end - start)
            for station, parts in sorted(found.items())
            if servers.get(station, 0) > 0
        )

    def counted(self, station: str, start: float, end: float) -> tuple[float, float]:
        """CPU seconds and periods that a station counted between two moments."""
        with self._lock:
            found = [s.between(start, end) for (name, _), s in self._series.items() if name == station and s.at]
        return sum(c.cpu_s for c in found), sum(c.periods for c in found)

    def _keep_reading(self, source: Source) -> None:
        while True:
            began = time.monotonic()
            try:
                readings = source.read()
            except Exception as error:
                name = ", ".join(source.stations)
                if name not in self.problems:
                    log.warning("cannot read the CPU of %s: %s", name, error)
                self.problems[name] = str(error)
                readings = []
            with self._lock:
                for reading in readings:
                    self._series[reading.station, reading.instance].add(reading)
            if self._stop.wait(max(0.0, self._interval_s - (time.monotonic() - began))):
                return


def servers_of(deployment: Deployment) -> dict[str, float]:
    """CPU servers of every station of a deployment, as the plan has them."""
    return {station.id: station.servers for station in deployment.stations if station.kind != "upstream"}


def _station(station: str, parts: Sequence[Counters], how: Combine, servers: float, duration_s: float) -> StationResult:
    counted = [max(parts, key=lambda c: c.cpu_s)] if how == "max" else parts
    cpu_s = sum(max(0.0, c.cpu_s) for c in counted)
    threads_s = [c.threads_s for c in counted]
    periods = sum(c.periods for c in parts)
    throttled = sum(c.throttled for c in parts)
    return StationResult(
        station=station,
        servers=servers,
        cpu_seconds=cpu_s,
        utilisation=cpu_s / (servers * duration_s),
        throttled_share=max(0.0, throttled / periods) if periods > 0 else 0.0,
        thread_cpu_seconds=None if any(map(math.isnan, threads_s)) else sum(max(0.0, s) for s in threads_s),
    )
