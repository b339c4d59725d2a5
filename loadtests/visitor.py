"""One visitor on a journey: timed calls, checked answers, thinking between steps.

Words used here. *Intended start*: when a call ought to be sent: an arrival's time from the schedule, or for later
steps the answer before plus the time to think. *Lateness*: how much later it was really sent; the generator's fault.
*Latency*: from the intended start to the whole answer, so a stalled target cannot hide behind a stalled generator.
"""

from __future__ import annotations

import json
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import gevent

from loadtests.client import Answer, Connection, Failed, Target
from loadtests.profiles import ClassLoad, LoadTest
from loadtests.recorder import CellKey, Recorder

MAX_RETRY_WAIT_S = 5.0
RETRY_STATUSES = (429, 502, 503, 504)
JSON_LINE = "Content-Type: application/json\r\n"

Check = Callable[[Answer], None]
Observe = Callable[[str, str, float, int, str | None], None]


class Wrong(Exception):
    """An answer that came, but is not what it must be."""


class JourneyEnded(Exception):
    """A step failed, and the journey cannot go on."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in already: number among the test accounts, and a token."""

    number: int
    token: str


@dataclass(slots=True)
class World:
    """What all visitors of one generator process share."""

    test: LoadTest
    target: Target
    recorder: Recorder
    seed: int
    password: str = field(repr=False)
    callback_key: str = field(repr=False)
    observe: Observe
    sessions: dict[str, Sequence[Session]] = field(default_factory=dict, repr=False)
    started: float = 0.0
    machine_connections: int = 64
    shared: Connection | None = None

    def now_s(self) -> float:
        """Seconds since the start of the run."""
        return time.perf_counter() - self.started

    def machines(self) -> Connection:
        """Kept-alive connections that agencies' machines share, as theirs are not opened for each message."""
        if self.shared is None:
            self.shared = Connection(self.target, self.machine_connections)
        return self.shared


class Visitor:
    """One journey of one class."""

    __slots__ = ("_at", "_bounds", "_connection", "_own", "_u", "draw", "load", "world")

    def __init__(self, world: World, load: ClassLoad, at_s: float, number: int, bounds: Sequence[float]) -> None:
        self.world = world
        self.load = load
        self.draw = random.Random((world.seed << 32) ^ number)
        self._at = at_s
        self._bounds = bounds
        self._u = self.draw.random()
        self._own: Connection | None = None
        self._connection: Connection | None = None

    def connect(self, agent: str) -> None:
        """Use connections of one's own, under this user agent."""
        self._own = self._connection = Connection(self.world.target, agent=agent)

    def connect_as_machine(self) -> None:
        """Use the connections that machines share."""
        self._connection = self.world.machines()

    def times(self, endpoint: str) -> int:
        """How often this journey calls an endpoint: the plan's mean, as a whole number.

        One draw decides all fractions of a journey, so a step with a smaller mean never happens without one with a
        larger mean that it depends on.
        """
        mean = self.load.visits.get(endpoint, 0.0)
        whole = int(mean)
        return whole + (self._u < mean - whole)

    def think(self) -> None:
        """Look at the answer: exponential with the class's mean, cut at five times it."""
        if mean := self.load.think_time_s:
            self._wait(min(self.draw.expovariate(1 / mean), 5 * mean))

    def call(
        self,
        endpoint: str,
        check: Check | None = None,
        *,
        expect: tuple[int, ...] = (200,),
        query: str = "",
        body: bytes = b"",
        value: dict[str, Any] | None = None,
        headers: str = "",
        attempts: int = 1,
        **path: object,
    ) -> Answer:
        """Call an endpoint of the plan; `value` is sent as JSON, `path` fills the path's braces.

        `check` raises when the answer is not what it must be. With `attempts` above one, refusals and lost
        connections are tried again after a growing wait, or the one that the target asks for. Raises JourneyEnded.
        """
        spec = self.world.test.endpoints[endpoint]
        where = spec.path
        for name, given in path.items():
            where = where.replace("{" + name + "}", quote(str(given), safe=""))
        if query:
            where += f"?{query}"
        if value is not None:
            body, headers = json.dumps(value).encode(), headers + JSON_LINE
        for attempt in range(1, attempts + 1):
            answer, error = self._attempt(endpoint, spec.method, where, body, headers, expect, check)
            if error is None and answer is not None:
                return answer
            if attempt == attempts or (answer is not None and answer.status not in RETRY_STATUSES):
                break
            self._wait(self._back_off(attempt, answer))
        raise JourneyEnded

    def _attempt(
        self,
        endpoint: str,
        method: str,
        where: str,
        body: bytes,
        headers: str,
        expect: tuple[int, ...],
        check: Check | None,
    ) -> tuple[Answer | None, str | None]:
        world, intended = self.world, self._at
        if self._connection is None:
            self.connect("oss-loadtest")
        stage = min(bisect_right(self._bounds, intended), len(self._bounds) - 1)
        recorder = world.recorder
        recorder.stages[stage].calls += 1
        recorder.late(stage, int((world.now_s() - intended) * 1e6))
        answer, error = None, None
        try:
            answer = self._connection.send(method, where, body, headers)  # type: ignore[union-attr]
            error = _judge(answer, expect, check)
        except Failed as failure:
            error = str(failure)
        done = world.now_s()
        latency_us = int((done - intended) * 1e6)
        recorder.sample(CellKey(stage, self.load.id, endpoint), intended, latency_us, error)
        world.observe(method, endpoint, latency_us / 1e3, len(answer.body) if answer else 0, error)
        self._at = done
        return answer, error

    def _wait(self, seconds: float) -> None:
        self._at += seconds
        delay = self._at - self.world.now_s()
        if delay > 0:
            gevent.sleep(delay)

    def _back_off(self, attempt: int, answer: Answer | None) -> float:
        asked = answer.header("retry-after") if answer else ""
        growing = 0.5 * float(2 ** (attempt - 1)) * (0.5 + self.draw.random())
        return min(MAX_RETRY_WAIT_S, max(growing, float(asked) if asked.isdigit() else 0.0))

    def close(self) -> None:
        """Hang up."""
        if self._own is not None:
            self._own.close()


def _judge(answer: Answer, expect: tuple[int, ...], check: Check | None) -> str | None:
    if answer.status not in expect:
        return f"status {answer.status}{_kind(answer)}"
    if check is None:
        return None
    try:
        check(answer)
    except Wrong as wrong:
        return f"wrong answer: {wrong}"
    except (ValueError, KeyError, TypeError, IndexError):
        return "wrong answer: not the expected content"
    return None


def _kind(answer: Answer) -> str:
    """Which problem the target names (RFC 9457), in brackets; an edge in front of it names none."""
    if not answer.header("content-type").startswith("application/problem+json"):
        return ""
    try:
        return f" ({str(answer.json()['type']).rpartition(':')[2][:40]})"
    except (ValueError, KeyError, TypeError):
        return ""


def bearer(token: str) -> str:
    """The header line that carries a session."""
    return f"Authorization: Bearer {token}\r\n"


def must(condition: object, what: str) -> None:
    """Raise Wrong unless the condition holds."""
    if not condition:
        raise Wrong(what)
