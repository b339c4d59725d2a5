"""A control plane on loopback whose nodes report as ready until a test takes them away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.tokens import Kind
from infra.nodes.nodes import NODE, nodes
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
    open_ones = [one["metadata"]["name"] for one in api.list(NODE, "", {}) if not one["spec"].get("taints")]
    answering = [one.name for one in nodes(api) if one.answers]
    return "default" in accounts and len(set(open_ones) & set(answering)) == 3


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
        end(api)
        begin(api, again=False)


def end(api: Cluster) -> None:
    """No worker any more."""
    for one in api.list(NODE, "", {}):
        api.delete((NODE, None, one["metadata"]["name"]), "Background")


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
    end(api)
