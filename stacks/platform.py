"""`<env>.platform`: priorities, namespaces, quotas, pod security and network policies in every cluster of the fleet."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.cluster import clusters
from infra.components.platform import Platform, namespace_plans
from infra.network.nameservers import cluster_dns
from infra.settings import PlatformSettings
from stacks import config
from stacks.standing import kubeconfig, standing


async def program(environment: str) -> None:
    """Declare the platform of each site that has a cluster of its own."""
    settings = config.read(PlatformSettings)
    now = await standing(environment, settings)
    access = kubeconfig(environment, settings.kubeconfig)
    databases = [server.address for server in now.outputs.with_role("database")]
    for cluster in clusters(now.outputs):
        plans = namespace_plans(now.deployment, cluster.name)
        if not plans:
            continue
        provider = kubernetes.Provider(f"{cluster.name}-cluster", kubeconfig=access, context=cluster.name)
        # The edge reaches node ports, and nodes pass on with their own address: both are on the cluster network.
        sources = sorted({str(now.addresses.subnet(s.site, "cluster").cidr) for s in now.outputs.servers})
        Platform(
            cluster.name,
            plans,
            sources,
            databases,
            cluster_dns(now.outputs, now.plan, cluster),
            outside_https=settings.scale == "national",
            opts=pulumi.ResourceOptions(providers=[provider]),
        )
        pulumi.export(cluster.name, {"namespaces": [plan.name for plan in plans]})
    pulumi.export("phase", settings.phase)
    pulumi.export("plan_hash", now.outputs.plan_hash)
