"""Hour by hour for every province and class, at stated inputs: what the report draws and `oss explain` looks up.

The planner itself never needs these arrays (K x C x T is 200 MB for the nation): it searches peaks by cohort.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from capacity.demand.calendar import ZONES
from capacity.demand.model import Draws, Floats, World, reached, surge_at
from capacity.demand.peaks import amplification
from capacity.demand.quantiles import distribution
from capacity.inputs import Inputs
from capacity.launch import Launch, add_months


def median_draw(place: World) -> Draws:
    """One draw with every input at its median: the central case."""
    launch, demand = place.launch, place.launch.demand
    size = place.size.sum(axis=0)
    return Draws(
        level=np.array([demand.adoption_level.p50]),
        month_peak=np.ones(1),
        busyness=np.full((1, len(place.months)), demand.busyness.p50),
        within_hour=np.ones(1),
        first_day=np.array([demand.surge.first_day_multiple.p50]),
        half_life=np.array([demand.surge.half_life_days.p50]),
        peak_hour=np.array([demand.surge.peak_hour_multiple.p50]),
        share=size[None] / size.sum(),
        per_unit={c.id: np.array([c.journeys_per_unit.p50]) for c in launch.classes},
        application=np.array([launch.design.application_factor.p50]),
        document_kib=np.array([launch.storage.document_kib.p50]),
        database_kib=np.array([launch.storage.database_kib_per_registration.p50]),
        contacts=np.array([launch.people.support.contacts_per_registration.p50]),
        handling_min=np.array([launch.people.support.handling_min.p50]),
    )


def hourly_journeys(inputs: Inputs, place: World, kind: str) -> Iterator[tuple[str, Floats]]:
    """Province code → (T,) journeys of class `kind` in every hour (WIB) of the horizon, at the median inputs.

    The sum over provinces and hours is the class's volume: nothing is lost between months, days and hours.
    """
    launch = place.launch
    chosen = next(c for c in launch.classes if c.id == kind)
    draw = median_draw(place)
    days = np.arange(place.clock.hours) // 24
    month = _month_of_hour(place)
    per_unit = float(draw.per_unit[kind][0]) * amplification(chosen, 0.0)
    total = place.size.sum()
    for c, code in enumerate(place.provinces):
        p, z = (int(v[0]) for v in np.nonzero(place.size[c]))
        weight = place.clock.weights[chosen.profile][z]
        start = (launch.phases[p].start - place.clock.start).days
        share = float(place.size[c, p, z]) / total
        if chosen.driver == "registrations":
            opening = start * 24 + launch.demand.surge.opening_hour
            live = np.arange(place.clock.hours) >= opening
            surge = surge_at(draw, (days - start).astype(float))[0] if chosen.surges else np.ones(place.clock.hours)
            if chosen.surges:
                surge[opening] *= float(draw.peak_hour[0])
            level = float(draw.level[0]) * draw.busyness[0, month] * place.per_day[month, p] * share
            yield code, np.asarray(level * weight * surge * live * per_unit)
        else:
            people = float(chosen.units or 0) * share * reached(place)[month] * draw.busyness[0, month]
            yield code, np.asarray(people * place.clock.weights[chosen.profile][0] * per_unit)


def _month_of_hour(place: World) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    edges = [(add_months(m, 1) - place.clock.start).days * 24 for m in place.months]
    return np.searchsorted(np.array(edges), np.arange(place.clock.hours), side="right")


def zone_of(place: World, code: str) -> str:
    """WIB, WITA or WIT."""
    return ZONES[int(np.nonzero(place.size[place.provinces.index(code)])[1][0])]


def stated_mean(launch: Launch, kind: str) -> float:
    """Mean of the class's journeys a unit, by the distribution that reproduces its quantiles."""
    chosen = next(c for c in launch.classes if c.id == kind)
    return float(distribution(chosen.journeys_per_unit).quantile(np.linspace(0.0005, 0.9995, 1000)).mean())
