"""The phasing problem of a launch plan: what every province would add on the launch day of every phase.

Expected values of the demand model: adoption since the phase's start, the median launch surge and its decay, the
public hour profile on the clock of each time zone (formula (P1) of docs/model/phasing.md).
"""

from __future__ import annotations

import numpy as np

from capacity.demand.model import world
from capacity.inputs import Inputs
from capacity.phasing.problem import PHASES, FloatArray, Problem

ZONES = ("WIB", "WITA", "WIT")
FIRST_OFFSET_H = 7


def phasing_problem(inputs: Inputs) -> Problem:
    """Regions are the plan's provinces; load is registrations an hour, by the clock of WIB."""
    launch, place = inputs.launch, world(inputs)
    starts = np.array([(phase.start - launch.phases[0].start).days for phase in launch.phases], dtype=float)
    weight = np.array([p.businesses for p in inputs.provinces], dtype=float)
    ahead = np.array([p.utc_offset_h - FIRST_OFFSET_H for p in inputs.provinces])
    profile = np.array(launch.demand.profiles["public"].weekday, dtype=float)
    hourly = np.array([np.roll(profile / profile.sum(), -a) for a in ahead])
    month = [max(m for m, first in enumerate(place.months) if first <= phase.start) for phase in launch.phases]
    surge, half = launch.demand.surge.first_day_multiple.p50, launch.demand.surge.half_life_days.p50
    share = weight / weight.sum()

    def day(j: int, k: int) -> float:
        """Registrations of the whole nation on phase k's launch day, had all of it joined in phase j."""
        decay = 0.5 ** float((starts[k] - starts[j]) / half)
        return float(place.per_day[month[k], j] * (1 + (surge - 1) * decay))

    regions = len(weight)
    added: FloatArray = np.zeros((regions, PHASES, len(profile)))
    carried: FloatArray = np.zeros((regions, PHASES, PHASES, len(profile)))
    for k in range(PHASES):
        added[:, k] = (share * day(k, k))[:, None] * hourly
        for j in range(k):
            carried[:, j, k] = (share * day(j, k))[:, None] * hourly
    return Problem(
        regions=tuple(p.code for p in inputs.provinces),
        weight=weight,
        zones=ZONES,
        zone=np.array([ZONES.index(p.tz_abbr) for p in inputs.provinces], dtype=np.int64),
        start_day=starts,
        launch=added,
        carried=carried,
    )
