"""The whole pipeline on the national plan: deterministic, monotone, balanced."""

from __future__ import annotations

import collections
import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.documents import to_yaml
from capacity.faults import Infeasible
from capacity.inputs import Inputs
from capacity.leaseplan import Deployment, LeasePlan
from capacity.planner import compute, make_plan, solve
from capacity.sizing.workload import visits_a_journey
from tests.capacity.nation import national, varied, with_demand, with_phases

DRAWS = 400
MANY = 4000
"""Draws for what hangs on a single server more or less."""


@functools.cache
def base(draws: int = DRAWS) -> LeasePlan:
    return planned(national(), draws)


def planned(inputs: Inputs, draws: int = DRAWS) -> LeasePlan:
    """Without the studies, which decide nothing in it."""
    return solve(inputs, draws)[1]


def servers(plan: LeasePlan) -> collections.Counter[tuple[int, str, str]]:
    return collections.Counter(
        (p.id, s.site, s.role) for p in plan.phases for s in plan.servers if s.name in set(p.national.servers)
    )


def scaled_demand(times: float) -> Inputs:
    level = national().launch.demand.adoption_level
    more = {k: getattr(level, k) * times for k in ("p10", "p50", "p90", "lower")}
    return with_demand(adoption_level=level.model_copy(update=more))


def test_same_inputs_same_bytes() -> None:
    assert to_yaml(make_plan(national(), DRAWS)) == to_yaml(make_plan(national(), DRAWS))


def test_another_seed_draws_another_plan() -> None:
    other = planned(varied(seed=7), DRAWS)
    assert other.phases[0].demand != base().phases[0].demand
    assert other.seed == 7


@settings(max_examples=3)
@given(st.floats(1.02, 1.8))
def test_more_demand_never_needs_fewer_servers_nor_costs_less(times: float) -> None:
    try:
        more = planned(scaled_demand(times), DRAWS)
    except Infeasible:
        return  # the largest server of the price book is too small: certainly not fewer
    now, then = servers(base()), servers(more)
    assert all(then[key] >= now[key] for key in now)
    # the plan is proven within the gap, so that a dearer need may look cheaper by no more than that
    slack = 1 + base().cost.optimality_gap + more.cost.optimality_gap
    assert more.cost.total_idr * slack >= base().cost.total_idr


@settings(max_examples=2)
@given(st.floats(0.7, 0.95))
def test_a_stricter_slo_never_costs_less(strict: float) -> None:
    launch = national().launch
    tight = tuple(
        e.model_copy(update={"slo_p95_ms": max(e.slo_p95_ms * strict, 400), "slo_p99_ms": e.slo_p99_ms})
        if e.id.startswith("portal") and not e.calls
        else e
        for e in launch.endpoints
    )
    strictly, loosely = planned(varied(endpoints=tight), DRAWS), base()
    slack = 1 + strictly.cost.optimality_gap + loosely.cost.optimality_gap
    assert strictly.cost.total_idr * slack >= loosely.cost.total_idr


@pytest.mark.parametrize("code", ["ID_JI", "ID_JB"])
def test_a_big_province_in_phase_1_changes_the_rack_of_phase_1(code: str) -> None:
    moved, plan = planned(with_phases(**{code: 1}), MANY), base(MANY)
    assert set(moved.phases[0].rack.servers) > set(plan.phases[0].rack.servers)
    assert busy(moved.phases[0].national) > 1.3 * busy(plan.phases[0].national)


def busy(deployed: Deployment) -> float:
    return sum(s.utilisation * s.servers for s in deployed.stations if s.kind == "pods")


def test_the_rack_stays_small() -> None:
    for phase in base().phases:
        assert 5 <= len(phase.rack.servers) <= national().launch.rack.max_servers
        assert {s.id for s in phase.rack.services} == {"portal", "api", "gateway", "satgas", "registry"}
        assert "registry" not in {s.id for s in phase.national.services}
        cpu = sum(s.utilisation * s.servers for s in phase.rack.stations if s.kind != "upstream")
        assert cpu < 0.8


def test_phases_only_add_servers() -> None:
    plan = base()
    for earlier, later in zip(plan.phases, plan.phases[1:], strict=False):
        assert set(earlier.national.servers) <= set(later.national.servers)
        assert set(earlier.rack.servers) <= set(later.rack.servers)
    assert {s.name for s in plan.servers} == set(plan.phases[-1].national.servers)


def test_every_need_is_leased_in_every_month() -> None:
    plan = base()
    for phase in plan.phases:
        for name in phase.national.servers:
            server = plan.server(name)
            covering = [line for line in plan.leases if line.id in server.leases]
            if server.phase == phase.id and phase.id < 3:
                assert min(line.start for line in covering) < phase.start
            assert max(line.end for line in covering) >= min(server.end, plan.phases[-1].end)


def test_no_order_lies_in_the_past_and_every_vendor_keeps_its_share() -> None:
    plan, leasing = base(), national().launch.leasing
    assert min(line.order_date for line in plan.leases) >= leasing.earliest_order
    by_vendor: collections.Counter[str] = collections.Counter()
    for line in plan.leases:
        by_vendor[line.vendor] += line.quantity * (line.monthly_rent_idr * line.months + line.setup_idr)
    assert max(by_vendor.values()) <= leasing.vendor_share_max * sum(by_vendor.values()) + 1


@pytest.mark.parametrize("scale", ["national", "rack"])
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_calls_and_stations_follow_from_the_class_rates(phase: int, scale: str) -> None:
    plan = base()
    deployed: Deployment = plan.deployment(phase, scale)  # type: ignore[arg-type]
    visits = visits_a_journey(national().launch)
    calls: collections.Counter[str] = collections.Counter()
    for kind, rate in deployed.class_rates_per_s.items():
        for endpoint, count in visits[kind].items():
            calls[endpoint] += rate * count  # type: ignore[assignment]
    for prediction in deployed.endpoints:
        assert prediction.arrival_rate_per_s == pytest.approx(calls[prediction.endpoint], abs=2e-3)
    for station in deployed.stations:
        if station.kind == "upstream":
            continue
        busy = sum(calls[e.id] * e.demand_ms.get(station.id, 0.0) for e in plan.endpoints) / 1e3
        assert station.utilisation * station.servers == pytest.approx(busy * station.demand_factor, rel=5e-3, abs=1e-3)
        assert station.utilisation <= 1


def test_rack_and_nation_carry_the_same_mix() -> None:
    for phase in base().phases:
        for kind, rate in phase.national.class_rates_per_s.items():
            scaled = rate * phase.rack.load_factor
            assert phase.rack.class_rates_per_s[kind] == pytest.approx(scaled, abs=1e-4)


def test_every_endpoint_is_predicted_within_its_slo() -> None:
    slo = {e.id: (e.slo_p95_ms, e.slo_p99_ms) for e in base().endpoints}
    for phase in base().phases:
        for deployed in (phase.national, phase.rack):
            for e in deployed.endpoints:
                assert e.p95_ms <= slo[e.endpoint][0] * 1.01, (phase.id, deployed.scale, e.endpoint)
                assert e.p99_ms <= slo[e.endpoint][1] * 1.01


def test_money_adds_up() -> None:
    cost = base().cost
    assert sum(y.total_idr for y in cost.years) == cost.total_idr
    assert sum(y.vat_idr for y in cost.years) == cost.vat_idr
    assert sum(y.supporting_idr for y in cost.years) == cost.supporting_before_vat_idr
    assert cost.total_before_vat_idr + cost.vat_idr == cost.total_idr
    assert cost.p50_idr <= cost.p80_idr <= cost.p95_idr
    assert cost.indicative
    supporting = sum(s.quantity * (s.monthly_rent_idr * s.months + s.setup_idr) for s in base().supporting)
    leases = sum(x.quantity * (x.monthly_rent_idr * x.months + x.setup_idr) for x in base().leases)
    assert supporting == cost.supporting_before_vat_idr
    assert leases + supporting == cost.total_before_vat_idr


def test_sufficiency_falls_when_the_design_is_less_cautious() -> None:
    bold = varied(design=national().launch.design.model_copy(update={"quantile": 0.8, "headroom": 1.0}))
    plan = planned(bold, DRAWS)
    for cautious, daring in zip(base().phases, plan.phases, strict=True):
        assert daring.sufficiency < cautious.sufficiency


def test_a_binding_quota_is_said() -> None:
    launch = national().launch
    small = tuple(s.model_copy(update={"quota_per_day": 500.0}) if s.id == "registry" else s for s in launch.stations)
    plan = planned(varied(stations=small), DRAWS)
    rules = {b.subject: b.rule for b in plan.phases[0].bindings}
    assert rules["upstream.registry"] == "quota"
    assert {b.subject: b.rule for b in base().phases[0].bindings}["upstream.registry"] == "quota_holds"


def test_cost_of_the_draws_agrees_with_planning_each_anew() -> None:
    """The chain of terms a server (L1) against a full lease problem for some of the draws."""
    from capacity.assembly.leases import cost_by_draw, servers_by_draw
    from capacity.leasing import Needs, Rules, cover
    from capacity.sizing.needs import lease_needs, offers

    all_of = compute(varied(leasing=national().launch.leasing.model_copy(update={"vendor_share_max": 1.0})), 60)
    quick = cost_by_draw(all_of)
    asked = lease_needs(all_of.inputs, all_of.needs)
    roles = {(s.site, s.role): s.sku for s in all_of.leased.servers}
    vendors = {(s.site, s.role): s.vendor for s in all_of.leased.servers}
    assert len(set(roles.values())) >= 3
    for d in (3, 41):
        total = 0
        for (site, role), sku in roles.items():
            counts = servers_by_draw(all_of, site, role, sku)[d].astype(np.int64)
            need = Needs.of_servers(asked.start, (site,), (role,), counts[None, None])
            book = tuple(
                dataclasses.replace(o, roles=frozenset({role}))
                for o in offers(all_of.inputs, asked)
                if o.sku == sku and o.vendor == vendors[site, role]
            )
            total += cover(need, book, Rules(vat=all_of.inputs.vat)).money.total_idr
        assert quick[d] == pytest.approx(total, rel=1e-6)
