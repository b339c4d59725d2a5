"""Weekly and on-call rosters: coverage, rules, fairness, and the fewest people on small cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyworkforce.scheduling import MinRequiredResources

from capacity.faults import BadInput, Infeasible
from capacity.staffing import Roster, WorkRules, on_call_roster, shift_templates, tours, weekly_roster
from capacity.staffing.oncall import least_burden

OFFICE = WorkRules(paid_h=7.5)


def _open(seats: int, first: int = 16, last: int = 34, days: int = 5) -> np.ndarray:
    week = np.zeros((7, 48), dtype=int)
    week[:days, first:last] = seats
    return week


def assert_sound(roster: Roster, seats: np.ndarray, rules: WorkRules, min_seats: int) -> None:
    """Recomputed from the tours: cover, hours, breaks, days off and rest between weeks."""
    staffed = sum((tour.covers() for tour in roster.tours), np.zeros(336, dtype=int)).reshape(7, 48)
    assert (staffed >= seats).all()
    assert (staffed == roster.staffed).all()
    for tour in roster.tours:
        assert len(tour.days) == rules.days
        assert tour.covers().sum() == 2 * rules.paid_h * rules.days
        assert rules.earliest_break_h * 2 <= tour.shift.rest_after <= rules.latest_break_h * 2
    assert sorted(roster.following) == list(range(roster.at_work)), "the rotation is a permutation"
    assert roster.bound <= roster.at_work <= roster.heads
    is_open = np.outer(seats.any(axis=1), seats.any(axis=0))
    assert (staffed[is_open] >= min_seats).all()


@given(st.lists(st.integers(0, 5), min_size=18, max_size=18), st.integers(0, 2))
@settings(max_examples=15)
def test_rosters_keep_every_rule(day: list[int], min_seats: int) -> None:
    seats = np.zeros((7, 48), dtype=int)
    seats[:5, 16:34] = day
    seats[5, 16:34] = [n // 2 for n in day]
    if np.flatnonzero(seats.any(axis=0)).size < 17 or not seats[:, 16].any() or not seats[:, 33].any():
        seats[:5, 16] = seats[:5, 33] = 1
    roster = weekly_roster(seats, OFFICE, 0.1, min_seats)
    assert_sound(roster, seats, OFFICE, min_seats)


def test_a_flat_office_needs_no_more_than_its_seats_and_breaks() -> None:
    roster = weekly_roster(_open(4), OFFICE)
    hours = 4 * 9 * 5
    assert roster.at_work >= hours / (7.5 * 5)
    assert roster.at_work == roster.bound
    assert {tour.days for tour in roster.tours} == {(0, 1, 2, 3, 4)}


def test_round_the_clock_keeps_eleven_hours_of_rest() -> None:
    rules = WorkRules()
    seats = np.ones((7, 48), dtype=int)
    roster = weekly_roster(seats, rules, step=4, seconds=30)
    assert_sound(roster, seats, rules, 0)
    assert roster.at_work >= 168 / 40
    for n, tour in enumerate(roster.tours):
        assert tour.rest_before(roster.tours[roster.following[n]]) >= 2 * rules.rest_h


def test_one_day_matches_pyworkforce() -> None:
    """A week whose only day asks for seats: shifts chosen by a set covering, as pyworkforce does for a day."""
    rng = np.random.default_rng(5)
    need = rng.integers(1, 6, 18)
    seats = np.zeros((7, 48), dtype=int)
    seats[0, 16:34] = need
    rules = WorkRules(paid_h=4.0, days=1, earliest_break_h=2, latest_break_h=3, together=False)
    shifts = shift_templates(16, 34, rules)
    cover = {}
    for n, shift in enumerate(shifts):
        row = np.zeros(48, dtype=int)
        row[shift.at_work()] = 1
        cover[f"s{n}"] = row[16:34].tolist()
    peer = MinRequiredResources(1, 18, cover, [need.tolist()], 30, 30).solve()
    assert weekly_roster(seats, rules).at_work == peer["cost"]


def test_templates_and_tours() -> None:
    shifts = shift_templates(16, 34, OFFICE)
    assert {s.name for s in shifts} == {"08:00–16:00", "08:30–16:30", "09:00–17:00"}
    assert len({s.rest_after for s in shifts}) == 3
    week = tours(shifts[:1], WorkRules(), tuple(range(7)))
    assert len(week) == 7, "two consecutive days off, around the week's end"
    assert len(tours(shifts[:1], WorkRules(together=False))) == 21


def test_no_seats_no_people() -> None:
    assert weekly_roster(np.zeros((7, 48), dtype=int), OFFICE).heads == 0


def test_impossible_rules_are_refused() -> None:
    with pytest.raises(BadInput, match="shorter than one shift"):
        weekly_roster(_open(1, 16, 20), OFFICE)
    with pytest.raises(BadInput, match="does not fit between two shifts"):
        weekly_roster(_open(1), WorkRules(paid_h=8, rest_h=20))
    with pytest.raises(BadInput, match="no day of rest"):
        weekly_roster(_open(1), WorkRules(days=7))
    split = WorkRules(earliest_break_h=1, latest_break_h=1)
    with pytest.raises(Infeasible, match="no shift covers day 1"):
        weekly_roster(_open(1, 16, 33), split)


PEOPLE = tuple("ABCDEFG")


@given(st.integers(4, 9), st.integers(6, 20), st.integers(1, 2), st.integers(0, 2), st.randoms())
@settings(max_examples=20)
def test_on_call_is_fair_and_rested(people: int, weeks: int, seats: int, rest: int, random: object) -> None:
    names = tuple(f"p{n}" for n in range(people))
    if people < seats * (rest + 1):
        with pytest.raises(Infeasible, match=f"Name {seats * (rest + 1) - people} more"):
            on_call_roster(names, (1.0,) * weeks, seats, rest)
        return
    roster = on_call_roster(names, (1.0,) * weeks, seats, rest)
    for week in roster.weeks:
        assert len(set(week)) == seats
    for name in names:
        duties = [w for w, week in enumerate(roster.weeks) if name in week]
        assert all(b - a > rest for a, b in itertools.pairwise(duties))
    assert max(roster.burden) - min(roster.burden) <= 1 or people == seats * (rest + 1)
    assert sum(roster.burden) == weeks * seats


@given(st.lists(st.sampled_from([1.0, 1.2, 1.4, 2.0]), min_size=1, max_size=60), st.integers(6, 16), st.integers(0, 2))
@settings(max_examples=60)
def test_duties_in_turn_come_close_to_an_equal_share(weights: list[float], people: int, rest: int) -> None:
    names = tuple(f"p{n}" for n in range(people))
    roster = on_call_roster(names, tuple(weights), 2, rest, seconds=0.0)
    assert all(len(set(week)) == 2 for week in roster.weeks)
    for name in names:
        duties = [w for w, week in enumerate(roster.weeks) if name in week]
        assert all(b - a > rest for a, b in itertools.pairwise(duties))
    assert sum(roster.burden) == pytest.approx(2 * sum(weights))
    bound = least_burden(tuple(weights), 2, people)
    assert bound <= max(roster.burden) + 1e-9
    assert max(roster.burden) <= bound + 2 * max(weights), "a week or two beyond an equal share at most"
    assert roster.gap == pytest.approx(max(roster.burden) / bound - 1, abs=1e-9)


def test_equal_weeks_are_shared_out_exactly() -> None:
    roster = on_call_roster(tuple("ABCDEFGHIJKLM"), (1.0,) * 125, 2, 2, seconds=0.0)
    assert roster.gap == 0.0
    assert max(roster.burden) - min(roster.burden) <= 1.0


def test_holidays_weigh_more_and_absences_hold() -> None:
    weights = (1.0,) * 6 + (3.0, 3.0) + (1.0,) * 6
    roster = on_call_roster(PEOPLE, weights, 2, 1, {"A": (6, 7), "B": (0,)})
    assert "A" not in roster.weeks[6] + roster.weeks[7]
    assert "B" not in roster.weeks[0]
    assert max(roster.burden) - min(roster.burden) <= 2
    firsts = [week[0] for week in roster.weeks]
    assert max(firsts.count(p) for p in PEOPLE) <= 3


def test_wrong_on_call_input_is_refused_at_once() -> None:
    with pytest.raises(BadInput) as refusal:
        on_call_roster(("A", "A"), (-1.0,), 0, 0, {"Z": (3,)})
    assert len(refusal.value.faults) == 3
    with pytest.raises(Infeasible, match="nobody is left"):
        on_call_roster(("A", "B"), (1.0, 1.0), 1, 1, {"A": (0, 1)})
