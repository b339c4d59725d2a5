"""The inventory: everything from the fleet and the plan, nothing secret in it, and a firewall that locks nobody out."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from capacity.documents import REPOSITORY
from capacity.faults import BadInput
from capacity.leaseplan import FirewallRule, LeasePlan, Role
from infra.outputs import FleetOutputs
from infra.playbooks.inventory import NodeImage, Programs, SshAccess, inventory, secret_variables
from tests.infra import plans
from tests.infra.fleet_sample import fleet, server

SSH = SshAccess("root", "/state/ssh/id_ed25519", "/state/ssh/known_hosts", ("ssh-ed25519 AAAA ops",))
PROGRAMS = Programs("/srv/mirror/kubernetes", "", "", "localhost/pause:1", (NodeImage("/a.tar", "localhost/a:1", "d"),))
ROLES: tuple[Role, ...] = ("edge", "control", "worker", "database", "ops")


def rule(to_role: Role, source: str, *ports: int) -> FirewallRule:
    return FirewallRule(to_role=to_role, source=source, protocol="tcp", ports=ports, purpose=f"{source} to {to_role}")


RULES = (
    *(rule(role, "rack-gateway", 22) for role in ROLES),
    *(rule(role, "ops", 22) for role in ROLES),
    rule("edge", "internet", 443),
    rule("control", "worker", 6443),
    rule("worker", "edge", 30080),
    rule("worker", "worker", 8000),
    rule("database", "worker", 5432),
)


def plan(rules: tuple[FirewallRule, ...] = RULES) -> LeasePlan:
    made = plans.plan()
    return made.model_copy(update={"network": made.network.model_copy(update={"firewall": rules})})


def hosts(outputs: FleetOutputs | None = None, rules: tuple[FirewallRule, ...] = RULES) -> dict[str, Any]:
    made: dict[str, Any] = inventory(outputs or fleet(), plan(rules), SSH, PROGRAMS)["all"]["hosts"]
    return made


def national() -> FleetOutputs:
    made = fleet(*(server(role, 1) for role in ROLES), server("control", 2), server("control", 3))
    return made.model_copy(update={"scale": "national"})


def allowed(host: dict[str, Any], port: int) -> list[str]:
    return [source for rule in host["base_firewall"] if port in rule["ports"] for source in rule["sources"]]


def test_every_server_is_there_once_by_role_and_by_site() -> None:
    made = inventory(fleet(), plan(), SSH, PROGRAMS)["all"]
    assert set(made["hosts"]) == {s.name for s in fleet().servers}
    by_role = {name: set(group["hosts"]) for name, group in made["children"].items()}
    assert by_role["worker"] == {"primary-worker-01", "primary-worker-02"}
    assert by_role["site_primary"] == set(made["hosts"])
    assert "operations" not in by_role


def test_no_secret_stands_in_the_inventory() -> None:
    text = json.dumps(inventory(fleet(), plan(), SSH, PROGRAMS))
    secrets = secret_variables({"primary-edge-01": {"server.key": "PRIVATE KEY"}}, fleet())
    assert "sample-database" not in text
    assert "PRIVATE" not in text
    assert secrets["oss_passwords"] == {
        "database": "sample-database",
        "database_admin": "sample-admin",
        "database_replication": "sample-replication",
    }
    assert secrets["oss_files"]["primary-edge-01"]["server.key"] == "PRIVATE KEY"


def test_strict_host_keys_on_every_server() -> None:
    for host in hosts().values():
        assert "StrictHostKeyChecking=yes" in host["ansible_ssh_common_args"]
        assert "UserKnownHostsFile=/state/ssh/known_hosts" in host["ansible_ssh_common_args"]


def test_each_role_gets_exactly_the_variables_that_its_specification_names() -> None:
    own = {"edge": ["edge"], "control": ["kubernetes"], "worker": ["kubernetes"], "database": ["postgresql"]}
    for outputs in (fleet(), national()):
        for name, variables in hosts(outputs).items():
            for role in ["base", *own.get(outputs.server(name).role, [])]:
                file = REPOSITORY / "playbooks" / "roles" / role / "meta" / "argument_specs.yml"
                options = yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"]
                given = {key for key in variables if key.startswith(f"{role}_")}
                assert given <= set(options), (name, role)
                assert {key for key, option in options.items() if option.get("required")} <= given, (name, role)


def test_the_gateway_of_the_rack_reaches_what_the_plan_says_and_nothing_else() -> None:
    host = hosts()["primary-database-01"]
    assert allowed(host, 22) == ["10.94.0.1"]
    assert allowed(host, 5432) == ["10.94.2.31", "10.94.2.32", "172.24.0.0/16"]
    assert {port for rule in host["base_firewall"] for port in rule["ports"]} == {22, 5432}


def test_a_source_without_servers_opens_nothing_and_anyone_is_said_by_an_empty_list() -> None:
    edge = hosts()["primary-edge-01"]
    assert [rule["sources"] for rule in edge["base_firewall"]] == [["10.94.0.1"], []]
    assert allowed(hosts(national())["primary-edge-01"], 22) == ["10.94.2.241"]


def test_a_plan_that_would_lock_administrators_out_is_refused_for_every_role_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        hosts(rules=(rule("edge", "rack-gateway", 22), rule("worker", "ops", 22)))
    assert {fault.problem.rsplit(" ", 1)[1] for fault in caught.value.faults} == {"control", "worker", "database"}


@given(st.sets(st.integers(1, 9), min_size=1, max_size=5))
def test_every_worker_has_a_route_to_the_pods_of_every_other_and_control_to_all(indices: set[int]) -> None:
    made = hosts(fleet(server("control", 1), *(server("worker", i) for i in indices)))
    cidrs = {name: host["base_pod_cidr"] for name, host in made.items() if host["base_pod_cidr"]}
    for name, host in made.items():
        routed = {route["cidr"] for route in host["kubernetes_pod_routes"]}
        assert routed == set(cidrs.values()) - {cidrs.get(name)}


def test_a_system_container_is_told_so_and_a_real_server_is_not() -> None:
    for outputs, expected in ((fleet(), True), (national(), False)):
        for host in hosts(outputs).values():
            assert host["base_system_container"] is expected
            assert host["base_root_login"] is expected
    assert "vm.swappiness" not in hosts()["primary-edge-01"]["base_sysctls"]
    assert "vm.swappiness" in hosts(national())["primary-edge-01"]["base_sysctls"]


def test_sizes_follow_the_sku_in_the_nation() -> None:
    database = hosts(national())["primary-database-01"]
    assert (database["postgresql_memory_mib"], database["postgresql_cores"]) == (256 * 1024, 32)
    assert hosts()["primary-database-01"]["postgresql_memory_mib"] == 1024


def test_the_edge_sends_each_path_to_its_service_and_the_rest_to_the_portal() -> None:
    routes = hosts()["primary-edge-01"]["edge_routes"]
    assert {route["path"]: route["port"] for route in routes} == {
        "/api/": 30081,
        "/integration/": 30082,
        "/satgas/": 30083,
        "": 30080,
    }
    assert routes[-1]["path"] == ""


def test_all_control_servers_answer_to_the_name_of_the_api() -> None:
    names = hosts(national())["primary-worker-01"]["base_hosts"]
    answering = [host["address"] for host in names if "kubernetes.primary.oss.internal" in host["names"]]
    assert answering == ["10.94.2.21", "10.94.2.22", "10.94.2.23"]
