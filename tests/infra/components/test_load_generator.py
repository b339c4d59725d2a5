"""The load generator's component under a recording engine."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from infra.components.load_generator import (
    CALLBACK_FILE,
    NAMESPACE,
    PASSWORD_FILE,
    LoadGenerator,
    LoadGeneratorArgs,
    PodSize,
    target_port,
)
from infra.components.permit_service import CA_FILE
from infra.components.topology import GENERATOR_IP, PARTS
from loadtests.target.settings import derive
from stacks.services import derived
from tests.infra.recording import Recording, record


def generator(host: str = "https://10.97.2.11:8443", **changes: Any) -> Recording:
    def program() -> None:
        secrets: dict[str, pulumi.Input[str]] = {
            PASSWORD_FILE: pulumi.Output.secret("opener"),
            CALLBACK_FILE: pulumi.Output.secret("signer"),
            CA_FILE: "certificate",
        }
        given: dict[str, Any] = {
            "image": "localhost/oss-generator:1",
            "pull": "Never",
            "host": host,
            "plan": "version: 1",
            "profile": "launch-hour",
            "phase": 2,
            "scale": "rack",
            "seed": 7,
            "workers": 3,
            "master": PodSize(250, 384),
            "worker": PodSize(1000, 512),
            "start": False,
            "secrets": secrets,
        }
        LoadGenerator("g", LoadGeneratorArgs(**(given | changes)))

    return record(program)[0]


def pods(recording: Recording) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix("g-"): made["spec"]["template"]["spec"]
        for name, made in recording.of("apps/v1:Deployment").items()
    }


def test_pods_keep_to_the_restricted_standard_within_limits() -> None:
    recording = generator()
    assert set(pods(recording)) == {"master", "worker"}
    for name, pod in pods(recording).items():
        (container,) = pod["containers"]
        size = {"cpu": "1000m", "memory": "512Mi"} if name == "worker" else {"cpu": "250m", "memory": "384Mi"}
        assert container["resources"]["requests"] == container["resources"]["limits"] == size
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
    (namespace,) = recording.of("core/v1:Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (quota,) = recording.of("core/v1:ResourceQuota").values()
    assert quota["spec"]["hard"]["limits.cpu"] == "4250m"
    assert quota["spec"]["hard"]["pods"] == "5"


def test_workers_are_spread_and_find_their_master() -> None:
    recording = generator()
    worker, master = pods(recording)["worker"], pods(recording)["master"]
    (spread,) = worker["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["maxSkew"]) == ("kubernetes.io/hostname", 1)
    assert recording.of("apps/v1:Deployment")["g-worker"]["spec"]["replicas"] == 3
    words = master["containers"][0]["args"]
    assert words[words.index("--expect-workers") + 1] == "3"
    assert words[words.index("--web-host") + 1] == "127.0.0.1"
    assert "--autostart" not in words
    words = worker["containers"][0]["args"]
    assert words[words.index("--master-host") + 1] == str(GENERATOR_IP)
    assert words[words.index("--load-profile") + 1] == "launch-hour"
    (service,) = recording.of("core/v1:Service").values()
    assert service["spec"]["clusterIP"] == str(GENERATOR_IP)
    assert GENERATOR_IP not in {part.cluster_ip for part in PARTS.values()}


def test_secrets_are_files_and_in_no_argument_or_variable() -> None:
    recording = generator()
    assert "opener" not in str(recording.of("apps/v1:Deployment"))
    assert "signer" not in str(recording.of("apps/v1:Deployment"))
    (made,) = [made for made in recording.made if made.type.endswith("core/v1:Secret")]
    assert "stringData" in made.secrets
    variables = {v["name"]: v["value"] for v in pods(recording)["worker"]["containers"][0]["env"]}
    assert variables["OSS_TEST_PASSWORD_FILE"].endswith(PASSWORD_FILE)


def test_workers_reach_the_master_and_the_target_and_nothing_else() -> None:
    policies = {p["metadata"]["name"]: p["spec"] for p in generator().of("v1:NetworkPolicy").values()}
    assert set(policies) == {"default-deny", "master", "worker"}
    assert "ingress" not in policies["default-deny"]
    assert policies["default-deny"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policies["master"]
    to_master, to_target = policies["worker"]["egress"]
    assert to_master["ports"] == [{"port": 8000, "protocol": "TCP"}]
    assert to_target["to"] == [{"ipBlock": {"cidr": "10.97.2.11/32"}}]
    assert to_target["ports"] == [{"port": 8443, "protocol": "TCP"}]


def test_a_target_with_a_name_needs_dns() -> None:
    policies = {
        p["metadata"]["name"]: p["spec"] for p in generator("https://oss.internal").of("v1:NetworkPolicy").values()
    }
    ports = [[port["port"] for port in rule["ports"]] for rule in policies["worker"]["egress"]]
    assert ports == [[8000], [443], [53, 53]]


def test_it_starts_by_itself_only_where_that_is_asked_for() -> None:
    assert "--autostart" in pods(generator(start=True))["master"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("https://10.1.2.3:8443", ("10.1.2.3", 8443)),
        ("https://oss.internal", ("oss.internal", 443)),
        ("http://10.1.2.3", ("10.1.2.3", 80)),
    ],
)
def test_the_target_is_read_from_its_address(host: str, found: tuple[str, int]) -> None:
    assert target_port(host) == found


def test_what_the_generator_signs_in_with_is_what_the_services_expect() -> None:
    for purpose in ("test accounts", "callbacks"):
        assert derived("a secret of sixteen", purpose) == derive("a secret of sixteen", purpose)


def test_the_namespace_is_its_own() -> None:
    recording = generator()
    for made in recording.made:
        metadata = made.inputs.get("metadata", {})
        if made.type.startswith("kubernetes:") and not made.type.endswith(":Namespace"):
            assert metadata["namespace"] == NAMESPACE, made.name
