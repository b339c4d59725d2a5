"""The plan against its alternatives: one set of draws judges all, rules have a price, on-call weeks are filled."""

from __future__ import annotations

import functools
import itertools

import pytest

from capacity.launch import Ceiling
from capacity.leaseplan import LeasePlan
from capacity.planner import make_plan, solve
from tests.capacity.nation import national, varied

DRAWS = 400


@functools.cache
def plan() -> LeasePlan:
    return make_plan(national(), DRAWS)


def test_each_way_is_judged_by_the_same_draws() -> None:
    risk = plan().risk
    assert risk is not None
    ways = {choice.id: choice for choice in risk.choices}
    servers = plan().cost.total_idr - round(plan().cost.supporting_before_vat_idr * 1.1)
    assert ways["plan"].lease_idr == pytest.approx(servers, rel=1e-6)
    assert ways["plan"].servers == len(plan().servers)
    for way in ways.values():
        assert way.lease_idr <= way.expected_idr <= way.cvar_idr
        assert way.regret_idr >= 0
    assert risk.least_regret == min(risk.choices, key=lambda c: c.regret_idr).id
    assert ways["least_regret"].regret_idr <= ways["plan"].regret_idr * 1.05
    assert ways["cvar"].cvar_idr <= ways["plan"].cvar_idr * 1.05
    assert ways["cvar"].short_share <= ways["plan"].short_share, "the worst draws are bought off with servers"


def test_every_rule_that_is_set_has_its_price() -> None:
    costs = {cost.rule: cost for cost in plan().rule_costs}
    assert set(costs) == {"vendor_share", "lead_time"}
    total = next(c.lease_idr for c in plan().risk.choices if c.id == "plan")  # type: ignore[union-attr]
    for cost in costs.values():
        assert cost.without_idr + cost.saving_idr == total
    assert costs["vendor_share"].value == "<= 70%"
    assert costs["vendor_share"].saving_idr > 0, "one vendor alone would be cheaper; the rule forbids it"


def test_a_plan_without_a_vendor_rule_has_no_such_price() -> None:
    free = varied(leasing=national().launch.leasing.model_copy(update={"vendor_share_max": 1.0}))
    assert "vendor_share" not in {cost.rule for cost in make_plan(free, DRAWS).rule_costs}


def test_operations_stand_by_in_every_week_of_every_phase() -> None:
    heads = {line.phase: line.heads for line in plan().people if line.group == "operations"}
    seats = national().launch.people.operations.on_call_seats
    before: list[tuple[int, ...]] = []
    for phase, roster in zip(plan().phases, plan().on_call, strict=True):
        assert (roster.phase, roster.people) == (phase.id, heads[phase.id])
        assert roster.start.weekday() == 0
        assert 0 <= (phase.start - roster.start).days < 7
        assert all(len(set(week)) == seats for week in roster.weeks)
        weeks = [*before[-roster.rest_weeks :], *roster.weeks]
        for person in range(1, roster.people + 1):
            duties = [n for n, week in enumerate(weeks) if person in week]
            assert all(b - a > roster.rest_weeks for a, b in itertools.pairwise(duties))
        assert max(roster.burden) - min(roster.burden) <= 1.5
        before = list(roster.weeks)


def test_a_ceiling_counts_supporting_lines_in() -> None:
    free = next(y for y in plan().cost.years if y.year == 2019)
    ceiling = Ceiling(year=2019, ceiling_idr=free.total_idr - 5_000_000)
    inputs = varied(leasing=national().launch.leasing.model_copy(update={"ceilings": (ceiling,)}))
    _, capped = solve(inputs, DRAWS)
    year = next(y for y in capped.cost.years if y.year == 2019)
    assert year.ceiling_idr == ceiling.ceiling_idr
    assert year.total_idr <= ceiling.ceiling_idr
    assert year.supporting_idr > 0
    assert capped.cost.total_idr >= plan().cost.total_idr
