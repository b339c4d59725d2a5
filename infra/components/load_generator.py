"""Locust in a cluster: one master and workers spread over the nodes, with the lease plan, and nothing they do not need.

The master's web page listens on its pod's own loopback only: `kubectl port-forward` reaches it, nobody else does.
Workers reach the master and the target, the master reaches nobody. A worker that ends during a run is seen by the
master and makes the run invalid; its successor takes part in the next one (`loadtests/engine.py`).
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from infra.components.permit_service import CA_FILE, SECRETS_FOLDER, USER, fingerprint
from infra.components.topology import CONTAINER_PORT, GENERATOR_IP

NAMESPACE = "oss-loadtest"
# The port that the nodes' firewalls leave open among pods.
MASTER_PORT, WEB_PORT = CONTAINER_PORT, 8089
PLAN_FOLDER, PLAN_FILE, EVIDENCE_FOLDER = "/etc/oss/plan", "lease.lock.yaml", "/evidence"
PASSWORD_FILE, CALLBACK_FILE = "test-password", "callback-key"


@dataclass(frozen=True, slots=True)
class PodSize:
    """What a pod requests, and may use at most."""

    cpu_millicores: int
    memory_mib: int

    @property
    def resources(self) -> dict[str, str]:
        """As Kubernetes writes it."""
        return {"cpu": f"{self.cpu_millicores}m", "memory": f"{self.memory_mib}Mi"}


SIZES: dict[str, dict[str, PodSize]] = {
    "national": {"master": PodSize(250, 384), "worker": PodSize(1000, 512)},
    "rack": {"master": PodSize(100, 192), "worker": PodSize(100, 192)},
}
"""By scale and part, where the settings say nothing. A rack's servers have little left beside the services."""


@dataclass(frozen=True, slots=True)
class LoadGeneratorArgs:
    """What is offered, from where to where. `plan`: the lease plan's text; `host`: base address of the target.

    `secrets`: the test accounts' password and the callbacks' key, by the names above, and the CA of the target's
    certificate. A worker is one process, which one core serves; its memory is for journeys under way.
    """

    image: str
    pull: str
    host: str
    plan: str
    profile: str
    phase: int
    scale: str
    seed: int
    workers: int
    master: PodSize
    worker: PodSize
    start: bool
    secrets: dict[str, pulumi.Input[str]] = field(default_factory=dict, repr=False)


class LoadGenerator(pulumi.ComponentResource):
    """The master, its workers, and their namespace."""

    def __init__(self, name: str, args: LoadGeneratorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("oss:loadtest:LoadGenerator", name, {}, opts)
        self._name = name
        self._mine = pulumi.ResourceOptions(parent=self)
        modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        self.namespace = core.Namespace(
            f"{name}-namespace",
            metadata=meta.ObjectMetaArgs(name=NAMESPACE, labels={**modes, "app.kubernetes.io/part-of": "oss"}),
            opts=self._mine,
        )
        self._quota(args)
        self._policies(args)
        plan = core.ConfigMap(
            f"{name}-plan", metadata=self._named("lease-plan"), data={PLAN_FILE: args.plan}, opts=self._mine
        )
        secret = core.Secret(
            f"{name}-secrets", metadata=self._named("secrets"), string_data=args.secrets, opts=self._mine
        )
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=self._named("generator"),
            automount_service_account_token=False,
            opts=self._mine,
        )
        core.Service(
            f"{name}-master-service",
            metadata=self._named("master"),
            spec=core.ServiceSpecArgs(
                cluster_ip=str(GENERATOR_IP),
                selector=_labels("master"),
                ports=[core.ServicePortArgs(name="locust", port=MASTER_PORT, target_port=MASTER_PORT)],
            ),
            opts=self._mine,
        )
        named = _Names(plan.metadata.name, secret.metadata.name, account.metadata.name)
        self.master = self._deployment(args, "master", 1, _master(args), named)
        self.workers = self._deployment(args, "worker", args.workers, _worker(args), named)
        self.register_outputs({})

    def _named(self, name: str) -> meta.ObjectMetaArgs:
        # The namespace's own output makes the engine create it first and remove it last.
        return meta.ObjectMetaArgs(name=name, namespace=self.namespace.metadata.name)

    def _quota(self, args: LoadGeneratorArgs) -> None:
        """Room for one master and the workers, and one pod more that ends while its successor starts."""
        pods, master, worker = args.workers + 2, args.master, args.worker
        cpu = f"{master.cpu_millicores + (args.workers + 1) * worker.cpu_millicores}m"
        memory = f"{master.memory_mib + (args.workers + 1) * worker.memory_mib}Mi"
        hard = {"requests.cpu": cpu, "limits.cpu": cpu, "requests.memory": memory, "limits.memory": memory}
        hard |= {"pods": str(pods), "services.nodeports": "0", "services.loadbalancers": "0"}
        core.ResourceQuota(
            f"{self._name}-quota",
            metadata=self._named("quota"),
            spec=core.ResourceQuotaSpecArgs(hard={**hard, "persistentvolumeclaims": "0"}),
            opts=self._mine,
        )

    def _policies(self, args: LoadGeneratorArgs) -> None:
        """Workers → master and target, and nothing else in or out."""
        here, master, worker = f"{self._name}-policy", _labels("master"), _labels("worker")
        port = networking.NetworkPolicyPortArgs(port=MASTER_PORT, protocol="TCP")
        rules = {
            "default-deny": networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
            ),
            "master": networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(match_labels=master),
                policy_types=["Ingress"],
                ingress=[networking.NetworkPolicyIngressRuleArgs(from_=[_pods(worker)], ports=[port])],
            ),
            "worker": networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(match_labels=worker),
                policy_types=["Egress"],
                egress=[
                    networking.NetworkPolicyEgressRuleArgs(to=[_pods(master)], ports=[port]),
                    *_to_target(args.host),
                ],
            ),
        }
        for policy, spec in rules.items():
            networking.NetworkPolicy(f"{here}-{policy}", metadata=self._named(policy), spec=spec, opts=self._mine)

    def _deployment(
        self, args: LoadGeneratorArgs, part: str, replicas: int, words: list[str], named: _Names
    ) -> apps.Deployment:
        plan = hashlib.sha256(args.plan.encode()).hexdigest()
        marks: dict[str, pulumi.Input[str]] = {"oss/secrets": fingerprint(args.secrets), "oss/plan": plan}
        return apps.Deployment(
            f"{self._name}-{part}",
            metadata=self._named(part),
            spec=apps.DeploymentSpecArgs(
                replicas=replicas,
                revision_history_limit=1,
                progress_deadline_seconds=300,
                selector=meta.LabelSelectorArgs(match_labels=_labels(part)),
                # Two masters, or workers of two plans, would be two load tests.
                strategy=apps.DeploymentStrategyArgs(type="Recreate"),
                template=core.PodTemplateSpecArgs(
                    metadata=meta.ObjectMetaArgs(labels=_labels(part), annotations=marks),
                    spec=_pod(args, part, words, named),
                ),
            ),
            opts=self._mine,
        )


@dataclass(frozen=True, slots=True)
class _Names:
    """What the pods mount, and whom they run as."""

    plan: pulumi.Input[str]
    secret: pulumi.Input[str]
    account: pulumi.Input[str]


def target_port(host: str) -> tuple[str, int]:
    """Host name or address, and port, of a base address."""
    parts = urlsplit(host)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _common(args: LoadGeneratorArgs) -> list[str]:
    words = ["--host", args.host, "--plan", f"{PLAN_FOLDER}/{PLAN_FILE}", "--plan-alone"]
    words += ["--load-profile", args.profile, "--phase", str(args.phase), "--scale", args.scale]
    words += ["--seed", str(args.seed), "--evidence", EVIDENCE_FOLDER]
    return [*words, "--ca-file", f"{SECRETS_FOLDER}/{CA_FILE}"] if CA_FILE in args.secrets else words


def _master(args: LoadGeneratorArgs) -> list[str]:
    words = ["--master", "--master-bind-port", str(MASTER_PORT), "--expect-workers", str(args.workers)]
    words += ["--web-host", "127.0.0.1", "--web-port", str(WEB_PORT)]
    return [*_common(args), *words, *(["--autostart"] if args.start else [])]


def _worker(args: LoadGeneratorArgs) -> list[str]:
    return [*_common(args), "--worker", "--master-host", str(GENERATOR_IP), "--master-port", str(MASTER_PORT)]


def _labels(part: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": f"loadtest-{part}", "app.kubernetes.io/part-of": "oss"}


def _pods(labels: dict[str, str]) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(pod_selector=meta.LabelSelectorArgs(match_labels=labels))


def _to_target(host: str) -> list[networking.NetworkPolicyEgressRuleArgs]:
    """One address and port where the target is an address; its port anywhere, and DNS, where it is a name."""
    name, number = target_port(host)
    port = networking.NetworkPolicyPortArgs(port=number, protocol="TCP")
    try:
        cidr = f"{ipaddress.IPv4Address(name)}/32"
    except ValueError:
        system = meta.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": "kube-system"})
        dns = [networking.NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")]
        resolver = networking.NetworkPolicyPeerArgs(namespace_selector=system)
        return [
            networking.NetworkPolicyEgressRuleArgs(to=[_block("0.0.0.0/0")], ports=[port]),
            networking.NetworkPolicyEgressRuleArgs(to=[resolver], ports=dns),
        ]
    return [networking.NetworkPolicyEgressRuleArgs(to=[_block(cidr)], ports=[port])]


def _block(cidr: str) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=cidr))


def _pod(args: LoadGeneratorArgs, part: str, words: list[str], named: _Names) -> core.PodSpecArgs:
    worker = part == "worker"
    size = (args.worker if worker else args.master).resources
    listens = core.ProbeArgs(
        tcp_socket=core.TCPSocketActionArgs(port=MASTER_PORT), period_seconds=5, failure_threshold=24
    )
    variables = {
        "OSS_TEST_PASSWORD_FILE": f"{SECRETS_FOLDER}/{PASSWORD_FILE}",
        "OSS_CALLBACK_KEY_FILE": f"{SECRETS_FOLDER}/{CALLBACK_FILE}",
    }
    mounts = [
        core.VolumeMountArgs(name="plan", mount_path=PLAN_FOLDER, read_only=True),
        core.VolumeMountArgs(name="secrets", mount_path=SECRETS_FOLDER, read_only=True),
        core.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
        core.VolumeMountArgs(name="evidence", mount_path=EVIDENCE_FOLDER),
    ]
    container = core.ContainerArgs(
        name=part,
        image=args.image,
        image_pull_policy=args.pull,
        args=words,
        env=[core.EnvVarArgs(name=key, value=value) for key, value in variables.items()],
        ports=None if worker else [core.ContainerPortArgs(name="locust", container_port=MASTER_PORT)],
        resources=core.ResourceRequirementsArgs(requests=size, limits=size),
        # A worker listens nowhere; that it lives, its master sees by its heartbeat.
        startup_probe=None if worker else listens,
        readiness_probe=None if worker else listens,
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=mounts,
    )
    return core.PodSpecArgs(
        service_account_name=named.account,
        automount_service_account_token=False,
        enable_service_links=False,  # variables LOCUST_… of a service would be options of Locust
        termination_grace_period_seconds=20,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        topology_spread_constraints=[_spread(part)] if worker else None,
        containers=[container],
        volumes=[
            core.VolumeArgs(name="plan", config_map=core.ConfigMapVolumeSourceArgs(name=named.plan)),
            core.VolumeArgs(
                name="secrets", secret=core.SecretVolumeSourceArgs(secret_name=named.secret, default_mode=0o440)
            ),
            core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="64Mi")),
            core.VolumeArgs(name="evidence", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="256Mi")),
        ],
    )


def _spread(part: str) -> core.TopologySpreadConstraintArgs:
    return core.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key="kubernetes.io/hostname",
        when_unsatisfiable="DoNotSchedule",
        node_taints_policy="Honor",
        label_selector=meta.LabelSelectorArgs(match_labels=_labels(part)),
        match_label_keys=["pod-template-hash"],
    )
