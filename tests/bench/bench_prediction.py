"""What the model foretells of stages that it was not fitted to, against real runs of the permit service on loopback.

The service is one process on one core, with PostgreSQL beside it; the load generator has the other core. Stages that
demands are fitted to and held-out ones come by turns, up to nearly four fifths of the core and down again; between the
halves `overload` offers more than the service can do, and `drain` nothing until all is answered. What a held-out
stage's prediction takes from that stage: the rates offered, CPU of other programs on the core, and the CPU of a fixed
piece of work that is timed there beside the service. The peer foretells the same stages from the same fit with first
come, first served stations. Tools that fit and foretell load tests are not packaged, so the bars are the plan's own.

Plan and evidence of the last run stay in build/prediction, so that `judged` can be asked again.
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
from capacity.leaseplan import Deployment, Discipline, Endpoint, LeasePlan, LoadProfile, Stage, load_lease_plan
from capacity.validation.compare import Comparison, compare, conditions
from capacity.validation.recalibrate import (
    StationFit,
    calls_in,
    fit_stations,
    fitted_stages,
    fixed_work_ms,
    measured_stages,
    pace,
)
from capacity.validation.verdict import calls_per_s
from loadtests import running
from loadtests.machine import Speed, busy_seconds
from loadtests.profiles import from_plan
from loadtests.sources import LocalProcesses
from loadtests.stations import Combine, Reading, servers_of
from oss.target import Target
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
FITTED, FORETOLD = (0.3, 0.5, 0.62, 0.72, 0.82), (0.4, 0.55, 0.68, 0.77, 0.86)
FITTED_S, FORETOLD_S = 15, 45
"""Held-out stages are the longer: what 11 seconds show of p95 varies by 11 to 22 % by itself, what 45 seconds show by 7
to 13 % (medians of stages simulated so long against endless ones, at 40 to 85 % of the core)."""
OVERLOAD, DRAIN = "overload", "drain"
KEPT = REPOSITORY / "build" / "prediction"


def stages() -> tuple[Stage, ...]:
    """Fitted and held-out stages by turns, up and down again with the overload between, so that each held-out one has
    fitted ones before and after it and whatever drifts with time meets both kinds alike.
    """
    return (
        Stage(label="idle", duration_s=5, share=0, warmup=True),
        Stage(label="warm-up", duration_s=4, share=0.3, warmup=True),
        *by_turns(FITTED, FORETOLD, "up"),
        Stage(label=OVERLOAD, duration_s=10, share=1.5, held_out=True),
        Stage(label=DRAIN, duration_s=8, share=0, held_out=True),
        *reversed(by_turns(FITTED, FORETOLD, "down")),
    )


def by_turns(fitted: Sequence[float], foretold: Sequence[float], way: str) -> list[Stage]:
    """A fitted stage, a held-out one, and so on, by their shares."""
    return [
        Stage(label=f"{name} {share:.0%} {way}", duration_s=seconds, share=share, held_out=name == "held-out")
        for pair in zip(fitted, foretold, strict=True)
        for name, share, seconds in zip(("fitted", "held-out"), pair, (FITTED_S, FORETOLD_S), strict=True)
    ]


def rows() -> list[dict[str, Any]]:
    """Errors of 95th percentiles and utilisations of the held-out stages, and of the rate at which it saturates."""
    plan, evidence = measured()
    keep(KEPT, plan, evidence)
    return judged(plan, evidence)


def keep(folder: Path, plan: LeasePlan, evidence: Evidence) -> None:
    """What a run rests on, so that it can be judged again."""
    write_text(folder / "plan.lock.yaml", to_yaml(plan))
    write_text(folder / "evidence.json", evidence.model_dump_json(indent=1))


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
        sources = (LocalProcesses(pids), Core(cores[0]), Speed(cores[:1]))
        target = Target(service.url, None, PASSWORD, CALLBACK_KEY, sources)
        with pinned(cores[-1:]):
            factor = SHARE_A_CORE
            for share, next_stages in ((TRIALS[0], trial(TRIALS[1])), (TRIALS[1], stages())):
                tried = loopback_plan(factor)
                *_, found = offer(tried, trial(share), target, folder).stages
                busy = sum(r.cpu_seconds for r in found.stations if r.station in pids) / found.duration_s
                cost = busy / (share * planned_cores(tried, trial(share)))
                for _ in range(5):  # so that a share of one keeps the core busy
                    factor /= cost * planned_cores(loopback_plan(factor), next_stages)
            plan = loopback_plan(factor)
            return plan, offer(plan, stages(), target, folder)


def trial(share: float) -> tuple[Stage, ...]:
    """Short stages that warm up and show what the core can do."""
    return (
        Stage(label="before", duration_s=4, share=share, warmup=True),
        Stage(label="trial", duration_s=8, share=share),
    )


def planned_cores(plan: LeasePlan, stages: tuple[Stage, ...]) -> float:
    """Cores that the plan's demands would keep busy at a share of one, rare classes raised as the profile has it."""
    test = from_plan(plan, "bench", "", profile_of(stages), 1)
    rates = {**plan.phases[0].rack.class_rates_per_s, **dict(test.raised)}
    demand_s = {e.id: sum(e.demand_ms.values()) / 1e3 for e in plan.endpoints}
    return sum(rate * demand_s[name] for name, rate in calls_per_s(plan, rates).items() if name in demand_s)


def profile_of(stages: tuple[Stage, ...]) -> LoadProfile:
    """A profile of these stages."""
    return LoadProfile(id="bench", description="prediction", stages=stages, thresholds=())


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
    evidence = on_one_core(evidence)
    fits = fit_stations(plan.endpoints, evidence)
    return [
        *held_out_rows(plan.phases[0].rack, plan.endpoints, evidence, fits, "the core"),
        saturation_row(plan.endpoints, evidence, fits),
    ]


def held_out_rows(
    deployment: Deployment,
    endpoints: tuple[Endpoint, ...],
    evidence: Evidence,
    fits: Mapping[str, StationFit],
    machine: str,
) -> list[dict[str, Any]]:
    """Errors of p95 at each level of load, and of p95 and utilisation over all; above BUSIEST without a bar."""
    stages = [s for s in measured_stages(evidence, held_out=True) if s.label not in (OVERLOAD, DRAIN)]
    usual = fixed_work_ms(fitted_stages(evidence))
    ours, peers = (foretold(deployment, endpoints, evidence, fits, stages, how) for how in ("ps", "fcfs"))
    out = []
    for share in sorted({s.share for s in stages}):
        level = [s for s in stages if s.share == share]
        labels = {s.label for s in level}
        mine, theirs = ([r for r in told if r.stage in labels] for told in (ours, peers))
        used = statistics.mean(s.machine_busy_cores or 0.0 for s in level) / evidence.machine.cores
        if used > BUSIEST and not any(r.quantity == "p95" for r in mine):
            continue  # there a percentile is a matter of how long the stage lasts
        paces = " and ".join(f"{pace(s, usual):.2f}" for s in level)
        name = f"held-out at {used:.0%} of {machine}, pace {paces}: p95, median error; {bounded(mine)}"
        out.append(row(name, middle(mine, "p95"), P95_BAR if used <= BUSIEST else None, middle(theirs, "p95")))
    name = f"held-out stages together: p95, median error; {bounded(ours)}"
    out.append(row(name, middle(ours, "p95"), P95_BAR, middle(peers, "p95")))
    out.append(row("held-out stages together: utilisation, median error", middle(ours, "utilisation"), 0.10, None))
    return out


def bounded(told: Sequence[Comparison]) -> str:
    """How many predictions of p95 lie within what the answers leave open."""
    rows = [r for r in told if r.quantity == "p95" and r.low is not None and r.high is not None]
    within = sum(r.low <= r.predicted <= r.high for r in rows if r.low and r.high and r.predicted)
    return f"{within} of {len(rows)} within 90 % bounds of the measurement"


def foretold(
    deployment: Deployment,
    endpoints: tuple[Endpoint, ...],
    evidence: Evidence,
    fits: Mapping[str, StationFit],
    stages: Sequence[StageResult],
    how: Discipline,
) -> list[Comparison]:
    """The comparisons that tell, of stages predicted under a discipline."""
    stations = (s if s.kind == "upstream" else s.model_copy(update={"discipline": how}) for s in deployment.stations)
    place = deployment.model_copy(update={"stations": tuple(stations)})
    given = conditions(place, endpoints, evidence, fits, with_measured=True)
    return [r for r in compare(place, endpoints, stages, given) if r.telling]


def saturation_row(
    endpoints: tuple[Endpoint, ...], evidence: Evidence, fits: Mapping[str, StationFit]
) -> dict[str, Any]:
    """Calls a second, of the mix answered in overload and drain, that use up the machine: foretold, and measured.

    All that was offered in the overload is answered by the end of the drain, so that calls and CPU belong together
    (answers in the overload alone are mostly of short calls, since interleaved service puts long ones off). Foretold:
    calls times fitted demands at each stage's pace. Measured: CPU that the stations used. Both less their idling, of
    the cores that anything else leaves them.
    """
    stages = [s for s in evidence.stages if s.label in (OVERLOAD, DRAIN)]
    usual = fixed_work_ms(fitted_stages(evidence))
    idle = sum(fit.background_cores for fit in fits.values())
    answered = sum(r.count for s in stages for r in s.endpoints)
    used = [sum(r.cpu_seconds for r in s.stations) - idle * s.duration_s for s in stages]
    # A call is counted in the stage that it was meant for; the pace is that of the stage in which CPU was used.
    slowed = sum(u * pace(s, usual) for u, s in zip(used, stages, strict=True)) / sum(used)
    work = sum(
        calls_in(s, endpoints).get(e, 0.0) * d[0] / 1e3
        for s in stages
        for fit in fits.values()
        for e, d in fit.demands_ms.items()
    )
    full = next(s for s in stages if s.label == OVERLOAD)
    own = sum(r.cpu_seconds for r in full.stations) / full.duration_s
    left = evidence.machine.cores - max(0.0, (full.machine_busy_cores or own) - own) - idle
    found, reached = left * answered / (work * slowed), left * answered / sum(used)
    name = f"saturation: {found:.0f} calls/s of the overload's mix foretold, {reached:.0f} measured: error"
    return row(name, abs(reached / found - 1), SATURATION_BAR, None)


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
    return plan.model_copy(update={"endpoints": endpoints, "phases": (phase, *plan.phases[1:])})


def _merged(demand_ms: Mapping[str, float]) -> dict[str, float]:
    out = {SERVICE: sum(ms for station, ms in demand_ms.items() if station not in (DATABASE, "edge"))}
    out[DATABASE] = demand_ms.get(DATABASE, 0.0)
    return {station: ms for station, ms in out.items() if ms > 0}


def offer(plan: LeasePlan, stages: tuple[Stage, ...], target: Target, folder: Path, phase: int = 1) -> Evidence:
    """One run of a profile with these stages, against the rack of a phase or what stands for it."""
    profile = profile_of(stages)
    lock = folder / "bench.lock.yaml"
    write_text(lock, to_yaml(plan.model_copy(update={"inputs": {}, "loadtests": (profile,)})))
    request = running.Request(
        test=from_plan(plan, str(lock), sha256(lock), profile, phase),
        run=f"bench-{stages[-1].label}",
        plan=lock,
        profile="bench",
        phase=phase,
        scale="rack",
        host=target.host,
        ca_file=target.ca_file,
        evidence_folder=folder,
        log_file=folder / "log",
        password=target.password,
        callback_key=target.callback_key,
        lateness_bound_ms=60_000.0,  # the last stage overloads the target
    )
    servers = {**servers_of(plan.deployment(phase, "rack")), CORE: 1.0}
    outcome = running.run(request, target.sources, servers, lambda status: None)
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
