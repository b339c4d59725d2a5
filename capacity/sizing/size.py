"""How large a station is: separate queues of so many CPU servers each, and how they scale together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.calibration import ScalabilityFit
from capacity.faults import Infeasible
from capacity.sizing.scaling import carried, kept_busy, most_busy, slowdown
from capacity.sizing.workload import Floats, StationLoad


@dataclass(frozen=True, slots=True)
class Size:
    """`queues` (W,) separate queues of `servers` CPU servers each (pods: one queue a replica).

    `processes`: of a pod; one process uses one core at most, so that a pod whose servers (its CPU quota) are fewer than
    its processes is stopped, not slowed. `fit`: how the station scales (C8), where a calibration knows.
    """

    queues: Floats
    servers: Floats
    processes: int = 0
    fit: ScalabilityFit | None = None

    @property
    def total(self) -> Floats:
        """CPU servers of the station together."""
        return np.asarray(self.queues * self.servers)

    def busy(self, load: StationLoad) -> Floats:
        """CPU servers that the load keeps busy, as the station scales; inf where it does not scale so far."""
        return kept_busy(self.fit, load.busy)

    def slow(self, load: StationLoad) -> Floats:
        """CPU of a call at this load over that when one server is busy."""
        return slowdown(self.fit, np.minimum(self.busy(load), self.total))

    def carries(self, limit: float) -> Floats:
        """Erlangs, at the demand of one busy server, that the station carries at utilisation `limit`."""
        return carried(self.fit, self.total * limit)

    @property
    def throttled(self) -> bool:
        """Whether these are pods that their CPU quota stops."""
        return bool(np.any(self.servers < self.processes))

    def pick(self, w: int) -> Size:
        """Workload `w` alone."""
        one = slice(w, w + 1)
        return Size(self.queues[one], self.servers[one], self.processes, self.fit)


def size(queues: Floats | float, servers: Floats | float) -> Size:
    """A size from numbers or arrays."""
    q, c = np.broadcast_arrays(np.atleast_1d(np.asarray(queues, float)), np.atleast_1d(np.asarray(servers, float)))
    return Size(q, c)


def pods(replicas: Floats | float, cores: float, processes: int, fit: ScalabilityFit | None = None) -> Size:
    """`replicas` pods with `cores` and `processes` each, as they scale together."""
    plain = size(replicas, cores)
    return Size(plain.queues, plain.servers, processes, fit)


def busy_or_infeasible(station: str, fit: ScalabilityFit | None, load: Floats) -> Floats:
    """CPU servers that each load keeps busy (C8). Raises Infeasible when the station does not scale to one of them."""
    busy = kept_busy(fit, load)
    if not np.all(np.isfinite(busy)):
        top, most = float(carried(fit, np.inf)), float(np.max(load))
        raise Infeasible(
            f"{station} does not scale to its load: {most:.1f} Erlangs come, {top:.1f} are the most that it carries at "
            f"any size (USL of the calibration, at {most_busy(fit):.0f} busy CPU servers)",
            f"Lower the load of {station} by {1 - top / most:.0%}, divide it, or remove what its calls contend for and "
            "calibrate again.",
        )
    return busy
