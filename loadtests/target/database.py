"""PostgreSQL: the connection pool, and the schema brought up to date at start.

Several replicas of several services start at once. An advisory lock lets one of them migrate; the others wait and
find the work done. A migration is a numbered file that never changes once it was applied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.target.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK = 0x4E4942  # "NIB"
ACQUIRE_S = 3.0
STATEMENT_S = 10.0
START_S = 120.0

# What a statement raises while the database is away, failing over or overloaded: worth a retry, no fault of the caller.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
)

log = logging.getLogger("oss.database")


class Busy(Exception):
    """No connection became free in time: the caller answers 503 and asks to come back."""


class Database:
    """A pool that refuses to let callers queue without end."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A pooled connection. Raises Busy when none is free within three seconds."""
        try:
            connection = await self.pool.acquire(timeout=ACQUIRE_S)
        except TimeoutError:
            raise Busy from None
        try:
            yield connection
        finally:
            await self.pool.release(connection)

    async def row(self, query: str, *arguments: object) -> Any:
        """The first row of a query, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *arguments)

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        """All rows of a query."""
        async with self.connection() as connection:
            return list(await connection.fetch(query, *arguments))

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement; returns its command tag, such as `UPDATE 1`."""
        async with self.connection() as connection:
            return str(await connection.execute(query, *arguments))


async def connect(settings: Settings) -> Any:
    """A pool. Waits up to two minutes for the database to come up, as a pod may start before it."""
    deadline = asyncio.get_running_loop().time() + START_S
    while True:
        try:
            return await asyncpg.create_pool(
                settings.database_url,
                ssl=settings.database_tls(),
                min_size=1,
                max_size=settings.database_pool,
                command_timeout=STATEMENT_S,
                max_inactive_connection_lifetime=300,
                server_settings={"application_name": f"oss-{settings.service}"},
            )
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database not reachable yet: %s", error)
            await asyncio.sleep(1)


async def migrate(connection: Any) -> list[str]:
    """Apply the migrations that are missing, in order, each in its own transaction; returns their names."""
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
        missing = [path for path in sorted(MIGRATIONS.glob("*.sql")) if path.stem not in done]
        for path in missing:
            async with connection.transaction():
                await connection.execute(path.read_text(encoding="utf-8"), timeout=60)
                await connection.execute("INSERT INTO migration (name) VALUES ($1)", path.stem)
            log.info("applied migration %s", path.stem)
        return [path.stem for path in missing]
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
