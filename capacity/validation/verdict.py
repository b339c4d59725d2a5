"""Go or no-go for a phase: the rules, each with its reason. Pure; the clock comes in as an argument."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capacity.evidence import FRESH, Evidence, StageResult
from capacity.leaseplan import Deployment, LeasePlan
from capacity.validation.compare import Accuracy, Comparison, accuracy, compare, conditions, design_stage
from capacity.validation.recalibrate import StationFit, measured_stages, with_inner_calls

HELD_SHARE = 0.98
UTILISATION_LIMIT = 0.85
FAINT = 0.01  # a fitted factor below this says that the station's load drowned in its idling


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the verdict: whether it held, and the words for it."""

    name: str
    held: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Headroom:
    """How far one station carries the nation's design load: utilisation as planned, and with measured demands."""

    station: str
    servers: float
    planned_utilisation: float
    measured_utilisation: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one phase at one scale, with everything that it rests on.

    `stations` and `endpoints`: the design stage against the plan's demands. `held_out`: stages that no demand was
    fitted to, against the demands measured in the others.
    """

    phase: int
    go: bool
    rules: tuple[Rule, ...]
    stations: tuple[Comparison, ...]
    endpoints: tuple[Comparison, ...]
    headroom: tuple[Headroom, ...]
    held_out: tuple[Comparison, ...]
    accuracy: Accuracy

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not; or, for a go, what held."""
        return tuple(r.reason for r in self.rules if r.held == self.go)


def decide(
    plan: LeasePlan, plan_hash: str, phase: int, evidence: Evidence, fits: Mapping[str, StationFit], now: dt.datetime
) -> Verdict:
    """Apply every rule; a no-go lists all that failed, not the first."""
    deployment = plan.deployment(phase, evidence.scale)
    stage = design_stage(evidence)
    headroom = national_headroom(plan, phase, fits)
    rules = (
        _matches(plan_hash, phase, evidence),
        _fresh(evidence, now),
        _valid(evidence),
        _load_held(stage),
        *_thresholds(evidence),
        *_not_saturated(deployment, stage),
        _measured(headroom, fits),
        *_carries_nation(headroom),
    )
    planned, measured = (conditions(deployment, plan.endpoints, evidence, fits, own) for own in (False, True))
    rows = compare(deployment, plan.endpoints, [stage] if stage else [], planned)
    held_out = compare(deployment, plan.endpoints, measured_stages(evidence, held_out=True), measured)
    return Verdict(
        phase=phase,
        go=all(r.held for r in rules),
        rules=rules,
        stations=tuple(r for r in rows if r.quantity == "utilisation"),
        endpoints=tuple(r for r in rows if r.quantity == "p95"),
        headroom=headroom,
        held_out=tuple(held_out),
        accuracy=accuracy(held_out),
    )


def _matches(plan_hash: str, phase: int, evidence: Evidence) -> Rule:
    if evidence.plan_hash != plan_hash:
        return Rule("plan", False, "the evidence was measured for another lease plan: run the load test again")
    if evidence.phase != phase:
        return Rule("plan", False, f"the evidence is for phase {evidence.phase}, not {phase}")
    return Rule("plan", True, "measured for this lease plan and phase")


def _fresh(evidence: Evidence, now: dt.datetime) -> Rule:
    age = now - evidence.finished
    return Rule("fresh", age <= FRESH, f"measured {age.days} days ago (at most {FRESH.days})")


def _valid(evidence: Evidence) -> Rule:
    if evidence.verdict in ("invalid", "interrupted"):
        return Rule("valid", False, f"the run was {evidence.verdict}: {'; '.join(evidence.reasons)}")
    return Rule("valid", True, "the generator offered its load on time")


def _load_held(stage: StageResult | None) -> Rule:
    if stage is None:
        return Rule("load", False, "no stage reached the design rate")
    offered, achieved = stage.offered_journeys_per_s, stage.achieved_journeys_per_s
    share = achieved / offered if offered else 0.0
    words = f"stage {stage.label}: {achieved:.2f} of {offered:.2f} journeys/s achieved"
    return Rule("load", share >= HELD_SHARE and stage.unsent == 0, f"{words}, {stage.unsent} unsent")


def _thresholds(evidence: Evidence) -> list[Rule]:
    return [
        Rule(
            "threshold",
            t.passed,
            f"{t.rule}: measured {'nothing' if t.value is None else f'{t.value:.4g} {t.unit}'.strip()}",
        )
        for t in evidence.thresholds
    ]


def _not_saturated(deployment: Deployment, stage: StageResult | None) -> list[Rule]:
    if stage is None:
        return []
    known = {s.id for s in deployment.stations}
    return [
        Rule(
            "saturation",
            r.utilisation <= UTILISATION_LIMIT,
            f"{r.station}: {r.utilisation:.0%} of {r.servers:g} CPU used at the design rate "
            f"(limit {UTILISATION_LIMIT:.0%})",
        )
        for r in stage.stations
        if r.station in known
    ]


def _measured(headroom: Sequence[Headroom], fits: Mapping[str, StationFit]) -> Rule:
    told = [h.station for h in headroom]
    faint = sorted(set(fits) - set(told))
    if not told:
        return Rule("measured", False, "no station's CPU was measured well enough to tell its demands")
    words = f"CPU measured at: {', '.join(told)}"
    return Rule("measured", True, words + (f"; too faint to tell from idling: {', '.join(faint)}" if faint else ""))


def _carries_nation(headroom: Sequence[Headroom]) -> list[Rule]:
    return [
        Rule(
            "nation",
            h.measured_utilisation <= UTILISATION_LIMIT,
            f"{h.station}: measured demands would use {h.measured_utilisation:.0%} of the nation's {h.servers:g} CPU "
            f"at the design rate (planned {h.planned_utilisation:.0%})"
            + (
                ""
                if h.measured_utilisation <= UTILISATION_LIMIT
                else "; take the calibration into the plan and size again"
            ),
        )
        for h in headroom
    ]


def national_headroom(plan: LeasePlan, phase: int, fits: Mapping[str, StationFit]) -> tuple[Headroom, ...]:
    """Utilisation of the nation's stations at the design rates, with the demands that were measured.

    What runs there may cost more CPU a call than what was measured here: the plan's `demand_factor` says by how much.
    """
    national = plan.deployment(phase, "national")
    calls = calls_per_s(plan, national.class_rates_per_s)
    rows = []
    for station in national.stations:
        if (fit := fits.get(station.id)) and fit.factor > FAINT:
            busy = sum(calls.get(e, 0.0) * demand[0] / 1e3 for e, demand in fit.demands_ms.items())
            used = busy * station.demand_factor / station.servers
            rows.append(Headroom(station.id, station.servers, station.utilisation, used))
    return tuple(rows)


def calls_per_s(plan: LeasePlan, class_rates: Mapping[str, float]) -> dict[str, float]:
    """Calls a second of each endpoint when each class starts so many journeys a second; upstream calls included."""
    rates: dict[str, float] = {}
    for kind in plan.classes:
        for visit in kind.journey:
            rates[visit.endpoint] = rates.get(visit.endpoint, 0.0) + class_rates.get(kind.id, 0.0) * visit.count
    return with_inner_calls(rates, plan.endpoints)
