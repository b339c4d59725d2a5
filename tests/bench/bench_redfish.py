"""Reading the hardware of a hundred servers: our Redfish client against sushy on eight threads, CPU of the client.

The controllers are one real Redfish service over TLS in a process of its own. sushy is the well-kept Redfish library;
why the provider does not use it: docs/decisions/0007-small-redfish-client.md.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.lease.contract import Hardware
from infra.lease.model import BmcPlace
from infra.lease.redfish import Bmc
from infra.lease.retry import Patience
from tests.infra.large import national_plan, rack_of
from tests.infra.lease.test_redfish import by_sushy
from tests.infra.paper import PaperRack, paper_rack

SERVERS, THREADS = 100, 8


def rows() -> list[dict[str, Any]]:
    """What `make bench` prints."""
    spec = rack_of(national_plan(SERVERS))
    with tempfile.TemporaryDirectory() as folder, paper_rack(spec, Path(folder)) as rack:
        names = sorted(rack.seen())
        started = time.process_time()
        ours = asyncio.run(all_by_us(rack, names))
        middle = time.process_time()
        with ThreadPoolExecutor(THREADS) as threads:
            peers = [hardware for _, hardware in threads.map(lambda name: by_sushy(rack, name), names)]
        ended = time.process_time()
    assert ours == peers
    cpu, peer_cpu = (middle - started) / SERVERS * 1e3, (ended - middle) / SERVERS * 1e3
    return [
        {
            "name": f"redfish: client CPU to read a server's hardware, {SERVERS} servers",
            "ours": cpu,
            "unit": "ms",
            "peer": f"sushy, {THREADS} threads",
            "peer_value": peer_cpu,
            "ratio": peer_cpu / cpu,
            "bar": "ratio >= 5",
            "holds": peer_cpu >= 5 * cpu,
        }
    ]


async def all_by_us(rack: PaperRack, names: list[str]) -> list[Hardware]:
    """The hardware of every server, all asked at once, as the provider does."""
    patience = Patience()
    gate = asyncio.Semaphore(patience.per_bmc)
    known: dict[str, bool] = {}

    async def one(name: str) -> Hardware:
        place = BmcPlace(url=rack.spec.bmc_url, system=rack.system(name))
        bmc = Bmc(http, gate, name, place, patience, lambda _: None, known)
        return await bmc.hardware(await bmc.system())

    async with rack.pool(patience) as http:
        return list(await asyncio.gather(*(one(name) for name in names)))
