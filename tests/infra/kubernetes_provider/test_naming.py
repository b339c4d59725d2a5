"""Names that are made up, and tokens that say what an object is."""

from __future__ import annotations

from typing import Any

import pytest

from infra.kubernetes_provider.naming import AUTONAMED, NamingRule, named, was_autonamed
from infra.kubernetes_provider.provider import manager_for, token_of
from infra.kubernetes_provider.tokens import Kind, identifier, kind_of, split_identifier

ANY = NamingRule()
SEED = bytes.fromhex("0123456789abcdef")


def test_a_given_name_is_kept() -> None:
    assert named({"name": "a"}, "web", SEED, None, ANY) == {"name": "a"}
    assert named({"generateName": "a-"}, "web", SEED, None, ANY) == {"generateName": "a-"}


def test_a_made_up_name_lasts_as_long_as_the_resource() -> None:
    first = named({"labels": {"a": "b"}}, "web", SEED, None, ANY)
    assert first["name"] == "web-01234567"
    assert was_autonamed(first)
    assert named({}, "web", b"other seed", first, ANY)["name"] == "web-01234567"
    assert named({}, "web", SEED, {"name": "given-before"}, ANY)["name"] == "web-01234567"


def test_the_naming_rule_of_the_stack_is_followed() -> None:
    assert named({}, "web", SEED, None, NamingRule("ENFORCE", "web"))["name"] == "web"
    with pytest.raises(ValueError, match="autonaming"):
        named({}, "web", SEED, None, NamingRule("DISABLE"))
    with pytest.raises(ValueError, match="longer than"):
        named({}, "w" * 250, SEED, None, ANY)


def test_annotations_of_the_user_stay() -> None:
    made = named({"annotations": {"a": "b"}}, "web", SEED, None, ANY)
    assert made["annotations"] == {"a": "b", AUTONAMED: "true"}


@pytest.mark.parametrize(
    ("token", "properties", "expected"),
    [
        ("kubernetes:core/v1:Namespace", {}, Kind("v1", "Namespace")),
        ("kubernetes:apps/v1:Deployment", {}, Kind("apps/v1", "Deployment")),
        ("kubernetes:core/v1:ConfigMapPatch", {"kind": "ConfigMap"}, Kind("v1", "ConfigMap", True)),
        ("kubernetes:example.org/v1:Widget", {"apiVersion": "example.org/v1", "kind": "Widget"}, None),
        ("kubernetes:example.org/v1:EggPatch", {"kind": "EggPatch"}, Kind("example.org/v1", "EggPatch")),
    ],
)
def test_a_token_says_what_the_object_is(token: str, properties: dict[str, Any], expected: Kind | None) -> None:
    assert kind_of(token, properties) == (expected or Kind("example.org/v1", "Widget"))


@pytest.mark.parametrize("token", ["kubernetes:helm.sh/v3:Release", "kubernetes:yaml/v2:ConfigGroup", "nonsense"])
def test_what_is_no_single_object_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"official|no Kubernetes"):
        kind_of(token, {})


def test_identifiers_turn_both_ways() -> None:
    for namespace, name in ((None, "a"), ("n", "a")):
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        assert split_identifier(identifier(metadata)) == (namespace, name)


def test_field_managers_tell_resources_apart() -> None:
    parented = "urn:pulumi:local.services::oss::oss:Portal$kubernetes:apps/v1:Deployment::web"
    assert token_of(parented) == "kubernetes:apps/v1:Deployment"
    other = manager_for(parented.replace("local", "production"))
    assert manager_for(parented) != other
    assert other.startswith("pulumi-kubernetes-")
