"""Clusters of a fleet: who belongs where, and ranges that never move."""

from __future__ import annotations

import ipaddress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import BadInput
from infra.cluster import SERVICE_RANGE, clusters
from infra.outputs import FleetNetwork
from tests.infra.fleet_sample import fleet, server

indices = st.sets(st.integers(1, 169), min_size=1, max_size=12)


@given(indices, indices)
def test_pod_ranges_never_overlap_and_never_move_when_workers_are_added(first: set[int], added: set[int]) -> None:
    control = server("control", 1)
    before = clusters(fleet(control, *(server("worker", i) for i in first)))[0].pod_cidrs
    after = clusters(fleet(control, *(server("worker", i) for i in first | added)))[0].pod_cidrs
    assert before.items() <= after.items()
    assert not any(one.overlaps(two) for one, two in combinations(after.values(), 2))
    assert not any(one.overlaps(SERVICE_RANGE) for one in after.values())


def test_a_site_with_control_servers_is_a_cluster_of_its_own_and_others_join_the_first() -> None:
    drc_control = server("control", 1, "drc", "10.94.66")
    drc_worker = server("worker", 1, "drc", "10.94.66")
    both = clusters(fleet(server("control", 1), server("worker", 1), drc_control, drc_worker))
    assert [(c.name, [w.name for w in c.workers]) for c in both] == [
        ("primary", ["primary-worker-01"]),
        ("drc", ["drc-worker-01"]),
    ]
    assert not both[0].pod_range.overlaps(both[1].pod_range)
    joined = clusters(fleet(server("control", 1), server("worker", 1), drc_worker))
    assert [[w.name for w in c.workers] for c in joined] == [["primary-worker-01", "drc-worker-01"]]
    assert all(cidr.subnet_of(joined[0].pod_range) for cidr in joined[0].pod_cidrs.values())


def test_workers_without_control_and_colliding_supernets_are_refused_together() -> None:
    network = FleetNetwork(site="primary", id="cluster", vlan=102, cidr="172.24.2.0/24", gateway="172.24.2.1")
    with pytest.raises(BadInput) as caught:
        clusters(fleet(server("worker", 1), networks=(network,)))
    assert {fault.path for fault in caught.value.faults} == {"servers", "sites.primary.supernet"}


def test_a_fleet_without_workers_and_control_has_no_cluster() -> None:
    assert clusters(fleet(server("database", 1))) == ()


def test_the_api_is_reached_by_name_inside_and_by_the_published_address_outside() -> None:
    cluster = clusters(fleet())[0]
    assert cluster.api_url == "https://kubernetes.primary.oss.internal:6443"
    assert cluster.admin_url == "https://127.94.2.21:6443"
    assert ipaddress.ip_address(cluster.service_address) in SERVICE_RANGE
