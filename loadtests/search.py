"""The highest rate that keeps the rules: doubling until they break, then bisection, with a confidence statement.

A probe offers one rate over a warm-up and n equal batches. For a rule `p(q) < b` each batch i gives the share e_i of
calls slower than b, which must not exceed 1 - q/100; for `errors < b` the share that failed. Batches follow each other
closely enough to be alike and far enough to be nearly independent (batch means, Law 2014, section 9.5.3), so

    mean(e) +- t_{n-1, 0.95} sd(e) / sqrt(n)                                               (S1)

bounds the true share one-sidedly with 95 % confidence. A rule is *surely* kept when the upper end keeps it, surely
broken when the lower end breaks it; between, the mean decides and the result says that it is not sure.

A target that only breaks after longer than a probe (leaks, full disks) is not found here: that is what soak is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import LoadProfile, Stage
from loadtests import histogram
from loadtests.thresholds import Threshold, evaluate

CONFIDENCE = 0.95
BATCHES = 6
WARMUP_SHARE = 0.25
MOST_PROBES = 24

Outcome = Literal["kept", "broken", "invalid"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One rule at one rate: the measured share, its confidence limits, and what it may be."""

    rule: str
    value: float
    low: float
    high: float
    limit: float
    kept: bool
    sure: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate tried. `share` is of the design rate; rates are journeys and calls a second."""

    share: float
    seconds: float
    journeys_per_s: float
    calls_per_s: float
    outcome: Outcome
    sure: bool
    judgements: tuple[Judgement, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended in. `broken` is None when no rate broke a rule below the most that was allowed."""

    kept: Probe | None
    broken: Probe | None
    probes: tuple[Probe, ...]
    limit: str

    @property
    def statement(self) -> str:
        """The result in a sentence."""
        if self.kept is None:
            lowest = min(self.probes, key=lambda p: p.share)
            return f"no rate kept the rules, down to {lowest.journeys_per_s:.3g} journeys/s ({lowest.reason})"
        sure = "with" if self.kept.sure else "by the mean, not with"
        text = (
            f"{self.kept.journeys_per_s:.3g} journeys/s ({self.kept.calls_per_s:.3g} calls/s, {self.kept.share:.3g} of "
            f"design) keep every rule, {sure} {CONFIDENCE:.0%} confidence"
        )
        if self.broken is not None:
            return f"{text}; {self.broken.journeys_per_s:.3g} journeys/s do not ({self.broken.reason})"
        return f"{text}; nothing higher was tried: {self.limit}"


Try = Callable[[float, float], Probe]


def search(probe: Try, start: float, most: float, precision: float, seconds: float) -> Found:
    """Find the highest share of the design rate that keeps the rules.

    `probe(share, seconds)` tries one. Ends when kept and broken lie within `precision` of each other, at `most`, when
    the generator can offer no more, or when nothing keeps the rules at a thousandth of `start`. A result that is not
    sure is tried once more for twice as long.
    """
    probes: list[Probe] = []
    kept: Probe | None = None
    broken: Probe | None = None
    share, limit = min(start, most), ""
    while len(probes) < MOST_PROBES:
        tried = probe(share, seconds)
        if not tried.sure and tried.outcome != "invalid":
            probes.append(tried)
            tried = probe(share, 2 * seconds)
        probes.append(tried)
        if tried.outcome == "invalid":
            limit = f"the generator's own limit ({tried.reason})"
            most = share
            if kept is None or share <= kept.share * (1 + precision):
                break
            share = math.sqrt(kept.share * share)
            continue
        if tried.outcome == "kept":
            kept = tried
        else:
            broken = tried
        if kept and broken and broken.share <= kept.share * (1 + precision):
            break
        if kept is None:
            share = tried.share / 4
            if share < start / 1000:
                break
        elif broken is None:
            if kept.share * (1 + precision) >= most:
                limit = limit or f"the most that was allowed ({most:g} of design)"
                break
            share = min(2 * kept.share, most) if not limit else math.sqrt(kept.share * most)
        else:
            share = math.sqrt(kept.share * broken.share)
    return Found(kept, broken, tuple(probes), limit or f"{MOST_PROBES} probes were made")


def probe_profile(share: float, seconds: float, rules: Sequence[str]) -> LoadProfile:
    """The load profile of one probe."""
    warmup = Stage(label="warm-up", duration_s=WARMUP_SHARE * seconds, share=share, warmup=True)
    batches = tuple(Stage(label=f"batch-{n}", duration_s=seconds / BATCHES, share=share) for n in range(BATCHES))
    return LoadProfile(id="search", description="one rate", stages=(warmup, *batches), thresholds=tuple(rules))


def judge(share: float, seconds: float, journeys_per_s: float, evidence: Evidence, rules: Sequence[Threshold]) -> Probe:
    """What a probe's evidence says of its rate, which is the one that was meant: a short Poisson process strays."""
    stages = [s for s in evidence.stages if not s.warmup]
    judgements = tuple(j for rule in rules if (j := judge_rule(rule, stages)) is not None)
    broken = [j for j in judgements if not j.kept]
    outcome: Outcome = "broken" if broken else "kept"
    reason = _worst(broken)
    if evidence.verdict in ("invalid", "interrupted") or not stages:
        outcome, reason = "invalid", "; ".join(evidence.reasons[:2])
    sure = any(j.sure for j in broken) if broken else all(j.sure for j in judgements)
    return Probe(
        share=share,
        seconds=seconds,
        journeys_per_s=journeys_per_s,
        calls_per_s=_mean([s.achieved_calls_per_s for s in stages]),
        outcome=outcome,
        sure=sure,
        judgements=judgements,
        reason=reason,
    )


def _worst(broken: Sequence[Judgement]) -> str:
    """The rule that is broken the most, and how many others are."""
    if not broken:
        return ""
    worst = max(broken, key=lambda j: (j.sure, j.value / j.limit if j.limit else math.inf))
    others = len(broken) - 1
    more = f", and {others} more rule{'s' if others > 1 else ''}" if others else ""
    if worst.low == worst.high:
        return f"{worst.rule}: {worst.value:.4g}{more}"
    measured = f"{worst.value:.1%} [{worst.low:.1%}, {worst.high:.1%}]"
    return f"{worst.rule}: {measured} of calls against it, {worst.limit:.1%} may be{more}"


def judge_rule(rule: Threshold, stages: Sequence[StageResult]) -> Judgement | None:
    """A rule over a probe's batches, by (S1); None when nothing in its scope was called."""
    if rule.measure == "percentile":
        return _by_batches(rule, stages, 1 - rule.percentile / 100)
    if rule.measure == "errors":
        return _by_batches(rule, stages, rule.bound)
    found = evaluate(rule, stages)
    if found.value is None:
        return None
    return Judgement(rule.text, found.value, found.value, found.value, rule.bound, found.passed, True)


def _by_batches(rule: Threshold, stages: Sequence[StageResult], limit: float) -> Judgement | None:
    shares = [share for stage in stages if (share := _share(rule, stage)) is not None]
    if not shares:
        return None
    mean = _mean(shares)
    half = math.inf if len(shares) < 2 else _half_width(shares)
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    return Judgement(rule.text, mean, low, high, limit, mean <= limit, high <= limit or low > limit)


def _share(rule: Threshold, stage: StageResult) -> float | None:
    """The share of a batch's calls that are against the rule."""
    results = [
        r
        for r in stage.endpoints
        if r.count and rule.endpoint in (None, r.endpoint) and rule.kind in (None, r.traffic_class)
    ]
    count = sum(r.count for r in results)
    if not count:
        return None
    if rule.measure == "errors":
        return sum(r.errors for r in results) / count
    return histogram.count_above(histogram.merged(r.histogram for r in results), rule.bound) / count


def _half_width(values: Sequence[float]) -> float:
    from scipy.special import stdtrit  # only here: it takes half a second to load, and few runs are searches

    n, mean = len(values), _mean(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return float(stdtrit(n - 1, CONFIDENCE)) * deviation / math.sqrt(n)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
