"""Fixtures: one PostgreSQL and one permit service for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.loadtests.postgres import Server, private_postgres
from tests.loadtests.service import Service, running_service


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A private PostgreSQL server."""
    with private_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def service(postgres: Server) -> Iterator[Service]:
    """The permit service, all parts in one process, on its own database."""
    with running_service(postgres.create("service")) as running:
        yield running
