"""Walks an arrival schedule: starts every journey at its time, in a greenlet of its own, whatever the answers do."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable, Sequence

import gevent

from loadtests.arrivals import Arrival
from loadtests.journeys import JOURNEYS
from loadtests.visitor import JourneyEnded, Visitor, World, Wrong

# Beyond this many journeys at once a process neither has the sockets nor the time; what is beyond is counted unsent.
MAX_IN_FLIGHT = 4000
# An arrival that could not be started for so long is not started any more: it would only make the next ones late.
GIVE_UP_S = 5.0
# The shortest sleep: arrivals that follow each other more closely start together, up to so much late. A wake-up for
# each of several thousand a second would cost more than the calls.
GRAIN_S = 0.001
# Behind its schedule, the walker lets answers in after this many starts.
BREATHE = 32

Run = Callable[[Visitor], None]


class Walker:
    """Offers one process's share of a schedule."""

    def __init__(
        self,
        world: World,
        arrivals: Iterable[Arrival],
        bounds: Sequence[float],
        runs: Sequence[Run] | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._world = world
        self._arrivals = arrivals
        self._bounds = bounds
        self._runs = runs or [JOURNEYS[load.id].run for load in world.test.classes]
        self._max = max_in_flight
        self._under_way: set[gevent.Greenlet] = set()
        self.ended = False

    @property
    def in_flight(self) -> int:
        """Journeys under way."""
        return len(self._under_way)

    def walk(self, first_number: int = 0, step: int = 1) -> None:
        """Start every arrival at its time, until the schedule ends."""
        world, under_way = self._world, self._under_way
        numbers = itertools.count(first_number, step)
        since_pause = 0
        for arrival in self._arrivals:
            delay = arrival.at_s - world.now_s()
            if delay > 0:
                gevent.sleep(max(delay, GRAIN_S))
                since_pause = 0
            elif since_pause >= BREATHE:
                gevent.sleep(0)
                since_pause = 0
            since_pause += 1
            counters = world.recorder.stages[arrival.stage]
            counters.journeys += 1
            number = next(numbers)
            if len(under_way) >= self._max or delay < -GIVE_UP_S:
                counters.journeys_unsent += 1
                continue
            under_way.add(gevent.spawn(self._journey, arrival, number))
        self.ended = True

    def drain(self, timeout_s: float) -> int:
        """Let journeys under way end; returns how many had to be cut off after `timeout_s`."""
        gevent.joinall([*self._under_way], timeout=timeout_s)
        left = len(self._under_way)
        self.cut()
        return left

    def cut(self) -> None:
        """End all journeys now."""
        gevent.killall([*self._under_way], timeout=5)
        self._under_way.clear()  # those that had not begun leave no trace themselves

    def _journey(self, arrival: Arrival, number: int) -> None:
        world = self._world
        try:
            visitor = Visitor(world, world.test.classes[arrival.kind], arrival.at_s, number, self._bounds)
            try:
                self._runs[arrival.kind](visitor)
            except (JourneyEnded, Wrong):
                return
            finally:
                visitor.close()
        finally:
            self._under_way.discard(gevent.getcurrent())
        world.recorder.stages[arrival.stage].journeys_done += 1


def bounds_of(durations: Iterable[float]) -> list[float]:
    """Ends of stages, in seconds after the start."""
    return list(itertools.accumulate(durations))


def wait_until(moment: float) -> None:
    """Sleep until `time.perf_counter()` shows `moment`."""
    while (left := moment - time.perf_counter()) > 0:
        gevent.sleep(left)


def draw_for(seed: int, part: int) -> random.Random:
    """A source of randomness for what a worker prepares."""
    return random.Random((seed << 16) ^ part)
