"""What the scheduler says, in numbers: messages as kube-scheduler 1.36 writes them, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from infra.fit.reading import (
    Amount,
    Reason,
    amount,
    asks,
    carried,
    first_guess,
    fullest,
    reasons,
    shortage,
    unplaced,
)

CPU = (
    "0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu. no new claims to deallocate, preemption: "
    "0/3 nodes are available: 3 No preemption victims found for incoming pod."
)
SPREAD_AND_LOSS = (
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match pod topology spread "
    "constraints. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling."
)
OLD_TAINT = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {oss/lost: }. preemption: 0/2"


def pod(name: str, node: str = "", cpu: str = "500m", memory: str = "512Mi", message: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}]}
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
    labels = {"app.kubernetes.io/name": name.split("-")[0]}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": spec | ({"nodeName": node} if node else {}),
        "status": {} if node else {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (CPU, (Reason(3, "Insufficient cpu"), Reason(1, "Insufficient memory"))),
        (
            SPREAD_AND_LOSS,
            (Reason(2, "didn't match pod topology spread constraints"), Reason(1, "lost")),
        ),
        (OLD_TAINT, (Reason(1, "Insufficient cpu"), Reason(1, "lost"))),
        ("no nodes available to schedule pods", ()),
        ("", ()),
    ],
)
def test_reasons_are_counted_per_node_and_the_preemption_part_is_left_out(
    message: str, expected: tuple[Reason, ...]
) -> None:
    assert reasons(message) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"cpu": "1", "memory": "4Gi"}, Amount(1000, 4096)),
        ({"cpu": "250m", "memory": "768Mi"}, Amount(250, 768)),
        ({"cpu": "0.5", "memory": "1048576Ki"}, Amount(500, 1024)),
        ({}, Amount(0, 0)),
        (None, Amount(0, 0)),
    ],
)
def test_quantities_of_the_api(given: dict[str, str] | None, expected: Amount) -> None:
    assert amount(given) == expected


def test_a_quantity_in_another_unit_is_refused_rather_than_misread() -> None:
    with pytest.raises(ValueError, match="not in Ki, Mi, Gi or Ti"):
        amount({"memory": "12E"})


def test_pods_without_a_node_are_named_with_what_they_ask() -> None:
    found = unplaced([pod("portal-b", message=CPU), pod("api-a", message=CPU), pod("api-z", "n1")])
    assert [(u.pod, u.service, u.asks) for u in found] == [
        ("api-a", "api", Amount(500, 512)),
        ("portal-b", "portal", Amount(500, 512)),
    ]
    assert found[0].message == CPU


def test_requests_add_up_over_containers_and_nodes() -> None:
    two = pod("api-a", "n1")
    two["spec"]["containers"] *= 2
    assert asks(two) == Amount(1000, 1024)
    assert carried([two, pod("api-b", "n1"), pod("api-c", "n2"), pod("api-d")]) == {
        "n1": Amount(1500, 1536),
        "n2": Amount(500, 512),
    }


def test_the_server_that_carries_most_stands_for_its_group() -> None:
    load = {"n1": Amount(500, 0), "n2": Amount(1000, 0), "n3": Amount(1000, 0)}
    assert fullest(("n1", "n2", "n3", "n4"), load) == "n2"
    assert fullest(("n4", "n5"), load) == "n4"


def test_shortage_tells_what_is_missing_from_what_lies_in_pieces() -> None:
    sizes = {"n1": Amount(1000, 8192), "n2": Amount(1000, 8192)}
    load = {"n1": Amount(700, 0), "n2": Amount(700, 0)}
    pieces = shortage(unplaced([pod("api-a")]), load, sizes)
    assert pieces is not None
    assert pieces.missing == Amount(0, 0)
    assert pieces.largest.cpu_m == 300
    assert "in pieces" in str(pieces)
    short = shortage(unplaced([pod("api-a"), pod("api-b")]), load, sizes)
    assert short is not None
    assert short.missing == Amount(400, 0)
    assert "0.4 CPU" in str(short)
    assert shortage((), load, sizes) is None


def test_the_first_guess_covers_what_is_missing_and_is_at_least_one() -> None:
    sizes = {"n1": Amount(1000, 2048)}
    full = {"n1": Amount(1000, 2048)}
    many = shortage(unplaced([pod(f"api-{n}") for n in range(5)]), full, sizes)
    assert many is not None
    assert first_guess(many, Amount(1000, 2048)) == 3  # 2.5 cores
    assert first_guess(many, Amount(9000, 1024)) == 3  # 2.5 GiB
    none_missing = shortage(unplaced([pod("api-a")]), {}, sizes)
    assert none_missing is not None
    assert first_guess(none_missing, Amount(1000, 2048)) == 1
