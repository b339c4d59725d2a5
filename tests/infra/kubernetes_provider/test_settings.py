"""The provider's own settings, and when they mean another cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2 as messages

from infra.kubernetes_provider.cluster import Cluster, Unreachable
from infra.kubernetes_provider.plugin import KubernetesProvider
from infra.kubernetes_provider.settings import parse
from infra.kubernetes_provider.tokens import Kind
from infra.properties import UNKNOWN, Secret, to_struct


def kubeconfig(server: str = "https://one:6443", **user: str) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}, {"name": "d", "cluster": {"server": "https://d"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
            {"name": "y", "context": {"cluster": "d", "user": "u"}},
        ],
        "current-context": "x",
    }


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_a_kubeconfig_is_a_mapping_a_text_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = kubeconfig()
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    for given in (config, json.dumps(config), str(path), Secret(json.dumps(config))):
        assert parse({"kubeconfig": given}).active()[1] == {"server": "https://one:6443"}
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert parse({}).default_namespace == "team"
    assert parse({"context": "y"}).active()[1] == {"server": "https://d"}
    assert parse({"namespace": "own"}).default_namespace == "own"


def test_files_are_relative_to_the_kubeconfig_that_names_them(tmp_path: Path) -> None:
    config = kubeconfig()
    config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    (tmp_path / "config").write_text(json.dumps(config))
    cluster = parse({"kubeconfig": str(tmp_path / "config")}).active()[1]
    assert cluster["certificate-authority"] == str(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    "given",
    [
        {"kubeconfig": "/no/such/file"},
        {"kubeconfig": "a: [token-abc\nb"},
        {"kubeconfig": "- a list\n- of things\n"},
        {"renderYamlToDirectory": "out"},
        {"enableServerSideApply": "false"},
    ],
)
def test_settings_that_cannot_be_served_are_refused_without_quoting_secrets(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"kubeconfig|official") as caught:
        parse(given)
    assert "token-abc" not in str(caught.value)


def test_flags_come_as_json_text_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse({"enablePatchForce": "true"}).flag("enablePatchForce")
    assert not parse({"enablePatchForce": "false"}).flag("enablePatchForce")
    assert not parse({}).flag("deleteUnreachable")
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    assert parse({}).flag("deleteUnreachable")
    assert not parse({"deleteUnreachable": "false"}).flag("deleteUnreachable")


def test_without_a_cluster_the_reason_is_said() -> None:
    with pytest.raises(Unreachable, match="only after the deployment"):
        Cluster(parse({"kubeconfig": UNKNOWN})).namespaced(Kind("v1", "Pod"))
    with pytest.raises(Unreachable, match="no kubeconfig names a cluster"):
        Cluster(parse({})).namespaced(Kind("v1", "Pod"))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Cluster(parse({"kubeconfig": kubeconfig("https://127.0.0.1:9")})).namespaced(Kind("v1", "Pod"))


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        ({"kubeconfig": json.dumps(kubeconfig())}, {"kubeconfig": json.dumps(kubeconfig(username="new"))}, False),
        ({"kubeconfig": json.dumps(kubeconfig())}, {"kubeconfig": json.dumps(kubeconfig("https://two"))}, True),
        ({"kubeconfig": json.dumps(kubeconfig())}, {"kubeconfig": UNKNOWN}, False),
        (
            {"kubeconfig": json.dumps(kubeconfig()), "clusterIdentifier": "rack"},
            {"kubeconfig": json.dumps(kubeconfig("https://two")), "clusterIdentifier": "rack"},
            False,
        ),
        ({"clusterIdentifier": "one"}, {"clusterIdentifier": "two"}, True),
    ],
)
def test_only_another_cluster_makes_everything_anew(old: dict[str, Any], new: dict[str, Any], replaced: bool) -> None:
    request = messages.DiffRequest(old_inputs=to_struct(old), news=to_struct(new))
    answer = KubernetesProvider("").DiffConfig(request, None)
    assert answer.changes == messages.DiffResponse.DIFF_SOME
    assert bool(answer.replaces) == replaced
