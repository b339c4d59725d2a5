"""All intermediate results of one plan, so that each part of the lease plan is written from the same ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capacity.demand.design import DesignPoint
from capacity.demand.model import Draws, World
from capacity.demand.peaks import Peaks
from capacity.inputs import Inputs
from capacity.launch import EndpointPlan, Launch, Phase, add_months
from capacity.leasing import LeaseCover, Rules
from capacity.sizing.facilities import Stored
from capacity.sizing.needs import SiteNeed, ready_months
from capacity.sizing.pods import Sized
from capacity.sizing.scaling import Scaling
from capacity.sizing.workload import Workload
from capacity.tables import SkuRow


@dataclass(frozen=True, slots=True)
class Computed:
    """Workloads of a site: the M months (capacity held by then), then the three phases (their own busiest hour)."""

    inputs: Inputs
    endpoints: tuple[EndpointPlan, ...]
    place: World
    draws: Draws
    found: Peaks
    points: Sequence[DesignPoint]
    works: Mapping[str, Workload]
    sized: Mapping[str, Sized]
    kept: Stored
    needs: Mapping[tuple[str, str], Sequence[SiteNeed]]
    leased: LeaseCover
    rules: Rules

    @property
    def launch(self) -> Launch:
        """The launch plan."""
        return self.inputs.launch

    @property
    def overhead_ms(self) -> Mapping[str, float]:
        """Endpoint → response time that CPU does not explain, as calibrated."""
        return self.inputs.calibration.overhead_ms if self.inputs.calibration else {}

    @property
    def scaling(self) -> Scaling:
        """Station → how it scales, as calibrated."""
        return self.inputs.calibration.scaling if self.inputs.calibration else {}

    def month(self, index: int) -> dt.date:
        """First day of a month of the horizon."""
        return add_months(self.launch.horizon.start, index)

    def phase_point(self, phase: Phase) -> DesignPoint:
        """The phase's own design point."""
        return self.points[self.launch.horizon.months + phase.id - 1]

    def phase_index(self, phase: Phase) -> int:
        """Place of the phase among the workloads."""
        return self.launch.horizon.months + phase.id - 1

    def sku(self, identity: str) -> SkuRow:
        """The SKU of that id."""
        return next(s for s in self.inputs.skus if s.id == identity)


def phase_months(launch: Launch, phase: Phase) -> range:
    """Months of the horizon in which the phase is the current one."""
    start = months_between(launch.horizon.start, phase.start)
    after = [p.start for p in launch.phases if p.id == phase.id + 1]
    end = months_between(launch.horizon.start, after[0]) if after else launch.horizon.months
    return range(start, max(end, start + 1))


def need_months(launch: Launch, phase: Phase) -> range:
    """Months, as `needs` counts them (shifted for delivery), whose servers belong to the phase or an earlier one."""
    return range(max(1, phase_months(launch, phase).stop - ready_months(launch)))


def phase_end(launch: Launch, phase: Phase) -> dt.date:
    """First day after the phase."""
    after = [p.start for p in launch.phases if p.id == phase.id + 1]
    return after[0] if after else launch.horizon_end()


def months_between(start: dt.date, day: dt.date) -> int:
    """Calendar months from `start` to the month of `day`."""
    return (day.year - start.year) * 12 + day.month - start.month
