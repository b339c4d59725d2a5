"""The whole course on small plans, with a real API server, real controllers and the real scheduler."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from capacity.leaseplan import Deployment, LeasePlan, ServicePlan
from capacity.progress import Silent
from infra.fit import Case, check
from infra.toolchain import ensure
from infra.toolchain.loopback import LoopbackCluster, control_plane
from tests.infra import plans

pytestmark = pytest.mark.toolchain
BIG = plans.SKU.model_copy(update={"cores": 4, "memory_gib": 16})  # 3 cores for pods


@pytest.fixture(scope="module")
def running() -> Iterator[LoopbackCluster]:
    with control_plane(ensure(["kubernetes", "kwok"]), pretends=True) as cluster:
        yield cluster


def portal(replicas: int, site: str = "primary", cpu: int = 1000) -> ServicePlan:
    one = plans.service("portal", "oss-portal", replicas)
    return one.model_copy(update={"site": site, "cpu_millicores": cpu})


def given(workers: int, *services: ServicePlan, sites: tuple[str, ...] = ("primary",)) -> tuple[LeasePlan, Deployment]:
    plan = plans.plan({"edge": 1, "control": 3, "worker": workers, "database": 1}, sites, phases=1)
    plan = plan.model_copy(update={"skus": (BIG,)})
    return plan, plan.deployment(1, "national").model_copy(update={"services": services})


def asked(running: LoopbackCluster, plan: LeasePlan, deployment: Deployment) -> dict[tuple[str, str], Case]:
    found = check(running, plan, 1, deployment, Silent())
    return {(case.cluster, case.what): case for case in found.cases}


def test_a_plan_with_room_for_a_loss_fits_whole_and_after_each_loss(running: LoopbackCluster) -> None:
    plan, deployment = given(3, portal(5), portal(2, "drc"), sites=("primary", "drc"))
    cases = asked(running, plan, deployment)
    assert all(case.fits for case in cases.values())
    lost = cases["primary", "one worker server lost"]
    assert lost.displaced in (1, 2)  # five over three nodes, the fullest lost
    assert lost.pods == 5
    assert "100%" in cases["drc", "site primary lost"].note
    assert "majority holds" in cases["primary", "one control server lost"].note


def test_what_does_not_fit_after_a_loss_is_named_with_the_servers_that_would_do(running: LoopbackCluster) -> None:
    plan, deployment = given(2, portal(5))
    cases = asked(running, plan, deployment)
    assert cases["primary", "whole"].fits
    lost = cases["primary", "one worker server lost"]
    assert not lost.fits
    assert len(lost.unplaced) == 2  # three of five have a place on the one server left
    assert {u.service for u in lost.unplaced} == {"portal"}
    assert any("Insufficient cpu" in reason.words for reason in lost.unplaced[0].reasons)
    assert lost.shortage is not None
    assert lost.shortage.missing.cpu_m == 2000
    assert (lost.sku, lost.added) == (BIG.id, 1)


def test_pods_that_fit_in_sum_but_on_no_single_server_are_seen(running: LoopbackCluster) -> None:
    plan, deployment = given(3, portal(4, cpu=2000))  # 8 of 9 cores asked; each node takes one of two cores
    whole = asked(running, plan, deployment)["primary", "whole"]
    assert len(whole.unplaced) == 1
    assert whole.shortage is not None
    assert whole.shortage.missing == (0, 0)
    assert whole.added == 1
