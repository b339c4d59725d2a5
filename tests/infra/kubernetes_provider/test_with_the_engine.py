"""The stand-in under the real engine, against a real API server, controllers and scheduler."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from infra.kubernetes_provider.plugin import ANNOUNCEMENT
from tests.infra.kubernetes_provider.conftest import Kubectl, Project

pytestmark = pytest.mark.toolchain

SETTINGS = """
namespace = k8s.core.v1.Namespace("team", opts=options)
place = {"namespace": namespace.metadata.name}
config = k8s.core.v1.ConfigMap("config", metadata=place, data=given["data"], opts=options)
secret = k8s.core.v1.Secret(
    "secret",
    metadata={**place, "name": "secret"},
    string_data={"password": pulumi.Output.secret(given["password"])},
    opts=options,
)
quota = k8s.core.v1.ResourceQuota(
    "quota", metadata={**place, "name": "quota"}, spec={"hard": {"requests.cpu": "4000m", "pods": "20"}}, opts=options
)
pulumi.export("namespace", namespace.metadata.name)
pulumi.export("config", config.metadata.name)
"""
WORKLOADS = """
place = {"namespace": given["namespace"]}
def pods(name, **more):
    return {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": name, "image": f"{name}:1"}], **given.get("pods", {}), **more}}
def selects(name):
    return {"matchLabels": {"app": name}}
web = k8s.apps.v1.Deployment(
    "web",
    metadata={**place, "name": "web", "annotations": given.get("notes", {})},
    spec={"replicas": given.get("replicas", 2), "selector": selects("web"), "template": pods("web")},
    opts=options,
)
"""
MORE_WORKLOADS = """
k8s.apps.v1.StatefulSet("db", metadata={**place, "name": "db"}, opts=options,
    spec={"replicas": 2, "serviceName": "db", "selector": selects("db"), "template": pods("db")})
k8s.apps.v1.DaemonSet("agent", metadata={**place, "name": "agent"}, opts=options,
    spec={"selector": selects("agent"), "template": pods("agent")})
k8s.batch.v1.Job("once", metadata=place, opts=options, spec={"template": pods("once", restartPolicy="Never")})
service = k8s.core.v1.Service("web", metadata={**place, "name": "web"}, opts=options,
    spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("ready", web.status.ready_replicas)
"""


def test_life_of_a_namespace_and_its_settings(project: Project, kubectl: Kubectl) -> None:
    project.write(SETTINGS)
    project.given = {"data": {"colour": "red"}, "password": "hush-hush"}

    foreseen = project.steps()
    assert set(foreseen) == {"trial-test", "cluster", "team", "config", "secret", "quota"}
    assert set(foreseen.values()) == {"create"}

    assert ANNOUNCEMENT in project.up()
    names = project.outputs()
    assert kubectl.get("configmap", names["config"], f"--namespace={names['namespace']}")["data"] == {"colour": "red"}
    assert project.steps() == {}

    # Auto-named and used by pods: a change makes a new object beside the old one. A label changes in place.
    project.given["data"] = {"colour": "blue"}
    assert "config" in project.steps()
    project.up()
    replaced = project.outputs()["config"]
    assert replaced != names["config"]
    found = kubectl.get("configmap", f"--namespace={names['namespace']}", "--selector=!nothing")["items"]
    assert {item["metadata"]["name"] for item in found} == {replaced, "kube-root-ca.crt"}

    project.run("destroy", "--yes", "--skip-preview")
    left = {item["metadata"]["name"] for item in kubectl.get("namespaces")["items"]}
    assert names["namespace"] not in left


def test_drift_is_seen_and_secrets_stay_secret(project: Project, kubectl: Kubectl) -> None:
    project.write(SETTINGS)
    project.given = {"data": {}, "password": "hush-hush"}
    project.up()
    place = f"--namespace={project.outputs()['namespace']}"
    assert project.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    kubectl("patch", "secret", "secret", place, "--patch", json.dumps({"stringData": {"password": "stolen-one"}}))
    kubectl("patch", "resourcequota", "quota", place, "--patch", json.dumps({"spec": {"hard": {"pods": "1"}}}))
    said = project.run("refresh", "--yes", "--skip-preview", "--diff")
    assert '"20" => "1"' in said.replace("  ", " ")
    assert "requests.cpu" not in said  # 4000m and 4 are the same
    exported = project.run("stack", "export")
    for text in ("hush-hush", "stolen-one"):
        assert text not in said + exported
        assert base64.b64encode(text.encode()).decode() not in said + exported

    # Another manager owns the field now: the program must say that it wants it back.
    refused = project.up(fails=True)
    assert "kubectl-patch" in refused
    assert "pulumi.com/patchForce" in refused
    project.given["provider"] = {"enable_patch_force": True}
    project.up()
    assert kubectl.get("resourcequota", "quota", place)["spec"]["hard"]["pods"] == "20"
    stored = kubectl.get("secret", "secret", place)["data"]["password"]
    assert base64.b64decode(stored).decode() == "hush-hush"


def test_workloads_are_waited_for(project: Project, kubectl: Kubectl, namespace: str) -> None:
    project.write(WORKLOADS + MORE_WORKLOADS)
    project.given = {"namespace": namespace}
    project.up()
    outputs = project.outputs()
    assert outputs["ready"] == 2
    assert outputs["address"] == kubectl.get("service", "web", f"--namespace={namespace}")["spec"]["clusterIP"]
    jobs = kubectl.get("jobs", f"--namespace={namespace}")["items"]
    assert [job["status"]["succeeded"] for job in jobs] == [1]
    assert project.steps() == {}

    project.given["replicas"] = 4
    assert project.steps() == {"web": "update"}
    project.up()
    assert project.outputs()["ready"] == 4


def test_what_does_not_become_ready_fails_with_its_reason_and_heals(
    project: Project, kubectl: Kubectl, namespace: str
) -> None:
    project.write(WORKLOADS)
    nowhere = {"nodeSelector": {"disk": "gold"}}
    project.given = {"namespace": namespace, "pods": nowhere, "notes": {"pulumi.com/timeoutSeconds": "3"}}
    said = project.up(fails=True)
    assert "not ready after 3 s" in said
    assert "didn't match Pod's node affinity/selector" in said

    # The object is kept in the state, and what is wrong with it is tried again without being told.
    assert project.steps() == {"web": "update"}
    project.given["pods"] = {}
    project.up()
    assert kubectl.get("deployment", "web", f"--namespace={namespace}")["status"]["readyReplicas"] == 2
    assert project.steps() == {}

    project.given |= {"pods": nowhere, "notes": {"pulumi.com/skipAwait": "true"}}
    project.up()


def test_an_object_of_somebody_else_is_not_taken_over(project: Project, kubectl: Kubectl, namespace: str) -> None:
    project.write("""
        k8s.core.v1.ConfigMap("theirs", metadata={"namespace": given["namespace"], "name": "theirs"},
                              data={"a": "b"}, opts=options)
    """)
    kubectl("create", "configmap", "theirs", f"--namespace={namespace}", "--from-literal=a=theirs")
    project.given = {"namespace": namespace}
    for arguments in (("preview",), ("up", "--yes", "--skip-preview")):
        assert "in the cluster already" in project.run(*arguments, fails=True)
    assert kubectl.get("configmap", "theirs", f"--namespace={namespace}")["data"] == {"a": "theirs"}


def test_a_create_that_was_killed_is_finished_by_the_next_run(
    project: Project, kubectl: Kubectl, namespace: str
) -> None:
    project.write("""
        k8s.core.v1.ConfigMap("mine", metadata={"namespace": given["namespace"], "name": "mine"},
                              data={"a": given["value"]}, opts=options)
    """)
    project.given = {"namespace": namespace, "value": "1"}
    project.up()
    # As after a kill between the API server's answer and the engine's checkpoint: the object without its state.
    project.run("state", "delete", _urn(project, "mine"), "--yes")
    project.given["value"] = "2"
    assert project.steps() == {"mine": "create"}
    project.up()
    assert kubectl.get("configmap", "mine", f"--namespace={namespace}")["data"] == {"a": "2"}


def test_objects_are_imported_and_read(project: Project, kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "configmap", "old", f"--namespace={namespace}", "--from-literal=a=1")
    project.write("""
        k8s.core.v1.ConfigMap("old", metadata={"namespace": given["namespace"], "name": "old"}, data={"a": "1"},
            opts=pulumi.ResourceOptions(provider=provider, import_=f"{given['namespace']}/old"))
        there = k8s.core.v1.ConfigMap.get("root", f"{given['namespace']}/kube-root-ca.crt", opts=options)
        pulumi.export("keys", there.data.apply(lambda data: sorted(data)))
    """)
    project.given = {"namespace": namespace}
    assert project.steps()["old"] == "import"
    project.up()
    assert project.outputs()["keys"] == ["ca.crt"]
    assert project.steps() == {}


def test_a_patch_gives_back_what_it_took(project: Project, kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "configmap", "shared", f"--namespace={namespace}", "--from-literal=a=1")
    patch = """
        k8s.core.v1.ConfigMapPatch("patch", data={"b": "2"}, opts=options,
                                   metadata={"namespace": given["namespace"], "name": "shared"})
    """
    project.write(patch)
    project.given = {"namespace": namespace}
    project.up()
    assert _data(kubectl, namespace) == {"a": "1", "b": "2"}
    assert project.steps() == {}
    project.write("")
    project.up()
    assert _data(kubectl, namespace) == {"a": "1"}


def test_custom_resources_follow_their_definition(project: Project, namespace: str) -> None:
    project.write("""
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        definition = k8s.apiextensions.v1.CustomResourceDefinition(
            "widgets",
            metadata={"name": "widgets.example.org"},
            spec={"group": "example.org", "scope": "Namespaced",
                  "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                  "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]},
            opts=options)
        k8s.apiextensions.CustomResource(
            "widget", api_version="example.org/v1", kind="Widget",
            metadata={"namespace": given["namespace"], "name": "one"}, spec={"size": 3},
            opts=pulumi.ResourceOptions(provider=provider, depends_on=[definition]))
    """)
    project.given = {"namespace": namespace}
    assert project.steps()["widget"] == "create"
    project.up()
    assert project.steps() == {}
    project.run("destroy", "--yes", "--skip-preview")


def test_previews_without_a_cluster_say_so(project: Project) -> None:
    project.write(SETTINGS)
    project.given = {"data": {}, "password": "x"}
    project.environment["CLUSTER"] = _kubeconfig("https://127.0.0.1:9")
    assert "which cannot be reached" in project.run("preview")
    assert "cannot be reached" in project.up(fails=True)


def test_unknown_values_are_carried_through_a_preview(project: Project, namespace: str) -> None:
    project.write("""
        place = {"namespace": given["namespace"]}
        service = k8s.core.v1.Service("web", metadata={**place, "annotations": {"pulumi.com/skipAwait": "true"}},
            spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}, opts=options)
        config = k8s.core.v1.ConfigMap("config", metadata=place, data={"at": service.spec.cluster_ip}, opts=options)
        pulumi.export("at", config.data["at"])
    """)
    project.given = {"namespace": namespace}
    assert "at: [unknown]" in project.run("preview", "--diff").replace("  ", " ").replace("at : ", "at: ")
    project.up()
    assert project.outputs()["at"].startswith("172.23.")


def test_what_only_the_official_plugin_does_is_said(project: Project, namespace: str) -> None:
    project.write("""
        k8s.helm.v3.Release("chart", chart="nginx", opts=options)
    """)
    assert "needs the official Kubernetes plugin" in project.run("preview", fails=True)


def _data(kubectl: Kubectl, namespace: str) -> Any:
    return kubectl.get("configmap", "shared", f"--namespace={namespace}")["data"]


def _urn(project: Project, name: str) -> str:
    resources = json.loads(project.run("stack", "export"))["deployment"]["resources"]
    return next(str(resource["urn"]) for resource in resources if resource["urn"].endswith(f"::{name}"))


def _kubeconfig(server: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )
