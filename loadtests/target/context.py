"""What a running service holds: settings, database, sessions, clients of other services, quota."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from loadtests.target.database import Database
from loadtests.target.quota import Quota
from loadtests.target.security import Sessions
from loadtests.target.settings import Settings

# A call to another service: the whole answer within this time, or the caller is told to come back.
UPSTREAM_S = 5.0
# Another replica is tried when one does not take the connection in time, as those on a dead server do not.
CONNECT_S = 1.0
CONNECT_RETRIES = 3
# An idle connection is given up early: it may lead to a replica that has gone.
IDLE_S = 5.0


@dataclass(slots=True)
class Context:
    """Shared by all requests of one process; made at start, closed at the end."""

    settings: Settings
    sessions: Sessions
    upstream: httpx.AsyncClient
    quota: Quota
    pool: Database | None = None

    @property
    def database(self) -> Database:
        """The database; the registry stand-in alone has none."""
        if self.pool is None:
            raise RuntimeError(f"service {self.settings.service} has no database")
        return self.pool
