"""Differences of inputs, their paths, and which need a new object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kubernetes_provider.changes import differences, replacing, step
from infra.kubernetes_provider.tokens import Kind
from infra.properties import UNKNOWN, Secret

VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(min_size=1, max_size=3), VALUES, max_size=4)
DEPLOYMENT, CONFIG_MAP, POD = Kind("apps/v1", "Deployment"), Kind("v1", "ConfigMap"), Kind("v1", "Pod")


@given(OBJECTS)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert differences(value, value) == {}


@given(OBJECTS, OBJECTS)
def test_differences_mirror(old: dict[str, Any], new: dict[str, Any]) -> None:
    turned = {"ADD": "DELETE", "DELETE": "ADD", "UPDATE": "UPDATE"}
    there, back = differences(old, new), differences(new, old)
    assert {path: turned[change] for path, change in there.items()} == back
    assert bool(there) == (old != new)


@given(OBJECTS, OBJECTS)
def test_wrapping_in_secrets_hides_no_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    secret = {key: Secret(value) for key, value in new.items()}
    assert differences(old, secret) == differences(old, new)


def test_paths_are_those_of_the_engine() -> None:
    old = {"metadata": {"labels": {"app.kubernetes.io/name": "a"}}, "spec": {"ports": [{"port": 1}, {"port": 2}]}}
    new = {"metadata": {"labels": {"app.kubernetes.io/name": "b"}}, "spec": {"ports": [{"port": 3}]}}
    assert differences(old, new) == {
        'metadata.labels["app.kubernetes.io/name"]': "UPDATE",
        "spec.ports[0].port": "UPDATE",
        "spec.ports[1]": "DELETE",
    }
    assert step("a", 'q"x') == 'a["q\\"x"]'


def test_an_unknown_counts_as_a_change() -> None:
    assert differences({"a": "x"}, {"a": UNKNOWN}) == {"a": "UPDATE"}


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        (DEPLOYMENT, {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, []),
        (DEPLOYMENT, {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, ["metadata.name"]),
        (
            DEPLOYMENT,
            {"spec": {"selector": {"matchLabels": {"a": "1"}}}},
            {"spec": {"selector": {"matchLabels": {"a": "2"}}}},
            ["spec.selector.matchLabels.a"],
        ),
        (DEPLOYMENT, {"spec": {"selectorish": 1}}, {"spec": {"selectorish": 2}}, []),
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, ["data.a"]),
        (CONFIG_MAP, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}, []),
        (POD, {"spec": {"containers": [{"image": "a"}]}}, {"spec": {"containers": [{"image": "b"}]}}, []),
        (
            POD,
            {"spec": {"containers": [{"env": []}]}},
            {"spec": {"containers": [{"env": [{"name": "a"}]}]}},
            ["spec.containers[0].env[0]"],
        ),
    ],
)
def test_which_differences_need_a_new_object(
    kind: Kind, old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    assert replacing(kind, differences(old, new), {}) == expected


def test_config_maps_change_in_place_when_told_so() -> None:
    changed = differences({"data": {"a": "1"}}, {"data": {"a": "2"}})
    assert replacing(CONFIG_MAP, changed, {"enableConfigMapMutable": True}) == []
