"""One paper rack for the module: five servers, faults cleared and power as delivered before every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.engine.rack import rack_spec
from infra.network.addresses import address_plan
from tests.infra import plans
from tests.infra.paper import PaperRack, free_supernet, paper_rack


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperRack]:
    plan = plans.plan(phases=1)
    addresses = address_plan(plan, "rack", free_supernet())
    spec = rack_spec("paper", plan, plan.deployment(1, "rack"), addresses)
    with paper_rack(spec, tmp_path_factory.mktemp("paper")) as rack:
        yield rack


@pytest.fixture
def rack(served: PaperRack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperRack:
    monkeypatch.setenv("OSS_STATE", str(tmp_path / "state"))
    served.faults()
    for name in served.seen():
        served.set_power(name, "Off")
    return served
