"""The view model follows the plan: its totals, its measurements, and what changed between two plans."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from capacity.evidence import EndpointResult, Evidence, Machine, StageResult
from capacity.faults import BadInput
from capacity.report.compare import changes
from capacity.report.estimate import alternatives, estimate, line_idr
from capacity.report.language import language
from capacity.report.sections.extremes import extremes
from capacity.report.sources import Rule, Sources
from capacity.report.tilemap import PLACES, tiles
from capacity.report.values import Heading, Number, Paragraph, Report, Say, Table
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
