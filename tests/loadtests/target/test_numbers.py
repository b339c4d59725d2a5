"""NIK and NIB rules, the quota and the table of states."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import people
from loadtests.target.identity import PROVINCES, check_digit, is_nib, make_nib, parse_nik
from loadtests.target.kbli import search, table
from loadtests.target.quota import Quota
from loadtests.target.states import DECISIONS, TRANSITIONS, after_submit, sources

TODAY = dt.date(2018, 7, 9)


def test_a_nik_tells_birth_date_and_sex() -> None:
    man = parse_nik("3171012508820001", TODAY)
    woman = parse_nik("3171016508820001", TODAY)
    assert (man.birth, man.female) == ("1982-08-25", False)
    assert (woman.birth, woman.female) == ("1982-08-25", True)


@pytest.mark.parametrize(
    ("nik", "rule"),
    [
        ("317101250882000", "16 angka"),
        ("317101250882000x", "16 angka"),
        ("9971012508820001", "provinsi"),
        ("3130012508820001", "kabupaten"),
        ("3171002508820001", "kecamatan"),
        ("3171013002820001", "tanggal lahir"),
        ("3171012513820001", "tanggal lahir"),
        ("3171012902810001", "tanggal lahir"),
        ("3171012508820000", "nomor urut"),
    ],
)
def test_each_rule_of_a_nik_is_checked(nik: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_nik(nik, TODAY)


def test_the_provinces_are_the_34_of_2018() -> None:
    assert len(set(PROVINCES)) == 34


@given(st.integers(0, 2**32))
def test_generated_niks_keep_the_rules(seed: int) -> None:
    draw = random.Random(seed)
    business = people.draw_business(draw)
    assert parse_nik(business.nik).province == business.province


def test_iso_7064_mod_11_10_check_digit_of_the_standards_example() -> None:
    # ISO 7064:2003, the worked example of MOD 11,10: 0794 has the check character 5.
    assert check_digit("0794") == "5"


@given(st.integers(1, 10**11), st.integers(0, 12), st.integers(1, 9))
def test_every_wrong_digit_of_a_nib_is_found(sequence: int, place: int, change: int) -> None:
    nib = make_nib(sequence)
    assert is_nib(nib)
    wrong = nib[:place] + str((int(nib[place]) + change) % 10) + nib[place + 1 :]
    assert not is_nib(wrong)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_nibs_differ_when_their_sequence_does(one: int, other: int) -> None:
    assert (make_nib(one) == make_nib(other)) == (one == other)


def test_business_classes_are_found_by_code_and_by_words() -> None:
    assert [entry.code for entry in search("10761")] == ["10761"]
    assert all("eceran" in entry.title.casefold() for entry in search("perdagangan eceran"))
    assert search("tidak ada yang begini") == []
    assert {entry.risk for entry in table().values()} == {"low", "medium", "high"}


def test_no_state_leads_out_of_the_end_and_every_decision_is_a_transition() -> None:
    assert not TRANSITIONS["issued"]
    assert not TRANSITIONS["rejected"]
    assert sources("issued") == ["approved"]
    assert set(DECISIONS.values()) == set(TRANSITIONS["in_review"])
    assert after_submit("low", priority=False) == "approved"
    assert after_submit("low", priority=True) == "in_review"
    assert after_submit("medium", priority=False) == "in_review"


@given(st.floats(1, 100), st.lists(st.floats(0, 0.2), min_size=1, max_size=200))
def test_a_quota_is_never_exceeded_over_any_second(per_s: float, gaps: list[float]) -> None:
    quota, now, allowed = Quota(per_s, 0), 1000.0, []
    for gap in gaps:
        now += gap
        if quota.refusal(now) is None:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= moment < start + 1 for moment in allowed) <= 2 * per_s + 1


def test_a_daily_quota_ends_at_midnight_and_says_how_long_to_wait() -> None:
    quota = Quota(0, 2)
    assert [quota.refusal(86400 * 10 + second) for second in (0, 1)] == [None, None]
    assert quota.refusal(86400 * 11 - 60) == 60
    assert quota.refusal(86400 * 11) is None
