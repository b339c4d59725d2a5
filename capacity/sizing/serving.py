"""How a station serves its calls: in turn or interleaved, at full speed or stopped by a CPU quota.

Pods sit behind a random split, so each is a queue of its own with 1/n of the station's rate; servers of a role share
one queue. A pod with a quota below what its processes could use runs at full speed until the period's quota is used,
then stops. Upstream agencies serve as many calls at once as they allow connections, others wait their turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from capacity.launch import Launch, Station
from capacity.queueing import NO_WAIT, Leg, Sharing, Wait, ggc_wait, quota_sharing, quota_wait, sharing
from capacity.queueing.quota import PERIOD_S
from capacity.queueing.shapes import Shape
from capacity.sizing.size import Size
from capacity.sizing.workload import Floats, StationLoad, Workload

LONG_SHARE: Final = 0.25
"""Of a period's quota: calls above it are solved by themselves."""
MIXTURE: Final[Shape] = "phase"
"""Shape of a station's services: visits of several endpoints are a mixture of laws."""

_Place = tuple[Station, StationLoad, Size]


class Serving(Protocol):
    """What calls meet at a station, at W workloads."""

    def legs(self, service_s: Floats, scv: float, visits: float = 1.0) -> list[Leg]:
        """`visits` of a call that needs `service_s` seconds each, of that scv."""
        ...

    def pick(self, w: int) -> Serving:
        """Workload `w` alone."""
        ...


@dataclass(frozen=True, slots=True)
class InTurn:
    """First come, first served: all calls share one wait."""

    wait: Wait

    def legs(self, service_s: Floats, scv: float, visits: float = 1.0) -> list[Leg]:
        """The wait of all, then the own service."""
        return [Leg(self.wait, service_s, scv, visits)]

    def pick(self, w: int) -> InTurn:
        """Workload `w` alone."""
        return InTurn(Wait(*(_at(part, w) for part in self.wait)))


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Processor sharing: each call is slowed by the others that are there."""

    sharing: Sharing

    def legs(self, service_s: Floats, scv: float, visits: float = 1.0) -> list[Leg]:
        """The own service, slowed."""
        return [Leg(NO_WAIT, service_s, scv, visits, self.sharing.slowing(service_s, scv))]

    def pick(self, w: int) -> Interleaved:
        """Workload `w` alone."""
        return Interleaved(Sharing(*(_at(part, w) for part in self.sharing)))


@dataclass(frozen=True, slots=True)
class Throttled:
    """Pods whose CPU quota is below what their processes could use: what a call meets then depends on its length."""

    load: StationLoad
    size: Size
    interleaved: bool

    def legs(self, service_s: Floats, scv: float, visits: float = 1.0) -> list[Leg]:
        """The own service at full speed, with its waits or its slowing, and stops for want of quota.

        In turn, a call that uses a good part of one period's quota is stopped more often than a short one: it is solved
        by itself, all others share the wait of the mix.
        """
        at, quota = self.size, self.size.servers
        mix = (*_queue(self.load, at), quota, self.load.scv)
        if self.interleaved:
            law = quota_sharing(*mix, service_s, scv, processes=at.processes, service_shape=MIXTURE)
            return law.legs(service_s, scv, visits)
        long = bool(np.max(service_s / quota) > LONG_SHARE * PERIOD_S)
        own, spread = (service_s, scv) if long else (None, None)
        wait = quota_wait(*mix, own_service=own, own_cs2=spread, processes=at.processes, service_shape=MIXTURE)
        return wait.legs(service_s, scv, visits)

    def pick(self, w: int) -> Throttled:
        """Workload `w` alone."""
        return Throttled(self.load.pick(w), self.size.pick(w), self.interleaved)


def serving(station: Station, load: StationLoad, at: Size) -> Serving:
    """How the station serves that load at that size, its rate split evenly over the queues."""
    return _servings([(station, load, at)])[0]


def servings(launch: Launch, work: Workload, sizes: Mapping[str, Size]) -> dict[str, Serving]:
    """Every station of a workload that has a size."""
    there = [s for s in launch.stations if s.id in sizes]
    found = _servings([(s, work.stations[s.id], sizes[s.id]) for s in there])
    return {s.id: one for s, one in zip(there, found, strict=True)}


def _servings(places: Sequence[_Place]) -> list[Serving]:
    shared = [n for n, (station, _, at) in enumerate(places) if is_interleaved(station) and not at.throttled]
    together = dict(zip(shared, _share([places[n] for n in shared]), strict=True))
    return [together[n] if n in together else _alone(place) for n, place in enumerate(places)]


def _share(places: Sequence[_Place]) -> list[Interleaved]:
    """All of them in one go, since planning asks for few workloads thousands of times."""
    if not places:
        return []
    rows = [(*_queue(load, at), load.scv, at.servers) for _, load, at in places]
    rate, mean, scv, servers = (np.stack(np.broadcast_arrays(*column)) for column in zip(*rows, strict=True))
    met = sharing(rate * mean, mean, scv, servers)
    return [Interleaved(Sharing(*(part[n] for part in met))) for n in range(len(places))]


def _alone(place: _Place) -> Serving:
    station, load, at = place
    if at.throttled:
        return Throttled(load, at, is_interleaved(station))
    return InTurn(ggc_wait(*_queue(load, at), at.servers, 1.0, load.scv, service_shape=MIXTURE))


def is_interleaved(station: Station) -> bool:
    """Whether calls share its CPU servers; an upstream's are connections."""
    return station.discipline == "ps" and station.kind != "upstream"


def _queue(load: StationLoad, at: Size) -> tuple[Floats, Floats]:
    """Visits a second at each queue, and their mean CPU seconds."""
    return load.rate / at.queues, load.mean_s * at.slow(load)


def _at(part: Floats, w: int) -> Floats:
    return part[w : w + 1] if np.ndim(part) else part
