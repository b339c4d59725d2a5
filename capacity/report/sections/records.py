"""The registers (assumptions, prices, rules, terms), and how to compute the report again."""

from __future__ import annotations

from capacity.report.estimate import Estimate
from capacity.report.sections.words import assumption_name, count, say
from capacity.report.sources import Sources
from capacity.report.values import (
    Block,
    Both,
    Bullets,
    Column,
    Day,
    Heading,
    Paragraph,
    Quoted,
    Raw,
    Rupiah,
    Table,
    Value,
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
                Column(say("column.value"), width=38),
                Column(say("column.unit"), width=26),
                Column(say("column.kind"), width=12),
                Column(say("column.source"), width=70),
                Column(say("column.note"), width=26),
            ),
            tuple(
                (
                    assumption_name(a.id),
                    Quoted(a.value),
                    Quoted(a.unit),
                    say("assumptions.estimate" if a.estimate else "assumptions.sourced"),
                    Quoted(a.source),
                    Quoted(a.note),
                )
                for a in listed
            ),
        ),
        _prices(sources),
        _supporting_prices(sources),
    )


def _quotation(reference: str | None) -> Value:
    return Raw(reference) if reference else say("assumptions.no_quotation")


def _prices(sources: Sources) -> Table:
    """The offers of the price book that the plan's lines use."""
    used = dict.fromkeys((x.sku, x.vendor, x.months) for x in sources.plan.leases)
    offers = {(p.sku, p.vendor, p.term_months): p for p in sources.inputs.prices}
    found = [offers[key] for key in sorted(used) if key in offers]
    return Table(
        "prices",
        say("assumptions.prices"),
        (
            Column(say("column.model"), width=16),
            Column(say("column.provider"), width=18),
            Column(say("column.term_months"), True, 12),
            Column(say("column.month_price"), True, 18),
            Column(say("column.setup_price"), True, 18),
            Column(say("column.price_date"), width=18),
            Column(say("column.quotation"), width=20),
            Column(say("column.source"), width=46),
        ),
        tuple(
            (
                Raw(p.sku),
                Raw(p.vendor),
                count(p.term_months),
                Rupiah(p.monthly_rent),
                Rupiah(p.setup),
                Day(p.price_date),
                _quotation(p.quotation),
                Quoted(p.source),
            )
            for p in found
        ),
    )


def _supporting_prices(sources: Sources) -> Table:
    used = {x.item for x in sources.plan.supporting}
    return Table(
        "supporting-prices",
        say("assumptions.supporting_prices"),
        (
            Column(say("column.description"), width=40),
            Column(say("column.provider"), width=18),
            Column(say("column.month_price"), True, 18),
            Column(say("column.setup_price"), True, 18),
            Column(say("column.price_date"), width=18),
            Column(say("column.quotation"), width=20),
            Column(say("column.source"), width=46),
        ),
        tuple(
            (
                Both(s.description_id, s.description_en),
                Raw(s.vendor),
                Rupiah(s.monthly_rent),
                Rupiah(s.setup),
                Day(s.price_date),
                _quotation(s.quotation),
                Quoted(s.source),
            )
            for s in sources.inputs.supporting
            if s.id in used
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
        since: Value = Quoted(rule.in_force) if known else say("rules.not_found")
        rows.append((Quoted(rule.topic), Quoted(rule.rule), since, Quoted(rule.source_title), Raw(rule.source_url)))
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


GLOSSARY = (
    *("hps", "kak", "ppk", "ppn", "nib", "drc", "edge", "worker", "storage", "quantiles", "n_plus_k", "utilisation"),
    *("slo", "quota", "erlang", "bmc", "indicative", "hash", "hindcast"),
)


def glossary(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Terms and abbreviations that the report uses, in plain words."""
    return (
        Heading("glossary", say("glossary.heading")),
        Table(
            "glossary",
            say("glossary.table"),
            (Column(say("column.term"), width=34), Column(say("column.meaning"), width=90)),
            tuple((say(f"glossary.{term}"), say(f"glossary.{term}_means")) for term in GLOSSARY),
        ),
    )


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
