"""What the phasing model is asked: regions, what each would add when, and the rules people state.

The rules are a document of their own beside the launch plan (`<plan>.phasing.yaml`), each with a reason or source; the
rest comes from the demand model (`capacity/phasing/demand.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from capacity.documents import Document, RuleBroken
from capacity.faults import BadInput, Fault

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PHASES = 3
PhaseNumber = Annotated[int, Field(ge=1, le=PHASES)]
Share = Annotated[float, Field(gt=0, le=1)]


class PhaseLimits(Document):
    """What one phase may hold: its share of all businesses, and how many regions."""

    phase: PhaseNumber
    max_share: Share = 1.0
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    min_regions: int = Field(default=1, ge=1)
    max_regions: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> PhaseLimits:
        if self.min_share > self.max_share or (self.max_regions or self.min_regions) < self.min_regions:
            raise RuleBroken(f"phase {self.phase}: the minimum exceeds the maximum", "Swap them.")
        return self


class PhasingRules(Document):
    """The stated constraints. `reason` says where they come from; the table of alternatives repeats it."""

    version: Literal[1]
    reason: str = Field(min_length=3)
    limits: tuple[PhaseLimits, ...] = ()
    zones: Literal["free", "spread", "together"] = Field(
        default="free",
        description="spread: every phase that is large enough holds all time zones; together: a zone joins as one",
    )
    special_zones: tuple[str, ...] = Field(default=(), description="regions with a special economic zone")
    special_zones_by: PhaseNumber | None = Field(default=None, description="the phase in which they have all joined")
    special_zones_source: str = ""
    ready: dict[str, PhaseNumber] = Field(
        default_factory=dict, description="first phase in which the satgas of a region is ready; absent: from phase 1"
    )
    fixed: dict[str, PhaseNumber] = Field(default_factory=dict)
    forbidden: dict[str, tuple[PhaseNumber, ...]] = Field(default_factory=dict)
    together: tuple[tuple[str, ...], ...] = Field(default=(), description="groups of regions that join in one phase")

    def limit(self, phase: int) -> PhaseLimits:
        """Limits of a phase; without any where none are stated."""
        return next((limit for limit in self.limits if limit.phase == phase), PhaseLimits(phase=phase))


@dataclass(frozen=True)
class Problem:
    """Regions (R) and what they would add (H hours of the day, one clock for all).

    `weight[r]`: businesses. `zone[r]`: index into `zones`. `start_day[k]`: days from the first launch to phase k's.
    `launch[r, k, h]`: load in hour h of phase k's launch day if region r joins with it. `carried[r, j, k, h]`: load of
    region r on phase k's launch day when it joined in phase j < k. Load is in any unit that adds up (registrations/h).
    """

    regions: tuple[str, ...]
    weight: FloatArray
    zones: tuple[str, ...]
    zone: IntArray
    start_day: FloatArray
    launch: FloatArray
    carried: FloatArray


def check(problem: Problem, rules: PhasingRules, source: str) -> None:
    """Raises BadInput for regions that the rules name and nobody knows, and for rules that contradict each other."""
    known = set(problem.regions)
    named = {
        "special_zones": rules.special_zones,
        "ready": tuple(rules.ready),
        "fixed": tuple(rules.fixed),
        "forbidden": tuple(rules.forbidden),
        **{f"together[{n}]": group for n, group in enumerate(rules.together)},
    }
    faults = [
        Fault(source, path, region, "no such region", "Use the codes of the plan's table of provinces.")
        for path, regions in named.items()
        for region in regions
        if region not in known
    ]
    for region, phase in rules.fixed.items():
        if phase in rules.forbidden.get(region, ()):
            faults.append(
                Fault(source, f"fixed.{region}", str(phase), "is forbidden there as well", "Drop one of the two.")
            )
        if phase < rules.ready.get(region, 1):
            faults.append(
                Fault(source, f"fixed.{region}", str(phase), "is before its satgas is ready", "Drop one of the two.")
            )
    numbers = [limit.phase for limit in rules.limits]
    if len(set(numbers)) != len(numbers):
        faults.append(Fault(source, "limits", str(numbers), "limits of a phase are given twice", "Keep one of them."))
    if rules.special_zones_by and not rules.special_zones_source:
        remedy = "Say where the list of special economic zones comes from."
        faults.append(Fault(source, "special_zones_source", "", "is missing", remedy))
    if faults:
        raise BadInput(faults)
