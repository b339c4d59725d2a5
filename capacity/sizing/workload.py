"""From journeys a second to calls a second and CPU at every station, for many workloads at once.

    lambda_e = sum_k r_k v_ke + inner calls,   B_s = sum_e lambda_e D_es f_es                               (C1)

r_k journeys a second, v_ke visits, D_es CPU of a call (reference service), f_es the application factor where it counts.
W workloads; every array is (W,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capacity.calibration import Calibration
from capacity.chains import call_chains
from capacity.demand.peaks import JourneyCosts
from capacity.launch import EndpointPlan, Launch, Station

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StationLoad:
    """`rate`: visits a second. `mean_s`: CPU seconds a visit. `scv` of one visit over the whole mix of endpoints."""

    rate: Floats
    mean_s: Floats
    scv: Floats

    @property
    def busy(self) -> Floats:
        """Erlangs: CPU servers kept busy."""
        return self.rate * self.mean_s

    def pick(self, w: int) -> StationLoad:
        """Workload `w` alone."""
        return StationLoad(self.rate[w : w + 1], self.mean_s[w : w + 1], self.scv[w : w + 1])

    def at_least(self, busy: Floats) -> StationLoad:
        """The same mix, at a rate that keeps at least `busy` servers busy."""
        own = self.busy
        return StationLoad(self.rate * np.maximum(1.0, busy / np.where(own > 0, own, 1.0)), self.mean_s, self.scv)


@dataclass(frozen=True, slots=True)
class Workload:
    """`class_rates[k]`, `endpoint_rates[e]` (inner calls included), `stations[s]`, and the application factors."""

    class_rates: Mapping[str, Floats]
    endpoint_rates: Mapping[str, Floats]
    stations: Mapping[str, StationLoad]
    factor: Floats

    def pick(self, w: int) -> Workload:
        """Workload `w` alone."""
        some = slice(w, w + 1)
        return Workload(
            {k: v[some] for k, v in self.class_rates.items()},
            {k: v[some] for k, v in self.endpoint_rates.items()},
            {k: v.pick(w) for k, v in self.stations.items()},
            self.factor[some],
        )


def calibrated(launch: Launch, calibration: Calibration | None) -> tuple[EndpointPlan, ...]:
    """The plan's endpoints with measured demands in place of the estimates, where there are any."""
    if calibration is None:
        return launch.endpoints
    exact = {(d.station, d.endpoint): d.demand_ms for d in calibration.demands}
    return tuple(
        endpoint.model_copy(
            update={
                "demand_ms": {
                    station: exact.get((station, endpoint.id), ms * exact.get((station, "*"), 1.0))
                    for station, ms in endpoint.demand_ms.items()
                }
            }
        )
        for endpoint in launch.endpoints
    )


def visits_a_journey(launch: Launch) -> dict[str, dict[str, float]]:
    """Class → endpoint → calls a journey, with the calls that endpoints make of others."""
    chains = call_chains(launch)
    out: dict[str, dict[str, float]] = {}
    for kind in launch.classes:
        row: dict[str, float] = {}
        for visit in kind.journey:
            row[visit.endpoint] = row.get(visit.endpoint, 0.0) + visit.count
            for inner, count in chains[visit.endpoint].inner.items():
                row[inner] = row.get(inner, 0.0) + visit.count * count
        out[kind.id] = row
    return out


def workload(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    class_rates: Mapping[str, Floats | float],
    factor: Floats | float,
) -> Workload:
    """Everything that arrives at the class rates. `factor`: application factor (1 for the reference service)."""
    shape = np.broadcast_shapes((1,), np.shape(factor), *(np.shape(r) for r in class_rates.values()))
    factors = np.broadcast_to(np.asarray(factor, float), shape)
    by_class = {k: np.broadcast_to(np.asarray(r, float), shape) for k, r in class_rates.items()}
    per_journey = visits_a_journey(launch)
    rates = {e.id: np.zeros(shape) for e in endpoints}
    for kind, rate in by_class.items():
        for called, count in per_journey[kind].items():
            rates[called] = rates[called] + rate * count
    stations = {s.id: _station_load(s, endpoints, rates, factors) for s in launch.stations}
    return Workload(by_class, rates, stations, factors)


def _station_load(
    station: Station, endpoints: Sequence[EndpointPlan], rates: Mapping[str, Floats], factor: Floats
) -> StationLoad:
    total, first, second = (np.zeros(factor.shape) for _ in range(3))
    for endpoint in endpoints:
        if station.kind == "upstream":
            visits, mean = endpoint.calls.get(station.id, 0.0), np.full(factor.shape, station.latency_ms / 1e3)
        else:
            visits, mean = float(station.id in endpoint.demand_ms), demand_s(endpoint, station, factor)
        weight = rates[endpoint.id] * visits
        total = total + weight
        first = first + weight * mean
        second = second + weight * mean**2 * (1 + call_scv(endpoint, station))
    there = (total > 0) & (first > 0)
    count = np.where(there, total, 1.0)
    mean = np.where(there, first / count, 1e-12)
    scv = np.where(there, second / count / mean**2 - 1, station.service_scv)
    return StationLoad(total, mean, np.maximum(scv, 0.0))


def demand_s(endpoint: EndpointPlan, station: Station, factor: Floats | float) -> Floats:
    """CPU seconds of one call at a station; the application factor counts where both say so."""
    f = np.asarray(factor, float) if station.application and endpoint.application else np.ones(np.shape(factor))
    return np.asarray(endpoint.demand_ms.get(station.id, 0.0) * f / 1e3)


def call_scv(endpoint: EndpointPlan, station: Station) -> float:
    """Squared coefficient of variation of one call's CPU."""
    return station.service_scv if endpoint.scv is None or station.kind != "pods" else endpoint.scv


def journey_costs(launch: Launch, endpoints: Sequence[EndpointPlan]) -> JourneyCosts:
    """CPU of one journey of each class at each station, split by what the application factor touches."""
    names = tuple(c.id for c in launch.classes)
    rates: dict[str, Floats | float] = {name: np.eye(len(names))[n] for n, name in enumerate(names)}
    without, once = workload(launch, endpoints, rates, 0.0), workload(launch, endpoints, rates, 1.0)
    fixed = np.array([without.stations[s.id].busy for s in launch.stations])
    whole = np.array([once.stations[s.id].busy for s in launch.stations])
    return JourneyCosts(
        stations=tuple(s.id for s in launch.stations),
        classes=names,
        pods=tuple(s.kind == "pods" for s in launch.stations),
        fixed=fixed,
        scaled=whole - fixed,
    )
