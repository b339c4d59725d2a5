"""A fleet whose update is killed again and again: everything is leased and started exactly once in the end."""

from __future__ import annotations

import random
from pathlib import Path

import psutil
import pytest

from tests.bench.bench_fleet import kill_once, wrong_servers
from tests.infra.large import large

pytestmark = pytest.mark.toolchain
SERVERS, KILLS = 40, 4
"""Enough for kills in all stages of an update; `make bench` kills one of 200 servers ten times."""


def test_kills_at_random_moments(tmp_path: Path) -> None:
    moments = sorted(random.choices(range(SERVERS), k=KILLS))
    with large(tmp_path, SERVERS, latency_s=0.5) as fleet:
        for moment in moments:
            kill_once(fleet, moment)
        fleet.engine.up("fleet")
        assert wrong_servers(fleet) == 0, f"killed at {moments} started servers"
        assert not any("infra.lease.plugin" in " ".join(p.cmdline()) for p in psutil.Process().children(recursive=True))
