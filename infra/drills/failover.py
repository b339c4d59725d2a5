"""The failover drill's figures, from what the load saw second by second; and the power of one server."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from capacity.faults import BadInput, Fault
from infra.drills.evidence import Bound
from infra.lease.model import BmcPlace
from infra.lease.redfish import Bmc, Power, pool
from infra.lease.retry import Patience
from infra.outputs import FleetOutputs, FleetServer

PULLED = Patience(graceful_off_s=-1.0, power_s=180.0)
"""Power goes as if a plug was pulled: no server is told before."""

QUIET_S = 5
"""So many seconds at least must be left before the return, to tell that a disturbance is over."""

STRAY = 0.01
"""Share of calls that may fail once a disturbance is over: a lone error on a busy machine is none."""


@dataclass(frozen=True, slots=True)
class Second:
    """What became of the calls that were due in one second of the load."""

    second: int
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Errors after a power cut. `recovery_s` counts from the cut to the moment from which at most the share `STRAY`
    of the calls fails until the return; None when that was not reached `QUIET_S` seconds before it.

    `share` is errors over calls from the cut to the server's return, `share_on_return` from then on.
    """

    recovery_s: float | None
    errors: int
    share: float
    share_on_return: float

    def bounds(self, recovery_s: float, share: float, back_s: float | None, most_back_s: float) -> list[Bound]:
        """Against what they may be."""
        return [
            Bound("recovery", self.recovery_s, recovery_s, "s"),
            Bound("errors while it was off", 100 * self.share, 100 * share, "%"),
            Bound("errors as it came back", 100 * self.share_on_return, 100 * share, "%"),
            Bound("back in service", back_s, most_back_s, "s"),
        ]


def read_timeline(text: str) -> list[Second]:
    """The seconds of a load test's timeline (`<run>.timeline.csv`)."""
    return [Second(int(r["second"]), int(r["calls"]), int(r["errors"])) for r in csv.DictReader(io.StringIO(text))]


def disturbance(seconds: Sequence[Second], cut_s: float, on_s: float) -> Disturbance:
    """Figures of a cut at `cut_s` and a return of the power at `on_s`, in seconds since the load began."""
    during = [s for s in seconds if int(cut_s) <= s.second < int(on_s)]
    later = [s for s in seconds if s.second >= int(on_s)]
    return Disturbance(_recovery(during, cut_s, on_s), sum(s.errors for s in during), _share(during), _share(later))


def _recovery(during: Sequence[Second], cut_s: float, on_s: float) -> float | None:
    """From the cut to the end of the first failing second (or to the cut) after which few enough calls fail."""
    ends = [cut_s, *(s.second + 1 for s in during if s.errors)]
    for end in ends:
        if end + QUIET_S > int(on_s) and end > cut_s:
            return None
        if _share([s for s in during if s.second >= int(end)]) <= STRAY:
            return max(0.0, end - cut_s)
    return None


def _share(seconds: Sequence[Second]) -> float:
    calls = sum(s.calls for s in seconds)
    return sum(s.errors for s in seconds) / calls if calls else 0.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens a BMC."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def set_power(server: FleetServer, credentials: Credentials, wanted: Power, say: Callable[[str], None]) -> float:
    """Bring a server's power to `wanted` through its BMC; the moment (seconds since the epoch) of the command.

    Raises LeaseErrors that name the server.
    """

    async def act() -> float:
        async with pool(credentials.username, credentials.password, server.bmc.ca_file, PULLED) as http:
            place = BmcPlace(url=server.bmc.url, system=server.bmc.system)
            bmc = Bmc(http, asyncio.Semaphore(1), server.name, place, PULLED, say)
            began = time.time()
            await bmc.power(wanted, PULLED.power_s)
            return began

    return asyncio.run(act())


def is_on(server: FleetServer, credentials: Credentials) -> bool:
    """Whether the BMC says that the server has power."""

    async def ask() -> bool:
        async with pool(credentials.username, credentials.password, server.bmc.ca_file, PULLED) as http:
            place = BmcPlace(url=server.bmc.url, system=server.bmc.system)
            system = await Bmc(http, asyncio.Semaphore(1), server.name, place, PULLED, lambda _: None).system()
            return bool(system["PowerState"] == "On")

    return asyncio.run(ask())


def victim(outputs: FleetOutputs, name: str) -> FleetServer:
    """The worker to switch off: the named one, else the last. Raises BadInput where no other could take its work."""
    workers = outputs.with_role("worker")
    chosen = [s for s in workers if s.name == name] if name else workers[-1:]
    if not chosen:
        known = ", ".join(s.name for s in workers)
        raise BadInput([Fault("--server", "", name, "is no worker of this fleet", f"Use one of {known}.")])
    others = [s for s in workers if s.site == chosen[0].site and s.name != chosen[0].name]
    if not others:
        remedy = "A failover needs a second worker at the site: plan one."
        raise BadInput([Fault("--server", "", chosen[0].name, "is the only worker of its site", remedy)])
    return chosen[0]


def await_node(
    kubeconfig: Path, server: FleetServer, since: float, timeout_s: float, stop: Callable[[float], bool]
) -> float | None:
    """Wait until the cluster has heard from the node after `since` and calls it ready; seconds since then.

    `stop` waits so many seconds and tells whether to give up. None: given up, or not back in time.
    """
    from kubernetes import client, config

    connection: Any = config
    access = connection.new_client_from_config(str(kubeconfig), context=server.site)
    nodes: Any = client.CoreV1Api(access)
    leases: Any = client.CoordinationV1Api(access)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            renewed: dt.datetime = leases.read_namespaced_lease(server.name, "kube-node-lease").spec.renew_time
            ready = next(c for c in nodes.read_node(server.name).status.conditions if c.type == "Ready")
            if renewed.timestamp() > since and ready.status == "True":
                return time.time() - since
        except (client.ApiException, HTTPError, OSError, StopIteration):
            pass  # asked again
        if stop(0.5):
            break
    return None
