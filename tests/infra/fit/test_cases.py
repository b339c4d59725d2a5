"""Which clusters a phase has and which losses are tried."""

from __future__ import annotations

from infra.fit.cases import bystanders, fit_sites, groups, standing
from tests.infra import plans


def test_identical_servers_are_one_group_and_a_second_sku_is_another() -> None:
    workers = [plans.server("primary", "worker", n) for n in (1, 2, 3)]
    other = plans.server("primary", "worker", 4).model_copy(update={"sku": "M2"})
    found = groups([*workers, other, plans.server("drc", "worker", 1)])
    assert [(g.site, g.sku, len(g.servers)) for g in found] == [
        ("primary", "M1", 3),
        ("primary", "M2", 1),
        ("drc", "M1", 1),
    ]


def test_a_site_with_control_servers_is_a_cluster_with_the_services_of_that_site() -> None:
    plan = plans.plan(sites=("primary", "drc"))
    deployment = plan.deployment(1, "national")
    found = fit_sites(plan, deployment)
    assert [(s.name, s.sites) for s in found] == [("primary", ("primary",)), ("drc", ("drc",))]
    assert {s.site for s in found[0].services} == {"primary"}
    assert found[1].services == ()
    assert found[0].replicas == sum(s.replicas for s in deployment.services)
    assert {w.role for site in found for w in site.workers} == {"worker"}


def test_workers_of_a_site_without_control_join_the_first_cluster() -> None:
    plan = plans.plan(sites=("primary", "drc"))
    deployment = plan.deployment(1, "national")
    names = tuple(name for name in deployment.servers if not name.startswith("drc-control"))
    (one,) = fit_sites(plan, deployment.model_copy(update={"servers": names}))
    assert one.sites == ("primary", "drc")
    assert {w.site for w in one.workers} == {"primary", "drc"}


def test_only_the_phases_own_servers_stand() -> None:
    plan = plans.plan()
    assert len(standing(plan, plan.deployment(1, "rack"))) < len(plan.servers)


def test_servers_without_pods_are_named_with_what_their_loss_means() -> None:
    plan = plans.plan({"edge": 2, "control": 3, "worker": 2, "database": 1})
    said = {group.role: words for group, words in bystanders(plan, plan.deployment(1, "national"))}
    assert set(said) == {"edge", "control", "database"}
    assert said["edge"].endswith("1 of 2 remain")
    assert said["database"].endswith("it is the only one")
    assert "the majority holds" in said["control"]
    alone = plans.plan({"edge": 1, "control": 1, "worker": 2, "database": 1})
    assert "no majority" in {g.role: w for g, w in bystanders(alone, alone.deployment(1, "national"))}["control"]
