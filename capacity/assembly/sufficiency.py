"""Whether what is leased suffices: the fullest station of every draw, and in how many draws none is too full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capacity.assembly.computed import Computed, phase_months
from capacity.assembly.deployments import installed_cores
from capacity.demand.peaks import Peaks
from capacity.launch import Phase
from capacity.leaseplan import LeasedServer
from capacity.sizing.scaling import carried
from capacity.sizing.workload import Floats


def fullness(all_of: Computed, found: Peaks, phase: Phase, servers: Sequence[LeasedServer]) -> Floats:
    """(D,) load of the fullest station of the primary site over what it carries within its utilisation limit.

    Over all months from the launch to the phase's end, without headroom; above 1 the capacity does not suffice (C11).
    """
    launch = all_of.launch
    until = phase_months(launch, phase).stop
    primary = launch.site_of_kind("primary").id
    worst = np.zeros(found.load.shape[1])
    for station in launch.stations:
        if station.kind == "pods":
            cores = float(all_of.sized[primary].sizes[station.id].total[:until].max())
        elif station.kind == "server":
            cores = installed_cores(all_of, primary, station.role or "", servers)
        else:
            cores = float(station.connections or 1)
        limit = float(carried(all_of.scaling.get(station.id), cores * station.max_utilisation))
        load = found.load[found.costs.stations.index(station.id), :, :until].max(axis=1)
        worst = np.maximum(worst, load / limit)
    return worst


def sufficiency(all_of: Computed, phase: Phase, servers: Sequence[LeasedServer]) -> float:
    """Share of draws in which every station stays within its utilisation limit, from the launch to the phase's end."""
    return round(float((fullness(all_of, all_of.found, phase, servers) <= 1).mean()), 4)
