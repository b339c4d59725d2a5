"""One hour of the horizon by province and class, at the median inputs: what the model expects then, and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from capacity.assembly.explain import Language, Step
from capacity.demand.calendar import ZONES, days
from capacity.demand.hourly import hourly_journeys, median_draw, zone_of
from capacity.demand.model import World, surge_at, world
from capacity.faults import BadInput, Fault
from capacity.inputs import Inputs

PREFIX = "hour."
MOST_PROVINCES = 8
TEXT: dict[str, tuple[str, str]] = {
    "hour": (
        "{when:%Y-%m-%d %H:00} WIB, {day}{kinds}: {total:,.0f} perjalanan pada masukan median",
        "{when:%Y-%m-%d %H:00} WIB, {day}{kinds}: {total:,.0f} journeys at the median inputs",
    ),
    "clocks": ("jam setempat: {clocks}", "local clocks: {clocks}"),
    "phase": (
        "tahap {id}: hari ke-{n} sejak peluncuran, permintaan {times:.2f} kali tingkat adopsi",
        "phase {id}: day {n} since its launch, demand {times:.2f} times the adopted level",
    ),
    "before": ("tahap {id}: belum diluncurkan", "phase {id}: not launched yet"),
    "class": (
        "{name}: {n:,.1f} perjalanan ({rate:.3f} per detik); jam profil {weight:.2f} kali rata-rata hari",
        "{name}: {n:,.1f} journeys ({rate:.3f} a second); the profile's hour is {weight:.2f} times the mean of a day",
    ),
    "provinces": ("terbanyak dari {names}", "most from {names}"),
    "holiday": ("libur atau cuti bersama", "holiday or joint leave"),
    "ramadan": ("Ramadan", "Ramadan"),
}
WEEKDAYS = (
    ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)


@dataclass(frozen=True, slots=True)
class _Words:
    language: Language

    @property
    def place(self) -> int:
        return 0 if self.language == "id" else 1

    def text(self, key: str, **values: object) -> str:
        return TEXT[key][self.place].format(**values)


def explain_hour(inputs: Inputs, where: str, language: Language = "en") -> list[Step]:
    """`hour.2019-02-04T10` (WIB) as steps. Raises BadInput for what is no hour of the horizon."""
    place, say = world(inputs), _Words(language)
    index = _index(place, where)
    when = place.clock.moment(index)
    (day,) = days(when.date(), 1, inputs.calendar)
    kinds = "".join(f", {say.text(k)}" for k in ("holiday", "ramadan") if getattr(day, k))
    rows = []
    for kind in inputs.launch.classes:
        by_province = {code: float(v[index]) for code, v in hourly_journeys(inputs, place, kind.id)}
        rows.append((kind, by_province, sum(by_province.values())))
    weekday = WEEKDAYS[say.place][day.weekday]
    out = [Step(0, say.text("hour", when=when, day=weekday, kinds=kinds, total=sum(total for *_, total in rows)))]
    clocks = ", ".join(f"{when + dt.timedelta(hours=z):%H:00} {name}" for z, name in enumerate(ZONES))
    out.append(Step(1, say.text("clocks", clocks=clocks)))
    central = median_draw(place)
    for phase in inputs.launch.phases:
        since = (when.date() - phase.start).days
        live = when >= dt.datetime.combine(phase.start, dt.time(inputs.launch.demand.surge.opening_hour))
        if live:
            times = float(surge_at(central, np.array([float(since)]))[0, 0])
            if since == 0 and when.hour == inputs.launch.demand.surge.opening_hour:
                times *= float(central.peak_hour[0])
            out.append(Step(1, say.text("phase", id=phase.id, n=since + 1, times=times)))
        else:
            out.append(Step(1, say.text("before", id=phase.id)))
    for kind, by_province, total in rows:
        name = kind.name_id if language == "id" else kind.name_en
        weight = float(place.clock.weights[kind.profile][0, index]) * 24
        out.append(Step(1, say.text("class", name=name, n=total, rate=total / 3600, weight=weight)))
        largest = sorted(by_province.items(), key=lambda item: (-item[1], item[0]))[:MOST_PROVINCES]
        names = ", ".join(f"{code} ({zone_of(place, code)}) {n:,.1f}" for code, n in largest if n > 0)
        if names:
            out.append(Step(2, say.text("provinces", names=names)))
    return out


def _index(place: World, where: str) -> int:
    text = where.removeprefix(PREFIX)
    example = f"{PREFIX}{place.launch.phases[-1].start}T{place.launch.demand.surge.opening_hour:02d}"
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadInput([Fault("WHERE", "", where, "is no hour", f"Write for example {example} (WIB).")]) from None
    index = place.clock.hour(moment) if moment.tzinfo is None else -1
    if not 0 <= index < place.clock.hours:
        end = place.launch.horizon_end()
        problem = f"lies outside the horizon {place.clock.start} to {end}"
        raise BadInput([Fault("WHERE", "", where, problem, f"Write for example {example} (WIB).")])
    return index
