"""PH/PH/c exactly: the reference that the fast formulas are judged by. One case at a time, not vectorised.

Interarrival and service times are two-phase (acyclic) distributions. The number in system with the phases is a quasi
birth-and-death process, solved by logarithmic reduction above level c (Latouche and Ramaswami 1993) and linear level
reduction below it (Gaver, Jacobs and Latouche 1984). With two service phases level n has n + 1 configurations, so that
c = 64 costs matrices of order 130 and some hundredths of a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape, third_moment


class TwoPhase(NamedTuple):
    """Starts in phase 1 with probability `share`, else in phase 2; 1 leads to 2 at `rate1`, 2 ends at `rate2`.

    The canonical form of acyclic distributions of order two; mixtures of exponentials have one too (Cumani 1982).
    """

    share: float
    rate1: float
    rate2: float

    def at_mean(self, mean: float) -> TwoPhase:
        """The same shape, stretched to another mean."""
        own = self.share / self.rate1 + 1 / self.rate2
        return TwoPhase(self.share, self.rate1 * own / mean, self.rate2 * own / mean)


def two_phase(scv: float, third: float) -> TwoPhase:
    """The two-phase distribution of unit mean with that scv and third moment (Telek and Heindl 2002).

    A third moment out of reach is moved to the nearest bound. Raises ValueError below scv 0.5, which needs more phases.
    """
    if scv < 0.5 - 1e-12:
        raise ValueError(f"two phases reach scv 0.5 at the lowest, not {scv:g}")
    if abs(scv - 0.5) < 1e-9:
        return TwoPhase(1.0, 2.0, 2.0)
    if abs(scv - 1) < 1e-6:
        return TwoPhase(0.0, 1.0, 1.0)
    second = 1 + scv
    if scv > 1:
        third = max(third, 1.5 * second**2 * (1 + 1e-9))
    else:
        third = min(max(third, 3 * (3 * scv - 1 + np.sqrt(2) * (1 - scv) ** 1.5) * (1 + 1e-9)), 6 * scv * (1 - 1e-9))
    d, c, b = 2 - second, 3 * second**2 - 2 * third, 3 * second - third
    a = np.sqrt(max(b * b - 6 * c * d, 0.0))
    if c > 0:
        return TwoPhase((-b + 6 * d + a) / (b + a), (b - a) / c, (b + a) / c)
    return TwoPhase((b - 6 * d + a) / (a - b), (b + a) / c, (b - a) / c)


def fitted(shape: Shape, scv: float) -> TwoPhase:
    """The two-phase distribution with the first three moments of that shape; for shape `phase` the law itself."""
    return two_phase(scv, float(third_moment(shape, scv)))


class ExactWait(NamedTuple):
    """Wait in PH/PH/c, in the unit of the service times."""

    probability: float
    mean: float
    second_moment: float
    mean_queue: float

    @property
    def conditional_scv(self) -> float:
        """scv of the wait of those who wait."""
        return self.second_moment * self.probability / self.mean**2 - 1


class PhaseQueue:
    """PH/PH/c in steady state. Raises ValueError when there is none."""

    def __init__(self, c: int, arrival: TwoPhase, service: TwoPhase) -> None:
        self.c = c
        self._service = service
        pa, a1, a2 = arrival
        self.rate = 1 / (pa / a1 + 1 / a2)
        if self.rate * (service.share / service.rate1 + 1 / service.rate2) >= c:
            raise ValueError("no steady state: the offered load is not below c")
        if pa == 0:
            between, ends, begins = np.array([[-a2]]), np.array([a2]), np.array([1.0])
        else:
            between, ends, begins = np.array([[-a1, a1], [0.0, -a2]]), np.array([0.0, a2]), np.array([pa, 1 - pa])
        self._arrivals = np.outer(ends, begins)
        self._between = between
        self._ends = ends
        self._solve()

    # Blocks of the service configurations with n busy servers: k of them in phase 1, k = 0 .. n.
    def _stay(self, n: int) -> Floats:
        k = np.arange(n + 1)
        block = np.diag(-(k * self._service.rate1 + (n - k) * self._service.rate2))
        block[k[1:], k[1:] - 1] += k[1:] * self._service.rate1
        return block

    def _finish(self, n: int) -> Floats:
        block = np.zeros((n + 1, n))
        k = np.arange(n)
        block[k, k] = (n - k) * self._service.rate2
        return block

    def _begin(self, n: int) -> Floats:
        block = np.zeros((n + 1, n + 2))
        k = np.arange(n + 1)
        block[k, k + 1] = self._service.share
        block[k, k] = 1 - self._service.share
        return block

    def _solve(self) -> None:
        c, phases = self.c, len(self._between)
        same = np.eye(phases)
        self._busy = self._stay(c)
        self._replace = self._finish(c) @ self._begin(c - 1)
        configurations = np.eye(c + 1)
        up = _kron(self._arrivals, configurations)
        local = _kron(self._between, configurations) + _kron(same, self._busy)
        down = _kron(same, self._replace)
        first_passage = _first_passage_down(up, local, down)
        self._r = up @ np.linalg.inv(-(local + up @ first_passage))
        steps: list[Floats] = []
        returning = self._r @ down
        for n in range(c - 1, -1, -1):
            above = _kron(self._between, np.eye(n + 2)) + _kron(same, self._stay(n + 1))
            step = _kron(self._arrivals, self._begin(n)) @ np.linalg.inv(-(above + returning))
            returning = step @ _kron(same, self._finish(n + 1))
            steps.append(step)
        empty = self._between + returning
        system = np.vstack([empty.T[:-1], np.ones(phases)])
        level = np.linalg.solve(system, np.append(np.zeros(phases - 1), 1.0))
        below = 0.0
        for step in reversed(steps):
            below += level.sum()
            level = level @ step
        self._tail_sum = np.linalg.inv(np.eye(len(self._r)) - self._r)
        total = below + float((level @ self._tail_sum).sum())
        self._full = level / total
        # what an arrival sees, given the state: the configuration, weighted by the rate of arrivals in each phase
        self._seen = _kron(self._ends[:, None], configurations) / self.rate

    def wait(self) -> ExactWait:
        """Probability, mean and second moment of the wait, and the mean queue."""
        to_departure = np.linalg.inv(-self._busy)
        after = to_departure @ self._replace
        ones = np.ones(self.c + 1)
        first, second = np.zeros(self.c + 1), np.zeros(self.c + 1)
        level = self._full
        mean = square = 0.0
        while True:
            first = to_departure @ ones + after @ first
            second = 2 * to_departure @ first + after @ second
            seen = level @ self._seen
            mean += float(seen @ first)
            addition = float(seen @ second)
            square += addition
            if addition < 1e-13 * square:
                break
            level = level @ self._r
        queue = self._full @ self._r @ self._tail_sum @ self._tail_sum
        return ExactWait(float((self._full @ self._tail_sum @ self._seen).sum()), mean, square, float(queue.sum()))

    def wait_tail(self, t: Floats) -> Floats:
        """P(wait > t) at the given times, by uniformisation of the departures while all servers are busy."""
        rate = float(-self._busy.diagonal().min())
        weights = self._full @ self._tail_sum
        matrix = self._seen
        horizon = int(rate * t.max() + 10 * np.sqrt(rate * t.max() + 1) + 20)
        values = np.empty(horizon)
        for n in range(horizon):
            values[n] = (weights @ matrix).sum()
            matrix = matrix + (matrix @ self._busy + self._r @ matrix @ self._replace) / rate
        counts = np.arange(horizon)
        log_factorial = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
        means = np.maximum(rate * np.asarray(t, float), 1e-300)[:, None]
        return np.asarray(np.exp(counts * np.log(means) - means - log_factorial) @ values)


def _kron(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.kron(a, b), np.float64)


def _first_passage_down(up: Floats, local: Floats, down: Floats) -> Floats:
    """The matrix G: phase at the first passage one level down, by logarithmic reduction."""
    inverse = np.linalg.inv(-local)
    high, low = inverse @ up, inverse @ down
    result, product = low.copy(), high.copy()
    identity = np.eye(len(low))
    for _ in range(64):
        there_and_back = np.linalg.inv(identity - (high @ low + low @ high))
        high, low = there_and_back @ high @ high, there_and_back @ low @ low
        addition = product @ low
        result += addition
        product = product @ high
        if np.abs(addition).max() < 1e-15:
            break
    return result


def exact_ggc_wait(
    rate: float,
    mean_service: float,
    c: int,
    ca2: float = 1.0,
    cs2: float = 1.0,
    arrival_shape: Shape = "phase",
    service_shape: Shape = "phase",
) -> ExactWait:
    """Wait in PH/PH/c whose times match the first three moments of the shapes; exact for `phase`. scv >= 0.5."""
    arrival, service = fitted(arrival_shape, ca2), fitted(service_shape, cs2)
    return PhaseQueue(c, arrival.at_mean(1 / rate), service.at_mean(mean_service)).wait()
