"""Servers of a role: what one carries, how many it takes, and what does not divide."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import Infeasible
from capacity.sizing.needs import SiteNeed, lease_needs, servers_needed, standing, usable
from tests.capacity.nation import launch, national

SKUS = {s.id: s for s in national().skus}
AMOUNT = st.floats(0.1, 400)


@given(AMOUNT, AMOUNT, st.floats(1.0, 3.0))
def test_more_need_never_takes_fewer_servers(cores: float, memory: float, more: float) -> None:
    role = launch().role("worker")
    sku = SKUS["srv-8c-64g"]
    few = servers_needed(role, SiteNeed(cores, memory), sku)
    assert servers_needed(role, SiteNeed(cores * more, memory), sku) >= few
    assert servers_needed(role, SiteNeed(cores, memory * more), sku) >= few


@given(AMOUNT, AMOUNT)
def test_the_need_stands_with_the_redundant_ones_lost(cores: float, memory: float) -> None:
    role = launch().role("worker")
    sku = SKUS["srv-16c-128g"]
    left = servers_needed(role, SiteNeed(cores, memory), sku) - role.redundancy
    carries = usable(sku, role)
    assert left * carries["cores"] >= cores - 1e-6
    assert left * carries["memory_gib"] >= memory - 1e-6


def test_a_database_must_fit_one_server() -> None:
    role = launch().role("database")
    assert standing(role, SiteNeed(10, 100, 1000, 100), SKUS["db-16c-256g"]) == (1, "cores")
    assert standing(role, SiteNeed(20, 100, 1000, 100), SKUS["db-16c-256g"])[0] == 0
    assert standing(role, SiteNeed(20, 100, 1000, 100), SKUS["db-32c-512g"])[0] == 1


def test_storage_divides_over_servers_with_its_copies() -> None:
    role = launch().role("storage")
    sku = SKUS["sto-12c-96t"]
    assert standing(role, SiteNeed(1, 1, 90_000), sku) == (2, "disk_gb")
    assert standing(role, SiteNeed(1, 1, 100_000), sku) == (3, "disk_gb")


def test_what_no_sku_carries_names_the_role_and_by_how_much() -> None:
    inputs = national()
    months = launch().horizon.months
    needs: dict[tuple[str, str], list[SiteNeed]] = {
        (s.id, r.role): [SiteNeed(1, 1)] * months for s in launch().sites for r in launch().roles
    }
    needs["primary", "database"] = [SiteNeed(100, 1)] * months
    with pytest.raises(Infeasible, match="role database on one server: cores 100 asked, 46 at most"):
        lease_needs(inputs, needs)


def test_needs_never_fall_over_the_months() -> None:
    inputs = national()
    months = launch().horizon.months
    series = [SiteNeed(float(50 - m), 1) for m in range(months)]
    needs: dict[tuple[str, str], list[SiteNeed]] = {
        (s.id, r.role): [SiteNeed(1, 1)] * months for s in launch().sites for r in launch().roles
    }
    needs["primary", "worker"] = series
    counts = lease_needs(inputs, needs).counts["worker", "srv-8c-64g"][0, 0]
    assert (counts == counts[0]).all()
    assert dataclasses.asdict(series[-1])["cores"] < 50
