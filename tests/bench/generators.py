"""Runs load generators against the same small server: ours, Locust's FastHttpUser, k6 and vegeta.

The server is pinned to the last core and the generator to the first, so that they do not take each other's time. k6 and
vegeta are compiled from their pinned Go modules, for benchmarks only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx

from capacity.documents import REPOSITORY
from capacity.progress import Silent
from infra.toolchain import gobuild
from infra.toolchain.modules import GoModule
from tests.loadtests.postgres import free_port

RUN_S = 180.0
K6 = GoModule("k6", "a load generator, as a peer", "go.k6.io/k6", "k6", "go.k6.io/k6")
VEGETA = GoModule(
    "vegeta", "a load generator, as a peer", "github.com/tsenart/vegeta/v12", "vegeta", "github.com/tsenart/vegeta/v12"
)
SERVER = GoModule("loadserver", "a small, fast server", ".", "loadserver", "")

_SCRIPT = """
import http from 'k6/http';
export const options = {
  scenarios: { c: { executor: 'constant-arrival-rate', rate: %(rate)d, timeUnit: '1s', duration: '%(seconds)ds',
                    preAllocatedVUs: 600 } },
  summaryTrendStats: ['p(50)', 'p(90)', 'p(95)', 'p(99)', 'max'],
};
export default function () { http.get('%(url)s/'); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics.http_req_duration.values) }; }
"""

Figures = dict[str, float]


@cache
def program(module: GoModule) -> Path:
    """The compiled program, from the store."""
    return gobuild.ensure(module, Silent()) / "bin" / module.executable


@contextmanager
def server(freeze_after_s: float = 0.0, freeze_for_s: float = 0.0) -> Iterator[str]:
    """A server on loopback, on the last core; its address."""
    port = free_port()
    command: list[str | Path] = [program(SERVER), "-listen", f"127.0.0.1:{port}"]
    command += ["-freeze-after", f"{freeze_after_s}s", "-freeze-for", f"{freeze_for_s}s"]
    process = subprocess.Popen(pinned(command, last=True))
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                httpx.get(f"{url}/reset", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def pinned(command: Sequence[str | Path], last: bool = False, count: int = 1) -> list[str]:
    """The command held to the first `count` cores, or to the last one."""
    cores = sorted(os.sched_getaffinity(0))
    chosen = cores[-1:] if last else cores[:count]
    return ["taskset", "-c", ",".join(map(str, chosen)), *map(str, command)]


def ours(url: str, rate: float, seconds: float, warmup_s: float = 0.0, workers: int = 1, cores: int = 1) -> Figures:
    """The load tests' engine: percentiles and lateness in ms, CPU in microseconds a request."""
    words = [sys.executable, "-m", "locust", "-f", "tests/bench/openload.py", "--headless", "--only-summary"]
    words += ["--skip-log", "--host", url, *(["--processes", str(workers)] if workers > 1 else [])]
    load = json.dumps({"rate": rate, "seconds": seconds, "warmup": warmup_s})
    return _said(pinned(words, count=cores), "OPENLOAD", {"OPENLOAD": load})


def fast_http_user(url: str, users: int, seconds: float) -> Figures:
    """Locust's FastHttpUser, closed loop: throughput and CPU in microseconds a request."""
    words = [sys.executable, "-m", "tests.bench.closedload", url, str(users), str(seconds)]
    return _said(pinned(words), "CLOSED", {})


def k6(url: str, rate: float, seconds: float) -> Figures:
    """k6's constant-arrival-rate executor: percentiles in ms."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.js")
        script.write_text(_SCRIPT % {"rate": rate, "seconds": seconds, "url": url})
        words: list[str | Path] = [program(K6), "run", "--quiet", "--no-usage-report", script]
        said = json.loads(_run(pinned(words), {"K6_NO_USAGE_REPORT": "true", "HOME": folder}))
    return {f"p{p}_ms": float(said[f"p({p})"]) for p in (50, 90, 95, 99)}


def vegeta(url: str, rate: float, seconds: float) -> Figures:
    """vegeta's constant pacer: percentiles in ms."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.bin")
        attack: list[str | Path] = [
            program(VEGETA),
            "attack",
            f"-rate={rate:g}/s",
            f"-duration={seconds:g}s",
            f"-output={results}",
        ]
        _run(pinned([*attack, "-timeout=30s"]), {}, f"GET {url}/\n")
        said = json.loads(_run([str(program(VEGETA)), "report", "-type=json", str(results)], {}))
    return {f"p{p}_ms": said["latencies"][f"{p}th"] / 1e6 for p in (50, 90, 95, 99)}


def _said(command: list[str], word: str, variables: dict[str, str]) -> Figures:
    output = _run(command, variables)
    found = re.search(rf"^{word} (.*)$", output, re.M)
    if found is None:
        raise RuntimeError(f"no result: {output[-800:]}")
    figures: Figures = json.loads(found.group(1))
    return figures


def _run(command: list[str], variables: dict[str, str], stdin: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    if done.returncode and not done.stdout:
        raise RuntimeError(f"{command[3:6]}: {done.stderr[-800:]}")
    return done.stdout
