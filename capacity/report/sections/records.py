"""People, the registers (assumptions, rules), and how to compute the report again."""

from __future__ import annotations

import re

from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, phase_name, say
from capacity.report.sources import Rule, Sources
from capacity.report.values import Block, Both, Bullets, Column, Heading, Paragraph, Raw, Table, Value


def people(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Heads and seats by group and phase."""
    plan = sources.plan
    names = {p.id: phase_name(p) for p in plan.phases}
    return (
        Heading("people", say("people.heading")),
        Paragraph(say("people.intro")),
        Table(
            "people",
            say("people.table"),
            (
                Column(say("column.phase"), width=10),
                Column(say("column.group"), width=30),
                Column(say("column.heads"), True, 12),
                Column(say("column.seats"), True, 12),
                Column(say("column.rule"), width=34),
                Column(say("column.explanation"), width=60),
            ),
            tuple(
                (
                    names.get(s.phase, count(s.phase)),
                    say(f"people.{s.group}"),
                    count(s.heads),
                    count(s.peak_seats),
                    say(f"people.rule_{s.rule}"),
                    Both(s.detail_id, s.detail_en),
                )
                for s in plan.people
            ),
            note=say("people.note"),
        ),
    )


def assumptions(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Every number that the plan rests on, with its source; estimates are marked."""
    listed = sources.plan.assumptions
    guesses = sum(1 for a in listed if a.estimate)
    return (
        Heading("assumptions", say("assumptions.heading")),
        Paragraph(say("assumptions.intro", n=count(len(listed)), estimates=count(guesses))),
        Table(
            "assumptions",
            say("assumptions.table"),
            (
                Column(say("column.assumption"), width=40),
                Column(say("column.value"), width=34),
                Column(say("column.unit"), width=26),
                Column(say("column.kind"), width=12),
                Column(say("column.source"), width=70),
                Column(say("column.note"), width=40),
            ),
            tuple(
                (
                    Raw(a.id),
                    Raw(a.value),
                    Raw(a.unit),
                    say("assumptions.estimate" if a.estimate else "assumptions.sourced"),
                    Raw(a.source),
                    Raw(a.note),
                )
                for a in listed
            ),
        ),
    )


def rules_in_force(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Rules in force in some year of the leases, and what could not be found in a text."""
    plan = sources.plan
    last = max(x.end for x in plan.leases).year
    rows: list[tuple[Value, ...]] = []
    for rule in sources.rules:
        known = bool(rule.source_title)
        if known and not rule.covers(plan.horizon_start.year, last):
            continue
        since = Raw(rule.in_force) if known else say("rules.not_found")
        rows.append((_topic(rule), Both(_text(rule), rule.rule), since, Raw(rule.source_title), Raw(rule.source_url)))
    return (
        Heading("rules", say("rules.heading")),
        Paragraph(say("rules.intro", first=Raw(str(plan.horizon_start.year)), last=Raw(str(last)))),
        Table(
            "rules",
            say("rules.table"),
            (
                Column(say("column.topic"), width=30),
                Column(say("column.rule_text"), width=70),
                Column(say("column.in_force"), width=26),
                Column(say("column.source"), width=40),
                Column(say("column.address"), width=50),
            ),
            tuple(rows),
        ),
    )


def _slug(topic: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", topic.lower()).strip("_")


def _topic(rule: Rule) -> Value:
    return Both(RULES_IN_INDONESIAN.get(_slug(rule.topic), (rule.topic, ""))[0], rule.topic)


def _text(rule: Rule) -> str:
    """The rule in Indonesian; the table holds it in English. A rule added there shows in English until translated."""
    return RULES_IN_INDONESIAN.get(_slug(rule.topic), ("", rule.rule))[1]


RULES_IN_INDONESIAN: dict[str, tuple[str, str]] = {
    "hosting_location_2018": (
        "lokasi pusat data 2018",
        "PP 82/2012 pasal 17: penyelenggara pelayanan publik menempatkan pusat data dan "
        "pusat pemulihan bencana di Indonesia",
    ),
    "hosting_location_2019": ("lokasi pusat data 2019 dan seterusnya", "PP 71/2019 menggantikan PP 82/2012"),
    "spbe": (
        "SPBE",
        "Perpres 95/2018; pasal 27 ayat (4): PDN adalah sekumpulan pusat data yang dipakai "
        "bersama instansi pusat dan daerah",
    ),
    "personal_data": ("data pribadi", "UU 27/2022 (PDP)"),
    "procurement": ("pengadaan", "Perpres 16/2018 menggantikan Perpres 54/2010"),
    "multi_year_lease": (
        "sewa tahun jamak",
        "kontrak tahun jamak memerlukan persetujuan: PMK 60/PMK.02/2018 (sebelumnya PMK 238/PMK.02/2015; sampai "
        "Rp10 miliar untuk kegiatan yang disebut, oleh menteri terkait)",
    ),
    "hps": ("HPS", "harga perkiraan sendiri disusun dan ditetapkan oleh PPK"),
    "vat_2018": ("PPN 2018", "PPN 10%"),
    "vat_2022": ("PPN 2022", "PPN 11% (tanggal mulai 1 April 2022 tidak ada dalam naskah yang diperoleh)"),
    "vat_2025": ("PPN 2025", "12% x 11/12 x harga untuk barang dan jasa tidak mewah (efektif 11%)"),
    "office_hours_ramadan_2018": (
        "jam kerja Ramadan 2018",
        "32,5 jam seminggu; Senin-Kamis 08.00-15.00, Jumat 08.00-15.30 (lima hari kerja)",
    ),
    "office_hours_normal": ("jam kerja biasa", "37,5 jam seminggu; umumnya 07.00-15.30"),
    "lebaran_2018": (
        "Lebaran 2018",
        "cuti bersama 11-14 dan 18-20 Juni; pelayanan kepada masyarakat tetap berjalan",
    ),
    "bssn_4_2021_sni_iso_27001_tier_class_numeric_rto_rpo_tkdn_threshold": (
        "BSSN 4/2021, SNI ISO 27001, kelas Tier, angka RTO/RPO, ambang TKDN",
        "tidak ditemukan dalam naskah yang diperoleh",
    ),
}


def recompute(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Commands, the hash of the plan, the seed, and the hash of every input."""
    plan = sources.plan
    return (
        Heading("recompute", say("recompute.heading")),
        Paragraph(say("recompute.intro")),
        Bullets((Raw("oss plan"), Raw("oss report"), Raw("oss plan --check"))),
        Table(
            "hashes",
            say("recompute.table"),
            (Column(say("column.file"), width=34), Column(say("column.hash"), width=80)),
            (
                (say("recompute.lock"), Raw(sources.plan_hash)),
                *((Raw(name), Raw(digest)) for name, digest in plan.inputs.items()),
            ),
            note=say("recompute.note", seed=Raw(str(plan.seed)), draws=count(plan.draws)),
        ),
    )
