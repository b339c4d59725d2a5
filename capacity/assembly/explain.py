"""From a number of the lease plan back to the hour, provinces, class, station and rule that bind it.

Works on the lease plan alone, so that it explains what was decided and not what would be decided now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from capacity.assembly.sitebindings import subject_of
from capacity.faults import BadInput, Fault
from capacity.leaseplan import Binding, LeasedServer, LeaseLine, LeasePlan, PhasePlan, StressResult

Language = Literal["id", "en"]

TEXT: dict[str, tuple[str, str]] = {
    # key: (Indonesian, English)
    "line": (
        "{q} × {sku} untuk peran {role} di {site}, {start} sampai {end}, {vendor}",
        "{q} × {sku} for the role {role} at {site}, {start} to {end}, {vendor}",
    ),
    "price": (
        "Rp{rent:,} per server per bulan, {months} bulan; jumlah Rp{total:,} sebelum PPN ({basis})",
        "Rp{rent:,} a server a month, {months} months; Rp{total:,} before VAT in all ({basis})",
    ),
    "estimate": ("perkiraan, tanpa penawaran", "an estimate, without a quotation"),
    "quoted": ("penawaran {ref}", "quotation {ref}"),
    "dates": (
        "pesan paling lambat {order}, beri tahu paling lambat {notice}",
        "order by {order}, give notice by {notice}",
    ),
    "renews": ("melanjutkan {line}", "renews {line}"),
    "covers": ("server: {names}", "servers: {names}"),
    "first": ("mulai diperlukan pada tahap {phase} ({start})", "first needed in phase {phase} ({start})"),
    "size": ("{subject} = {value:g}: aturan {rule}; {detail}", "{subject} = {value:g}: rule {rule}; {detail}"),
    "hour": ("jam yang menentukan: {hour:%Y-%m-%d %H:00} WIB", "the hour that binds: {hour:%Y-%m-%d %H:00} WIB"),
    "launch": ("hari peluncuran tahap {phase}", "the launch day of phase {phase}"),
    "provinces": ("provinsi terbesar pada jam itu: {names}", "largest provinces in that hour: {names}"),
    "class": ("kelas lalu lintas terberat: {name}", "heaviest traffic class: {name}"),
    "rate": (
        "{name}: {p50:.2f} (P50), {p95:.2f} (P95), rancangan {design:.2f} perjalanan per detik",
        "{name}: {p50:.2f} (P50), {p95:.2f} (P95), design {design:.2f} journeys a second",
    ),
    "station": (
        "stasiun {id}: {rate:.1f} kunjungan/detik × {demand:.2f} ms, {use:.0%} dari {servers:g} CPU, p95 {p95:.0f} ms",
        "station {id}: {rate:.1f} visits/s × {demand:.2f} ms, {use:.0%} of {servers:g} CPU busy, p95 {p95:.0f} ms",
    ),
    "factor": (
        "termasuk faktor aplikasi {factor:.1f} atas layanan acuan (perkiraan)",
        "of which an application factor of {factor:.1f} over the reference service (an estimate)",
    ),
    "rests": (
        "bertumpu pada {id} = {value} {unit} [{source}]{mark}",
        "rests on {id} = {value} {unit} [{source}]{mark}",
    ),
    "mark": (" (perkiraan)", " (estimate)"),
    "stress": (
        "{name} (tahap {phase}, di {site}): {detail}",
        "{name} (phase {phase}, at {site}): {detail}",
    ),
    "pace": (
        "{calls:,.0f} panggilan per detik, {day:,.0f} NIB sehari pada laju itu [{source}]",
        "{calls:,.0f} calls a second, {day:,.0f} NIB a day at that pace [{source}]",
    ),
    "under": (
        "{id}: {busy:,.2f} CPU sibuk ({more:,.2f} dengan percobaan ulang) dari {installed:,.1f}, batas {limit:.0%}; "
        "perlu {needed:,.1f}{verdict}",
        "{id}: {busy:,.2f} CPU busy ({more:,.2f} with retries) of {installed:,.1f}, limit {limit:.0%}; "
        "needs {needed:,.1f}{verdict}",
    ),
    "over": (" — KELEBIHAN BEBAN", " — OVERLOADED"),
    "workers": ("server pekerja: {have} disewa, {need} diperlukan", "workers: {have} leased, {need} needed"),
    "quota": (
        "kuota {id}: {calls:,.0f} dari {quota:,.0f} panggilan pada hari itu",
        "quota of {id}: {calls:,.0f} of {quota:,.0f} calls that day",
    ),
    "influence": (
        "{name}: beban {load:.0%}, biaya {cost:.0%}, risiko {risk:.0%} dari ragam{mark}",
        "{name}: load {load:.0%}, cost {cost:.0%}, risk {risk:.0%} of the variance{mark}",
    ),
    "next": ("pengukuran berikutnya, untuk {name}: {measure}", "next measurement, for {name}: {measure}"),
    "retries": (
        "percobaan ulang: {growth:.3f} panggilan tiap panggilan pada laju rancangan; runtuh pada {times:g} kalinya",
        "retries: {growth:.3f} calls for each meant at the design rates; they bring it down at {times:g} times these",
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation; `depth` says how far down the chain it is."""

    depth: int
    text: str


def subjects(plan: LeasePlan) -> list[str]:
    """Everything that can be explained."""
    sizes = [b.subject for b in plan.phases[-1].bindings]
    studies = [*(f"stress.{s.id}" for s in plan.stress), *(["sensitivity"] if plan.sensitivity else [])]
    return [*sizes, *studies, *(line.id for line in plan.leases), *(line.id for line in plan.supporting)]


def explain(plan: LeasePlan, where: str, phase: int | None = None, language: Language = "en") -> list[Step]:
    """The chain of `where`: a binding's subject, a lease line, a server or a supporting line. Raises BadInput."""
    chosen = plan.phase(phase) if phase is not None else None
    say = _Say(plan, language)
    for line in plan.leases:
        if line.id == where:
            return list(say.line(line, chosen))
    for server in plan.servers:
        if server.name == where:
            return list(say.server(server, chosen))
    if where == "sensitivity" and plan.sensitivity:
        return list(say.sensitivity())
    for result in plan.stress:
        if f"stress.{result.id}" == where:
            return list(say.stress(result))
    for item in plan.supporting:
        if item.id == where:
            detail = item.detail_id if language == "id" else item.detail_en
            name = item.description_id if language == "id" else item.description_en
            out = [Step(0, f"{item.quantity} {item.unit}: {name}"), Step(1, detail), Step(1, item.source)]
            at = chosen or plan.phase(item.phase)
            if found := _binding(at, subject_of(item.site, item.kind, item.item) or ""):
                out += say.binding(found, at, 1)
            return out
    at = chosen or next((p for p in reversed(plan.phases) if _binding(p, where)), plan.phases[-1])
    if found := _binding(at, where):
        return list(say.binding(found, at))
    raise BadInput([Fault("WHERE", "", where, "nothing of that name in the lease plan", _near(plan, where))])


def _binding(phase: PhasePlan, subject: str) -> Binding | None:
    return next((b for b in phase.bindings if b.subject == subject), None)


def _near(plan: LeasePlan, where: str) -> str:
    known = subjects(plan)
    alike = [name for name in known if where.split(".")[0].split("@")[0] in name][:8] or known[:8]
    return f"Use one of {', '.join(alike)}, …; `oss explain` alone lists all."


@dataclass(frozen=True, slots=True)
class _Say:
    plan: LeasePlan
    language: Language

    def text(self, key: str, **values: object) -> str:
        return TEXT[key][0 if self.language == "id" else 1].format(**values)

    def either(self, indonesian: str, english: str) -> str:
        return indonesian if self.language == "id" else english

    def sensitivity(self) -> Iterator[Step]:
        for row in self.plan.sensitivity:
            name = self.either(row.name_id, row.name_en)
            if row.input == self.plan.next_measurement:
                measure = self.either(row.measure_id, row.measure_en)
                yield Step(0, self.text("next", name=name, measure=measure))
        for row in self.plan.sensitivity:
            yield Step(
                1,
                self.text(
                    "influence",
                    name=self.either(row.name_id, row.name_en),
                    load=row.load_total,
                    cost=row.cost_total,
                    risk=row.risk_total,
                    mark=self.text("mark") if row.estimate else "",
                ),
            )

    def stress(self, result: StressResult) -> Iterator[Step]:
        name, detail = self.either(result.name_id, result.name_en), self.either(result.detail_id, result.detail_en)
        yield Step(0, self.text("stress", name=name, phase=result.phase, site=result.site, detail=detail))
        pace = {"calls": result.calls_per_s, "day": result.registrations_per_day, "source": result.source}
        yield Step(1, self.text("pace", **pace))
        for s in result.stations:
            yield Step(
                1,
                self.text(
                    "under",
                    id=s.station,
                    busy=s.busy,
                    more=s.busy_with_retries,
                    installed=s.installed,
                    limit=s.limit,
                    needed=s.needed,
                    verdict="" if s.holds else self.text("over"),
                ),
            )
        yield Step(1, self.text("workers", have=result.workers, need=result.workers_needed))
        for q in result.quotas:
            yield Step(1, self.text("quota", id=q.upstream, calls=q.calls, quota=q.quota))

    def line(self, line: LeaseLine, phase: PhasePlan | None) -> Iterator[Step]:
        yield Step(
            0,
            self.text(
                "line",
                q=line.quantity,
                sku=line.sku,
                role=line.role,
                site=line.site,
                start=line.start,
                end=line.end,
                vendor=line.vendor,
            ),
        )
        basis = self.text("quoted", ref=line.quotation) if line.quotation else self.text("estimate")
        total = line.quantity * (line.monthly_rent_idr * line.months + line.setup_idr)
        yield Step(1, self.text("price", rent=line.monthly_rent_idr, months=line.months, total=total, basis=basis))
        yield Step(1, self.text("dates", order=line.order_date, notice=line.notice_date))
        if line.renews:
            yield Step(1, self.text("renews", line=line.renews))
        covered = [s for s in self.plan.servers if line.id in s.leases]
        yield Step(1, self.text("covers", names=", ".join(s.name for s in covered)))
        if covered:
            yield from self.server(max(covered, key=lambda s: s.index), phase, depth=1)

    def server(self, server: LeasedServer, phase: PhasePlan | None, depth: int = 0) -> Iterator[Step]:
        if depth == 0:
            yield Step(0, f"{server.name}: {server.sku}, {server.start} – {server.end}; {', '.join(server.leases)}")
        first = self.plan.phase(server.phase)
        yield Step(depth + 1, self.text("first", phase=first.id, start=first.start))
        at = phase or first
        if found := _binding(at, f"servers.{server.site}.{server.role}"):
            yield from self.binding(found, at, depth + 1)

    def binding(self, found: Binding, phase: PhasePlan, depth: int = 0) -> Iterator[Step]:
        detail = found.detail_id if self.language == "id" else found.detail_en
        yield Step(depth, self.text("size", subject=found.subject, value=found.value, rule=found.rule, detail=detail))
        if found.hour is not None:
            opening = next((p for p in self.plan.phases if p.start == found.hour.date()), None)
            launch = f" ({self.text('launch', phase=opening.id)})" if opening else ""
            yield Step(depth + 1, self.text("hour", hour=found.hour) + launch)
        if found.provinces:
            yield Step(depth + 1, self.text("provinces", names=", ".join(found.provinces)))
        yield from self._class(found, phase, depth + 1)
        yield from self._station(found, phase, depth + 1)
        if found.subject.startswith("services.") and phase.collapse_multiple is not None:
            margin = {"growth": phase.retry_growth, "times": phase.collapse_multiple}
            yield Step(depth + 1, self.text("retries", **margin))
        if found.subject.startswith("servers.") and found.subject.endswith(".worker"):
            site = found.subject.split(".")[1]
            for other in phase.bindings:
                if other.subject.startswith("services.") and other.subject.endswith(f"@{site}"):
                    words = other.detail_id if self.language == "id" else other.detail_en
                    yield Step(
                        depth + 1,
                        self.text("size", subject=other.subject, value=other.value, rule=other.rule, detail=words),
                    )

    def _class(self, found: Binding, phase: PhasePlan, depth: int) -> Iterator[Step]:
        if found.traffic_class is None:
            return
        kind = next(c for c in self.plan.classes if c.id == found.traffic_class)
        name = kind.name_id if self.language == "id" else kind.name_en
        yield Step(depth, self.text("class", name=name))
        band = next(b for b in phase.demand if b.traffic_class == kind.id)
        yield Step(
            depth + 1,
            self.text("rate", name=name, p50=band.p50_per_s, p95=band.p95_per_s, design=band.design_per_s),
        )
        for a in self.plan.assumptions:
            if a.id in (f"classes.{kind.id}.journeys_per_unit", "demand.adoption_level"):
                mark = self.text("mark") if a.estimate else ""
                yield Step(
                    depth + 1, self.text("rests", id=a.id, value=a.value, unit=a.unit, source=a.source, mark=mark)
                )

    def _station(self, found: Binding, phase: PhasePlan, depth: int) -> Iterator[Step]:
        station = next((s for s in phase.national.stations if s.id == found.station), None)
        if station is None:
            return
        yield Step(
            depth,
            self.text(
                "station",
                id=station.id,
                rate=station.arrival_rate_per_s,
                demand=station.demand_ms,
                use=station.utilisation,
                servers=station.servers,
                p95=station.p95_ms,
            ),
        )
        if station.demand_factor != 1.0:
            yield Step(depth + 1, self.text("factor", factor=station.demand_factor))
