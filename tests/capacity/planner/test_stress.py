"""Scenarios, explanation, sensitivity: on the same computed plan."""

from __future__ import annotations

import functools

import pytest

from capacity.assembly.computed import Computed
from capacity.assembly.explain import explain, subjects
from capacity.assembly.scenarios import stress
from capacity.assembly.sensitivity import next_measurement, sensitivity
from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan
from capacity.planner import assemble, compute
from tests.capacity.nation import national

DRAWS = 1000


@functools.cache
def computed() -> Computed:
    return compute(national(), DRAWS)


@functools.cache
def plan() -> LeasePlan:
    return assemble(computed())


def test_the_plan_carries_its_own_launch_day() -> None:
    day = stress(computed(), "launch-day")
    assert day.stable
    assert all(s.holds for s in day.stations)
    assert day.served == 1.0


def test_the_recovery_site_carries_its_share_and_not_everything() -> None:
    lost = stress(computed(), "site-loss")
    share = next(s.share for s in national().launch.sites if s.id == "drc")
    assert lost.site == "drc"
    assert all(s.holds for s in lost.stations)
    assert share <= lost.served < 1


def test_the_hour_of_cowin_is_far_beyond_and_collapses() -> None:
    hour = stress(computed(), "cowin-hour")
    assert hour.calls_per_s == pytest.approx(35463, rel=0.01)
    assert not hour.holds
    assert not hour.stable
    assert hour.retry_growth > 1.5
    assert hour.served < 0.1
    assert hour.workers_needed > 10 * hour.workers


def test_a_hundred_thousand_a_day_breaks_the_registry_quota() -> None:
    day = stress(computed(), "political-100k")
    assert day.registrations_per_day == 100_000
    used, *_ = day.quotas
    assert (used.upstream, used.quota) == ("registry", 50_000)
    assert used.calls > used.quota
    assert not day.holds
    assert "quota of registry exceeded" in day.detail_en
    assert "kuota registry terlampaui" in day.detail_id


def test_an_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(BadInput, match="launch-day, political-100k"):
        stress(computed(), "flood")


def test_a_server_traces_back_to_hour_provinces_class_station_and_rule() -> None:
    chain = "\n".join(s.text for s in explain(plan(), "primary-worker-01"))
    for words in ("first needed in phase 1", "n_plus_k", "2018-08-06 10:00", "launch day of phase 1", "ID-JK"):
        assert words in chain
    for words in ("heaviest traffic class", "station api", "visits/s", "services.api@primary", "estimate"):
        assert words in chain


def test_everything_listed_can_be_explained_in_both_languages() -> None:
    for name in subjects(plan()):
        english, bahasa = explain(plan(), name), explain(plan(), name, language="id")
        assert english
        assert len(english) == len(bahasa)


def test_a_lease_line_says_price_dates_and_servers() -> None:
    line = plan().leases[0]
    chain = "\n".join(s.text for s in explain(plan(), line.id))
    assert f"Rp{line.monthly_rent_idr:,}" in chain
    assert str(line.notice_date) in chain
    assert "without a quotation" in chain


def test_an_unknown_name_offers_near_ones() -> None:
    with pytest.raises(BadInput, match=r"services\.portal@primary"):
        explain(plan(), "portal")


def test_the_heaviest_guess_is_the_next_measurement() -> None:
    rows = sensitivity(computed(), base=128)
    by_name = {r.input: r for r in rows}
    assert rows[0].load_total == max(r.load_total for r in rows)
    assert by_name["application_factor"].load_total > by_name["journeys priority"].load_total
    assert sum(r.load_first for r in rows) < 1.3
    best = next_measurement(rows)
    assert best is not None
    assert best.estimate
    assert best.input == "application_factor"
    assert by_name["application_factor"].risk_total > by_name["half_life_days"].risk_total
    assert "staging" in best.measure_en


def test_the_plan_holds_every_scenario_and_what_to_measure_next() -> None:
    assert [s.id for s in plan().stress] == [s.id for s in national().launch.scenarios]
    assert plan().next_measurement in {r.input for r in plan().sensitivity if r.estimate}
    chain = "\n".join(s.text for s in explain(plan(), "stress.cowin-hour"))
    for words in ("35,463 calls a second", "OVERLOADED", "collapses under retries", "launch_benchmarks.csv"):
        assert words in chain
    first, *rest = explain(plan(), "sensitivity", language="id")
    assert first.text.startswith("pengukuran berikutnya")
    assert len(rest) == len(plan().sensitivity)


def test_retries_amplify_hardly_at_design_and_bring_it_down_before_the_last_core_is_full() -> None:
    for phase in plan().phases:
        assert phase.retry_growth == pytest.approx(1.0, abs=0.02)
        assert phase.collapse_multiple is not None
        fullest = max(s.utilisation for s in phase.national.stations)
        assert 1 < phase.collapse_multiple <= 1 / fullest + 0.06
