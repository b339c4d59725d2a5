"""Evidence (`evidence/<run>.json`): what one load test, restore drill or failover drill measured.

Everything in it is measured, never predicted. The verdict, the phase gate and the report read it.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from capacity.documents import Document
from capacity.leaseplan import Scale

FRESH = dt.timedelta(days=30)
"""How long evidence counts; the verdict and the phase gate ask for it."""


class EndpointResult(Document):
    """One endpoint in one stage; response times from the intended start, in milliseconds."""

    endpoint: str
    traffic_class: str
    count: int = Field(ge=0)
    errors: int = Field(ge=0)
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    histogram: str = Field(description="HdrHistogram V2, compressed, base64; unit: microseconds")


class StationResult(Document):
    """CPU that one station used during one stage."""

    station: str
    servers: float = Field(gt=0, description="CPU servers c in place: cores of all replicas together")
    cpu_seconds: float = Field(ge=0)
    utilisation: float = Field(ge=0, description="cpu_seconds / (servers x duration)")
    throttled_share: float = Field(default=0.0, ge=0, description="share of CPU periods that were throttled")
    thread_cpu_seconds: float | None = Field(
        default=None, ge=0, description="of cpu_seconds, what threads beside each process's first one used, where known"
    )


class StageResult(Document):
    """One stage of the profile as it went. Rates are journeys or calls a second over the stage."""

    label: str
    warmup: bool
    held_out: bool
    started: dt.datetime
    duration_s: float = Field(gt=0)
    share: float
    offered_journeys_per_s: float
    achieved_journeys_per_s: float
    offered_calls_per_s: float
    achieved_calls_per_s: float
    unsent: int = Field(ge=0, description="arrivals that could not be started")
    endpoints: tuple[EndpointResult, ...]
    stations: tuple[StationResult, ...] = ()
    machine_busy_cores: float | None = Field(
        default=None, ge=0, description="processors of the generator's machine in use, by whatever program"
    )
    fixed_work_ms: float | None = Field(
        default=None,
        gt=0,
        description="CPU milliseconds of a fixed piece of work, timed meanwhile beside the service on that machine",
    )


class GeneratorHealth(Document):
    """Whether the generator itself kept up. A run whose generator was late is invalid, not passed."""

    workers: int = Field(ge=1)
    lost_workers: int = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_max_ms: float
    lateness_bound_ms: float


class ThresholdResult(Document):
    """One pass or fail rule with the value measured for it."""

    rule: str
    value: float | None
    unit: str
    passed: bool


class Machine(Document):
    """Where it was measured, so that nobody takes one machine's figures for another's."""

    cores: int
    memory_gib: float
    cpu: str
    kernel: str


class DrillStep(Document):
    """One step of a drill as it went."""

    name: str
    started: dt.datetime
    duration_s: float = Field(ge=0)
    result: str


class Drill(Document):
    """What a restore or failover drill did, and to which server. Its figures and their bounds are thresholds."""

    server: str
    steps: tuple[DrillStep, ...]


class Evidence(Document):
    """One run. `plan_hash` is the SHA-256 of the lease plan file that gave the rates."""

    version: Literal[1]
    run: str
    kind: Literal["load_test", "restore_drill", "failover_drill", "fit_check"]
    started: dt.datetime
    finished: dt.datetime
    plan: str
    plan_hash: str
    phase: int
    scale: Scale
    load_factor: float
    profile: str
    target: str = Field(description="base address, without user names or secrets")
    seed: int
    machine: Machine
    generator: GeneratorHealth | None = None
    stages: tuple[StageResult, ...] = ()
    thresholds: tuple[ThresholdResult, ...] = ()
    drill: Drill | None = None
    verdict: Literal["passed", "failed", "invalid", "interrupted"]
    reasons: tuple[str, ...]
