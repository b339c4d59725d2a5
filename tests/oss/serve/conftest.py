"""The page over a small plan: as an application in this process, and as a server that a browser reaches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from capacity.progress import Silent
from capacity.report.sources import Sources, read_sources
from capacity.whatif.session import WhatIf
from oss.serving.app import make_app
from tests.capacity.whatif.small import small_plan
from tests.oss.serve.server import Server

PORT = 8018


@pytest.fixture(scope="package")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_plan(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="package")
def session(plan: Path) -> WhatIf:
    found = WhatIf(plan)
    found.prepare(Silent())
    return found


@pytest.fixture(scope="package")
def sources(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return read_sources(plan, evidence=tmp_path_factory.mktemp("no-evidence"))


@pytest.fixture
def client(session: WhatIf, sources: Sources) -> Iterator[TestClient]:
    """Speaks as the page itself does."""
    headers = {"origin": f"http://127.0.0.1:{PORT}"}
    with TestClient(make_app(session, sources, PORT), f"http://127.0.0.1:{PORT}", headers=headers) as found:
        yield found


@pytest.fixture(scope="package")
def server(plan: Path) -> Iterator[Server]:
    """`oss serve` in a process of its own, at a free port."""
    with Server(plan) as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs chromium (make setup)")
    return found
