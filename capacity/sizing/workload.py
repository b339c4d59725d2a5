"""From journeys a second to calls a second and CPU at every station.

    lambda_e = sum_k r_k v_ke + inner calls,   B_s = sum_e lambda_e D_es f_s                                (S1)

r_k journeys a second, v_ke visits, D_es CPU of a call (reference service), f_s the application factor at the station.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from capacity.calibration import Calibration
from capacity.chains import call_chains
from capacity.launch import EndpointPlan, Launch, Station


@dataclass(frozen=True, slots=True)
class StationLoad:
    """`rate`: visits a second. `mean_s`: CPU seconds a visit. `scv` of one visit over the whole mix of endpoints."""

    rate: float
    mean_s: float
    scv: float

    @property
    def busy(self) -> float:
        """Erlangs: CPU servers kept busy."""
        return self.rate * self.mean_s


@dataclass(frozen=True, slots=True)
class Workload:
    """Calls of every endpoint, inner ones included, and the load of every station."""

    class_rates: Mapping[str, float]
    endpoint_rates: Mapping[str, float]
    stations: Mapping[str, StationLoad]
    factor: float


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
    launch: Launch, endpoints: tuple[EndpointPlan, ...], class_rates: Mapping[str, float], factor: float
) -> Workload:
    """Everything that arrives at the given class rates. `factor` is the application factor (1 for the reference)."""
    per_journey = visits_a_journey(launch)
    rates: dict[str, float] = {e.id: 0.0 for e in endpoints}
    for kind, rate in class_rates.items():
        for called, count in per_journey[kind].items():
            rates[called] += rate * count
    stations: dict[str, StationLoad] = {}
    for station in launch.stations:
        total = first = second = 0.0
        for endpoint in endpoints:
            if station.kind == "upstream":
                visits, mean = endpoint.calls.get(station.id, 0.0), station.latency_ms / 1e3
            else:
                visits, mean = float(station.id in endpoint.demand_ms), demand_s(endpoint, station, factor)
            weight = rates[endpoint.id] * visits
            total += weight
            first += weight * mean
            second += weight * mean**2 * (1 + call_scv(endpoint, station))
        mean = first / total if total else 0.0
        scv = second / total / mean**2 - 1 if mean else station.service_scv
        stations[station.id] = StationLoad(total, mean, scv)
    return Workload(dict(class_rates), rates, stations, factor)


def demand_s(endpoint: EndpointPlan, station: Station, factor: float) -> float:
    """CPU seconds of one call at a station; the application factor counts where both say so."""
    f = factor if station.application and endpoint.application else 1.0
    return endpoint.demand_ms.get(station.id, 0.0) * f / 1e3


def call_scv(endpoint: EndpointPlan, station: Station) -> float:
    """Squared coefficient of variation of one call's CPU."""
    return station.service_scv if endpoint.scv is None else endpoint.scv
