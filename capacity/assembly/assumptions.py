"""The register of assumptions: every number that the plan rests on, with its source, estimates marked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from importlib.metadata import version

from capacity.assembly.computed import Computed
from capacity.demand.calendar import holiday_dates
from capacity.launch import Launch, Quantiles
from capacity.leaseplan import Assumption

MODEL_ESTIMATE = "own estimate"


def assumptions(all_of: Computed) -> tuple[Assumption, ...]:
    """In a stable order: demand, design, service demands, storage, people, prices, adoption."""
    return tuple(_all(all_of))


def _all(all_of: Computed) -> Iterator[Assumption]:
    launch = all_of.launch
    for name, stated in stated_inputs(launch).items():
        yield Assumption(
            id=name,
            value=f"P10 {stated.p10:g}, P50 {stated.p50:g}, P90 {stated.p90:g}",
            unit=stated.unit,
            source=stated.source,
            estimate=stated.estimate,
        )
    yield Assumption(
        id="demand.adoption",
        value=f"p {all_of.place.bass.p:.4f}, q {all_of.place.bass.q:.3f} a year, m {all_of.place.bass.market:,.0f}",
        unit="Bass",
        source=launch.demand.adoption.source,
        estimate=False,
        note="; ".join(f"{h.label}: {h.error:+.0%}" for h in all_of.place.hindcast),
    )
    for name, profile in launch.demand.profiles.items():
        yield Assumption(
            id=f"demand.profiles.{name}",
            value=f"holiday {profile.holiday_share:.0%}, Saturday {profile.saturday_share:.0%} of a weekday",
            unit="share",
            source=profile.source,
            estimate=profile.estimate,
        )
    yield from _calendar(all_of)
    measured = all_of.inputs.calibration
    yield Assumption(
        id="endpoints.demand_ms",
        value=f"{len(launch.endpoints)} endpoints",
        unit="CPU ms a call",
        source=f"measured: {measured.run}" if measured else launch.reference.source,
        estimate=launch.reference.estimate and measured is None,
    )
    for station in launch.stations:
        if station.kind == "upstream":
            quota = "none" if station.quota_per_day is None else f"{station.quota_per_day:,.0f} a day"
            yield Assumption(
                id=f"stations.{station.id}",
                value=f"latency {station.latency_ms:g} ms, quota {quota}",
                unit="",
                source=station.source or MODEL_ESTIMATE,
                estimate=station.estimate,
            )
    yield Assumption(id="people", value="see the plan", unit="", source=launch.people.source, estimate=True)
    yield Assumption(id="facilities", value="see the plan", unit="", source=launch.facilities.source, estimate=True)
    estimated = sum(1 for p in all_of.inputs.prices if p.quotation is None)
    yield Assumption(
        id="prices",
        value=f"{estimated} of {len(all_of.inputs.prices)} prices without a quotation",
        unit="IDR",
        source=f"{launch.tables.prices}, {launch.tables.supporting}",
        estimate=estimated > 0,
        note="vendors named by a letter are placeholders",
    )


def _calendar(all_of: Computed) -> Iterator[Assumption]:
    launch = all_of.launch
    first, last = launch.horizon.start, launch.horizon_end() - dt.timedelta(days=1)
    public, joint = (len(holiday_dates(first, last, kinds)) for kinds in (("public",), ("government",)))
    yield Assumption(
        id="demand.holidays",
        value=f"{public} public holidays, {joint} days of joint leave, {first} to {last}",
        unit="days",
        source=f"PyPI holidays {version('holidays')}, categories public and government of ID",
        estimate=False,
        note=f"as known to that release; joint leave that was decreed after {launch.as_of} may differ",
    )
    for span in all_of.inputs.calendar:
        if span.start <= last and span.end >= first:
            yield Assumption(
                id=f"calendar.{span.kind}.{span.start:%Y}",
                value=f"{span.start} to {span.end}",
                unit="days",
                source=span.source,
                estimate=span.estimate,
            )


def stated_inputs(launch: Launch) -> dict[str, Quantiles]:
    """Every uncertain input by its place in the plan."""
    d = launch.demand
    return {
        "demand.adoption_level": d.adoption_level,
        "demand.month_peak": d.month_peak,
        "demand.busyness": d.busyness,
        "demand.province_spread": d.province_spread,
        "demand.within_hour_peak": d.within_hour_peak,
        "demand.surge.first_day_multiple": d.surge.first_day_multiple,
        "demand.surge.half_life_days": d.surge.half_life_days,
        "demand.surge.peak_hour_multiple": d.surge.peak_hour_multiple,
        **{f"classes.{c.id}.journeys_per_unit": c.journeys_per_unit for c in launch.classes},
        "design.application_factor": launch.design.application_factor,
        "storage.document_kib": launch.storage.document_kib,
        "storage.database_kib_per_registration": launch.storage.database_kib_per_registration,
        "people.support.contacts_per_registration": launch.people.support.contacts_per_registration,
        "people.support.handling_min": launch.people.support.handling_min,
    }
