"""The national plan as a report's sources, in a folder of its own with inputs that match their lease plan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY, sha256, to_yaml, write_text
from capacity.leaseplan import load_lease_plan
from capacity.report.sources import Sources, read_sources
from capacity.report.values import Report
from capacity.report.view import build


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the national plan whose lease plan carries the hashes of the copies."""
    folder = tmp_path_factory.mktemp("plan")
    for name in ("plans", "data"):
        shutil.copytree(REPOSITORY / "capacity" / name, folder / name)
    lock = folder / "plans" / "national.lock.yaml"
    plan = load_lease_plan(lock, verify=False)
    hashes = {name: sha256(lock.parent / name) for name in plan.inputs if (lock.parent / name).exists()}
    write_text(lock, to_yaml(plan.model_copy(update={"inputs": hashes})))
    return folder / "plans" / "national.yaml"


@pytest.fixture(scope="session")
def sources(plan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Sources without evidence."""
    return read_sources(plan_file, evidence=tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def report(sources: Sources) -> Report:
    """The view model of the national plan."""
    return build(sources)
