"""Servers that leave, on a real control plane with pretended nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.faults import StepFailed
from capacity.progress import Silent
from infra.kubernetes_provider.cluster import Cluster
from infra.kubernetes_provider.settings import Settings
from infra.kubernetes_provider.tokens import Kind
from infra.nodes import await_replicas, empty_leaving, forget_left, reached
from infra.nodes.drain import drain
from infra.nodes.nodes import nodes
from tests.infra.nodes.sample import budget, declare, deployment, node, places, until

DAEMON_SET = Kind("apps/v1", "DaemonSet")


class Notes(Silent):
    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, message: str) -> None:
        self.noted.append(message)


def test_pods_of_a_server_that_leaves_live_on_elsewhere_and_its_node_is_forgotten(cluster: Cluster) -> None:
    declare(cluster, deployment("api", 6))
    declare(cluster, budget("api", 5))
    await_replicas(cluster, ["oss"], Silent())
    there = [name for name, place in places(cluster).items() if place == "worker-3"]
    assert empty_leaving([cluster], {"worker-1", "worker-2"}, Silent()) == len(there) > 0
    await_replicas(cluster, ["oss"], Silent())
    assert len(places(cluster)) == 6
    assert set(places(cluster).values()) == {"worker-1", "worker-2"}
    assert forget_left([cluster], {"worker-1", "worker-2"}, Silent()) == ["worker-3"]
    assert {one.name for one in nodes(cluster)} == {"worker-1", "worker-2"}


def test_where_nothing_leaves_nothing_is_touched(cluster: Cluster) -> None:
    declare(cluster, deployment("api", 3))
    await_replicas(cluster, ["oss"], Silent())
    before = places(cluster)
    planned = {"worker-1", "worker-2", "worker-3"}
    assert empty_leaving([cluster], planned, Silent()) == 0
    assert forget_left([cluster], planned, Silent()) == []
    assert places(cluster) == before


def test_pods_without_another_place_stop_it_and_the_node_takes_pods_again(cluster: Cluster) -> None:
    """Two replicas fill a worker each; of the third there is none left, and the budget wants both."""
    cluster.delete((Kind("v1", "Node"), None, "worker-3"), "Background")
    declare(cluster, deployment("api", 2, cpu="3"))
    declare(cluster, budget("api", 2))
    await_replicas(cluster, ["oss"], Silent())
    with pytest.raises(StepFailed, match=r"pods do not leave worker-2.*: oss/api-.*disruption budget") as raised:
        drain(cluster, ["worker-2"], Silent(), limit_s=2.0)
    assert "kubectl delete pod" in raised.value.remedy
    assert not cluster.get((Kind("v1", "Node"), None, "worker-2"))["spec"].get("unschedulable")
    assert sorted(places(cluster).values()) == ["worker-1", "worker-2"]


def test_a_nodes_own_pods_stay_with_it(cluster: Cluster) -> None:
    made = deployment("agent", 1) | {"kind": "DaemonSet"}
    del made["spec"]["replicas"]
    declare(cluster, made)
    until(lambda: sorted(places(cluster).values()) == ["worker-1", "worker-2", "worker-3"])
    assert drain(cluster, ["worker-1"], Silent()) == 0
    cluster.delete((DAEMON_SET, "oss", "agent"), "Background")


def test_what_does_not_become_available_is_named(cluster: Cluster) -> None:
    declare(cluster, deployment("api", 2, cpu="64"))
    with pytest.raises(StepFailed, match="not all replicas are available after 1 s: oss/api: "):
        await_replicas(cluster, ["oss"], Silent(), limit_s=1.0)


def test_a_cluster_that_does_not_answer_is_noted_and_stops_nothing() -> None:
    nobody = {"name": "gone", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "gone", "context": {"cluster": "gone", "user": "gone"}}
    config = {"clusters": [nobody], "contexts": [context], "users": [{"name": "gone", "user": {}}]}
    gone, notes = Cluster(Settings(config, "gone")), Notes()
    assert empty_leaving([gone], set(), notes) == 0
    assert forget_left([gone], set(), notes) == []
    assert len(notes.noted) == 2
    assert "127.0.0.1:9" in notes.noted[0]


def test_before_the_first_configuration_there_is_no_cluster(tmp_path: Path) -> None:
    assert reached(tmp_path / "kubeconfig") == []


def test_a_new_node_of_the_name_is_a_member_again(cluster: Cluster) -> None:
    assert forget_left([cluster], {"worker-1", "worker-2"}, Silent()) == ["worker-3"]
    declare(cluster, node("worker-3"))
    until(lambda: all(one.answers for one in nodes(cluster)) and len(nodes(cluster)) == 3)
