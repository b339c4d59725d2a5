"""What is known and drawn about demand: adoption, cohorts, and every uncertain input of every draw.

A cohort is the provinces of one phase in one time zone: they share launch day and clock, so that hours are computed a
cohort and not a province. D draws, M months, K classes, P phases, Z zones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capacity.demand.adoption import DAYS_A_YEAR, Bass, Hindcast, Period, fit_bass, hindcast
from capacity.demand.calendar import ZONES, Clock, clock
from capacity.demand.sampling import Sampler, Source
from capacity.inputs import Inputs
from capacity.launch import Launch, add_months

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """All that is the same in every draw.

    `per_day[m, p]`: registrations a day that the whole nation would make in month m had all of it joined in phase p
    (the adopted level, over the days that the phase is live in the month). `live_days[m, p]`: those days.
    `size[c, p, z]`: businesses by province, at the place of its phase and zone.
    """

    launch: Launch
    months: tuple[dt.date, ...]
    bass: Bass
    hindcast: tuple[Hindcast, ...]
    clock: Clock
    provinces: tuple[str, ...]
    size: Floats
    per_day: Floats
    live_days: Floats


@dataclass(frozen=True, slots=True)
class Draws:
    """The uncertain inputs, (D,) each. `busyness` is (D, M); `share` (D, P, Z), of the nation's adopters."""

    level: Floats
    month_peak: Floats
    busyness: Floats
    within_hour: Floats
    first_day: Floats
    half_life: Floats
    peak_hour: Floats
    share: Floats
    per_unit: Mapping[str, Floats]
    application: Floats
    document_kib: Floats
    database_kib: Floats
    contacts: Floats
    handling_min: Floats

    @property
    def count(self) -> int:
        """D."""
        return len(self.level)

    def block(self, some: slice | NDArray[np.int64]) -> Draws:
        """The draws of a slice or of given numbers."""
        return Draws(
            level=self.level[some],
            month_peak=self.month_peak[some],
            busyness=self.busyness[some],
            within_hour=self.within_hour[some],
            first_day=self.first_day[some],
            half_life=self.half_life[some],
            peak_hour=self.peak_hour[some],
            share=self.share[some],
            per_unit={name: values[some] for name, values in self.per_unit.items()},
            application=self.application[some],
            document_kib=self.document_kib[some],
            database_kib=self.database_kib[some],
            contacts=self.contacts[some],
            handling_min=self.handling_min[some],
        )


def published_periods(inputs: Inputs) -> tuple[Period, ...]:
    """The yearly means of NIB a day as periods since the launch of July 2018 (its first mean covers half a year)."""
    out = []
    for point in inputs.usage:
        if point.metric == "nib_per_day" and point.kind == "reported":
            if point.period.isdigit():
                year = int(point.period)
                out.append(Period(point.period, max(0.0, year - 2018.5), year - 2017.5, point.value))
            elif point.period.endswith("-01..06"):
                year = int(point.period[:4])
                out.append(Period(point.period, year - 2018.5, year - 2018.0, point.value))
    return tuple(sorted(out, key=lambda p: p.start))


def world(inputs: Inputs) -> World:
    """Fit adoption and lay out the calendar."""
    launch = inputs.launch
    months = tuple(add_months(launch.horizon.start, m) for m in range(launch.horizon.months))
    market = float(sum(p.businesses for p in inputs.provinces))
    periods = published_periods(inputs)
    bass = fit_bass(periods, market, launch.demand.adoption)
    size = np.zeros((len(inputs.provinces), len(launch.phases), len(ZONES)))
    for c, province in enumerate(inputs.provinces):
        p = next(n for n, phase in enumerate(launch.phases) if province.code in phase.provinces)
        size[c, p, ZONES.index(province.tz_abbr)] = province.businesses
    starts = [phase.start for phase in launch.phases]
    edges = np.array([[(edge - s).days for s in starts] for edge in (*months, launch.horizon_end())], float)
    edges = np.maximum(edges, 0.0)
    live = np.diff(edges, axis=0)
    adopted = market * np.diff(bass.share(edges / DAYS_A_YEAR), axis=0)
    return World(
        launch=launch,
        months=months,
        bass=bass,
        hindcast=hindcast(periods, market, launch.demand.adoption),
        clock=clock(launch.horizon.start, launch.horizon_end(), launch.demand, inputs.calendar),
        provinces=tuple(p.code for p in inputs.provinces),
        size=size,
        per_day=np.where(live > 0, adopted / np.where(live > 0, live, 1.0), 0.0),
        live_days=live,
    )


def draw_inputs(place: World, draws: int, seed: int) -> Draws:
    """Sample every uncertain input. The same seed, draws and plan give the same values."""
    return inputs_from(place, Sampler(seed, draws, place.launch.demand.correlation))


def inputs_from(place: World, sampler: Source) -> Draws:
    """Every uncertain input from any source of values."""
    launch, demand = place.launch, place.launch.demand
    spread = sampler.independent("province_spread", demand.province_spread, len(place.provinces))
    weighted = np.einsum("dc,cpz->dpz", spread, place.size)
    return Draws(
        level=sampler.draw("adoption_level", demand.adoption_level),
        month_peak=sampler.draw("month_peak", demand.month_peak),
        busyness=sampler.persistent("busyness", demand.busyness, len(place.months), demand.busyness_persistence),
        within_hour=sampler.draw("within_hour_peak", demand.within_hour_peak),
        first_day=sampler.draw("first_day_multiple", demand.surge.first_day_multiple),
        half_life=sampler.draw("half_life_days", demand.surge.half_life_days),
        peak_hour=sampler.draw("peak_hour_multiple", demand.surge.peak_hour_multiple),
        share=weighted / weighted.sum(axis=(1, 2), keepdims=True),
        per_unit={c.id: sampler.draw(f"journeys {c.id}", c.journeys_per_unit) for c in launch.classes},
        application=sampler.draw("application_factor", launch.design.application_factor),
        document_kib=sampler.draw("document_kib", launch.storage.document_kib),
        database_kib=sampler.draw("database_kib", launch.storage.database_kib_per_registration),
        contacts=sampler.draw("contacts", launch.people.support.contacts_per_registration),
        handling_min=sampler.draw("handling", launch.people.support.handling_min),
    )


def reached(place: World) -> Floats:
    """(M,) share of the provinces' businesses in phases that are live in the month."""
    by_phase = place.size.sum(axis=(0, 2))
    return np.asarray(((place.live_days > 0) * by_phase).sum(axis=1) / by_phase.sum())


def surge_at(draws: Draws, days_since: Floats) -> Floats:
    """(D, H) demand over the adopted level `days_since` (H,) days after the launch; 1 in the end, 0 before it. (D10)"""
    decay = np.exp2(-np.maximum(days_since, 0.0) / draws.half_life[:, None])
    return np.where(days_since >= 0, 1 + (draws.first_day[:, None] - 1) * decay, 0.0)


def registrations(place: World, draws: Draws) -> Floats:
    """(D, M) registrations of each month, launch surges included: the volume that storage must keep. Formula (D12)."""
    r = np.exp2(-1 / draws.half_life)
    start = np.array([[max((m - p.start).days, 0) for p in place.launch.phases] for m in place.months], float)
    by_phase = draws.share.sum(axis=2)
    total = np.zeros((draws.count, len(place.months)))
    for p in range(len(place.launch.phases)):
        first, live = start[:, p], place.live_days[:, p]
        extra = (r[:, None] ** first - r[:, None] ** (first + live)) / (1 - r[:, None])
        days = live + (draws.first_day - 1)[:, None] * extra
        total += by_phase[:, p, None] * place.per_day[:, p] * days
    return np.asarray(draws.level[:, None] * total)
