"""From what was recorded to evidence: stages, thresholds, the generator's health, the verdict and its reasons. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from capacity.evidence import EndpointResult, Evidence, GeneratorHealth, Machine, StageResult, StationResult
from capacity.faults import Exit
from loadtests import histogram
from loadtests.profiles import LoadTest
from loadtests.recorder import Cell, CellKey, Tally
from loadtests.thresholds import Threshold, evaluate

# Lateness is part of every latency, so it can only make a target look worse. A tenth of what is judged is borne.
LATENESS_SHARE = 0.1
LEAST_BOUND_MS = 20.0
BOUND_WITHOUT_TIMES_MS = 50.0
# A rule whose scope expects fewer calls than this at the run's scale, and got none, cannot be judged.
ENOUGH_CALLS = 10
MESSAGES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went, apart from its samples."""

    run: str
    started: dt.datetime
    finished: dt.datetime
    target: str
    seed: int
    machine: Machine
    workers: int
    lost_workers: int
    cpu_seconds: float
    elapsed_s: float
    interrupted: bool = False
    cut_journeys: int = 0
    lateness_bound_ms: float = BOUND_WITHOUT_TIMES_MS
    problems: tuple[str, ...] = field(default=())


def exit_of(evidence: Evidence) -> Exit:
    """One exit code a cause: 0 passed, 1 a rule was broken, 130 interrupted.

    For an invalid run 4 when its generator was late, 5 when a worker was lost or nothing could be offered.
    """
    if evidence.verdict == "passed":
        return Exit.GO
    if evidence.verdict == "failed":
        return Exit.NO_GO
    if evidence.verdict == "interrupted":
        return Exit.INTERRUPTED
    health = evidence.generator
    late = health is not None and health.lateness_p99_ms > health.lateness_bound_ms and not health.lost_workers
    return Exit.MACHINE_LACKS if late else Exit.STEP_FAILED


def lateness_bound_ms(test: LoadTest) -> float:
    """How late the generator's p99 may be before a run proves nothing: a tenth of the tightest time in the rules."""
    times = [rule.bound for rule in test.thresholds if rule.is_time]
    return max(LEAST_BOUND_MS, LATENESS_SHARE * min(times)) if times else BOUND_WITHOUT_TIMES_MS


def evidence(
    test: LoadTest, tally: Tally, course: Course, stations: Sequence[Sequence[StationResult]] = ()
) -> Evidence:
    """The evidence of a run. `stations` are those of each stage, where they were measured."""
    stages = stage_results(test, tally, course, stations)
    judged = [t for t in test.thresholds if not _unjudged(test, t, stages)]
    thresholds = tuple(evaluate(rule, stages) for rule in judged)
    health = _health(tally, course)
    invalid = _invalid(tally, course, health)
    broken = [f"broken: {t.rule} (measured {_shown(t.value, t.unit)})" for t in thresholds if not t.passed]
    notes = _notes(test, tally, [t for t in test.thresholds if t not in judged])
    verdict = "interrupted" if course.interrupted else "invalid" if invalid else "failed" if broken else "passed"
    first = ["interrupted before its end"] if course.interrupted else []
    return Evidence(
        version=1,
        run=course.run,
        kind="load_test",
        started=course.started,
        finished=course.finished,
        plan=test.plan,
        plan_hash=test.plan_hash,
        phase=test.phase,
        scale=test.scale,
        load_factor=test.load_factor,
        profile=test.profile,
        target=course.target,
        seed=course.seed,
        machine=course.machine,
        generator=health,
        stages=stages,
        thresholds=thresholds,
        verdict=verdict,
        reasons=tuple([*first, *invalid, *broken, *notes] or ["every rule held"]),
    )


def stage_results(
    test: LoadTest, tally: Tally, course: Course, stations: Sequence[Sequence[StationResult]] = ()
) -> tuple[StageResult, ...]:
    """Results of the stages that began; one that was cut short has the length that it had."""
    results = []
    offset = 0.0
    for number, stage in enumerate(test.stages):
        duration = min(stage.duration_s, course.elapsed_s - offset)
        if duration <= 0:
            break
        counters = tally.stages[number]
        cells = sorted((key, cell) for key, cell in tally.cells.items() if key.stage == number)
        results.append(
            StageResult(
                label=stage.label,
                warmup=stage.warmup,
                held_out=stage.held_out,
                started=course.started + dt.timedelta(seconds=offset),
                duration_s=duration,
                share=stage.share,
                offered_journeys_per_s=counters.journeys / duration,
                achieved_journeys_per_s=counters.journeys_done / duration,
                offered_calls_per_s=counters.calls / duration,
                achieved_calls_per_s=counters.calls_done / duration,
                unsent=counters.journeys_unsent,
                endpoints=tuple(_endpoint(key, cell) for key, cell in cells if cell.count),
                stations=tuple(stations[number]) if number < len(stations) else (),
            )
        )
        offset += stage.duration_s
    return tuple(results)


def _endpoint(key: CellKey, cell: Cell) -> EndpointResult:
    at = cell.latency.get_percentile_to_value_dict([50, 95, 99])
    return EndpointResult(
        endpoint=key.endpoint,
        traffic_class=key.kind,
        count=cell.count,
        errors=cell.errors,
        mean_ms=cell.total_us / cell.count / 1e3,
        p50_ms=at[50] / 1e3,
        p95_ms=at[95] / 1e3,
        p99_ms=at[99] / 1e3,
        max_ms=float(cell.latency.get_max_value()) / 1e3,
        histogram=histogram.encode(cell.latency),
    )


def _health(tally: Tally, course: Course) -> GeneratorHealth:
    late = tally.lateness
    return GeneratorHealth(
        workers=course.workers,
        lost_workers=course.lost_workers,
        cpu_seconds=course.cpu_seconds,
        lateness_p50_ms=histogram.percentile_ms(late, 50),
        lateness_p99_ms=histogram.percentile_ms(late, 99),
        lateness_max_ms=histogram.percentile_ms(late, 100),
        lateness_bound_ms=course.lateness_bound_ms,
    )


def _invalid(tally: Tally, course: Course, health: GeneratorHealth) -> list[str]:
    """Why the run proves nothing, whatever its figures are."""
    reasons = list(course.problems)
    if health.lateness_p99_ms > health.lateness_bound_ms:
        reasons.append(
            f"the generator was late: p99 {health.lateness_p99_ms:.1f} ms, bound {health.lateness_bound_ms:g} ms; "
            "use more workers or a machine of its own"
        )
    if course.lost_workers:
        reasons.append(f"{course.lost_workers} of {course.workers} generator workers were lost; their load is missing")
    if not course.interrupted and not sum(s.calls for s in tally.stages):
        reasons.append("no call was offered")
    return reasons


def _unjudged(test: LoadTest, rule: Threshold, stages: Sequence[StageResult]) -> bool:
    if rule.kind is None and rule.endpoint is None:
        return False
    found = evaluate(rule, stages)
    return found.value is None and expected_calls(test, rule) < ENOUGH_CALLS


def expected_calls(test: LoadTest, rule: Threshold) -> float:
    """Calls that the schedule is expected to make in a rule's scope."""
    total = 0.0
    for stage, rates in zip(test.stages, test.rates, strict=True):
        if rule.stage not in (None, stage.label) or (stage.warmup and rule.stage is None):
            continue
        for number, load in enumerate(test.classes):
            if rule.kind in (None, load.id):
                calls = sum(v for e, v in load.visits.items() if rule.endpoint in (None, e))
                total += calls * rates.expected(number)
    return total


def _notes(test: LoadTest, tally: Tally, unjudged: Sequence[Threshold]) -> list[str]:
    notes = [
        f"not judged: {rule.text} (about {expected_calls(test, rule):.1f} calls expected at this scale, none came)"
        for rule in unjudged
    ]
    notes += [
        f"{count} x {endpoint}: {message}" for (endpoint, message), count in tally.messages.most_common(MESSAGES_SHOWN)
    ]
    if test.think_factor < 1:
        notes.append(f"thinking shortened to {test.think_factor:.3g} of the plan's: stages then hold their own calls")
    if test.raised:
        raised = ", ".join(f"{name} to {rate:.2g}/s" for name, rate in test.raised)
        notes.append(f"classes too rare for this run were raised: {raised}")
    return notes


def _shown(value: float | None, unit: str) -> str:
    return "nothing" if value is None else f"{value:.4g} {unit}".strip()
