"""A control plane on loopback whose nodes report as ready until a test takes them away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.tokens import Kind
from infra.nodes.reach import reached
from infra.toolchain import ensure
from infra.toolchain.loopback import LoopbackCluster, control_plane
from tests.infra.nodes.sample import PODS, declare, namespace, node, until


@pytest.fixture(scope="session")
def running() -> Iterator[LoopbackCluster]:
    with control_plane(ensure(("kubernetes", "kwok")), pretends=True) as found:
        yield found


@pytest.fixture
def cluster(running: LoopbackCluster) -> Iterator[Cluster]:
    """With three workers and an empty namespace `oss`."""
    (api,) = reached(running.kubeconfig)
    declare(api, namespace("oss"))
    for name in ("worker-1", "worker-2", "worker-3"):
        declare(api, node(name))
    yield api
    for kind in (Kind("apps/v1", "Deployment"), Kind("policy/v1", "PodDisruptionBudget")):
        for one in api.list(kind, "oss", {}):
            api.delete((kind, "oss", one["metadata"]["name"]), "Background")
    until(lambda: not api.list(PODS, "oss", {}))
    for one in api.list(Kind("v1", "Node"), "", {}):
        api.delete((Kind("v1", "Node"), None, one["metadata"]["name"]), "Background")
