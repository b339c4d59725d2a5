"""The fleet's outputs survive the way through the stack, and secrets never show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capacity.faults import BadInput
from infra.outputs import read_outputs
from tests.infra.fleet_sample import fleet


def as_json() -> str:
    made = fleet()
    data = made.model_dump(mode="json")
    data["secrets"] = {name: value.get_secret_value() for name, value in made.secrets}
    return json.dumps(data)


def test_text_dictionary_and_file_read_alike(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(as_json())
    assert read_outputs(as_json()) == read_outputs(json.loads(as_json())) == read_outputs(file) == fleet()


def test_secrets_do_not_show() -> None:
    made = read_outputs(as_json())
    secret = made.secrets.database_password.get_secret_value()
    assert secret
    assert secret not in repr(made) + str(made) + made.model_dump_json()


@pytest.mark.parametrize("given", ["", "{}", "not json", '{"phase": 1}', "[]"])
def test_what_is_no_fleet_is_refused(given: str) -> None:
    with pytest.raises(BadInput):
        read_outputs(given)


def test_by_role_and_name() -> None:
    made = fleet()
    assert [s.name for s in made.with_role("worker")] == ["primary-worker-01", "primary-worker-02"]
    assert made.with_role("worker", "drc") == ()
    assert made.server("primary-edge-01").role == "edge"
    with pytest.raises(KeyError):
        made.server("nobody")
