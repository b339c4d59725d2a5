"""Infeasible problems name the constraint to relax and by how much; wrong ones name every fault."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import numpy as np
import pytest

from capacity.faults import BadInput, Infeasible
from capacity.leasing import Needs, Offer, Rules, cover
from tests.capacity.leasing.strategies import one_pool

OFFER = Offer("std", "v", 12, 1_000_000, 0, {"cores": 8.0}, frozenset({"worker"}), lead_time_days=45)


def test_lead_time_says_when_to_order_or_how_far_to_move() -> None:
    needs = one_pool([[8.0]] * 4, 0, 0, start=dt.date(2018, 7, 1))
    with pytest.raises(Infeasible) as refusal:
        cover(needs, (OFFER,), Rules(earliest_order=dt.date(2018, 5, 25)))
    text = str(refusal.value)
    assert "worker at site primary is needed from 2018-07-01" in text
    assert "Order by 2018-05-17 (8 days before" in text
    assert "move the need by 1 month(s)" in text
    assert "lead time of at most 37 days" in text
    cover(needs, (OFFER,), Rules(earliest_order=dt.date(2018, 5, 17)))
    cover(needs, (dataclasses.replace(OFFER, lead_time_days=37),), Rules(earliest_order=dt.date(2018, 5, 25)))


def test_a_role_without_any_offer_is_named() -> None:
    needs = dataclasses.replace(one_pool([[8.0]], 0, 0), resources=("gpus",))
    with pytest.raises(Infeasible, match="no offer can carry role worker at site primary"):
        cover(needs, (OFFER,))


def test_the_ceiling_remedy_is_enough() -> None:
    needs = one_pool([[80.0]] * 6, 0, 0, start=dt.date(2018, 7, 1))
    rules = Rules(ceilings_idr={2018: 50_000_000})
    with pytest.raises(Infeasible) as refusal:
        cover(needs, (OFFER,), rules)
    assert "fiscal year 2018 needs at least Rp 66.000.000 (proven), its ceiling is Rp 50.000.000" in str(refusal.value)
    raised = re.search(r"ceiling of 2018 by Rp ([\d.]+)", str(refusal.value))
    assert raised is not None
    by = int(raised.group(1).replace(".", ""))
    plan = cover(needs, (OFFER,), Rules(ceilings_idr={2018: 50_000_000 + by}))
    assert plan.money.years[0].total_idr <= 50_000_000 + by


def test_the_vendor_share_remedy_names_the_vendor() -> None:
    needs = one_pool([[8.0]] * 6, 0, 0)
    with pytest.raises(Infeasible, match="vendor v at most 60% of the commitment") as refusal:
        cover(needs, (OFFER,), Rules(vendor_share={"*": 0.6}))
    assert "Allow vendor v 100.0 %" in str(refusal.value)


def test_every_fault_of_a_problem_at_once() -> None:
    needs = one_pool([[-1.0]], 0, 0)
    needs = dataclasses.replace(needs, start=dt.date(2018, 7, 2), probability=np.array([0.5]))
    wrong = (
        OFFER,
        dataclasses.replace(OFFER, monthly_rent_idr=-1),
        dataclasses.replace(OFFER, months=6, lot_size=2, roles=frozenset({"edge"}), early_return_fee=2.0),
    )
    with pytest.raises(BadInput) as refusal:
        cover(needs, wrong, Rules(ceilings_idr={2018: -5}, vendor_share={"w": 1.5}))
    problems = " ".join(fault.problem for fault in refusal.value.faults)
    for problem in (
        "negative or infinite need",
        "first day of a month",
        "no distribution",
        "same SKU, vendor and term",
        "a price is negative",
        "early return fee",
        "roles that have no needs",
        "differ between the terms",
        "is negative",
        "is no share",
        "no offer is of this vendor",
    ):
        assert problem in problems


def test_counts_are_checked() -> None:
    needs = dataclasses.replace(one_pool([[1.0]], 0, 0), counts={("db", "std"): np.zeros((1, 1, 2), dtype=np.int64)})
    with pytest.raises(BadInput, match="no role of the needs"):
        cover(needs, (OFFER,))


def test_no_needs_no_lines() -> None:
    plan = cover(Needs.of_servers(dt.date(2018, 7, 1), ("primary",), ("worker",), [[[0, 0]]]), ())
    assert plan.lines == ()
    assert plan.money.total_idr == 0


def test_what_is_paid_beside_the_servers_counts_under_the_ceiling_and_is_said() -> None:
    needs = one_pool([[80.0]] * 6, 0, 0, start=dt.date(2018, 7, 1))
    beside = {2018: 60_000_000}
    with pytest.raises(Infeasible) as refusal:
        cover(needs, (OFFER,), Rules(ceilings_idr={2018: 50_000_000}, beside_idr=beside))
    text = str(refusal.value)
    assert "needs at least Rp 126.000.000 (proven, Rp 60.000.000 of it beside the servers)" in text
    assert "its ceiling is Rp 50.000.000" in text
    assert "Raise the ceiling of 2018 by Rp 76.000.000" in text
    cover(needs, (OFFER,), Rules(ceilings_idr={2018: 126_000_000}, beside_idr=beside))


def test_pools_that_are_late_by_the_same_share_one_sentence() -> None:
    counts = [[[1] * 4, [2] * 4], [[1] * 4, [2] * 4]]
    needs = Needs.of_servers(dt.date(2018, 7, 1), ("primary", "drc"), ("worker", "edge"), counts)
    offer = dataclasses.replace(OFFER, capacity={"servers": 1.0}, roles=frozenset({"worker", "edge"}))
    with pytest.raises(Infeasible) as refusal:
        cover(needs, (offer,), Rules(earliest_order=dt.date(2018, 5, 25)))
    assert "roles worker, edge at sites primary, drc are needed from 2018-07-01" in str(refusal.value)
    assert str(refusal.value).count("needed from") == 1
    assert str(refusal.value).count("Order by") == 1
