"""Which uncertain inputs move peak load and cost most, and which measurement is worth making next.

Sobol indices (Sobol 2001; Saltelli et al. 2010) by SALib, over the stated distributions taken as independent:

    S_i = Var(E[Y | X_i]) / Var(Y),   S_Ti = 1 - Var(E[Y | X_~i]) / Var(Y)                                  (C7)

S_i is the share of the variance that an input explains alone, S_Ti with all its interactions. Y is the log of the peak
load, of the servers' cost, and of how full the fullest station gets (risk: above zero, what is leased is too small).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import sobol as sobol_sample

from capacity.assembly.computed import Computed
from capacity.assembly.leases import cost_by_draw, leased_servers
from capacity.assembly.sufficiency import fullness
from capacity.demand.model import inputs_from, registrations
from capacity.demand.peaks import peaks
from capacity.demand.sampling import Designed
from capacity.launch import Launch, Quantiles
from capacity.leaseplan import Influence

BASE_SAMPLES = 256

MEASUREMENTS: dict[str, tuple[str, str]] = {
    "application_factor": (
        "uji beban profil calibrate pada alamat staging OSS, lalu `oss validate --recalibrate`",
        "a load test of the calibrate profile against the OSS staging address, then `oss validate --recalibrate`",
    ),
    "adoption_level": (
        "hitung NIB per hari selama dua minggu pertama tahap 1 dan bandingkan dengan rencana",
        "count NIB a day in the first two weeks of phase 1 and compare with the plan",
    ),
    "first_day_multiple": (
        "hitung pengunjung per jam pada hari peluncuran tahap 1",
        "count visitors by hour on the launch day of phase 1",
    ),
    "half_life_days": (
        "ikuti pengunjung harian selama sebulan setelah peluncuran tahap 1",
        "follow daily visitors for a month after the launch of phase 1",
    ),
    "peak_hour_multiple": (
        "hitung pengunjung per menit pada jam pembukaan tahap 1",
        "count visitors by minute in the opening hour of phase 1",
    ),
    "within_hour_peak": (
        "catat laju panggilan per menit di log tepi selama seminggu",
        "record calls by minute in the edge's log for a week",
    ),
    "month_peak": ("kumpulkan NIB bulanan setahun penuh", "collect NIB by month over a whole year"),
    "busyness": ("kumpulkan NIB bulanan setahun penuh", "collect NIB by month over a whole year"),
}
JOURNEYS = (
    "hitung kunjungan kelas ini untuk setiap NIB di log akses tahap 1",
    "count this class's visits for each NIB in the access log of phase 1",
)


NAMES: dict[str, tuple[str, str]] = {
    "adoption_level": ("tingkat adopsi", "level of adoption"),
    "month_peak": ("bulan puncak terhadap rata-rata", "peak month over the mean"),
    "busyness": ("kesibukan bersama tiap bulan", "busyness that all share in a month"),
    "within_hour_peak": ("menit tersibuk dalam satu jam", "busiest minutes within an hour"),
    "first_day_multiple": ("lonjakan hari pertama", "surge of the first day"),
    "half_life_days": ("waktu paruh lonjakan", "half-life of the surge"),
    "peak_hour_multiple": ("jam pembukaan", "opening hour"),
    "application_factor": ("CPU aplikasi terhadap layanan acuan", "CPU of the application over the reference service"),
}
JOURNEYS_OF = ("perjalanan tiap satuan: {}", "journeys a unit: {}")


def inputs_studied(launch: Launch) -> dict[str, Quantiles]:
    """Names of the draws' streams, with what is stated of them."""
    d = launch.demand
    return {
        "adoption_level": d.adoption_level,
        "month_peak": d.month_peak,
        "busyness": d.busyness,
        "within_hour_peak": d.within_hour_peak,
        "first_day_multiple": d.surge.first_day_multiple,
        "half_life_days": d.surge.half_life_days,
        "peak_hour_multiple": d.surge.peak_hour_multiple,
        **{f"journeys {c.id}": c.journeys_per_unit for c in launch.classes},
        "application_factor": launch.design.application_factor,
    }


def sensitivity(all_of: Computed, base: int = BASE_SAMPLES) -> tuple[Influence, ...]:
    """Indices of every input, the one with the most influence on load first. `base`: a power of two."""
    launch = all_of.launch
    studied = inputs_studied(launch)
    problem = {"num_vars": len(studied), "names": list(studied), "bounds": [[0.0005, 0.9995]] * len(studied)}
    table = sobol_sample.sample(problem, base, calc_second_order=False, seed=launch.seed)
    source = Designed({name: table[:, n] for n, name in enumerate(studied)}, len(table))
    draws = inputs_from(all_of.place, source)
    found = peaks(all_of.place, draws, all_of.found.costs, registrations(all_of.place, draws))
    under = dataclasses.replace(all_of, draws=draws, found=found)
    full = fullness(all_of, found, launch.phases[-1], leased_servers(all_of))
    outputs = (np.log(found.total.max(axis=1)), np.log(cost_by_draw(under)), np.log(full))
    results = [
        sobol_analysis.analyze(problem, y, calc_second_order=False, num_resamples=2, seed=launch.seed)
        if np.ptp(y) > 0
        else None
        for y in outputs
    ]
    rows = []
    for n, (name, stated) in enumerate(studied.items()):
        values = {
            f"{output}_{order}": 0.0 if result is None else round(float(np.clip(result[key][n], 0.0, 1.0)), 4)
            for output, result in zip(("load", "cost", "risk"), results, strict=True)
            for order, key in (("first", "S1"), ("total", "ST"))
        }
        name_id, name_en = _names(launch, name)
        measure_id, measure_en = JOURNEYS if name.startswith("journeys ") else MEASUREMENTS[name]
        rows.append(
            Influence(
                input=name,
                name_id=name_id,
                name_en=name_en,
                estimate=stated.estimate,
                measure_id=measure_id,
                measure_en=measure_en,
                **values,
            )
        )
    return tuple(sorted(rows, key=lambda r: (-r.load_total, r.input)))


def _names(launch: Launch, name: str) -> tuple[str, str]:
    if name in NAMES:
        return NAMES[name]
    kind = next(c for c in launch.classes if f"journeys {c.id}" == name)
    return JOURNEYS_OF[0].format(kind.name_id), JOURNEYS_OF[1].format(kind.name_en)


def next_measurement(rows: Sequence[Influence]) -> Influence | None:
    """The estimate that moves load, cost and risk most together."""
    guesses = [r for r in rows if r.estimate]
    return max(guesses, key=lambda r: r.load_total + r.cost_total + r.risk_total, default=None)
