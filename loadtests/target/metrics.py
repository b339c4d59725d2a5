"""Prometheus metrics: calls, times and CPU seconds by endpoint, and the CPU of the process.

`oss_endpoint_cpu_seconds_total` is what the handler's own steps used on the event loop, plus password hashing in its
thread. Protocol parsing and the database driver's callbacks run outside of any handler; `oss_process_cpu_seconds_total`
has them too. Hence: CPU demand of an endpoint lies between its own seconds and its share of the process.

With several processes the counters live in shared files (prometheus_client's multiprocess mode), so that whichever
process is asked answers for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Generator
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
    values,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0)
REGISTRY = CollectorRegistry()
REQUESTS = Counter("oss_requests", "Calls answered", ["endpoint", "status"], registry=REGISTRY)
SECONDS = Histogram("oss_request_seconds", "Time to answer", ["endpoint"], buckets=BUCKETS, registry=REGISTRY)
ENDPOINT_CPU = Counter("oss_endpoint_cpu_seconds", "CPU seconds of handlers", ["endpoint"], registry=REGISTRY)
PROCESS_CPU = Counter("oss_process_cpu_seconds", "CPU seconds of all processes of this replica", registry=REGISTRY)

_known_cpu = 0.0


def add_cpu(endpoint: str, seconds: float) -> None:
    """CPU that an endpoint used outside of its handler's thread."""
    ENDPOINT_CPU.labels(endpoint).inc(seconds)


def note_process_cpu() -> None:
    """Bring the process counter up to date."""
    global _known_cpu
    now = time.process_time()
    PROCESS_CPU.inc(now - _known_cpu)
    _known_cpu = now


async def keep_process_cpu() -> None:
    """Bring it up to date every second, so that a scrape of a sibling process sees it."""
    while True:
        note_process_cpu()
        await asyncio.sleep(1)


async def metrics(request: Request) -> Response:
    """The `/metrics` page."""
    note_process_cpu()
    registry = REGISTRY
    if values.ValueClass.__name__ != "MutexValue":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Metered:
    """ASGI middleware that counts, times and meters every call under its endpoint's id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        work = _CpuTimed(self._app(scope, receive, noting))
        try:
            await work
        finally:
            endpoint = scope.get("oss.endpoint", "other")
            REQUESTS.labels(endpoint, str(status)).inc()
            SECONDS.labels(endpoint).observe(time.perf_counter() - started)
            ENDPOINT_CPU.labels(endpoint).inc(work.cpu_s)


class _CpuTimed:
    """Awaits a coroutine and adds up the thread's CPU time over the steps in which it really ran."""

    __slots__ = ("_inner", "cpu_s")

    def __init__(self, inner: Awaitable[None]) -> None:
        self._inner = inner.__await__()
        self.cpu_s = 0.0

    def __await__(self) -> Generator[Any, Any, None]:
        inner, step, value = self._inner, self._inner.send, None
        while True:
            started = time.thread_time()
            try:
                waited = step(value)
            except StopIteration:
                return
            finally:
                self.cpu_s += time.thread_time() - started
            try:
                value, step = (yield waited), inner.send
            except BaseException as error:
                value, step = error, inner.throw
