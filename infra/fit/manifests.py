"""Nodes as the kubelet would register them, and Deployments as the services stack declares them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pulumi.runtime import rpc

from capacity.leaseplan import LeasedServer, Scale, ServicePlan, Sku
from infra.cluster import EVICTION_MEMORY_MIB, NODE_RESERVE, POD_LIMIT
from infra.components.permit_service import ServiceArgs, deployment_spec
from infra.components.topology import PRIORITIES
from infra.fit.reading import Amount, amount
from infra.network.placement import rack_of
from infra.settings import FleetSettings

Manifest = dict[str, Any]
RACKS_PER_SITE: int = FleetSettings.model_fields["racks_per_site"].default


def node_size(sku: Sku, scale: Scale) -> tuple[Amount, Amount]:
    """Capacity and allocatable of a worker.

    Allocatable is capacity less the system reserve and the eviction threshold
    (https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/). In a rack every worker is a
    system container and sees the whole machine.
    """
    if scale == "rack":
        machine_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        whole = Amount((os.cpu_count() or 1) * 1000, machine_mib)
    else:
        whole = Amount(sku.cores * 1000, sku.memory_gib * 1024)
    kept = amount(NODE_RESERVE[scale])
    left = Amount(max(0, whole.cpu_m - kept.cpu_m), max(0, whole.memory_mib - kept.memory_mib - EVICTION_MEMORY_MIB))
    return whole, left


def node(server: LeasedServer, sku: Sku, scale: Scale) -> Manifest:
    """The Node of a worker, with the labels that the playbooks give it."""
    whole, left = node_size(sku, scale)
    labels = {
        "kubernetes.io/hostname": server.name,
        "topology.kubernetes.io/region": server.site,
        "topology.kubernetes.io/zone": rack_of(server, RACKS_PER_SITE),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": server.name, "labels": labels},
        "status": {"capacity": _resources(whole), "allocatable": _resources(left)},
    }


def priority_classes() -> list[Manifest]:
    """What the platform stack declares; pods name them."""
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "globalDefault": False,
        }
        for name, (value, _) in PRIORITIES.items()
    ]


def namespace(name: str) -> Manifest:
    """A namespace; the platform's quotas hold a phase's replicas by construction, so they are left out."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def account(plan: ServicePlan) -> Manifest:
    """The account that a part's pods run as."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": plan.id, "namespace": plan.namespace},
    }


def deployment(plan: ServicePlan) -> Manifest:
    """A part's Deployment, from the same data as the services stack: requests, limits, priority and spread."""
    spec = asyncio.run(_plain(plan))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": plan.id, "namespace": plan.namespace},
        "spec": spec,
    }


async def _plain(plan: ServicePlan) -> Manifest:
    args = ServiceArgs(plan=plan, image="localhost/oss-permit:fit", pull="Never", variables={})
    made = deployment_spec(args, f"{plan.id}-secrets", plan.id)
    plain: Manifest = await rpc.serialize_property(made, [], None, keep_output_values=False)
    return plain


def _resources(size: Amount) -> dict[str, str]:
    return {"cpu": f"{size.cpu_m}m", "memory": f"{size.memory_mib}Mi", "pods": str(POD_LIMIT)}
