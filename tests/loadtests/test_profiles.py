"""Load tests from the lease plan: rates, scales, thinking, traces, and everything wrong told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.faults import BadInput
from capacity.leaseplan import Stage
from loadtests.arrivals import Arrival, Replay
from loadtests.journeys import JOURNEYS, check
from loadtests.profiles import JOURNEY_SHARE, LEAST_JOURNEYS, from_plan, load_test, with_trace
from tests.loadtests.plans import RATES, national, small_plan, write_plan


def test_rates_are_the_plans_times_the_share_of_each_stage() -> None:
    stages = (Stage(label="a", duration_s=10, share=0.5, end_share=1.5), Stage(label="b", duration_s=10, share=2.0))
    plan = small_plan(stages)
    test = from_plan(plan, "plan", "sha256:0", plan.loadtests[0], 1)
    by_class = dict(zip((c.id for c in test.classes), test.rates[0].start_rates, strict=True))
    assert by_class == {name: rate * 0.5 for name, rate in RATES.items()}
    assert test.rates[0].end_rates == tuple(rate * 3 for rate in test.rates[0].start_rates)
    assert test.rates[1].start_rates == test.rates[1].end_rates


def test_a_fraction_is_of_the_national_rates() -> None:
    plan = national()
    whole = from_plan(plan, "plan", "", plan.loadtests[0], 1, "national")
    part = from_plan(plan, "plan", "", plan.loadtests[0], 1, "0.5")
    portal = [c.id for c in whole.classes].index("portal")
    assert part.rates[0].start_rates[portal] == pytest.approx(whole.rates[0].start_rates[portal] / 2)
    assert (part.scale, part.load_factor) == ("national", 0.5)
    rack = from_plan(plan, "plan", "", plan.loadtests[0], 1, "rack")
    assert rack.load_factor == plan.deployment(1, "rack").load_factor


def test_rare_classes_are_raised_and_said_to_be() -> None:
    plan = small_plan(rates={**RATES, "priority": 1e-6, "satgas": 0.0})
    test = from_plan(plan, "plan", "", plan.loadtests[0], 1)
    assert [name for name, _ in test.raised] == ["priority"]
    number = [c.id for c in test.classes].index("priority")
    main = test.rates[1]
    assert main.start_rates[number] * main.duration_s == pytest.approx(LEAST_JOURNEYS)
    assert main.start_rates[[c.id for c in test.classes].index("satgas")] == 0


def test_the_longest_journey_fits_in_the_shortest_measured_stage() -> None:
    plan = national()
    for profile in plan.loadtests:
        test = from_plan(plan, "plan", "", profile, 1)
        shortest = min(s.duration_s for s in profile.stages if not s.warmup)
        longest = max(load.think_time_s * max(0.0, sum(load.visits.values()) - 1) for load in test.classes)
        assert longest <= JOURNEY_SHARE * shortest * (1 + 1e-9)
        assert test.think_factor <= 1
    assert from_plan(plan, "plan", "", plan.loadtests[0], 1, think_factor=1.0).classes[0].think_time_s > 0


def test_every_profile_of_the_national_plan_has_journeys_for_its_classes() -> None:
    plan = national()
    for profile in plan.loadtests:
        for phase in (1, 2, 3):
            check(from_plan(plan, "plan", "", profile, phase))
    assert {c.id for c in plan.classes} <= set(JOURNEYS)


def test_a_journey_that_cannot_be_made_is_told() -> None:
    plan = small_plan()
    mobile = next(c for c in plan.classes if c.id == "mobile")
    rare = [v.model_copy(update={"count": 0.2}) if v.endpoint == "api.draft" else v for v in mobile.journey]
    visits = (*rare, mobile.journey[0].model_copy(update={"endpoint": "satgas.board"}))
    odd = mobile.model_copy(update={"journey": visits})
    stranger = mobile.model_copy(update={"id": "tourist"})
    classes = (*(odd if c.id == "mobile" else c for c in plan.classes), stranger)
    test = from_plan(plan.model_copy(update={"classes": classes}), "plan", "", plan.loadtests[0], 1)
    with pytest.raises(BadInput) as caught:
        check(test)
    told = "\n".join(str(fault) for fault in caught.value.faults)
    for words in ("classes.tourist", "never calls it", "needs api.draft before it"):
        assert words in told


def test_unknown_profile_scale_class_and_phase_are_told(tmp_path: Path) -> None:
    lock = write_plan(tmp_path, small_plan()).with_name("small.lock.yaml")
    with pytest.raises(BadInput, match="no such load profile"):
        load_test(lock, "tset", 1)
    with pytest.raises(BadInput, match="is no scale"):
        load_test(lock, "test", 1, "half")
    with pytest.raises(BadInput, match="no such traffic class"):
        load_test(lock, "test", 1, classes=["tourist"])
    with pytest.raises(BadInput, match="no such phase"):
        load_test(lock, "test", 4)
    with pytest.raises(BadInput, match="no lease plan yet"):
        load_test(tmp_path / "other.lock.yaml", "test", 1)


def test_a_stage_of_hours_follows_the_hour_profile_of_each_class() -> None:
    stage = Stage(label="morning", duration_s=60, share=0.5, hours=(6, 12))
    plan = small_plan((stage,))
    flat, busy = (0.5,) * 24, tuple(1.0 if hour == 9 else 0.2 for hour in range(24))
    shapes = {"portal": busy, "mobile": flat}
    classes = tuple(c.model_copy(update={"hours": shapes.get(c.id, ())}) for c in plan.classes)
    test = from_plan(plan.model_copy(update={"classes": classes}), "plan", "", plan.loadtests[0], 1)
    curves = dict(zip((c.id for c in test.classes), test.rates[0].curves, strict=True))
    assert set(curves["mobile"]) == {RATES["mobile"] * 0.5 * 0.5}
    portal = curves["portal"]
    assert len(portal) == 13
    assert portal[7] == max(portal) == pytest.approx(RATES["portal"] * 0.5)  # half past nine
    assert portal[0] == pytest.approx(RATES["portal"] * 0.5 * 0.2)
    assert set(curves["callbacks"]) == {RATES["callbacks"] * 0.5}  # a plan that knows no hours: as if always busy


def test_a_stage_of_hours_within_a_day_only() -> None:
    for hours, more in (((9, 9), {}), ((-1, 3), {}), ((20, 25), {}), ((8, 9), {"end_share": 1.0})):
        with pytest.raises(ValueError, match="hours"):
            Stage.model_validate({"label": "x", "duration_s": 1, "share": 1, "hours": hours, **more})


def test_launch_day_walks_through_the_hours_of_the_plan() -> None:
    plan = national()
    assert all(len(c.hours) == 24 and max(c.hours) == 1 for c in plan.classes)
    day = next(p for p in plan.loadtests if p.id == "launch-day")
    assert [s.hours for s in day.stages if s.hours]


def test_a_trace_takes_the_place_of_the_stages() -> None:
    plan = small_plan(rules=("errors < 1 %", "in main p(95) < 1 s"))
    test = from_plan(plan, "plan", "", plan.loadtests[0], 1)
    replayed = with_trace(test, Replay((Arrival(0.5, 0, 0), Arrival(4.0, 1, 0)), 4.0))
    assert [s.label for s in replayed.stages] == ["replay"]
    assert [t.text for t in replayed.thresholds] == ["errors < 1 %"]
    assert replayed.rates[0].expected() == pytest.approx(2)
