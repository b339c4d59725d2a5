"""The national plan: CPU and memory from inputs to lease plan, and how both grow with draws and regions.

Each case runs in a process of its own, so that CPU seconds and peak memory are its own.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
import time
from typing import Any

from capacity.demand.model import draw_inputs, registrations, world
from capacity.demand.peaks import peaks
from capacity.documents import REPOSITORY
from capacity.inputs import Inputs, load_inputs
from capacity.planner import make_plan, solve
from capacity.sizing.workload import journey_costs

PLAN = REPOSITORY / "capacity" / "plans" / "national.yaml"
DRAWS = 10_000
REGION_COUNTS = (34, 120, 257, 514)
"""Provinces; between; regencies and cities of 2018."""
SECONDS_BAR = 5.0
MEMORY_BAR_MIB = 1024.0
GROWTH_BAR = 1.1
"""Over linear growth: what a tenfold input may cost beyond ten times."""


def split(inputs: Inputs, regions: int) -> Inputs:
    """Every province cut into as many equal regions as it has regencies, `regions` in all: the kabupaten level."""
    total = sum(p.regencies_and_cities for p in inputs.provinces)
    rows, parts = [], {}
    for province in inputs.provinces:
        count = max(1, round(province.regencies_and_cities * regions / total))
        parts[province.code] = [f"{province.code}.{n}" for n in range(count)]
        rows += [
            province.model_copy(update={"code": code, "businesses": max(1, province.businesses // count)})
            for code in parts[province.code]
        ]
    phases = tuple(
        p.model_copy(update={"provinces": tuple(code for c in p.provinces for code in parts[c])})
        for p in inputs.launch.phases
    )
    return dataclasses.replace(
        inputs, provinces=tuple(rows), launch=inputs.launch.model_copy(update={"phases": phases})
    )


def case(name: str, draws: int, regions: int) -> dict[str, float]:
    """CPU seconds and peak MiB of one case, in this process.

    `leases`: to a lease plan; `plan`: with its studies (stress, sensitivity, alternatives); `demand`: draws and search.
    """
    inputs = load_inputs(PLAN)
    if regions:
        inputs = split(inputs, regions)
    world(inputs)  # calendar and packages are loaded once for any size
    start = time.process_time()
    if name == "plan":
        make_plan(inputs, draws)
    elif name == "leases":
        solve(inputs, draws)
    else:
        place = world(inputs)
        drawn = draw_inputs(place, draws, inputs.launch.seed)
        costs = journey_costs(inputs.launch, inputs.launch.endpoints)
        peaks(place, drawn, costs, registrations(place, drawn))
    spent = time.process_time() - start
    return {"cpu_s": spent, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def measured(name: str, draws: int, regions: int = 0) -> dict[str, float]:
    """The same in a process of its own."""
    code = (
        f"import json; from tests.bench.bench_plan import case; print(json.dumps(case({name!r}, {draws}, {regions})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    out: dict[str, float] = json.loads(done.stdout)
    return out


def curve(values: dict[int, float]) -> str:
    """`34: 0.2 s, 514: 0.9 s`: a curve in one line."""
    return ", ".join(f"{n:,}: {s:.2f} s" for n, s in values.items())


def grows(what: str, values: dict[int, float]) -> dict[str, Any]:
    """The row of a curve: the largest case over the first, against linear growth."""
    sizes = list(values)
    times = sizes[-1] / sizes[0]
    ratio = values[sizes[-1]] / values[sizes[0]]
    name = f"{what} x {times:.0f} (CPU: {curve(values)})"
    return _row(name, ratio, "times", f"<= {times * GROWTH_BAR:.1f} times (linear)", ratio <= times * GROWTH_BAR)


def rows() -> list[dict[str, Any]]:
    """The bars of the national plan and of its growth, of the whole plan and of demand alone."""
    leases, whole = measured("leases", DRAWS), measured("plan", DRAWS)
    studied = "the same with its studies: stress scenarios, sensitivity, least regret, what each rule costs"
    what = f"national plan, {DRAWS:,} draws x 36 months, all classes and provinces, to a lease plan"
    by_draws = {DRAWS: whole["cpu_s"], 30_000: measured("plan", 30_000)["cpu_s"], 100_000: 0.0}
    by_draws[100_000] = measured("plan", 100_000)["cpu_s"]
    by_regions = {n: measured("plan", DRAWS, n)["cpu_s"] for n in REGION_COUNTS}
    alone = {n: measured("demand", n)["cpu_s"] for n in (10_000, 30_000, 100_000)}
    alone_regions = {n: measured("demand", DRAWS, n)["cpu_s"] for n in REGION_COUNTS}
    return [
        _row(what, leases["cpu_s"], "CPU s", f"<= {SECONDS_BAR:g} s", leases["cpu_s"] <= SECONDS_BAR),
        _row(studied, whole["cpu_s"], "CPU s", "none", holds=True),
        _row(f"{what}: peak memory", whole["mib"], "MiB", f"<= {MEMORY_BAR_MIB:g} MiB", whole["mib"] <= MEMORY_BAR_MIB),
        grows("whole plan, draws", by_draws),
        grows("whole plan, regions (kabupaten level)", by_regions),
        grows("demand alone, draws", alone),
        grows("demand alone, regions (kabupaten level)", alone_regions),
    ]


def _row(name: str, ours: float, unit: str, bar: str, holds: bool) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "unit": unit,
        "peer": "",
        "peer_value": None,
        "ratio": None,
        "bar": bar,
        "holds": bool(holds),
    }


if __name__ == "__main__":
    print(json.dumps(rows(), indent=2))
