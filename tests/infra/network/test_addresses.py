"""Addresses follow from names alone, never collide, and every overlap of a plan is refused by name."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan, Role, RoleOffset
from infra.network.addresses import AddressPlan, address_plan, loopback_address
from tests.infra import plans

COUNTS = st.fixed_dictionaries(
    {
        "edge": st.integers(1, 9),
        "control": st.integers(1, 9),
        "worker": st.integers(1, 160),
        "database": st.integers(1, 19),
    }
)
SITES = st.sampled_from([("primary",), ("primary", "drc"), ("primary", "drc", "east")])
quick = settings(max_examples=25, deadline=None)


def table(made: AddressPlan, plan: LeasePlan) -> dict[str, dict[str, str]]:
    return {server.name: made.addresses(server) for server in plan.servers}


def test_the_example_of_the_architecture() -> None:
    plan = plans.plan({"edge": 1, "control": 1, "worker": 3, "database": 1})
    made = address_plan(plan, "national")
    assert str(made.address(plan.server("primary-worker-03"))) == "10.20.2.33"
    assert loopback_address("10.91.2.33") == "127.91.2.33"


@quick
@given(COUNTS, SITES, st.sampled_from(["national", "rack"]))
def test_addresses_are_unique_and_inside_their_subnet(
    counts: dict[Role, int], sites: tuple[str, ...], scale: Any
) -> None:
    plan = plans.plan(counts, sites)
    made = address_plan(plan, scale)
    found = [address for addresses in table(made, plan).values() for address in addresses.values()]
    assert len(found) == len(set(found))
    for server in plan.servers:
        for network, address in made.addresses(server).items():
            subnet = made.subnet(server.site, network)
            assert ipaddress.IPv4Address(address) in subnet.cidr
            assert address not in (
                str(subnet.gateway),
                str(subnet.cidr.network_address),
                str(subnet.cidr.broadcast_address),
            )


@quick
@given(COUNTS, st.randoms(use_true_random=False))
def test_order_and_growth_renumber_nothing(counts: dict[Role, int], random: Any) -> None:
    plan = plans.plan(counts)
    before = table(address_plan(plan, "national"), plan)
    shuffled = list(plan.servers)
    random.shuffle(shuffled)
    grown = plan.model_copy(update={"servers": (*shuffled, plans.server("primary", "worker", 169, 3))})
    after = table(address_plan(grown, "national"), grown)
    assert {name: after[name] for name in before} == before


@quick
@given(SITES)
def test_subnets_of_all_sites_are_disjoint(sites: tuple[str, ...]) -> None:
    for scale in ("national", "rack"):
        subnets = [subnet.cidr for subnet in address_plan(plans.plan(sites=sites), scale).subnets()]
        assert not any(a.overlaps(b) for n, a in enumerate(subnets) for b in subnets[n + 1 :])


def replaced(plan: LeasePlan, **network: Any) -> LeasePlan:
    return plan.model_copy(update={"network": plan.network.model_copy(update=network)})


def test_every_fault_is_listed_at_once() -> None:
    plan = plans.plan(sites=("primary", "drc"))
    networks = [n.model_copy(update={"offset": 2}) if n.id == "data" else n for n in plans.NETWORKS]
    networks = [n.model_copy(update={"vlan": 100}) if n.id == "edge" else n for n in networks]
    roles = (
        RoleOffset(role="edge", base=10, capacity=15),
        *plans.ROLES[1:3],
        RoleOffset(role="database", base=240, capacity=15),
    )
    sites = tuple(site.model_copy(update={"supernet": "10.20.0.0/16"}) for site in plan.sites)
    faulty = replaced(plan, networks=tuple(networks), roles=roles).model_copy(update={"sites": sites})
    faulty = faulty.model_copy(update={"servers": (*plan.servers, plan.servers[0], plans.server("east", "storage", 1))})
    with pytest.raises(BadInput) as caught:
        address_plan(faulty, "national")
    text = str(caught.value)
    for words in (
        "overlaps the supernet of site primary",
        "has the offset of network cluster",
        "has the VLAN of network oob",
        "overlap those of role edge",
        "do not fit network oob",
        "given twice",
        "no such site",
        "no range for this role",
    ):
        assert words in text
    assert all(fault.remedy for fault in caught.value.faults)


def test_an_index_beyond_the_range_is_refused() -> None:
    plan = plans.plan()
    more = plan.model_copy(update={"servers": (*plan.servers, plans.server("primary", "edge", 10))})
    with pytest.raises(BadInput, match="holds 9 servers a site"):
        address_plan(more, "national")


@pytest.mark.parametrize("supernet", ["10.91.0.0/17", "10.91.0.1/16", "elsewhere", "8.8.0.0/16"])
def test_a_supernet_that_is_no_private_16(supernet: str) -> None:
    with pytest.raises(BadInput, match="rack_supernet"):
        address_plan(plans.plan(), "rack", supernet)
