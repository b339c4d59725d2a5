"""Platform and services against a real API server: admission, quotas and the scheduler are Kubernetes' own.

Nodes and pods are pretended by KWOK; everything that the stacks declare is judged by the real thing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capacity.faults import Exit, StepFailed
from infra.components.load_generator import NAMESPACE
from infra.components.platform import namespace_plans
from infra.components.topology import PARTS
from infra.paths import state_dir
from infra.toolchain import ensure
from infra.toolchain.loopback import LoopbackCluster, control_plane
from tests.infra import plans
from tests.infra.components.test_load_generator import generator
from tests.infra.paper import paper_rack
from tests.stacks.conftest import Site

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with control_plane(ensure(["kubernetes", "kwok"]), pretends=True) as running:
        for name in ("primary-worker-01", "primary-worker-02"):
            capacity = {"cpu": "2", "memory": "4Gi", "pods": "30"}
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"capacity": capacity, "allocatable": capacity},
            }
            kubectl(running.kubeconfig, "create", "-f", "-", given=json.dumps(node))
        yield running


def kubectl(config: Path, *arguments: str, given: str = "") -> str:
    program = ensure(["kubernetes"]).binary("kubectl")
    done = subprocess.run(
        [program, "--kubeconfig", config, *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(config: Path, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(kubectl(config, "get", kind, "-A", "-o", "json"))["items"]
    return items


def give_kubeconfig(site: Site, running: LoopbackCluster) -> Path:
    """The kubeconfig as the playbooks leave it: one context, named like the site."""
    config = json.loads(running.kubeconfig.read_text())
    config["contexts"][0]["name"] = config["current-context"] = "primary"
    path = state_dir(site.name) / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_from_fleet_to_running_services_and_away(site: Site, cluster: LoopbackCluster) -> None:
    with paper_rack(site.rack(1), site.state):
        site.engine.up("fleet")
        config = give_kubeconfig(site, cluster)
        site.engine.up("platform")
        site.engine.configure("services", {"image": "localhost/oss-permit:test"})
        site.engine.up("services")

        pods = [pod for pod in listed(config, "pods") if pod["metadata"]["namespace"].startswith("oss-")]
        assert len(pods) == sum(service.replicas for service in plans.SERVICES)
        assert {pod["status"]["phase"] for pod in pods} == {"Running"}
        for service in plans.SERVICES:
            mine = [pod for pod in pods if pod["metadata"]["labels"]["app.kubernetes.io/name"] == service.id]
            assert len({pod["spec"]["nodeName"] for pod in mine}) == min(service.replicas, 2)  # spread over the nodes
        services = {s["metadata"]["name"]: s["spec"] for s in listed(config, "services")}
        for name, part in PARTS.items():
            assert services[name]["clusterIP"] == str(part.cluster_ip)
            assert services[name]["ports"][0].get("nodePort") == part.node_port
        for quota in listed(config, "resourcequotas"):
            assert "pods" in quota["status"]["used"]

        assert set(site.engine.up("platform")) == {"same"}
        assert set(site.engine.up("services")) == {"same"}

        # What the restricted standard forbids is refused in every namespace of ours.
        for plan in namespace_plans(site.plan.phases[0].rack, "primary"):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rogue", "namespace": plan.name}}
            pod["spec"] = {"hostPID": True, "containers": [{"name": "c", "image": "i"}]}
            with pytest.raises(AssertionError, match="violates PodSecurity"):
                kubectl(config, "create", "--dry-run=server", "-f", "-", given=json.dumps(pod))

        site.engine.destroy("services")
        site.engine.destroy("platform")
        assert not [n for n in listed(config, "namespaces") if n["metadata"]["name"].startswith("oss-")]


def test_a_load_generator_is_admitted_spread_and_bounded(cluster: LoopbackCluster) -> None:
    config = cluster.kubeconfig
    made = [one.inputs for one in generator(workers=3).made if one.type.startswith("kubernetes:")]
    first = [one for one in made if one["kind"] == "Namespace"]
    for given in (first, [one for one in made if one["kind"] != "Namespace"]):
        kubectl(config, "create", "-f", "-", given="\n---\n".join(json.dumps(one) for one in given))
    try:
        kubectl(config, "-n", NAMESPACE, "wait", "--for=condition=available", "deployment", "--all", "--timeout=50s")
        pods = [pod for pod in listed(config, "pods") if pod["metadata"]["namespace"] == NAMESPACE]
        nodes = [p["spec"]["nodeName"] for p in pods if p["metadata"]["name"].startswith("worker")]
        assert sorted(nodes.count(node) for node in set(nodes)) == [1, 2]
        assert len(pods) == 4
        (quota,) = [q for q in listed(config, "resourcequotas") if q["metadata"]["namespace"] == NAMESPACE]
        assert quota["status"]["used"]["pods"] == "4"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rogue", "namespace": NAMESPACE}}
        pod["spec"] = {"hostNetwork": True, "containers": [{"name": "c", "image": "i"}]}
        with pytest.raises(AssertionError, match="violates PodSecurity"):
            kubectl(config, "create", "--dry-run=server", "-f", "-", given=json.dumps(pod))
    finally:
        kubectl(config, "delete", "namespace", NAMESPACE, "--wait=false")


def test_the_layers_above_wait_for_the_fleet(site: Site) -> None:
    site.begin("fleet")
    with pytest.raises(StepFailed, match="the fleet stands at nothing yet") as caught:
        site.engine.up("platform")
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert "oss up trial --phase 1" in str(caught.value)


def test_services_say_that_there_is_no_cluster(site: Site) -> None:
    site.settings("services", image="localhost/oss-permit:test")
    with paper_rack(site.rack(1), site.state):
        site.engine.up("fleet")
        assert site.engine.preview("services").counts["create"] > 10
        with pytest.raises(StepFailed, match="no kubeconfig, so no cluster yet"):
            site.engine.up("services")
