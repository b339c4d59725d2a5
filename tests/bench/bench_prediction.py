"""What the model foretells of stages that it was not fitted to, against real runs of the permit service on loopback.

The service is one process on one core, with PostgreSQL beside it; the load generator has the other core. Demands and
unexplained times come from the stages `low`, `middle` and `high`; the `held-out` ones lie between and above them, and
`overload` offers more than the service can do. The peer foretells the same stages from the same fit with first come,
first served stations. Tools that fit and foretell load tests are not packaged, so the bars are the plan's own.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, sha256, to_yaml, write_text
from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import Discipline, Endpoint, LeasePlan, LoadProfile, Stage, load_lease_plan
from capacity.validation.compare import Comparison, compare, conditions
from capacity.validation.recalibrate import StationFit, calls_in, fit_stations
from loadtests import running
from loadtests.machine import busy_seconds
from loadtests.profiles import from_plan
from loadtests.sources import LocalProcesses
from loadtests.stations import Combine, Reading, Source, servers_of
from tests.loadtests.postgres import private_postgres
from tests.loadtests.service import CALLBACK_KEY, PASSWORD, running_service

SERVICE, DATABASE, UPSTREAM = "service", "database", "registry"
LATENCY_MS, SIGMA = 40.0, 0.35
P95_BAR, SATURATION_BAR = 0.20, 0.10
BUSIEST = 0.8
CORE = "core"
TRIALS = (0.2, 0.6)
"""Of the core: what the first trial hopes to keep busy, and what the second does, once the first is known."""
SHARE_A_CORE = 10.0
"""Of the plan's rates on a rack, a first guess of what keeps one core busy."""
STAGES = (
    Stage(label="idle", duration_s=5, share=0, warmup=True),
    Stage(label="warm-up", duration_s=4, share=0.3, warmup=True),
    Stage(label="low", duration_s=15, share=0.2),
    Stage(label="held-out 35 %", duration_s=20, share=0.35, held_out=True),
    Stage(label="middle", duration_s=15, share=0.45),
    Stage(label="held-out 55 %", duration_s=20, share=0.55, held_out=True),
    Stage(label="high", duration_s=15, share=0.65),
    Stage(label="held-out 70 %", duration_s=20, share=0.7, held_out=True),
    Stage(label="overload", duration_s=10, share=1.5, held_out=True),
    Stage(label="drain", duration_s=6, share=0, warmup=True),
)


def rows() -> list[dict[str, Any]]:
    """Errors of 95th percentiles and utilisations of the held-out stages, and of the rate at which it saturates."""
    return judged(*measured())


def measured() -> tuple[LeasePlan, Evidence]:
    """The plan with rates that fit this machine, and what was measured of its stages."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oss-bench-")))
        with pinned(cores[:1]):
            postgres = stack.enter_context(private_postgres())
            given = {"REGISTRY_LATENCY_MS": str(LATENCY_MS), "REGISTRY_LATENCY_SIGMA": str(SIGMA)}
            service = stack.enter_context(running_service(postgres.create("bench"), given))
        pids = {SERVICE: service.pid, DATABASE: postgres.pid}
        sources: list[Source] = [LocalProcesses(pids), Core(cores[0])]
        with pinned(cores[-1:]):
            factor = SHARE_A_CORE
            for share in TRIALS:
                trial = Stage(label="trial", duration_s=8, share=share)
                (found,) = offer(loopback_plan(factor), (trial,), service.url, sources, folder).stages
                busy = sum(r.cpu_seconds for r in found.stations if r.station in pids) / found.duration_s
                factor *= share / busy  # so that a share of one keeps the core busy
            plan = loopback_plan(factor)
            return plan, offer(plan, STAGES, service.url, sources, folder)


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Core:
    """How busy one core is, with whatever runs on it."""

    def __init__(self, number: int) -> None:
        self._number = number

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The core as a station."""
        return {CORE: "sum"}

    def read(self) -> list[Reading]:
        """Its counter now."""
        return [Reading(CORE, CORE, time.time(), busy_seconds(Path("/proc/stat").read_text(), {self._number}))]

    def close(self) -> None:
        """Nothing is held."""


def on_one_core(evidence: Evidence) -> Evidence:
    """The evidence as one of a machine of one core, which the generator does not use."""
    stages = []
    for stage in evidence.stages:
        seen = {r.station: r.cpu_seconds for r in stage.stations}
        own = tuple(r for r in stage.stations if r.station != CORE)
        stages.append(stage.model_copy(update={"stations": own, "machine_busy_cores": seen[CORE] / stage.duration_s}))
    machine = evidence.machine.model_copy(update={"cores": 1})
    return evidence.model_copy(update={"stages": tuple(stages), "machine": machine, "generator": None})


def judged(plan: LeasePlan, evidence: Evidence) -> list[dict[str, Any]]:
    """The rows that a run gives."""
    *_, overload, drain = on_one_core(evidence).stages
    evidence = on_one_core(evidence.model_copy(update={"stages": evidence.stages[:-1]}))
    fits = fit_stations(plan.endpoints, evidence)
    held_out = [s for s in evidence.stages if s.held_out and s.label != "overload"]
    ours, peers = (foretold(plan, evidence, fits, held_out, how) for how in ("ps", "fcfs"))
    out = []
    for stage in held_out:
        mine, theirs = ([r for r in told if r.stage == stage.label] for told in (ours, peers))
        used = stage.machine_busy_cores or 0.0
        name = f"{stage.label}: p95 of {len(errors(mine, 'p95'))} endpoints, median error at {used:.0%} of the core"
        out.append(row(name, middle(mine, "p95"), P95_BAR if used <= BUSIEST else None, middle(theirs, "p95")))
    name = "held-out stages together: p95, median error"
    out.append(row(name, middle(ours, "p95"), P95_BAR, middle(peers, "p95")))
    out.append(row("held-out stages together: utilisation, median error", middle(ours, "utilisation"), 0.10, None))
    found, reached = saturation(plan.endpoints, fits, overload), throughput(fits, overload, drain)
    name = f"saturation: {found:.0f} calls/s foretold, {reached:.0f} measured: error"
    out.append(row(name, abs(reached / found - 1), SATURATION_BAR, None))
    return out


def foretold(
    plan: LeasePlan, evidence: Evidence, fits: Mapping[str, StationFit], stages: Sequence[StageResult], how: Discipline
) -> list[Comparison]:
    """The comparisons that tell, of stages predicted under a discipline."""
    rack = plan.phases[0].rack
    stations = tuple(s if s.kind == "upstream" else s.model_copy(update={"discipline": how}) for s in rack.stations)
    deployment = rack.model_copy(update={"stations": stations})
    given = conditions(deployment, plan.endpoints, evidence, fits, with_measured=True)
    return [r for r in compare(deployment, plan.endpoints, stages, given) if r.telling]


def saturation(endpoints: tuple[Endpoint, ...], fits: Mapping[str, StationFit], stage: StageResult) -> float:
    """Calls a second of the stage's mix, from outside, at which the core is used up (utilisation law)."""
    calls = calls_in(stage, endpoints)
    used = sum(calls.get(e, 0.0) * d[0] / 1e3 for fit in fits.values() for e, d in fit.demands_ms.items())
    idle = sum(fit.background_cores for fit in fits.values())
    return (1.0 - idle) / (used / sum(r.count for r in stage.endpoints))


def throughput(fits: Mapping[str, StationFit], overload: StageResult, drain: StageResult) -> float:
    """Calls a second that a full core did, measured: the calls of the overload over the time that it worked for them.

    With the drain after it, since interleaved service puts the long calls off: answers in the overload alone are
    mostly of short ones.
    """
    idle = sum(fit.background_cores for fit in fits.values())
    worked = sum(r.cpu_seconds for stage in (overload, drain) for r in stage.stations)
    worked -= idle * (overload.duration_s + drain.duration_s)
    return sum(r.count for stage in (overload, drain) for r in stage.endpoints) * (1.0 - idle) / worked


def loopback_plan(factor: float) -> LeasePlan:
    """The repository's plan with two stations, the service's process and the database, at `factor` times its rates."""
    plan = load_lease_plan(REPOSITORY / "capacity/plans/national.lock.yaml", verify=False)
    endpoints = tuple(e.model_copy(update={"demand_ms": _merged(e.demand_ms)}) for e in plan.endpoints)
    rack = plan.phases[0].rack
    pods = next(s for s in rack.stations if s.kind == "pods")
    database = next(s for s in rack.stations if s.id == DATABASE)
    upstream = next(s for s in rack.stations if s.id == UPSTREAM)
    part = rack.services[0].model_copy(update={"id": SERVICE, "replicas": 1, "cpu_millicores": 1000, "processes": 1})
    stations = (
        pods.model_copy(update={"id": SERVICE, "service": SERVICE, "servers": 1.0, "demand_factor": 1.0}),
        database.model_copy(update={"servers": 1.0, "demand_factor": 1.0}),
        upstream.model_copy(
            update={"demand_ms": LATENCY_MS * math.exp(SIGMA**2 / 2), "service_scv": math.expm1(SIGMA**2)}
        ),
    )
    rates = {kind: rate * factor for kind, rate in rack.class_rates_per_s.items()}
    small = rack.model_copy(update={"class_rates_per_s": rates, "services": (part,), "stations": stations})
    phase = plan.phases[0].model_copy(update={"rack": small})
    return plan.model_copy(update={"inputs": {}, "endpoints": endpoints, "phases": (phase, *plan.phases[1:])})


def _merged(demand_ms: Mapping[str, float]) -> dict[str, float]:
    out = {SERVICE: sum(ms for station, ms in demand_ms.items() if station not in (DATABASE, "edge"))}
    out[DATABASE] = demand_ms.get(DATABASE, 0.0)
    return {station: ms for station, ms in out.items() if ms > 0}


def offer(plan: LeasePlan, stages: tuple[Stage, ...], url: str, sources: Sequence[Source], folder: Path) -> Evidence:
    """One run of a profile with these stages."""
    profile = LoadProfile(id="bench", description="prediction", stages=stages, thresholds=())
    lock = folder / "bench.lock.yaml"
    write_text(lock, to_yaml(plan.model_copy(update={"loadtests": (profile,)})))
    test = from_plan(plan, str(lock), sha256(lock), profile, 1)
    request = running.Request(
        test=test,
        run=f"bench-{stages[-1].label}",
        plan=lock,
        profile="bench",
        phase=1,
        scale="rack",
        host=url,
        evidence_folder=folder,
        log_file=folder / "log",
        password=PASSWORD,
        callback_key=CALLBACK_KEY,
        lateness_bound_ms=60_000.0,  # the last stage overloads the target
    )
    servers = {**servers_of(plan.phases[0].rack), CORE: 1.0}
    outcome = running.run(request, sources, servers, lambda status: None)
    if outcome.error is not None:
        raise outcome.error
    return outcome.evidence


def errors(told: Sequence[Comparison], quantity: str) -> list[float]:
    """Absolute errors of the comparisons of one quantity."""
    return [abs(r.error) for r in told if r.quantity == quantity and r.error is not None]


def middle(told: Sequence[Comparison], quantity: str) -> float:
    """Their median; inf where nothing tells."""
    found = errors(told, quantity)
    return statistics.median(found) if found else math.inf


def row(name: str, ours: float, bar: float | None, peer: float | None) -> dict[str, Any]:
    """One row of the bench: shares, smaller is better."""
    return {
        "name": name,
        "ours": round(ours, 3),
        "unit": "share",
        "peer": "first come, first served" if peer is not None else "none",
        "peer_value": round(peer, 3) if peer is not None else None,
        "ratio": round(peer / ours, 2) if peer is not None and ours > 0 and math.isfinite(ours + peer) else None,
        "bar": f"at most {bar:.0%}" if bar is not None else "none: above 80 % utilisation",
        "holds": bar is None or ours <= bar,
    }
