"""The view model follows the plan: its totals, its measurements, and what changed between two plans."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, cast

import pytest

from capacity.evidence import EndpointResult, Evidence, Machine, StageResult
from capacity.faults import BadInput
from capacity.leaseplan import LeaseRisk
from capacity.report.compare import changes
from capacity.report.estimate import alternatives, estimate, line_idr
from capacity.report.language import language
from capacity.report.sections.extremes import extremes
from capacity.report.sections.words import sized
from capacity.report.sources import Rule, Sources
from capacity.report.tilemap import PLACES, tiles
from capacity.report.values import Day, Heading, Listing, Number, Paragraph, Report, Rupiah, Say, Table
from capacity.report.view import build, of_plan


def _keys(report: Report) -> set[str]:
    return {b.text.key for b in report.blocks if isinstance(b, Paragraph) and isinstance(b.text, Say)}


def test_sections_stand_in_the_order_an_officer_reads(report: Report) -> None:
    order = [b.anchor for b in report.blocks if isinstance(b, Heading)]
    assert order[:4] == ["summary", "needs", "leased", "hps"]
    assert order[-1] == "recompute"
    assert len(order) == len(set(order)) == 15


def test_estimate_adds_up(sources: Sources) -> None:
    found = estimate(sources.plan, sources.inputs.vat)
    assert found.before + found.vat == found.total == sources.plan.cost.total_idr
    assert round(found.before * found.rate) == found.vat
    assert 0 <= found.total - found.rounded < 1000


def test_a_plan_that_contradicts_itself_is_refused(sources: Sources) -> None:
    cost = sources.plan.cost.model_copy(update={"total_before_vat_idr": sources.plan.cost.total_before_vat_idr + 1})
    broken = dataclasses.replace(sources, plan=sources.plan.model_copy(update={"cost": cost}))
    with pytest.raises(BadInput, match="do not add up"):
        build(broken)


def test_without_quotations_missing_the_mark_goes(sources: Sources) -> None:
    cost = sources.plan.cost.model_copy(update={"indicative": False})
    firm = build(dataclasses.replace(sources, plan=sources.plan.model_copy(update={"cost": cost})))
    assert "summary.indicative" not in _keys(firm)
    assert "hps.indicative" not in _keys(firm)


def _run(sources: Sources, plan_hash: str) -> Evidence:
    moment = dt.datetime(2018, 5, 25, 9)
    return Evidence(
        version=1,
        run="r",
        kind="load_test",
        started=moment,
        finished=moment,
        plan="national.yaml",
        plan_hash=plan_hash,
        phase=1,
        scale="rack",
        load_factor=0.01,
        profile="rehearsal",
        target="https://127.0.0.1",
        seed=1,
        machine=Machine(cores=2, memory_gib=8, cpu="x", kernel="y"),
        verdict="passed",
        reasons=(),
    )


def test_only_evidence_of_this_plan_counts_as_measured(report: Report, sources: Sources) -> None:
    assert "measured.not_yet" in _keys(report)
    foreign = build(dataclasses.replace(sources, evidence=(_run(sources, "sha256:0"),)))
    assert {"measured.not_yet", "measured.others"} <= _keys(foreign)
    own = build(dataclasses.replace(sources, evidence=(_run(sources, sources.plan_hash),)))
    assert "measured.not_yet" not in _keys(own)
    assert "measured.missing" in _keys(own)
    assert any(isinstance(b, Table) and b.anchor == "load-test-runs" for b in own.blocks)


def test_measured_response_times_stand_beside_predicted_ones(sources: Sources) -> None:
    endpoint = sources.plan.endpoints[0]
    result = EndpointResult(
        endpoint=endpoint.id,
        traffic_class="portal",
        count=900,
        errors=3,
        mean_ms=50,
        p50_ms=40,
        p95_ms=endpoint.slo_p95_ms + 1,
        p99_ms=endpoint.slo_p95_ms + 2,
        max_ms=endpoint.slo_p95_ms + 3,
        histogram="",
    )
    stage = StageResult(
        label="design",
        warmup=False,
        held_out=False,
        started=dt.datetime(2018, 5, 25, 9),
        duration_s=60,
        share=1.0,
        offered_journeys_per_s=1,
        achieved_journeys_per_s=1,
        offered_calls_per_s=15,
        achieved_calls_per_s=15,
        unsent=0,
        endpoints=(result,),
    )
    run = _run(sources, sources.plan_hash).model_copy(update={"stages": (stage,), "verdict": "failed"})
    made = build(dataclasses.replace(sources, evidence=(run,)))
    table = next(b for b in made.blocks if isinstance(b, Table) and b.anchor == "measured-phase-1")
    predicted = {e.endpoint: e.p95_ms for e in sources.plan.deployment(1, "rack").endpoints}
    expected = (900, 3, result.p95_ms, predicted[endpoint.id], endpoint.slo_p95_ms)
    assert tuple(c.value for c in table.rows[0] if isinstance(c, Number)) == expected
    assert table.rows[0][-1] == Say("word.no")
    state = next(b for b in made.blocks if isinstance(b, Table) and b.anchor == "measured-state")
    assert [row[1] == Say("measured.none") for row in state.rows] == [False, True, True]
    assert all(row[2] == Say("measured.none") for row in state.rows)


def test_roster_counts_the_people_of_each_day(sources: Sources, report: Report) -> None:
    roster = next(b for b in report.blocks if isinstance(b, Table) and b.anchor == "roster")
    at_work = sum(c.value for row in roster.rows for c in row[3:10] if isinstance(c, Number))
    assert at_work == sum(s.people * len(s.days) for s in sources.plan.shifts)
    assert sum(row[-1].value for row in roster.rows if isinstance(row[-1], Number)) == sum(
        s.people for s in sources.plan.shifts
    )


def _table(report: Report, anchor: str) -> Table:
    return next(b for b in report.blocks if isinstance(b, Table) and b.anchor == anchor)


def test_ways_of_leasing_and_the_cost_of_rules_stand_among_the_alternatives(sources: Sources, report: Report) -> None:
    plan, words = sources.plan, language("id")
    assert plan.risk
    shown = [tuple(c.amount for c in row if isinstance(c, Rupiah)) for row in _table(report, "lease-risk").rows]
    assert shown == [(c.lease_idr, c.expected_idr, c.cvar_idr, c.regret_idr) for c in plan.risk.choices]
    assert [row[0] for row in _table(report, "lease-risk").rows] == [
        Say(f"alternative.way_{n.id}") for n in plan.risk.choices
    ]
    assert "5%" in words.text(_table(report, "lease-risk").columns[4].title)
    for row, rule in zip(_table(report, "rule-costs").rows, plan.rule_costs, strict=True):
        assert row[2:4] == (Rupiah(rule.without_idr), Rupiah(rule.saving_idr))
    limit, first = (words.text(cast(Any, row[1])) for row in _table(report, "rule-costs").rows)
    assert "70%" in limit
    assert "25 Mei 2018" in first
    assert {"alternative.risk_intro", "alternative.rules_intro"} <= _keys(report)


def test_the_plan_is_not_praised_where_another_way_costs_less_on_average(sources: Sources) -> None:
    def paragraphs(risk: LeaseRisk | None) -> str:
        plan = sources.plan.model_copy(update={"risk": risk})
        made = build(dataclasses.replace(sources, plan=plan))
        return " ".join(language("en").text(b.text) for b in made.blocks if isinstance(b, Paragraph))

    risk = sources.plan.risk
    assert risk
    own, *others = risk.choices
    assert "This plan was chosen all the same" in paragraphs(risk)
    dear = risk.model_copy(update={"choices": (own.model_copy(update={"expected_idr": 10**12}), *others)})
    assert "another way has the lowest mean cost" in paragraphs(dear)
    alone = risk.model_copy(update={"choices": (own,), "least_regret": "plan"})
    assert "chosen all the same" not in paragraphs(alone)
    assert "random draws of demand: its leases" not in paragraphs(None)


def test_every_week_on_call_has_its_people_on_its_own_date(sources: Sources, report: Report) -> None:
    words, weeks = language("en"), {}
    for row in _table(report, "on-call-weeks").rows:
        monday = row[1]
        assert isinstance(monday, Day)
        for n, cell in enumerate(row[2:]):
            if isinstance(cell, Listing):
                weeks[monday.day + dt.timedelta(weeks=n)] = words.text(cast(Any, cell))
    assert all(day.weekday() == 0 for day in weeks)
    expected = {
        r.start + dt.timedelta(weeks=n): "/".join(map(str, week))
        for r in sources.plan.on_call
        for n, week in enumerate(r.weeks)
    }
    assert weeks == expected
    burdens = [row[-2:] for row in _table(report, "on-call").rows]
    assert burdens == [(Number(min(r.burden), 1), Number(max(r.burden), 1)) for r in sources.plan.on_call]


def test_a_plan_without_risk_rules_or_roster_has_none_of_their_tables(sources: Sources) -> None:
    bare = sources.plan.model_copy(update={"risk": None, "rule_costs": (), "on_call": ()})
    anchors = {b.anchor for b in build(dataclasses.replace(sources, plan=bare)).blocks if isinstance(b, Table)}
    assert not anchors & {"lease-risk", "rule-costs", "on-call", "on-call-weeks"}
    assert "alternatives" in anchors


def test_report_of_a_plan_that_stands_in_no_file(sources: Sources, report: Report) -> None:
    assert of_plan(sources.plan, sources.inputs, sources.plan_hash) == report


def test_compare_pairs_a_line_that_moves_to_another_vendor(sources: Sources) -> None:
    plan = sources.plan
    moved = plan.leases[0].model_copy(update={"id": "other", "vendor": "Penyedia Z", "monthly_rent_idr": 1})
    found = changes(plan, plan.model_copy(update={"leases": (*plan.leases[1:], moved)}))
    assert len(found.rows) == 1
    before, after = (language("en").text(cell) for cell in found.rows[0][1:3])
    assert plan.leases[0].vendor in before
    assert "Penyedia Z" in after


def test_alternatives_keep_their_own_price(sources: Sources) -> None:
    chosen = sum(line_idr(x) for x in sources.plan.leases)
    for found in alternatives(sources.plan, sources.inputs.prices):
        if found.before is not None:
            assert found.difference == found.before - chosen
    ways = {a.key: a for a in alternatives(sources.plan, sources.inputs.prices)}
    assert (ways["no_drc"].difference or 0) < 0 <= (ways["all_at_once"].difference or 0)


def test_every_province_has_its_own_tile(sources: Sources) -> None:
    placed = tiles({code: p.id for p in sources.plan.phases for code in p.provinces}, {})
    assert len({(t.column, t.row) for t in placed}) == len(placed) == len(PLACES) == 34
    assert [(t.column, t.row) for t in tiles({"ID-ZZ": 1, "ID-YY": 2}, {})] == [(0, 6), (1, 6)]


@pytest.mark.parametrize(
    ("words", "covered"),
    [
        ("2018", True),
        ("2018-2019", True),
        ("Oct 2018+", True),
        ("all", True),
        ("2025+", False),
        ("2015-2016", False),
        ("", False),
    ],
)
def test_rules_are_dated(words: str, covered: bool) -> None:
    rule = Rule(topic="t", rule="r", in_force=words, source_title="", source_url="", confidence="")
    assert rule.covers(2018, 2021) is covered


def test_compare_names_what_changed_and_the_input(sources: Sources) -> None:
    plan = sources.plan
    assert not changes(plan, plan).rows
    assert not changes(plan, plan).inputs
    fewer = plan.leases[0].model_copy(update={"quantity": plan.leases[0].quantity + 1})
    other = plan.model_copy(
        update={"leases": (fewer, *plan.leases[1:]), "inputs": plan.inputs | {"national.yaml": "sha256:0"}}
    )
    found = changes(plan, other)
    assert found.inputs == ("national.yaml",)
    assert len(found.rows) == 1


def test_stress_scenarios_and_influence_stand_in_the_report(sources: Sources) -> None:
    plan = sources.plan
    blocks = extremes(plan)
    tables = [b for b in blocks if isinstance(b, Table)]
    assert [t.anchor for t in tables] == ["stress", "influence"]
    assert len(tables[0].rows) == len(plan.stress) == 4
    assert len(tables[1].rows) == len(plan.sensitivity)
    bare = plan.model_copy(update={"stress": (), "sensitivity": ()})
    assert extremes(bare) == ()


def test_whatever_is_sized_has_a_name_in_words(sources: Sources) -> None:
    subjects = {b.subject for phase in sources.plan.phases for b in phase.bindings}
    assert {s.partition(".")[0] for s in subjects} == {"servers", "services", "sites", "upstream", "connections"}
    for code in ("id", "en"):
        names = {s: language(cast(Any, code)).text(sized(sources.plan, s)) for s in subjects}
        assert len(set(names.values())) == len(subjects)
        assert not any(s in name for s, name in names.items())
