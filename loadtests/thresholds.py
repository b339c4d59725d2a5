"""Pass or fail rules of a load test, as they stand in the plan.

    rule      = [ scope ":" ] [ stage ] measure comparison bound
    scope     = endpoint-id | "class" class-id           (none: all calls of the run)
    stage     = "in" stage-label                         (none: all stages but warm-up)
    measure   = "p(" percentile ")" | "mean" | "max"     response time from the intended start
              | "errors"                                 share of calls that failed
              | "unsent"                                 calls or journeys that could not be started
              | "rate"                                   achieved over offered calls
    comparison= "<" | "<=" | ">" | ">=" | "="
    bound     = number [ "ms" | "s" | "%" ]

Examples: `p(95) < 800 ms`, `errors < 0.1 %`, `unsent = 0`, `api.submit: p(99) < 2 s`, `class mobile: errors < 1 %`,
`in design p(95) < 500 ms`. A rule whose scope was never called in the run is broken: nothing was shown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from capacity.evidence import EndpointResult, StageResult, ThresholdResult
from capacity.faults import BadInput, Fault
from loadtests.histogram import merged, percentile_ms

_RULE = re.compile(
    r"^(?:(?:class\s+(?P<kind>[a-z][a-z0-9_]*)|(?P<endpoint>[a-z][a-z0-9_.]*))\s*:\s*)?"
    r"(?:in\s+(?P<stage>[A-Za-z0-9_.-]+)\s+)?"
    r"(?P<measure>p\(\s*(?P<percentile>[0-9]+(?:\.[0-9]+)?)\s*\)|mean|max|errors|unsent|rate)\s*"
    r"(?P<comparison><=|>=|<|>|=)\s*"
    r"(?P<bound>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>ms|s|%)?$"
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_REMEDY = "Write a rule such as `p(95) < 800 ms`, `errors < 0.1 %`, `unsent = 0` or `api.submit: p(99) < 2 s`."


@dataclass(frozen=True, slots=True)
class Threshold:
    """One rule. `bound` is in milliseconds for times and a plain number (0.001 for 0.1 %) for the rest."""

    text: str
    kind: str | None
    endpoint: str | None
    stage: str | None
    measure: str
    percentile: float
    comparison: str
    bound: float

    @property
    def is_time(self) -> bool:
        """Whether the rule is about a response time."""
        return self.measure in ("percentile", "mean", "max")

    def holds(self, value: float) -> bool:
        """Whether a measured value keeps the rule."""
        return _COMPARE[self.comparison](value, self.bound)


def parse(text: str) -> Threshold:
    """The rule in `text`. Raises ValueError with what is wrong."""
    match = _RULE.match(text.strip())
    if match is None:
        raise ValueError("is no rule that is known")
    found = match.groupdict()
    measure = "percentile" if found["percentile"] else found["measure"]
    unit, bound = found["unit"], float(found["bound"])
    percentile = float(found["percentile"] or 0)
    if measure in ("percentile", "mean", "max"):
        if unit not in ("ms", "s"):
            raise ValueError("needs a time: ms or s")
        if percentile > 100:
            raise ValueError("has a percentile above 100")
        bound *= 1000 if unit == "s" else 1
    elif unit in ("ms", "s"):
        raise ValueError(f"cannot compare {measure} with a time")
    elif unit == "%":
        bound /= 100
    return Threshold(
        text, found["kind"], found["endpoint"], found["stage"], measure, percentile, found["comparison"], bound
    )


def parse_all(
    rules: Sequence[str], source: str, endpoints: Iterable[str], kinds: Iterable[str], stages: Iterable[str]
) -> tuple[Threshold, ...]:
    """All rules of a profile. Raises BadInput with every rule that is malformed or names what the plan lacks."""
    faults: list[Fault] = []
    parsed: list[Threshold] = []
    known = {"endpoint": set(endpoints), "kind": set(kinds), "stage": set(stages)}
    for number, text in enumerate(rules):
        path = f"thresholds[{number}]"
        try:
            rule = parse(text)
        except ValueError as error:
            faults.append(Fault(source, path, repr(text), str(error), _REMEDY))
            continue
        parsed.append(rule)
        for field, word in (("endpoint", "endpoint"), ("kind", "class"), ("stage", "stage")):
            name = getattr(rule, field)
            if name is not None and name not in known[field]:
                choices = ", ".join(sorted(known[field]))
                faults.append(Fault(source, path, repr(text), f"{word} {name!r} is not in the plan", f"Use {choices}."))
    if faults:
        raise BadInput(faults)
    return tuple(parsed)


def evaluate(rule: Threshold, stages: Sequence[StageResult]) -> ThresholdResult:
    """The rule against the measured stages; warm-up counts only when the rule names it."""
    chosen = [s for s in stages if (s.label == rule.stage if rule.stage else not s.warmup)]
    results = [
        r
        for s in chosen
        for r in s.endpoints
        if rule.endpoint in (None, r.endpoint) and rule.kind in (None, r.traffic_class)
    ]
    value = _value(rule, chosen, results)
    unit = "ms" if rule.is_time else ""
    return ThresholdResult(rule=rule.text, value=value, unit=unit, passed=value is not None and rule.holds(value))


def _value(rule: Threshold, stages: Sequence[StageResult], results: Sequence[EndpointResult]) -> float | None:
    count = sum(r.count for r in results)
    if rule.measure == "unsent":
        return float(sum(s.unsent for s in stages)) if stages else None
    if rule.measure == "rate":
        offered = sum(s.offered_calls_per_s * s.duration_s for s in stages)
        return sum(s.achieved_calls_per_s * s.duration_s for s in stages) / offered if offered else None
    if not count:
        return None
    if rule.measure == "errors":
        return sum(r.errors for r in results) / count
    if rule.measure == "mean":
        return sum(r.mean_ms * r.count for r in results) / count
    if rule.measure == "max":
        return max(r.max_ms for r in results if r.count)
    return percentile_ms(merged(r.histogram for r in results if r.count), rule.percentile)
