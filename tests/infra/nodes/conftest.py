"""A control plane on loopback whose nodes report as ready until a test takes them away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.readiness import condition
from infra.kubernetes_provider.tokens import Kind
from infra.nodes.nodes import NODE, forget, nodes
from infra.nodes.reach import reached
from infra.toolchain import ensure
from infra.toolchain.loopback import LoopbackCluster, control_plane
from tests.infra.nodes.sample import PODS, declare, namespace, node, until


@pytest.fixture(scope="session")
def running() -> Iterator[LoopbackCluster]:
    with control_plane(ensure(("kubernetes", "kwok")), pretends=True) as found:
        yield found


def settled(api: Cluster) -> bool:
    """Whether the namespace can hold pods and all three nodes answer and take them."""
    accounts = {one["metadata"]["name"] for one in api.list(Kind("v1", "ServiceAccount"), "oss", {})}
    found = api.list(NODE, "", {})
    taking = [one for one in found if condition(one, "Ready").get("status") == "True" and not one["spec"].get("taints")]
    return "default" in accounts and len(taking) == 3


def begin(api: Cluster, again: bool = True) -> None:
    """Three workers that take pods: one that is placed before stays off a node that is late.

    Programs that start at the same moment may miss the first nodes; these are then declared once more.
    """
    for name in ("worker-1", "worker-2", "worker-3"):
        declare(api, node(name))
    try:
        until(lambda: settled(api), 30.0)
    except AssertionError:
        if not again:
            raise
        forget_all(api)
        begin(api, again=False)


def forget_all(api: Cluster) -> None:
    """No worker any more."""
    forget(api, [one.name for one in nodes(api)])


@pytest.fixture
def cluster(running: LoopbackCluster) -> Iterator[Cluster]:
    """With three workers and an empty namespace `oss`."""
    (api,) = reached(running.kubeconfig)
    declare(api, namespace("oss"))
    begin(api)
    yield api
    for kind in (Kind("apps/v1", "Deployment"), Kind("policy/v1", "PodDisruptionBudget")):
        for one in api.list(kind, "oss", {}):
            api.delete((kind, "oss", one["metadata"]["name"]), "Background")
    until(lambda: not api.list(PODS, "oss", {}))
    forget_all(api)
