"""Desk seats against pyworkforce, closed forms and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyworkforce.queuing import ErlangC

from capacity.faults import BadInput
from capacity.staffing import Contacts, Target, at_the_desk, counters_needed, desk_seats

SLOT_MIN = 30
NO_LIMIT = Target(max_occupancy=1.0, max_abandonment=1.0)


def _week(arrivals: float) -> np.ndarray:
    week = np.zeros((7, 48))
    week[0, 20] = arrivals
    return week


@given(st.floats(0.5, 400), st.floats(60, 1200), st.floats(10, 300), st.floats(0.5, 0.95), st.floats(0.6, 1.0))
@settings(max_examples=100)
def test_erlang_c_seats_match_pyworkforce(
    contacts: float, handling_s: float, within_s: float, share: float, occupancy: float
) -> None:
    found = desk_seats(_week(contacts), handling_s, Target(share, within_s, 1.0, occupancy))
    seats = int(found.seats[0, 20])
    peer = ErlangC(contacts, handling_s / 60, within_s / 60, SLOT_MIN)
    theirs = peer.required_positions(share, max_occupancy=occupancy)["raw_positions"]
    assert seats <= theirs, "pyworkforce starts its search at load + 1"
    assert found.service_level[0, 20] == pytest.approx(peer.service_level(seats), abs=1e-9)
    assert found.service_level[0, 20] >= share
    assert found.occupancy[0, 20] <= occupancy + 1e-12
    if theirs > peer.intensity + 2 and theirs > peer.intensity / occupancy + 1:
        assert seats == theirs


@given(st.floats(1, 300), st.floats(60, 900), st.floats(30, 900))
@settings(max_examples=60)
def test_those_who_hang_up_need_no_seat(contacts: float, handling_s: float, patience_s: float) -> None:
    patient = desk_seats(_week(contacts), handling_s, NO_LIMIT)
    hasty = desk_seats(_week(contacts), handling_s, NO_LIMIT, patience_s, "erlang_a")
    assert hasty.seats[0, 20] <= patient.seats[0, 20]
    endless = desk_seats(_week(contacts), handling_s, NO_LIMIT, 1e7, "erlang_a")
    assert abs(int(endless.seats[0, 20]) - int(patient.seats[0, 20])) <= 1


@given(st.floats(1, 200), st.floats(1.0, 2.0), st.sampled_from(["erlang_c", "erlang_a"]))
@settings(max_examples=60)
def test_more_contacts_and_stricter_promises_never_need_fewer(contacts: float, more: float, model: str) -> None:
    def seats(n: float, target: Target) -> int:
        return int(desk_seats(_week(n), 600, target, 240, model).seats[0, 20])  # type: ignore[arg-type]

    base = seats(contacts, Target())
    assert seats(contacts * more, Target()) >= base
    assert seats(contacts, Target(answer_share=0.95)) >= base
    assert seats(contacts, Target(answer_within_s=10)) >= base
    assert seats(contacts, Target(max_occupancy=0.5)) >= base
    assert seats(contacts, Target(max_abandonment=0.01)) >= base


def test_nobody_calls_nobody_sits() -> None:
    found = desk_seats(np.zeros((7, 48)), 600, Target())
    assert not found.seats.any()
    assert (found.service_level == 1).all()


def test_zones_ahead_call_earlier_by_the_desks_clock() -> None:
    arrivals = np.zeros((2, 7, 48))
    arrivals[:, 0, 16] = 1.0
    arrivals[1, 0, 0] = 5.0
    desk = at_the_desk(Contacts(("WIB", "WIT"), (0, 2), arrivals, 600, 240))
    assert desk[0, 0, 16] == 1
    assert desk[1, 0, 12] == 1, "08:00 in Jayapura is 06:00 in Jakarta"
    assert desk[1, 6, 44] == 5, "Monday midnight in Jayapura is Sunday 22:00 in Jakarta"
    assert desk.sum() == arrivals.sum()


def test_one_desk_for_all_zones_needs_fewer_seats_than_one_each() -> None:
    arrivals = np.zeros((3, 7, 48))
    arrivals[:, :5, 16:32] = 6.0
    desk = at_the_desk(Contacts(("WIB", "WITA", "WIT"), (0, 1, 2), arrivals, 600, 240))
    apart = sum(int(desk_seats(zone, 600, Target()).seats.sum()) for zone in desk)
    assert desk_seats(desk.sum(axis=0), 600, Target()).seats.sum() < apart


def test_wrong_contacts_are_refused_at_once() -> None:
    with pytest.raises(BadInput) as refusal:
        at_the_desk(Contacts(("WIB",), (0.25,), np.full((1, 7, 48), -1.0), 0, 240))
    assert len(refusal.value.faults) == 3
    with pytest.raises(ValueError, match="patience"):
        desk_seats(_week(1), 600, Target(), model="erlang_a")


@given(st.floats(1, 500), st.floats(5, 60), st.floats(4, 10))
def test_counters_keep_their_promise_with_the_fewest(visitors: float, minutes: float, open_h: float) -> None:
    found = counters_needed(visitors, minutes, open_h)
    assert found.wait_share >= 0.8
    assert found.occupancy < 1
    assert found.visitors_per_day >= int(visitors)
    peer = ErlangC(visitors / open_h, minutes, 30, 60)
    assert found.wait_share == pytest.approx(peer.service_level(found.counters), abs=1e-9)
    if found.counters - 1 > peer.intensity:
        assert peer.service_level(found.counters - 1) < 0.8


def test_published_caps_of_the_counters() -> None:
    """300 visitors at 30–60 minutes in 2018, 100 at 20 minutes in 2020 (oss_usage.csv), 8 open hours."""
    assert [counters_needed(300, m, 8).counters for m in (30, 60)] == sorted(
        counters_needed(300, m, 8).counters for m in (30, 60)
    )
    assert counters_needed(300, 45, 8).counters >= 300 * 45 / 60 / 8
    assert counters_needed(100, 20, 8).counters < counters_needed(300, 30, 8).counters
    with pytest.raises(ValueError, match="above 0"):
        counters_needed(10, 0, 8)
