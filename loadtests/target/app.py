"""Puts a service together: routes of its operations, health, metrics, and what it opens at start."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loadtests.target import api, gateway, portal, registry, satgas
from loadtests.target.context import CONNECT_RETRIES, CONNECT_S, IDLE_S, UPSTREAM_S, Context
from loadtests.target.database import UNREACHABLE, Busy, Database, connect, migrate
from loadtests.target.metrics import Metered, keep_process_cpu, metrics
from loadtests.target.quota import Quota
from loadtests.target.security import Sessions
from loadtests.target.seed import seed
from loadtests.target.settings import Settings, derive, from_environment
from loadtests.target.web import Operations

OPERATIONS: dict[str, Operations] = {
    "api": api.operations,
    "gateway": gateway.operations,
    "satgas": satgas.operations,
    "registry": registry.operations,
    "portal": portal.operations,
}


def create() -> Starlette:
    """The application that the environment describes; what each server process calls."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return build(from_environment(os.environ))


def build(settings: Settings) -> Starlette:
    """The application for these settings."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        ca_file = settings.upstream_ca_file
        verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=IDLE_S)
        transport = httpx.AsyncHTTPTransport(verify=verify, limits=limits, retries=CONNECT_RETRIES, trust_env=False)
        timeout = httpx.Timeout(UPSTREAM_S, connect=CONNECT_S)
        async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as upstream:
            context = Context(
                settings,
                Sessions(derive(settings.secret, "sessions")),
                upstream,
                Quota(settings.registry_quota_per_s, settings.registry_quota_per_day),
            )
            app.state.context = context
            pool = await connect(settings) if settings.needs_database else None
            if pool is not None:
                async with pool.acquire() as connection:
                    await migrate(connection)
                    if settings.seed:
                        await seed(connection, settings.test_password)
                context.pool = Database(pool)
            ticking = asyncio.create_task(keep_process_cpu())
            try:
                yield
            finally:
                ticking.cancel()
                with suppress(asyncio.CancelledError):
                    await ticking
                if pool is not None:
                    await asyncio.wait_for(pool.close(), 10)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    for service in OPERATIONS:
        if service in settings.services:
            routes += OPERATIONS[service].routes()
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(Metered)
    return app


async def healthz(request: Request) -> Response:
    """Whether the process answers at all."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """Whether it can do its work: the database answers."""
    context: Context = request.app.state.context
    if context.pool is not None:
        try:
            await asyncio.wait_for(context.pool.execute("SELECT 1"), 2)
        except (Busy, *UNREACHABLE) as error:
            return PlainTextResponse(f"database: {type(error).__name__}\n", 503)
    return PlainTextResponse("ready\n")
