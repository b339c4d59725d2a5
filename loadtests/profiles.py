"""A load test made from the lease plan: the plan's rates, times a profile's shares, for a phase at a scale."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capacity.documents import sha256, shown
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, LeasePlan, LoadProfile, Scale, Stage, TrafficClass, load_lease_plan
from loadtests.arrivals import RateStage, Replay
from loadtests.thresholds import Threshold, parse_all

# A class so rare that a run would hardly meet it is raised to this many expected journeys over the measured stages.
LEAST_JOURNEYS = 3.0
# Thinking is shortened so that the longest journey takes at most this share of the shortest measured stage: only
# then has a stage the calls of its own rate, and not those of the stage before it. CPU does not depend on it.
JOURNEY_SHARE = 0.2
# Points of a stage that follows the hours of a day, in hours.
HOUR_STEP = 0.5


@dataclass(frozen=True, slots=True)
class CallSpec:
    """Where an endpoint is."""

    id: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class ClassLoad:
    """A class as it is offered: mean calls of each endpoint a journey, and the mean time between steps."""

    id: str
    visits: Mapping[str, float]
    think_time_s: float


@dataclass(frozen=True, slots=True)
class LoadTest:
    """All that a generator needs, and what the evidence says about where it came from."""

    plan: str
    plan_hash: str
    phase: int
    scale: Scale
    load_factor: float
    profile: str
    description: str
    think_factor: float
    classes: tuple[ClassLoad, ...]
    endpoints: Mapping[str, CallSpec]
    stages: tuple[Stage, ...]
    rates: tuple[RateStage, ...]
    thresholds: tuple[Threshold, ...]
    raised: tuple[tuple[str, float], ...] = ()

    @property
    def duration_s(self) -> float:
        """Length of all stages."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def peak_rate_per_s(self) -> float:
        """Most journeys a second that any stage offers."""
        return max(stage.peak_rate for stage in self.rates)


def load_test(
    plan_path: Path,
    profile: str,
    phase: int,
    scale: str = "rack",
    classes: Sequence[str] = (),
    think_factor: float | None = None,
    verify: bool = True,
) -> LoadTest:
    """The load test of a lease plan file. `scale` is `rack`, `national`, or a fraction of the national rates.

    Raises BadInput with everything that is wrong: plan, profile, phase, scale, classes, thresholds.
    """
    plan = load_lease_plan(plan_path, verify)
    chosen = find_profile(plan, profile, shown(plan_path))
    return from_plan(plan, shown(plan_path), sha256(plan_path), chosen, phase, scale, classes, think_factor)


def from_plan(
    plan: LeasePlan,
    source: str,
    plan_hash: str,
    profile: LoadProfile,
    phase: int,
    scale: str = "rack",
    classes: Sequence[str] = (),
    think_factor: float | None = None,
) -> LoadTest:
    """As `load_test`, for a plan in memory."""
    base, factor = _scale(scale)
    deployment = plan.deployment(phase, base)
    wanted = tuple(classes) or profile.classes or tuple(c.id for c in plan.classes)
    chosen = _classes(plan, wanted, source)
    thinking = _think_factor(profile, chosen) if think_factor is None else think_factor
    rules = parse_all(
        profile.thresholds,
        f"{source}: loadtests.{profile.id}",
        (e.id for e in plan.endpoints),
        (c.id for c in plan.classes),
        (s.label for s in profile.stages),
    )
    planned = tuple(deployment.class_rates_per_s.get(c.id, 0.0) * factor for c in chosen)
    rates = tuple(max(rate, _least_rate(profile)) if rate > 0 else 0.0 for rate in planned)
    return LoadTest(
        plan=plan.plan,
        plan_hash=plan_hash,
        phase=phase,
        scale=base,
        load_factor=_load_factor(deployment, factor),
        profile=profile.id,
        description=profile.description,
        think_factor=thinking,
        classes=tuple(
            ClassLoad(c.id, {v.endpoint: v.count for v in c.journey}, c.think_time_s * thinking) for c in chosen
        ),
        endpoints={e.id: CallSpec(e.id, e.method, e.path) for e in plan.endpoints},
        stages=profile.stages,
        rates=tuple(_rate_stage(stage, chosen, rates) for stage in profile.stages),
        thresholds=rules,
        raised=tuple((c.id, r) for c, r, p in zip(chosen, rates, planned, strict=True) if r > p),
    )


def with_trace(test: LoadTest, trace: Replay) -> LoadTest:
    """The test with one stage that replays a trace in place of the profile's stages."""
    stage = Stage(label="replay", duration_s=max(trace.duration_s, 1.0), share=1.0)
    counts = [0] * len(test.classes)
    for arrival in trace:
        counts[arrival.kind] += 1
    mean = tuple(count / stage.duration_s for count in counts)
    values = {name: getattr(test, name) for name in LoadTest.__slots__}
    values |= {"stages": (stage,), "rates": (RateStage.linear("replay", stage.duration_s, mean, mean),)}
    values["thresholds"] = tuple(t for t in test.thresholds if t.stage is None)
    return LoadTest(**values)


def run_name(test: LoadTest) -> str:
    """Name of a run that begins now; unique by its second."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{now}-{test.profile}-phase{test.phase}-{test.scale}"


def find_profile(plan: LeasePlan, name: str, source: str) -> LoadProfile:
    """The profile of that name. Raises BadInput naming those that there are."""
    for profile in plan.loadtests:
        if profile.id == name:
            return profile
    known = ", ".join(p.id for p in plan.loadtests)
    raise BadInput([Fault(source, "loadtests", name, "no such load profile in the plan", f"Use one of {known}.")])


def _scale(text: str) -> tuple[Scale, float]:
    if text in ("rack", "national"):
        chosen: Literal["rack", "national"] = "rack" if text == "rack" else "national"
        return chosen, 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = float("nan")
    if not 0 < factor <= 100:
        remedy = "Use rack, national, or a fraction of the national rates such as 0.05."
        raise BadInput([Fault("--scale", "", text, "is no scale", remedy)])
    return "national", factor


def _load_factor(deployment: Deployment, factor: float) -> float:
    return min(1.0, deployment.load_factor * factor)


def _classes(plan: LeasePlan, wanted: Sequence[str], source: str) -> tuple[TrafficClass, ...]:
    known = {c.id: c for c in plan.classes}
    faults = [
        Fault(source, "classes", name, "no such traffic class in the plan", f"Use {', '.join(known)}.")
        for name in wanted
        if name not in known
    ]
    if faults:
        raise BadInput(faults)
    return tuple(known[name] for name in wanted)


def _think_factor(profile: LoadProfile, classes: Sequence[TrafficClass]) -> float:
    """Factor on all think times; see JOURNEY_SHARE. Journeys think between their steps, so steps less one times."""
    longest = max((c.think_time_s * max(0.0, sum(v.count for v in c.journey) - 1) for c in classes), default=0.0)
    shortest = min((s.duration_s for s in profile.stages if not s.warmup), default=0.0)
    return min(1.0, JOURNEY_SHARE * shortest / longest) if longest > 0 else 1.0


def _least_rate(profile: LoadProfile) -> float:
    weight = sum(
        (s.share + (s.share if s.end_share is None else s.end_share)) / 2 * s.duration_s
        for s in profile.stages
        if not s.warmup
    )
    return LEAST_JOURNEYS / weight if weight > 0 else 0.0


def _rate_stage(stage: Stage, classes: Sequence[TrafficClass], rates: tuple[float, ...]) -> RateStage:
    if stage.hours is not None:
        curves = tuple(
            tuple(rate * stage.share * part for part in _day(load.hours, *stage.hours))
            for load, rate in zip(classes, rates, strict=True)
        )
        return RateStage(stage.label, stage.duration_s, curves, stage.arrivals)
    end = stage.share if stage.end_share is None else stage.end_share
    starts, ends = ([rate * share for rate in rates] for share in (stage.share, end))
    return RateStage.linear(stage.label, stage.duration_s, starts, ends, stage.arrivals)


def _day(hours: Sequence[float], first: float, last: float) -> list[float]:
    """An hour profile from one local hour to another, every half hour at most: a line through the hours' middles."""
    steps = max(1, math.ceil((last - first) / HOUR_STEP))
    if not hours:
        return [1.0] * (steps + 1)
    points = (first + n * (last - first) / steps - 0.5 for n in range(steps + 1))
    return [hours[math.floor(at) % 24] * (1 - at % 1) + hours[(math.floor(at) + 1) % 24] * (at % 1) for at in points]
