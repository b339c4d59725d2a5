"""Everything that a site or an agency provides names what sets its size; an address plan too small is refused."""

from __future__ import annotations

import functools

import pytest

from capacity.assembly.explain import explain
from capacity.faults import Infeasible
from capacity.inputs import Inputs
from capacity.leaseplan import Binding, LeasePlan, SiteResources
from capacity.planner import solve
from tests.capacity.nation import launch, national, varied

DRAWS = 300


@functools.cache
def plan() -> LeasePlan:
    return planned(national())


def planned(inputs: Inputs) -> LeasePlan:
    return solve(inputs, DRAWS)[1]


def bound(made: LeasePlan, phase: int) -> dict[str, Binding]:
    return {b.subject: b for b in made.phase(phase).bindings}


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_every_resource_of_a_site_is_bound_with_its_value(phase: int) -> None:
    named = bound(plan(), phase)
    for site in plan().phase(phase).sites:
        for what in set(SiteResources.model_fields) - {"site", "rack_units", "power_w"}:
            assert named[f"sites.{site.site}.{what}"].value == pytest.approx(float(getattr(site, what)))


def test_supporting_lines_trace_back_to_the_hour_that_sets_them() -> None:
    for item in plan().supporting:
        steps = explain(plan(), item.id)
        assert len(steps) > 3, item.id
        if item.kind in ("bandwidth", "link", "firewall"):
            assert any("the hour that binds" in s.text for s in steps), item.id


def test_a_quota_that_binds_says_since_when_and_what_to_ask_for() -> None:
    small = tuple(s.model_copy(update={"quota_per_day": 500.0}) if s.id == "registry" else s for s in launch().stations)
    named = bound(planned(varied(stations=small)), 1)["upstream.registry"]
    assert named.rule == "quota"
    assert "binds from 2018-08: ask for" in named.detail_en
    assert "mengikat sejak 2018-08: minta" in named.detail_id


def test_connections_of_an_agency_are_watched_like_its_quota() -> None:
    few = tuple(s.model_copy(update={"connections": 4}) if s.id == "registry" else s for s in launch().stations)
    narrow = planned(varied(stations=few))
    rules = [bound(narrow, n)["connections.registry"].rule for n in (1, 2, 3)]
    assert rules[0] == "connections_hold"
    assert bound(plan(), 3)["connections.registry"].rule == "connections_hold"


def test_an_address_plan_that_is_too_small_is_refused() -> None:
    network = launch().network
    tight = tuple(r.model_copy(update={"capacity": 2}) if r.role == "worker" else r for r in network.roles)
    with pytest.raises(Infeasible, match="holds 2 servers of the role worker at a site, primary needs"):
        planned(varied(network=network.model_copy(update={"roles": tight})))


def test_network_cards_and_sessions_can_ask_for_edge_servers() -> None:
    facilities = launch().facilities
    wide = varied(facilities=facilities.model_copy(update={"bandwidth_headroom": 140.0}))
    many = varied(facilities=facilities.model_copy(update={"session_kib": 14_000.0}))
    few = sum(1 for s in plan().servers if s.role == "edge")
    for inputs, resource in ((wide, "Mbit/s"), (many, "GiB of memory")):
        made = planned(inputs)
        assert sum(1 for s in made.servers if s.role == "edge") > few
        assert resource in bound(made, 3)["servers.primary.edge"].detail_en


def test_the_calendar_is_dated_in_the_assumptions() -> None:
    rows = {a.id: a for a in plan().assumptions}
    assert "2018-07-01 to 2021-06-30" in rows["demand.holidays"].value
    assert "PyPI holidays" in rows["demand.holidays"].source
    assert rows["calendar.ramadan.2019"].estimate
    assert "calendar.ramadan.2018" not in rows
