"""Components under a recording engine: what they declare, for any plan."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from infra.components.fleet import SECRETS, BmcAccess, LeasedFleet
from infra.components.fleet_outputs import fleet_endpoints, fleet_networks, fleet_servers
from infra.components.permit_service import PermitService, ServiceArgs, rolling
from infra.components.platform import NamespacePlan, Platform, namespace_plans
from infra.components.topology import PARTS, PRIORITIES
from infra.lease.inputs import server_inputs
from infra.lease.model import BmcPlace, ServerInputs
from infra.network.addresses import address_plan
from infra.network.placement import rack_of
from infra.outputs import FleetSecrets
from tests.infra import plans
from tests.infra.recording import Recording, record

PLAN = plans.plan()
OPENER = "opener-of-every-controller"
ADDRESSES = address_plan(PLAN, "national")


def inputs() -> tuple[ServerInputs, ...]:
    names = PLAN.phases[0].national.servers
    return server_inputs(PLAN, names, "test", ADDRESSES, lambda s: BmcPlace(url="https://b", system=s.name), 2)


def fleet() -> tuple[Recording, Any]:
    def program() -> pulumi.Output[Any]:
        made = LeasedFleet("fleet", inputs(), BmcAccess("operator", OPENER, "/ca", "require"))
        return pulumi.Output.all(made.states, made.secrets)

    outputs = {
        "lease:index:Server": {"state": "provisioned"},
        "lease:index:Password": {"result": "generated"},
    }
    return record(program, outputs)


def test_every_server_of_the_phase_is_declared_with_its_contract() -> None:
    recording, (states, secrets) = fleet()
    servers = recording.of("lease:index:Server")
    assert set(servers) == set(PLAN.phases[0].national.servers) == set(states)
    assert set(states.values()) == {"provisioned"}
    worker = servers["primary-worker-01"]
    assert worker["sku"]["cores"] == plans.SKU.cores
    assert worker["addresses"]["cluster"] == "10.20.2.31"
    assert worker["leases"][0]["monthlyRentIdr"] == 9_500_000
    assert set(secrets) == set(SECRETS) == set(FleetSecrets.model_fields)


def test_bmc_credentials_stand_once_and_secret() -> None:
    recording, _ = fleet()
    (provider,) = [made for made in recording.made if made.type == "pulumi:providers:lease"]
    assert OPENER in provider.inputs["password"]
    assert "password" in provider.secrets
    others = [made for made in recording.made if made is not provider]
    assert OPENER not in str([made.inputs for made in others])


def test_outputs_of_a_nation_and_of_a_rack() -> None:
    states = {server.server: "provisioned" for server in inputs()}
    national = fleet_servers(inputs(), states, "", "national")
    assert {s.ssh_port for s in national} == {22}
    assert national[0].ssh_host == "10.20.1.11"
    assert len(fleet_networks(ADDRESSES)) == len(plans.NETWORKS)
    assert fleet_endpoints(inputs(), ADDRESSES, "oss.internal").portal == "https://oss.internal"
    rack = address_plan(PLAN, "rack")
    small = server_inputs(
        PLAN, PLAN.phases[0].rack.servers, "t", rack, lambda s: BmcPlace(url="https://b", system="s"), 2
    )
    assert {s.ssh_host.split(".")[0] for s in fleet_servers(small, states, "", "rack")} == {"127"}
    endpoints = fleet_endpoints(small, rack, "oss.internal")
    assert endpoints.portal == "https://127.97.2.11:8443"
    assert endpoints.kubernetes == "https://127.97.2.21:6443"


@pytest.mark.parametrize("racks", [1, 2, 4])
def test_a_role_is_spread_over_racks(racks: int) -> None:
    found = [rack_of(plans.server("primary", "database", n), racks) for n in range(1, racks + 1)]
    assert len(set(found)) == racks


def platform() -> Recording:
    def program() -> None:
        plan = namespace_plans(PLAN.phases[0].rack, "primary")
        Platform("primary", plan, ["10.97.2.0/24"], ["10.97.2.201"], ["10.97.2.21"], outside_https=False)

    return record(program)[0]


def test_namespaces_are_restricted_and_their_quota_is_the_plan() -> None:
    recording = platform()
    names = {service.namespace for service in plans.SERVICES}
    namespaces = recording.of("core/v1:Namespace")
    assert {n["metadata"]["name"] for n in namespaces.values()} == names
    for namespace in namespaces.values():
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    quota = recording.of("core/v1:ResourceQuota")["primary-oss-portal-quota"]["spec"]["hard"]
    assert quota["limits.cpu"] == f"{3 * 300}m"
    assert quota["services.nodeports"] == "1"
    assert set(recording.of("v1:PriorityClass")) == {f"primary-{name}" for name in PRIORITIES}


def test_everything_is_denied_but_the_plan_of_calls() -> None:
    policies = platform().of("v1:NetworkPolicy")
    denied = {n for n in policies if n.endswith("default-deny")}
    assert len(denied) == len({service.namespace for service in plans.SERVICES})
    assert all("ingress" not in policies[n]["spec"] and "egress" not in policies[n]["spec"] for n in denied)
    gateway = policies["primary-oss-gateway-gateway"]["spec"]
    callers = str(gateway["ingress"])
    assert "oss-portal" in callers
    assert "oss-api" in callers
    assert "oss-satgas" not in callers
    registry = policies["primary-oss-upstream-registry"]["spec"]
    assert "egress" not in registry  # the stand-in keeps nothing and calls nobody
    assert "10.97.2.201/32" in str(policies["primary-oss-satgas-satgas"]["spec"]["egress"])
    names = policies["primary-oss-satgas-dns"]["spec"]["egress"]
    assert "10.97.2.21/32" in str(names)
    assert {(p["port"], p["protocol"]) for p in names[0]["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_namespace_arithmetic_counts_one_replica_more_of_each() -> None:
    made = NamespacePlan("n", (plans.service("portal", "n", 3), plans.service("registry", "n", 1)))
    assert (made.pods, made.cpu_m, made.memory_mib, made.node_ports) == (6, 6 * 300, 6 * 192, 1)


def service(identity: str, replicas: int = 2, **changes: Any) -> tuple[Recording, dict[str, Any]]:
    plan = plans.service(identity, "oss-x", replicas).model_copy(update=changes)

    def program() -> None:
        secrets: dict[str, pulumi.Input[str]] = {"oss-secret": pulumi.Output.secret("s3cret-value")}
        PermitService("x", ServiceArgs(plan, "localhost/i:1", "Never", {"A": "1"}, secrets, {"gateway": "172.23.1.82"}))

    recording, _ = record(program)
    return recording, recording.of("apps/v1:Deployment")["x"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("identity", sorted(PARTS))
def test_pods_keep_to_the_restricted_standard_and_the_plan(identity: str) -> None:
    recording, pod = service(identity)
    (container,) = pod["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"] == {"cpu": "300m", "memory": "192Mi"}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    port = recording.of("core/v1:Service")["x-service"]["spec"]
    assert port["type"] == ("ClusterIP" if identity == "registry" else "NodePort")
    assert port.get("externalTrafficPolicy") == (None if identity == "registry" else "Local")


def test_secrets_are_files_and_their_hash_rolls_the_pods() -> None:
    recording, pod = service("portal")
    assert "s3cret-value" not in str(recording.of("apps/v1:Deployment"))
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o440
    annotations = recording.of("apps/v1:Deployment")["x"]["spec"]["template"]["metadata"]["annotations"]
    assert len(annotations["oss/secrets"]) == 16


def test_a_budget_only_where_something_must_stay_up() -> None:
    assert service("portal")[0].of("v1:PodDisruptionBudget")["x-budget"]["spec"]["minAvailable"] == 1
    assert service("registry", 1)[0].of("v1:PodDisruptionBudget") == {}


@pytest.mark.parametrize(("replicas", "stay", "unavailable", "surge"), [(2, 1, 1, 0), (3, 3, 0, 1), (1, 0, 1, 0)])
def test_rolling_within_the_size_of_the_plan(replicas: int, stay: int, unavailable: int, surge: int) -> None:
    plan = plans.service("portal", "n", replicas).model_copy(update={"min_available": stay})
    made: Any = rolling(plan).rolling_update
    assert (made.max_unavailable, made.max_surge) == (unavailable, surge)
