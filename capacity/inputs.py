"""Everything one plan rests on, read and checked together: the plan, its tables, and the calibration it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from capacity.calibration import Calibration
from capacity.chains import call_chains
from capacity.documents import Document, load, sha256, shown
from capacity.faults import BadInput, Fault
from capacity.launch import Launch, phases_overlap
from capacity.leasing.vat import Vat, load_vat
from capacity.tables import CalendarSpan, Price, Province, SkuRow, Supporting, UsagePoint, read_rows

ResultT = TypeVar("ResultT")
ModelT = TypeVar("ModelT", bound=Document)


@dataclass(frozen=True, slots=True)
class Inputs:
    """A checked plan with its tables. `hashes` maps each file, relative to the plan's folder, to its hash."""

    path: Path
    launch: Launch
    provinces: tuple[Province, ...]
    usage: tuple[UsagePoint, ...]
    skus: tuple[SkuRow, ...]
    prices: tuple[Price, ...]
    supporting: tuple[Supporting, ...]
    vat: Vat
    calendar: tuple[CalendarSpan, ...]
    calibration: Calibration | None
    hashes: dict[str, str]


class _Collector:
    """Runs readers and keeps the faults of each, so that a user sees all of them at once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def read(self, reader: Callable[[], ResultT], otherwise: ResultT) -> ResultT:
        try:
            return reader()
        except BadInput as error:
            self.faults += error.faults
            return otherwise


def load_inputs(path: Path) -> Inputs:
    """Read the plan at `path` and all that it names. Raises one BadInput with every fault of every file."""
    launch = load(Launch, path)
    collector = _Collector()
    folder = path.parent

    def table(model: type[ModelT], name: str) -> tuple[ModelT, ...]:
        return collector.read(lambda: read_rows(model, folder / name), ())

    named = launch.tables
    inputs = Inputs(
        path=path,
        launch=launch,
        provinces=table(Province, named.provinces),
        usage=table(UsagePoint, named.usage),
        skus=table(SkuRow, named.skus),
        prices=table(Price, named.prices),
        supporting=table(Supporting, named.supporting),
        vat=collector.read(lambda: load_vat(folder / named.taxes), Vat(())),
        calendar=table(CalendarSpan, named.calendar),
        calibration=_calibration_of(launch, folder, collector),
        hashes={},
    )
    faults = collector.faults + list(cross_faults(inputs))
    if faults:
        raise BadInput(faults)
    files = [path.name, *named.model_dump().values(), *([launch.calibration] if launch.calibration else [])]
    inputs.hashes.update({name: sha256(folder / name) for name in files})
    return inputs


def _calibration_of(launch: Launch, folder: Path, collector: _Collector) -> Calibration | None:
    if launch.calibration is None:
        return None
    path = folder / launch.calibration
    none: Calibration | None = None
    return collector.read(lambda: load(Calibration, path), none)


def cross_faults(inputs: Inputs) -> Iterator[Fault]:
    """What no single field can know: references, completeness, order."""
    for check in (_phases, _provinces, _references, _slos, _prices, _sites, _rack, _calibration):
        yield from check(inputs)


def _fault(inputs: Inputs, where: str, value: object, problem: str, remedy: str) -> Fault:
    return Fault(shown(inputs.path), where, str(value), problem, remedy)


def _phases(inputs: Inputs) -> Iterator[Fault]:
    launch = inputs.launch
    if tuple(p.id for p in launch.phases) != (1, 2, 3):
        yield _fault(inputs, "phases", [p.id for p in launch.phases], "phases are 1, 2, 3 in order", "Sort them.")
    for earlier, later in phases_overlap(launch.phases):
        yield _fault(
            inputs,
            f"phases[{later.id - 1}].start",
            later.start,
            f"phase {later.id} starts before phase {earlier.id} ({earlier.start}) is over: the phases overlap",
            f"Start it after {earlier.start}.",
        )
    for phase in launch.phases:
        if not launch.horizon.start <= phase.start < launch.horizon_end():
            yield _fault(
                inputs,
                f"phases[{phase.id - 1}].start",
                phase.start,
                f"lies outside the horizon {launch.horizon.start} to {launch.horizon_end()}",
                "Move the phase or the horizon.",
            )


def _provinces(inputs: Inputs) -> Iterator[Fault]:
    known = {p.code for p in inputs.provinces}
    placed = Counter(code for phase in inputs.launch.phases for code in phase.provinces)
    for phase in inputs.launch.phases:
        for index, code in enumerate(phase.provinces):
            where = f"phases[{phase.id - 1}].provinces[{index}]"
            if known and code not in known:
                yield _fault(
                    inputs, where, code, "no such province", f"Use a code of {inputs.launch.tables.provinces}."
                )
    for code, times in sorted(placed.items()):
        if times > 1:
            homes = [p.id for p in inputs.launch.phases for c in p.provinces if c == code]
            yield _fault(
                inputs,
                "phases",
                code,
                f"province is placed {times} times, in phases {homes}",
                "Keep it in exactly one phase.",
            )
    for code in sorted(known - set(placed)):
        yield _fault(inputs, "phases", code, "province is in no phase", "Add it to exactly one phase.")
    for code, times in Counter(p.code for p in inputs.provinces).items():
        if times > 1:
            yield Fault(inputs.launch.tables.provinces, code, str(times), "province is listed twice", "Keep one row.")


def _references(inputs: Inputs) -> Iterator[Fault]:
    launch = inputs.launch
    ids: dict[str, set[str]] = {
        "profiles": set(launch.demand.profiles),
        "endpoints": {e.id for e in launch.endpoints},
        "stations": {s.id for s in launch.stations},
        "services": {s.id for s in launch.services},
        "classes": {c.id for c in launch.classes},
        "roles": {r.role for r in launch.roles},
        "sites": {s.id for s in launch.sites},
    }

    def unknown(where: str, value: str, kind: str) -> Iterator[Fault]:
        if value not in ids[kind]:
            yield _fault(
                inputs, where, value, f"unknown: it is not one of {kind}", f"Use one of {', '.join(sorted(ids[kind]))}."
            )

    named: tuple[tuple[str, list[str]], ...] = (
        ("classes", [c.id for c in launch.classes]),
        ("endpoints", [e.id for e in launch.endpoints]),
        ("stations", [s.id for s in launch.stations]),
        ("services", [s.id for s in launch.services]),
        ("roles", [r.role for r in launch.roles]),
        ("sites", [s.id for s in launch.sites]),
        ("loadtests", [t.id for t in launch.loadtests]),
        ("scenarios", [s.id for s in launch.scenarios]),
    )
    for kind, values in named:
        for name, times in Counter(values).items():
            if times > 1:
                yield _fault(inputs, kind, name, f"the id is used {times} times", "Give each its own id.")
    for i, c in enumerate(launch.classes):
        yield from unknown(f"classes[{i}].profile", c.profile, "profiles")
        for j, visit in enumerate(c.journey):
            yield from unknown(f"classes[{i}].journey[{j}].endpoint", visit.endpoint, "endpoints")
    for i, e in enumerate(launch.endpoints):
        yield from unknown(f"endpoints[{i}].service", e.service, "services")
        for station in e.demand_ms:
            yield from unknown(f"endpoints[{i}].demand_ms", station, "stations")
        upstreams = {s.id for s in launch.stations if s.kind == "upstream"}
        for called in e.calls:
            if called not in upstreams | ids["endpoints"]:
                yield _fault(
                    inputs,
                    f"endpoints[{i}].calls",
                    called,
                    "is neither an endpoint nor an upstream station",
                    "Call an endpoint or an upstream; state CPU at other stations in demand_ms.",
                )
    for i, s in enumerate(launch.stations):
        if s.service is not None:
            yield from unknown(f"stations[{i}].service", s.service, "services")
        if s.role is not None:
            yield from unknown(f"stations[{i}].role", s.role, "roles")
    for i, t in enumerate(launch.loadtests):
        for name in t.classes:
            yield from unknown(f"loadtests[{i}].classes", name, "classes")
    for i, scenario in enumerate(launch.scenarios):
        if scenario.lost_site is not None:
            yield from unknown(f"scenarios[{i}].lost_site", scenario.lost_site, "sites")
    for role in launch.rack.server_share:
        yield from unknown("rack.server_share", role, "roles")


def _slos(inputs: Inputs) -> Iterator[Fault]:
    chains = call_chains(inputs.launch)
    for i, e in enumerate(inputs.launch.endpoints):
        service = chains[e.id].service_ms()
        if e.slo_p95_ms <= service:
            yield _fault(
                inputs,
                f"endpoints[{i}].slo_p95_ms",
                f"{e.slo_p95_ms:g}",
                f"the SLO of {e.id} is not above its service time of {service:g} ms: no number of servers can meet it",
                f"State more than {service:g} ms, or make the call cheaper.",
            )


def _prices(inputs: Inputs) -> Iterator[Fault]:
    source = inputs.launch.tables.prices
    skus = {s.id for s in inputs.skus}
    for n, price in enumerate(inputs.prices, start=2):
        if skus and price.sku not in skus:
            yield Fault(source, f"row {n}.sku", price.sku, "no such SKU", f"Use one of {inputs.launch.tables.skus}.")
        if price.quotation is None and not price.estimate:
            yield Fault(
                source,
                f"row {n}.estimate",
                "no",
                "a price without a quotation is an estimate",
                "Write yes, or cite it.",
            )
    for name, times in Counter(p.id for p in inputs.prices).items():
        if times > 1:
            yield Fault(source, name, str(times), "the price id is used twice", "Give each offer its own id.")
    priced = {p.sku for p in inputs.prices if p.term_months in inputs.launch.leasing.terms_months}
    for role in inputs.launch.roles:
        fits = {s.id for s in inputs.skus if role.role in s.roles}
        if inputs.skus and inputs.prices and not fits & priced:
            yield _fault(
                inputs,
                "roles",
                role.role,
                "no SKU with a price suits this role",
                f"Add one to {inputs.launch.tables.skus} and {source}.",
            )


def _sites(inputs: Inputs) -> Iterator[Fault]:
    kinds = Counter(s.kind for s in inputs.launch.sites)
    if kinds["primary"] != 1:
        yield _fault(inputs, "sites", kinds["primary"], "exactly one site is primary", "Mark one site as primary.")


def _rack(inputs: Inputs) -> Iterator[Fault]:
    for i, s in enumerate(inputs.launch.services):
        if s.replica_millicores > 1000 * s.processes:
            yield _fault(
                inputs,
                f"services[{i}].replica_millicores",
                s.replica_millicores,
                f"one process uses one core at most: {s.processes} of {s.id} leave a part of this idle",
                f"Lower it to {1000 * s.processes}, or raise processes.",
            )
        if s.rack.max_cpu_millicores < s.rack.min_cpu_millicores:
            yield _fault(
                inputs,
                f"services[{i}].rack",
                s.rack.max_cpu_millicores,
                "the largest CPU limit is below the smallest",
                "Swap them.",
            )


def _calibration(inputs: Inputs) -> Iterator[Fault]:
    if inputs.calibration is None:
        return
    stations = {s.id for s in inputs.launch.stations}
    endpoints = {e.id for e in inputs.launch.endpoints} | {"*"}
    for i, d in enumerate(inputs.calibration.demands):
        for kind, value, known in (("station", d.station, stations), ("endpoint", d.endpoint, endpoints)):
            if value not in known:
                yield Fault(
                    str(inputs.launch.calibration), f"demands[{i}].{kind}", value, f"unknown {kind}", "Calibrate again."
                )
