"""One part of the permit service in a cluster: Deployment, Service, disruption budget, and its secrets as files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.policy import v1 as policy

from capacity.leaseplan import ServicePlan
from infra.components.topology import CONTAINER_PORT, PARTS

SECRETS_FOLDER = "/run/secrets/oss"
USER = 10001
CA_FILE = "services-ca.crt"


@dataclass(frozen=True, slots=True)
class ServiceArgs:
    """What a part needs beside its place in the lease plan. `secrets`: file name → content; `variables` name them."""

    plan: ServicePlan
    image: str
    pull: str
    variables: dict[str, str]
    secrets: dict[str, pulumi.Input[str]] = field(default_factory=dict, repr=False)
    hosts: dict[str, str] = field(default_factory=dict)


class PermitService(pulumi.ComponentResource):
    """A part with its replicas spread over the nodes."""

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss:services:PermitService", name, {}, opts)
        plan, part = args.plan, PARTS[args.plan.id]
        mine = pulumi.ResourceOptions(parent=self)
        labels, selector = labels_of(plan), selector_of(plan)
        secret = core.Secret(
            f"{name}-secrets",
            metadata=meta.ObjectMetaArgs(name=f"{plan.id}-secrets", namespace=plan.namespace, labels=labels),
            string_data=args.secrets,
            opts=mine,
        )
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=meta.ObjectMetaArgs(name=plan.id, namespace=plan.namespace, labels=labels),
            automount_service_account_token=False,
            opts=mine,
        )
        self.deployment = apps.Deployment(
            name,
            metadata=meta.ObjectMetaArgs(name=plan.id, namespace=plan.namespace, labels=labels),
            spec=deployment_spec(args, secret.metadata.name, account.metadata.name),
            opts=mine,
        )
        self.service = core.Service(
            f"{name}-service",
            metadata=meta.ObjectMetaArgs(name=plan.id, namespace=plan.namespace, labels=labels),
            spec=core.ServiceSpecArgs(
                type="NodePort" if part.node_port else "ClusterIP",
                # A worker's node port leads to its own pods: when a worker is lost, nobody is led there from another.
                external_traffic_policy="Local" if part.node_port else None,
                cluster_ip=str(part.cluster_ip),
                selector=selector,
                ports=[
                    core.ServicePortArgs(
                        name="http", port=CONTAINER_PORT, target_port=CONTAINER_PORT, node_port=part.node_port
                    )
                ],
            ),
            opts=mine,
        )
        if plan.min_available:
            policy.PodDisruptionBudget(
                f"{name}-budget",
                metadata=meta.ObjectMetaArgs(name=plan.id, namespace=plan.namespace, labels=labels),
                spec=policy.PodDisruptionBudgetSpecArgs(
                    min_available=plan.min_available, selector=meta.LabelSelectorArgs(match_labels=selector)
                ),
                opts=mine,
            )
        self.register_outputs({})


def selector_of(plan: ServicePlan) -> dict[str, str]:
    """What tells the part's pods from others."""
    return {"app.kubernetes.io/name": plan.id}


def labels_of(plan: ServicePlan) -> dict[str, str]:
    """Labels of everything that belongs to the part."""
    return {**selector_of(plan), "app.kubernetes.io/part-of": "oss"}


def deployment_spec(
    args: ServiceArgs, secret: pulumi.Input[str], account: pulumi.Input[str]
) -> apps.DeploymentSpecArgs:
    """The part's replicas. Declares nothing, so that whoever asks where pods would go asks about these very pods."""
    plan = args.plan
    return apps.DeploymentSpecArgs(
        replicas=plan.replicas,
        revision_history_limit=3,
        progress_deadline_seconds=300,
        selector=meta.LabelSelectorArgs(match_labels=selector_of(plan)),
        strategy=rolling(plan),
        template=core.PodTemplateSpecArgs(
            metadata=meta.ObjectMetaArgs(
                labels=labels_of(plan),
                # Pods read their secrets at start: other secrets, other pods.
                annotations={"oss/secrets": fingerprint(args.secrets)},
            ),
            spec=_pod(args, secret, account),
        ),
    )


def rolling(plan: ServicePlan) -> apps.DeploymentStrategyArgs:
    """Roll within the plan's size where its budget lets a replica go; else with one replica more than it."""
    spare = plan.replicas - plan.min_available
    update = apps.RollingUpdateDeploymentArgs(max_unavailable=max(0, spare), max_surge=0 if spare > 0 else 1)
    return apps.DeploymentStrategyArgs(type="RollingUpdate", rolling_update=update)


def _pod(args: ServiceArgs, secret: pulumi.Input[str], account: pulumi.Input[str]) -> core.PodSpecArgs:
    plan = args.plan
    size = {"cpu": f"{plan.cpu_millicores}m", "memory": f"{plan.memory_mib}Mi"}
    variables = {
        "OSS_SERVICE": plan.id,
        "OSS_HOST": "0.0.0.0",  # noqa: S104 - inside the pod's own network namespace
        "OSS_PORT": str(CONTAINER_PORT),
        "OSS_PROCESSES": str(plan.processes),
        **args.variables,
    }
    container = core.ContainerArgs(
        name=plan.id,
        image=args.image,
        image_pull_policy=args.pull,
        ports=[core.ContainerPortArgs(name="http", container_port=CONTAINER_PORT)],
        env=[core.EnvVarArgs(name=key, value=value) for key, value in variables.items()],
        resources=core.ResourceRequirementsArgs(requests=size, limits=size),
        startup_probe=_probe("/healthz", period=2, failures=90),
        liveness_probe=_probe("/healthz", period=10, failures=6),
        readiness_probe=_probe("/readyz", period=3, failures=3),
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[
            core.VolumeMountArgs(name="secrets", mount_path=SECRETS_FOLDER, read_only=True),
            core.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
        ],
    )
    return core.PodSpecArgs(
        service_account_name=account,
        automount_service_account_token=False,
        enable_service_links=False,
        priority_class_name=PARTS[plan.id].priority,
        termination_grace_period_seconds=30,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        host_aliases=[core.HostAliasArgs(ip=ip, hostnames=[host]) for host, ip in sorted(args.hosts.items())] or None,
        topology_spread_constraints=[
            core.TopologySpreadConstraintArgs(
                max_skew=1,
                topology_key="kubernetes.io/hostname",
                when_unsatisfiable="DoNotSchedule",
                # A node that is down must not keep its replicas' successors from the nodes that are up.
                node_taints_policy="Honor",
                label_selector=meta.LabelSelectorArgs(match_labels=selector_of(plan)),
                match_label_keys=["pod-template-hash"],
            )
        ],
        containers=[container],
        volumes=[
            core.VolumeArgs(
                name="secrets",
                secret=core.SecretVolumeSourceArgs(secret_name=secret, default_mode=0o440),
            ),
            core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="64Mi")),
        ],
    )


def fingerprint(secrets: dict[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """A hash that may be seen: the secrets are long and random, so nobody finds them by trying."""
    text = pulumi.Output.json_dumps(secrets, sort_keys=True)
    return pulumi.Output.unsecret(text.apply(lambda known: hashlib.sha256(known.encode()).hexdigest()[:16]))


def _probe(path: str, period: int, failures: int) -> core.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=CONTAINER_PORT),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=failures,
    )
