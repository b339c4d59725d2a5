"""The platform of one cluster: priorities, and for each namespace its quota, limits, pod security and network policy.

Storage and ingress: a rack and a site need none of their own. The permit service keeps everything in PostgreSQL on the
database servers, and the edge servers reach its node ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking
from pulumi_kubernetes.scheduling import v1 as scheduling

from capacity.leaseplan import Deployment, ServicePlan
from infra.components.topology import CONTAINER_PORT, DATABASE_PORT, PARTS, PRIORITIES

SMALLEST_CPU_M = 10
"""Least CPU that a container may ask for, in millicores; less is a typing error."""


@dataclass(frozen=True, slots=True)
class NamespacePlan:
    """What a namespace may hold: the services of the lease plan and nothing beside them."""

    name: str
    services: tuple[ServicePlan, ...]

    @property
    def pods(self) -> int:
        """Replicas, and one more of each service while it rolls."""
        return sum(service.replicas + 1 for service in self.services)

    @property
    def cpu_m(self) -> int:
        """Millicores of all those pods."""
        return sum((service.replicas + 1) * service.cpu_millicores for service in self.services)

    @property
    def memory_mib(self) -> int:
        """Memory of all those pods."""
        return sum((service.replicas + 1) * service.memory_mib for service in self.services)

    @property
    def node_ports(self) -> int:
        """Node ports that its services publish."""
        return sum(PARTS[service.id].node_port is not None for service in self.services)


def namespace_plans(deployment: Deployment, site: str) -> tuple[NamespacePlan, ...]:
    """The namespaces of a site, in the lease plan's order."""
    here = [service for service in deployment.services if service.site == site]
    names = dict.fromkeys(service.namespace for service in here)
    return tuple(NamespacePlan(name, tuple(s for s in here if s.namespace == name)) for name in names)


class Platform(pulumi.ComponentResource):
    """Everything that stands in a cluster before services do. `sources` are the networks whose hosts may call in.

    `nameservers`: addresses that pods may ask for names; servers, not pods, answer them.
    """

    def __init__(
        self,
        name: str,
        namespaces: Sequence[NamespacePlan],
        sources: Sequence[str],
        databases: Sequence[str],
        nameservers: Sequence[str],
        outside_https: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("oss:platform:Platform", name, {}, opts)
        self._mine = pulumi.ResourceOptions(parent=self)
        for priority, (value, description) in PRIORITIES.items():
            scheduling.PriorityClass(
                f"{name}-{priority}",
                metadata=meta.ObjectMetaArgs(name=priority),
                value=value,
                description=description,
                global_default=False,
                opts=self._mine,
            )
        places = {service.id: plan.name for plan in namespaces for service in plan.services}
        self.namespaces = {plan.name: self._namespace(name, plan) for plan in namespaces}
        for plan in namespaces:
            self._names_policy(name, plan, nameservers)
            self._policies(name, plan, places, sources, databases, outside_https)
        self.register_outputs({})

    def _namespace(self, name: str, plan: NamespacePlan) -> core.Namespace:
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        namespace = core.Namespace(
            f"{name}-{plan.name}",
            metadata=meta.ObjectMetaArgs(name=plan.name, labels={**labels, "app.kubernetes.io/part-of": "oss"}),
            opts=self._mine,
        )
        cpu, memory = f"{plan.cpu_m}m", f"{plan.memory_mib}Mi"
        core.ResourceQuota(
            f"{name}-{plan.name}-quota",
            metadata=self._named("quota", namespace),
            spec=core.ResourceQuotaSpecArgs(
                hard={
                    "requests.cpu": cpu,
                    "limits.cpu": cpu,
                    "requests.memory": memory,
                    "limits.memory": memory,
                    "pods": str(plan.pods),
                    "services.nodeports": str(plan.node_ports),
                    "services.loadbalancers": "0",
                    "persistentvolumeclaims": "0",
                }
            ),
            opts=self._mine,
        )
        largest_cpu = max(service.cpu_millicores for service in plan.services)
        largest_memory = max(service.memory_mib for service in plan.services)
        core.LimitRange(
            f"{name}-{plan.name}-limits",
            metadata=self._named("limits", namespace),
            spec=core.LimitRangeSpecArgs(
                limits=[
                    core.LimitRangeItemArgs(
                        type="Container",
                        max={"cpu": f"{largest_cpu}m", "memory": f"{largest_memory}Mi"},
                        min={"cpu": f"{SMALLEST_CPU_M}m", "memory": "16Mi"},
                        default={"cpu": f"{largest_cpu}m", "memory": f"{largest_memory}Mi"},
                        default_request={"cpu": f"{largest_cpu}m", "memory": f"{largest_memory}Mi"},
                    )
                ]
            ),
            opts=self._mine,
        )
        return namespace

    def _names_policy(self, name: str, plan: NamespacePlan, nameservers: Sequence[str]) -> None:
        if not nameservers:
            return
        dns = [_port(53, "UDP"), _port(53, "TCP")]
        to = [_hosts(f"{address}/32") for address in nameservers]
        allow = networking.NetworkPolicyEgressRuleArgs(to=to, ports=dns)
        self._policy(name, plan, "dns", self.namespaces[plan.name], {}, ["Egress"], egress=[allow])

    def _policies(
        self,
        name: str,
        plan: NamespacePlan,
        places: dict[str, str],
        sources: Sequence[str],
        databases: Sequence[str],
        outside_https: bool,
    ) -> None:
        namespace = self.namespaces[plan.name]
        self._policy(name, plan, "default-deny", namespace, {}, ["Ingress", "Egress"])
        for service in plan.services:
            part = PARTS[service.id]
            callers = [places[p.id] for p in PARTS.values() if service.id in p.calls and p.id in places]
            peers = [networking.NetworkPolicyPeerArgs(namespace_selector=_namespace(c)) for c in dict.fromkeys(callers)]
            if part.node_port is not None:
                peers += [_hosts(source) for source in sources]
            egress = []
            if part.database and databases:
                to = [_hosts(f"{address}/32") for address in databases]
                egress.append(networking.NetworkPolicyEgressRuleArgs(to=to, ports=[_port(DATABASE_PORT)]))
            called = [
                networking.NetworkPolicyPeerArgs(namespace_selector=_namespace(places[c]))
                for c in part.calls
                if c in places
            ]
            if called:
                egress.append(networking.NetworkPolicyEgressRuleArgs(to=called, ports=[_port(CONTAINER_PORT)]))
            if outside_https and any(c not in places for c in part.calls):
                egress.append(networking.NetworkPolicyEgressRuleArgs(to=[_hosts("0.0.0.0/0")], ports=[_port(443)]))
            ingress = (
                [networking.NetworkPolicyIngressRuleArgs(from_=peers, ports=[_port(CONTAINER_PORT)])] if peers else []
            )
            labels = {"app.kubernetes.io/name": service.id}
            kinds = ["Ingress", "Egress"]
            self._policy(name, plan, service.id, namespace, labels, kinds, ingress=ingress, egress=egress)

    def _policy(
        self,
        name: str,
        plan: NamespacePlan,
        policy: str,
        namespace: core.Namespace,
        labels: dict[str, str],
        kinds: list[str],
        ingress: list[networking.NetworkPolicyIngressRuleArgs] | None = None,
        egress: list[networking.NetworkPolicyEgressRuleArgs] | None = None,
    ) -> None:
        networking.NetworkPolicy(
            f"{name}-{plan.name}-{policy}",
            metadata=self._named(policy, namespace),
            spec=networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(match_labels=labels or None),
                policy_types=kinds,
                ingress=ingress or None,
                egress=egress or None,
            ),
            opts=self._mine,
        )

    def _named(self, name: str, namespace: core.Namespace) -> meta.ObjectMetaArgs:
        # The namespace's own output makes the engine create it first and remove it last.
        return meta.ObjectMetaArgs(name=name, namespace=namespace.metadata.name)


def _port(number: int, protocol: str = "TCP") -> networking.NetworkPolicyPortArgs:
    return networking.NetworkPolicyPortArgs(port=number, protocol=protocol)


def _hosts(cidr: str) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=cidr))


def _namespace(name: str) -> meta.LabelSelectorArgs:
    return meta.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": name})
