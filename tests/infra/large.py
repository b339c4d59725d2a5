"""A national fleet of any size on paper: its plan, its stack, its controllers, and what a run of the engine uses."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from pulumi import automation as auto

from capacity.documents import REPOSITORY
from capacity.leaseplan import LeasePlan
from capacity.progress import Silent
from infra.engine.workspace import Environment
from infra.rack.spec import RackServer, RackSpec
from infra.toolchain import ensure
from tests.infra import plans
from tests.infra.paper import PaperRack, free_supernet, paper_rack

NAME = "large"
SITE_SERVERS = 150
EACH_SITE = {"edge": 2, "control": 3, "database": 2}


def national_plan(servers: int) -> LeasePlan:
    """A plan with exactly so many servers, over as many sites as their addresses need."""
    sites = ("primary", *(f"site{number}" for number in range(2, -(-servers // SITE_SERVERS) + 1)))
    fixed = sum(EACH_SITE.values())
    workers, more = divmod(servers - fixed * len(sites), len(sites))
    made = plans.plan({**EACH_SITE, "worker": workers}, sites, phases=1)  # type: ignore[dict-item]
    extra = tuple(plans.server(sites[0], "worker", workers + n) for n in range(1, more + 1))
    names = tuple(server.name for server in extra)
    (phase,) = made.phases
    national = phase.national.model_copy(update={"servers": (*phase.national.servers, *names)})
    phases = (phase.model_copy(update={"national": national}),)
    return made.model_copy(update={"servers": (*made.servers, *extra), "phases": phases})


@dataclass(frozen=True, slots=True)
class Large:
    """One fleet: its engine, its controllers, and the folders that they use."""

    engine: Environment
    rack: PaperRack
    folder: Path
    state: Path
    servers: int

    def powered(self) -> int:
        """How many servers have power, as their controllers know it."""
        return sum(item["power"] == "On" for item in self.rack.seen().values())

    def boots(self) -> set[int]:
        """How often each server was started: {1} when every one was started exactly once."""
        return {item["boots"] for item in self.rack.seen().values()}


@contextlib.contextmanager
def large(folder: Path, servers: int, latency_s: float = 0.0) -> Iterator[Large]:
    """A fleet of so many servers whose controllers answer until the block ends. OSS_STATE is set meanwhile."""
    project, state = folder / "project", folder / "state"
    (project / "stacks").mkdir(parents=True)
    (project / "Pulumi.yaml").symlink_to(REPOSITORY / "Pulumi.yaml")
    (project / ".venv").symlink_to(REPOSITORY / ".venv")
    for file in (REPOSITORY / "stacks").iterdir():
        if file.suffix == ".py" or file.name == "policies":
            (project / "stacks" / file.name).symlink_to(file)
    before = os.environ.get("OSS_STATE")
    os.environ["OSS_STATE"] = str(state)
    plan = national_plan(servers)
    spec = rack_of(plan)
    try:
        with paper_rack(spec, state / NAME, latency_s) as rack:
            engine = Environment(NAME, ensure(["pulumi"]), Silent(), project)
            _settings(project, plans.write(folder, plan), spec, rack)
            with engine._open("fleet") as stack:
                _set_secret(stack, "oss:bmcPassword", rack.password)
            yield Large(engine, rack, project, state / NAME, servers)
    finally:
        if before is None:
            del os.environ["OSS_STATE"]
        else:
            os.environ["OSS_STATE"] = before


def _set_secret(stack: auto.Stack, key: str, value: str) -> None:
    """By standard input: arguments of a process can be read by everybody on the machine."""
    place = stack.workspace
    command = ["pulumi", "config", "set", "--secret", key, "--stack", stack.name, "--non-interactive"]
    given = os.environ | place.env_vars
    subprocess.run(
        command, input=value, text=True, cwd=place.work_dir, env=given, check=True, capture_output=True, timeout=60
    )


def rack_of(plan: LeasePlan) -> RackSpec:
    """All servers of a plan on one controllers' service."""
    supernet = ipaddress.IPv4Network(free_supernet())
    return RackSpec(
        name=NAME,
        supernet=supernet,
        servers=tuple(
            RackServer(name=server.name, role=server.role, sku=plan.sku(server.sku), address=supernet[256 + number])
            for number, server in enumerate(plan.servers)
        ),
    )


def _settings(project: Path, source: Path, spec: RackSpec, rack: PaperRack) -> None:
    values = {
        "plan": str(source),
        "phase": 1,
        "scale": "national",
        "racksPerSite": 20,
        "asOf": str(plans.START),
        "bmcUsername": rack.username,
        "bmcCaFile": rack.ca_file,
        "bmcs": {server.name: {"url": spec.bmc_url, "system": spec.bmc_id(server)} for server in spec.servers},
        "gateOverride": {"phase": 1, "by": "tests", "reason": "a fleet on paper", "until": "2999-01-01"},
    }
    text = yaml.safe_dump({"config": {f"oss:{key}": value for key, value in values.items()}}, sort_keys=False)
    (project / "stacks" / f"Pulumi.{NAME}.fleet.yaml").write_text(text)


@dataclass(slots=True)
class Usage:
    """Wall seconds, CPU seconds and the highest resident memory of all processes below this one, less `besides`."""

    besides: frozenset[int] = frozenset()
    seconds: float = 0.0
    cpu_s: float = 0.0
    mib: float = 0.0
    _cpu: dict[int, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _start: float = 0.0

    def __enter__(self) -> Usage:
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.monotonic() - self._start
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        self.cpu_s = sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            resident = 0
            for process in psutil.Process().children(recursive=True):
                if process.pid in self.besides:
                    continue
                with contextlib.suppress(psutil.Error):
                    spent = process.cpu_times()
                    self._cpu[process.pid] = spent.user + spent.system
                    resident += process.memory_info().rss
            self.mib = max(self.mib, resident / 2**20)


def controllers() -> frozenset[int]:
    """The processes of paper controllers below this one."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "infra.rack.bmc" in process.cmdline():
                found.add(process.pid)
    return frozenset(found)
