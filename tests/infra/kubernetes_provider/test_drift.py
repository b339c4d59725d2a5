"""Inputs keep their spelling where nothing drifted, and take the living value where something did."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.kubernetes_provider.drift import LAST_APPLIED, adopted_inputs, live_inputs

GIVEN = {
    "kind": "Deployment",
    "spec": {
        "replicas": 2,
        "containers": [
            {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "1000m"}}, "args": []},
            {"name": "log", "image": "log:1"},
        ],
    },
}
WANTED: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"resourceVersion": "7"},
    "spec": {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate"},
        "containers": [
            {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "1"}}, "imagePullPolicy": "Always"},
            {"name": "log", "image": "log:1", "imagePullPolicy": "Always"},
        ],
    },
}


def test_defaults_and_other_spellings_are_no_drift() -> None:
    live = copy.deepcopy(WANTED) | {"metadata": {"resourceVersion": "6", "labels": {"somebody": "else"}}}
    assert live_inputs(GIVEN, WANTED, live) == GIVEN


def test_a_changed_value_is_drift_and_the_rest_keeps_its_spelling() -> None:
    live = copy.deepcopy(WANTED)
    live["spec"]["containers"][0]["image"] = "web:2"
    live["spec"]["replicas"] = 5
    found = live_inputs(GIVEN, WANTED, live)
    assert found["spec"]["replicas"] == 5
    assert found["spec"]["containers"][0]["image"] == "web:2"
    assert found["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1000m"}}
    assert found["spec"]["containers"][1] == GIVEN["spec"]["containers"][1]  # type: ignore[index]


def test_what_was_removed_or_added_to_a_list_shows() -> None:
    live = copy.deepcopy(WANTED)
    del live["spec"]["containers"][1]
    live["spec"]["containers"].append({"name": "miner", "image": "miner:1"})
    names = [item["name"] for item in live_inputs(GIVEN, WANTED, live)["spec"]["containers"]]
    assert names == ["web", "miner"]


def test_a_removed_branch_is_left_out() -> None:
    live = {"kind": "Deployment", "spec": {}}
    assert live_inputs(GIVEN, WANTED, live) == live


def test_a_secret_is_compared_in_the_form_in_which_it_was_given() -> None:
    def secret(text: str) -> dict[str, Any]:
        return {"kind": "Secret", "data": {"password": base64.b64encode(text.encode()).decode()}}

    inputs = {"kind": "Secret", "stringData": {"password": "hush"}}
    assert live_inputs(inputs, secret("hush"), secret("hush")) == inputs
    assert live_inputs(inputs, secret("hush"), secret("stolen"))["stringData"] == {"password": "stolen"}


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=5))
def test_without_a_difference_the_inputs_come_back(inputs: dict[str, Any]) -> None:
    assert live_inputs(inputs, inputs, inputs) == inputs


LIVE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "n", "uid": "1", "labels": {"x": "1", "y": "2"}},
    "data": {"k": "v", "other": "w"},
    "status": {"phase": "x"},
}


def test_an_adopted_object_asks_for_what_kubectl_recorded() -> None:
    live = copy.deepcopy(LIVE)
    record = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(record)}  # type: ignore[index]
    assert adopted_inputs(live) == record | {"metadata": {"name": "a", "namespace": "n"}}


def test_an_adopted_object_asks_for_what_appliers_own() -> None:
    live = copy.deepcopy(LIVE)
    fields = {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}, "f:data": {"f:k": {}}}
    live["metadata"]["managedFields"] = [{"operation": "Apply", "manager": "m", "fieldsV1": fields}]  # type: ignore[index]
    found = adopted_inputs(live)
    assert found["data"] == {"k": "v"}
    assert found["metadata"] == {"labels": {"x": "1"}, "name": "a", "namespace": "n"}


def test_an_adopted_object_without_a_record_asks_for_all_but_what_servers_write() -> None:
    found = adopted_inputs(LIVE)
    assert found["data"] == LIVE["data"]
    assert "status" not in found
    assert set(found["metadata"]) == {"labels", "name", "namespace"}
