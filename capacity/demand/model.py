"""Peak demand of every month, class and draw; and the design point at which a phase is sized.

Shapes: D draws, M months, K classes. Rates are journeys started a second in the busiest minutes of the month.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from capacity.demand.adoption import Bass, Period, fit_bass
from capacity.inputs import Inputs
from capacity.launch import Launch, Quantiles, add_months

Floats = NDArray[np.float64]
DAYS_A_YEAR = 365.25
BASIS_YEARS = {"2018 (Jul-Dec)": (0.0, 0.5)}


@dataclass(frozen=True, slots=True)
class PeakDemand:
    """`rates[d, m, k]`: journeys a second at the month's peak. `registrations[d, m]`: NIB on the month's busiest day.

    `application[d]`: CPU of the production application over the reference service in that draw.
    """

    months: tuple[dt.date, ...]
    classes: tuple[str, ...]
    rates: Floats
    registrations: Floats
    volume: Floats
    application: Floats
    bass: Bass
    peak_hours: tuple[dt.datetime, ...]


def published_periods(inputs: Inputs) -> tuple[Period, ...]:
    """The yearly means of NIB a day, as periods since the first launch on 2018-07-04 (181.5 days before 2019)."""
    out = []
    for point in inputs.usage:
        if point.metric == "nib_per_day" and point.kind == "reported":
            label = point.period
            if label.isdigit():
                year = int(label)
                out.append(Period(label, max(0.0, year - 2018.5), year - 2017.5, point.value))
            elif label.endswith("-01..06"):
                year = int(label[:4])
                out.append(Period(label, year - 2018.5, year - 2018.0, point.value))
    return tuple(sorted(out, key=lambda p: p.start))


def businesses(inputs: Inputs) -> dict[str, int]:
    """Province code → non-farm businesses of the economic census of 2016."""
    return {p.code: p.businesses for p in inputs.provinces}


def peak_demand(inputs: Inputs, draws: int, seed: int) -> PeakDemand:
    """Sample the peak of every month. Deterministic for a seed."""
    launch = inputs.launch
    rng = np.random.default_rng(seed)
    demand = launch.demand
    months = tuple(add_months(launch.horizon.start, m) for m in range(launch.horizon.months))
    size = businesses(inputs)
    total = sum(size.values())
    bass = fit_bass(published_periods(inputs), float(total))

    common = rng.standard_normal(draws)

    def draw(q: Quantiles) -> Floats:
        rho = demand.correlation
        z = np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.standard_normal(draws)
        return _lognormal(q, z)

    level = draw(demand.adoption_level)
    month_peak = draw(demand.month_peak)
    busyness = draw(demand.busyness)
    within = draw(demand.within_hour_peak)
    first_day = draw(demand.surge.first_day_multiple)
    half_life = draw(demand.surge.half_life_days)
    hour_multiple = draw(demand.surge.peak_hour_multiple)
    per_unit = {c.id: draw(c.journeys_per_unit) for c in launch.classes}
    application = draw(launch.design.application_factor)

    rates = np.zeros((draws, len(months), len(launch.classes)))
    registrations = np.zeros((draws, len(months)))
    volume = np.zeros((draws, len(months)))
    for m, month in enumerate(months):
        following = add_months(month, 1)
        days = (following - month).days
        surged = np.zeros(draws)
        plain = np.zeros(draws)
        hourly_surge = np.zeros(draws)
        for phase in launch.phases:
            share = sum(size[code] for code in phase.provinces) / total
            a, b = ((day - phase.start).days / DAYS_A_YEAR for day in (month, following))
            mean = float(bass.per_day(max(a, 0.0), max(b, 1e-9))) * share if b > 0 else 0.0
            since = max((month - phase.start).days, 0)
            surge = 1 + (first_day - 1) * np.exp2(-since / half_life) if b > 0 else np.zeros(draws)
            hour = np.where(since < 1, hour_multiple, 1.0) if b > 0 else 1.0
            plain += mean * (b > 0)
            surged += mean * surge
            hourly_surge += mean * surge * hour
        reached = sum(len(p.provinces) for p in launch.phases if p.start < following) / len(size)
        week = 7 / (5 + demand.profiles["public"].saturday_share + demand.profiles["public"].sunday_share)
        registrations[:, m] = level * month_peak * busyness * surged * week
        volume[:, m] = level * plain * days
        for k, c in enumerate(launch.classes):
            profile = demand.profiles[c.profile]
            top = max(profile.weekday) / sum(profile.weekday)
            if c.driver == "registrations":
                base = level * month_peak * busyness * week * (hourly_surge if c.surges else plain)
            else:
                base = float(c.units or 0) * reached * busyness
            rates[:, m, k] = base * per_unit[c.id] * top * within / 3600 * (1 + c.retries)
    hours = tuple(_peak_hour(launch, month) for month in months)
    return PeakDemand(
        months, tuple(c.id for c in launch.classes), rates, registrations, volume, application, bass, hours
    )


def _peak_hour(launch: Launch, month: dt.date) -> dt.datetime:
    """The opening day's busiest hour when a phase starts in the month, else that of its first working day."""
    opening = [p.start for p in launch.phases if (p.start.year, p.start.month) == (month.year, month.month)]
    day = (
        opening[0] if opening else month + dt.timedelta(days=max(0, 7 - month.weekday()) if month.weekday() > 4 else 0)
    )
    profile = launch.demand.profiles["public"].weekday
    return dt.datetime.combine(day, dt.time(profile.index(max(profile))))


def _lognormal(q: Quantiles, z: Floats) -> Floats:
    """A split lognormal above `lower` that meets the three quantiles: one spread below the median, one above it."""
    z90 = float(special.ndtri(0.9))
    low, mid, high = (np.log(v - q.lower) for v in (q.p10, q.p50, q.p90))
    value = np.exp(mid + np.where(z < 0, (mid - low) / z90, (high - mid) / z90) * z) + q.lower
    return np.minimum(value, q.upper) if q.upper is not None else value
