"""The load tests' engine: percentiles through a freeze, rate held, cost of recording and of a second worker."""

from __future__ import annotations

import random
import resource
import time
from typing import Any

import numpy as np

from loadtests import histogram
from loadtests.recorder import CellKey, Recorder, Tally
from tests.bench import generators

FREEZE_RATE, FREEZE_S, FREEZE_AFTER_S, FREEZE_FOR_S = 100, 20, 8.0, 3.0
RATE, RATE_S, SHARE = 5000.0, 8.0, 0.9
ROUNDING = 0.001
HALF, TURN_S, TURNS = 3200.0, 5.0, 3
TOLERANCE = 0.05
HOUR_SAMPLES = 3600 * 1000


def rows() -> list[dict[str, Any]]:
    """All rows."""
    return [*freeze_rows(), *rate_rows(), *recording_rows(), *worker_rows()]


def row(name: str, ours: float, unit: str, peer: tuple[str, float], bar: str, holds: bool) -> dict[str, Any]:
    """One row; `peer` is its name and value, the ratio is ours over it."""
    return {
        "name": name,
        "ours": ours,
        "unit": unit,
        "peer": peer[0],
        "peer_value": peer[1],
        "ratio": ours / peer[1] if peer[1] else None,
        "bar": bar,
        "holds": bool(holds),
    }


def freeze_theory_ms(percentile: float) -> float:
    """A percentile of the latency when a share s = freeze / length of evenly spaced calls waits for the rest of it:
    P(L > x) = s (1 - x / freeze), and next to nothing otherwise."""
    share = FREEZE_FOR_S / FREEZE_S
    return FREEZE_FOR_S * (1 - (1 - percentile / 100) / share) * 1e3


def freeze_rows() -> list[dict[str, Any]]:
    """Constant arrivals against a server that stalls once."""
    found: dict[str, dict[str, float]] = {}
    for name, run in (("ours", generators.ours), ("k6", generators.k6), ("vegeta", generators.vegeta)):
        with generators.server(FREEZE_AFTER_S, FREEZE_FOR_S) as url:
            found[name] = run(url, FREEZE_RATE, FREEZE_S)
    out = []
    for percentile in (90, 95, 99):
        mine = found["ours"][f"p{percentile}_ms"]
        peers = {"theory": freeze_theory_ms(percentile)}
        peers |= {name: found[name][f"p{percentile}_ms"] for name in ("k6", "vegeta")}
        for peer, value in peers.items():
            bar = f"within {TOLERANCE:.0%} of {peer}"
            holds = abs(mine - value) <= TOLERANCE * value
            out.append(row(f"freeze test, p{percentile}", mine, "ms", (peer, value), bar, holds))
    return out


def rate_rows() -> list[dict[str, Any]]:
    """One worker process on one core: the rate it holds, beside FastHttpUser's throughput."""
    with generators.server() as url:
        peer = generators.fast_http_user(url, 100, RATE_S)
        steady = generators.ours(url, RATE, RATE_S, warmup_s=2.0)
        full = generators.ours(url, SHARE * peer["achieved_per_s"], RATE_S, warmup_s=2.0)
    held, late, most = steady["achieved_per_s"], steady["lateness_p99_ms"], full["achieved_per_s"]
    closed = ("FastHttpUser, closed loop", peer["achieved_per_s"])
    enough = most >= (SHARE - ROUNDING) * closed[1] and not full["unsent"]
    cpu = ("FastHttpUser, closed loop", peer["cpu_us"])
    return [
        row("rate held by one process", held, "1/s", ("bar", RATE), "at least 5 000/s", held >= RATE * (1 - ROUNDING)),
        row("lateness p99 at that rate", late, "ms", ("bar", 5.0), "at most 5 ms", late <= 5),
        row("highest rate tried on one process", most, "1/s", closed, "at least 0.9 times", enough),
        row(
            "CPU a request at that rate", full["cpu_us"], "us", cpu, "at most 1.1 times", full["cpu_us"] <= 1.1 * cpu[1]
        ),
    ]


def recording_rows() -> list[dict[str, Any]]:
    """CPU a sample, and growth of memory over an hour's samples at 1 000/s."""
    draw = random.Random(1)
    keys = [CellKey(stage, "mobile", f"api.{n}") for stage in (0, 1) for n in range(12)]
    latencies = [int(draw.lognormvariate(10, 1)) for _ in range(4096)]
    recorder = Recorder((False, False))
    best = min(_cpu_a_sample(recorder, keys, latencies, 100_000) for _ in range(5))
    recorder.take()
    grown = _memory_growth_mib(Recorder((False, False)), keys, latencies)
    memory = "memory grown from the 10th to the 60th minute at 1 000/s"
    return [
        row("recording a sample and its lateness", best, "us", ("bar", 3.0), "at most 3 us", best <= 3),
        row(memory, grown, "MiB", ("bar", 8.0), "at most 8 MiB", grown <= 8),
    ]


def _cpu_a_sample(recorder: Recorder, keys: list[CellKey], latencies: list[int], count: int) -> float:
    began = time.process_time()
    for number in range(count):
        recorder.sample(keys[number % 24], number / 1000, latencies[number & 4095], None)
        recorder.late(0, 100)
    return (time.process_time() - began) / count * 1e6


def _memory_growth_mib(recorder: Recorder, keys: list[CellKey], latencies: list[int]) -> float:
    early = 0
    for number in range(HOUR_SAMPLES):
        recorder.sample(keys[number % 24], number / 1000, latencies[number & 4095], None)
        if number == HOUR_SAMPLES // 6:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recorder.fold()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early) / 1024


def worker_rows() -> list[dict[str, Any]]:
    """Two workers beside one; merged percentiles beside those of one histogram.

    A process that offers less sleeps more often between calls, and each waking costs as much as a call. So two workers
    stand beside one at the same offered rate, and beside one at the rate that each of the two has: the second tells
    what working together costs. Of a few runs in turn the cheapest counts, since neighbours only ever add.
    """
    loads = {"one": (HALF * 2, 1), "two": (HALF * 2, 2), "half": (HALF, 1)}
    found: dict[str, list[float]] = {name: [] for name in loads}
    with generators.server() as url:
        for _ in range(TURNS):
            for name, (rate, workers) in loads.items():
                run = generators.ours(url, rate, TURN_S, warmup_s=1.0, workers=workers, cores=2)
                found[name].append(run["cpu_us"])
    one, two, half = (min(found[name]) for name in loads)
    bar, different = "at most 1.1 times", merge_difference()
    same, each = ("one worker, same rate", one), (f"one worker at {HALF:,.0f}/s".replace(",", " "), half)
    return [
        row("CPU a request, two workers", two, "us", same, bar, two <= 1.1 * one),
        row("CPU a request, two workers", two, "us", each, bar, two <= 1.1 * half),
        row("percentiles that two workers change", different, "count", ("one histogram", 0), "none", different == 0),
    ]


def merge_difference() -> int:
    """How many of 1 000 percentiles differ between two workers' merged samples and all samples in one histogram."""
    rng = np.random.default_rng(1)
    samples = rng.lognormal(10, 1.5, 200_000).astype(np.int64)
    whole, tally, key = histogram.new(), Tally(1), CellKey(0, "mobile", "api.nik")
    histogram.record_many(whole, samples)
    for part in (samples[::2], samples[1::2]):
        recorder = Recorder((False,))
        for value in part.tolist():
            recorder.sample(key, 0.0, value, None)
        tally.add(recorder.take().plain())
    steps = [n / 10 for n in range(1, 1001)]
    mine = tally.cells[key].latency.get_percentile_to_value_dict(steps)
    theirs = whole.get_percentile_to_value_dict(steps)
    return sum(mine[p] != theirs[p] for p in steps)
