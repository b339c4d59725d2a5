"""Nodes and pods of the trial are those of the playbooks and of the stack."""

from __future__ import annotations

import yaml

from capacity.documents import REPOSITORY
from infra.cluster import EVICTION_MEMORY_MIB, POD_LIMIT
from infra.components.permit_service import selector_of
from infra.components.topology import PARTS, PRIORITIES
from infra.fit.manifests import deployment, node, node_size, priority_classes
from infra.fit.reading import Amount
from tests.infra import plans


def test_a_pod_asks_what_the_plan_says_and_spreads_as_the_component_declares() -> None:
    plan = plans.SERVICES[1]
    made = deployment(plan)
    spec = made["spec"]["template"]["spec"]
    size = {"cpu": f"{plan.cpu_millicores}m", "memory": f"{plan.memory_mib}Mi"}
    assert spec["containers"][0]["resources"] == {"requests": size, "limits": size}
    assert spec["priorityClassName"] == PARTS[plan.id].priority
    assert spec["serviceAccountName"] == plan.id
    (spread,) = spec["topologySpreadConstraints"]
    assert (spread["maxSkew"], spread["whenUnsatisfiable"], spread["nodeTaintsPolicy"]) == (1, "DoNotSchedule", "Honor")
    assert spread["labelSelector"] == {"matchLabels": selector_of(plan)}
    assert made["spec"]["replicas"] == plan.replicas
    yaml.safe_dump(made)  # plain data all through


def test_a_node_offers_its_sku_less_what_the_kubelet_keeps() -> None:
    whole, left = node_size(plans.SKU, "national")
    assert whole == Amount(32_000, 256 * 1024)
    assert left == Amount(31_000, (256 - 4) * 1024 - EVICTION_MEMORY_MIB)
    made = node(plans.server("primary", "worker", 7), plans.SKU, "national")
    assert made["metadata"]["labels"]["kubernetes.io/hostname"] == "primary-worker-07"
    assert made["metadata"]["labels"]["topology.kubernetes.io/region"] == "primary"
    assert made["status"]["allocatable"]["pods"] == str(POD_LIMIT)


def test_the_kubelets_own_settings_are_those_of_the_pretended_nodes() -> None:
    text = (REPOSITORY / "playbooks/roles/kubernetes/templates/kubelet.yaml.j2").read_text(encoding="utf-8")
    assert f"maxPods: {POD_LIMIT}\n" in text
    assert f"memory.available: {EVICTION_MEMORY_MIB}Mi" in text


def test_every_priority_that_a_part_names_exists() -> None:
    assert {made["metadata"]["name"] for made in priority_classes()} == set(PRIORITIES)
    assert {part.priority for part in PARTS.values()} <= set(PRIORITIES)
