"""Calibration (`*.calibration.yaml`): service demands that were measured, for the next `oss plan`.

Written by `oss validate --recalibrate` from the evidence of a `calibrate` run; read by the plan that names it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from capacity.documents import Document
from capacity.evidence import Machine


class MeasuredDemand(Document):
    """CPU milliseconds a call of `endpoint` needs at `station`, with a 90 % bootstrap interval."""

    station: str
    endpoint: str = Field(description="an endpoint id, or `*` for a factor over all endpoints of the station")
    demand_ms: float = Field(ge=0)
    low_ms: float = Field(ge=0)
    high_ms: float = Field(ge=0)


class ScalabilityFit(Document):
    """Universal Scalability Law X(N) = l N / (1 + s (N - 1) + k N (N - 1)) (Gunther 2007), fitted to stages.

    N is the CPU that worked on calls, X the calls a second; the intervals are 90 % bootstrap intervals.
    """

    station: str
    rate_per_s: float = Field(gt=0, description="l: throughput of one server")
    contention: float = Field(ge=0, description="s")
    coherency: float = Field(ge=0, description="k")
    rate_interval: tuple[float, float] | None = None
    contention_interval: tuple[float, float] | None = None
    coherency_interval: tuple[float, float] | None = None


class Calibration(Document):
    """All that one calibration measured, with the machine and the run it comes from."""

    version: Literal[1]
    run: str
    evidence: str = Field(description="hash of the evidence file")
    machine: Machine
    demands: tuple[MeasuredDemand, ...]
    scalability: tuple[ScalabilityFit, ...] = ()
    overhead_ms: dict[str, float] = Field(
        default_factory=dict, description="endpoint → response time at no load that CPU demand does not explain"
    )

    @property
    def scaling(self) -> dict[str, ScalabilityFit]:
        """Station → its fit."""
        return {fit.station: fit for fit in self.scalability}
