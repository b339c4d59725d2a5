"""What the templates make of the plan's own network: every rule once, drop by default, addresses that move, bundles."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from capacity.documents import REPOSITORY
from capacity.leaseplan import Scale
from infra.components.fleet_outputs import fleet_endpoints, fleet_networks, fleet_servers, fleet_virtual
from infra.lease.inputs import server_inputs
from infra.lease.model import BmcPlace
from infra.network.addresses import address_plan
from infra.outputs import FleetOutputs
from infra.playbooks.inventory import Programs, SshAccess, inventory
from playbooks.filter_plugins.host_files import as_network_files
from tests.infra.fleet_sample import fleet
from tests.infra.network import sample

ROLES = REPOSITORY / "playbooks" / "roles"
SSH = SshAccess("ops", "/state/key", "/state/known_hosts", ("ssh-ed25519 AAAA",))


def outputs(scale: Scale) -> FleetOutputs:
    """What the fleet stack would hand over for the sample."""
    plan = sample.plan()
    addresses = address_plan(plan, scale, "10.94.0.0/16" if scale == "rack" else "")
    names = [s.name for s in plan.servers if s.phase == 1 and (scale == "national" or s.site == "primary")]
    inputs = server_inputs(plan, names, "sample", addresses, lambda s: BmcPlace(url="https://bmc", system="1"), 2)
    changed = {
        "scale": scale,
        "servers": fleet_servers(inputs, dict.fromkeys(names, "deployed"), "", scale),
        "networks": fleet_networks(addresses),
        "endpoints": fleet_endpoints(inputs, addresses, plan.network.domain),
        "virtual": fleet_virtual(inputs, addresses, plan.network.domain),
    }
    return fleet().model_copy(update=changed)


@cache
def hosts(scale: Scale) -> dict[str, dict[str, Any]]:
    programs = Programs(folder="/srv/mirror/kubernetes", coredns="/srv/mirror/names/coredns")
    made: dict[str, dict[str, Any]] = inventory(outputs(scale), sample.plan(), SSH, programs)["all"]["hosts"]
    return made


def rendered(role: str, template: str, variables: dict[str, Any]) -> str:
    """As Ansible renders it: defaults of the role, then what the inventory says."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLES / role / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, not pages
    )
    environment.filters["to_json"] = json.dumps
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    return environment.get_template(template).render(defaults | variables)


@pytest.mark.parametrize("scale", ["rack", "national"])
def test_every_rule_of_the_plan_is_in_the_firewall_of_the_servers_it_is_for_and_the_rest_is_dropped(
    scale: Scale,
) -> None:
    for server in outputs(scale).servers:
        text = rendered("base", "nftables.conf.j2", hosts(scale)[server.name])
        assert "hook input priority filter; policy drop;" in text
        assert "hook forward priority filter; policy drop;" in text
        shown = Counter(
            line[line.index(rule) :].strip()
            for line in text[: text.index("chain forward")].splitlines()
            for rule in ("tcp dport", "udp dport")
            if rule in line
        )
        assert shown == Counter(
            f'{rule.protocol} dport {{ {", ".join(map(str, rule.ports))} }} counter accept comment "{rule.purpose}"'
            for rule in sample.national().firewall
            if rule.to_role == server.role and has_source(rule.source, scale)
        )


def has_source(source: str, scale: Scale) -> bool:
    """Whether anyone stands for a rule's source at this scale; the sample has every role."""
    return scale == "rack" if source == "rack-gateway" else True


def test_nftables_takes_the_rules_of_every_server(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("needs root and nftables")
    files = []
    for scale, names in (
        ("rack", ["primary-worker-01", "primary-edge-01"]),
        ("national", ["primary-edge-01", "drc-worker-02", "primary-ops-01"]),
    ):
        for name in names:
            file = tmp_path / f"{scale}-{name}.nft"
            file.write_text(rendered("base", "nftables.conf.j2", hosts(scale)[name]))
            files.append(str(file))
    # In a network namespace of its own, and as a check: no rule of this machine is read or changed.
    command = ["unshare", "--net", "sh", "-c", 'for file; do nft --check --file "$file" || exit 1; done', "sh", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_other_edge_servers_of_the_site_may_talk_about_the_virtual_address() -> None:
    for scale, peer in (("national", "10.20.4.12"), ("rack", "10.94.2.12")):
        text = rendered("base", "nftables.conf.j2", hosts(scale)["primary-edge-01"])
        assert f"ip saddr {{ {peer} }} ip protocol vrrp" in text
    assert "vrrp" not in rendered("base", "nftables.conf.j2", hosts("national")["primary-worker-01"])


def test_the_edge_servers_of_a_site_share_an_address_by_rank_and_speak_to_one_another() -> None:
    one, two = (hosts("national")[f"primary-edge-0{n}"]["edge_virtual"][0] for n in (1, 2))
    assert one["address"] == two["address"] == "10.20.4.5/32"
    assert one["router_id"] == two["router_id"]
    assert one["priority"] > two["priority"]
    assert (one["own"], one["peers"]) == ("10.20.4.11", ["10.20.4.12"])
    text = rendered("edge", "keepalived.conf.j2", hosts("national")["primary-edge-01"])
    words = ("interface bond0.104", "unicast_src_ip 10.20.4.11", "    10.20.4.12\n", "nopreempt", "10.20.4.5/32")
    assert all(word in text for word in words)
    assert "interface eth0" in rendered("edge", "keepalived.conf.j2", hosts("rack")["primary-edge-01"])


def test_workers_are_judged_by_connections_and_never_by_how_late_a_busy_pod_answers() -> None:
    text = rendered("edge", "haproxy.cfg.j2", hosts("rack")["primary-edge-01"])
    assert "httpchk" not in text
    (line,) = {line.strip() for line in text.splitlines() if "default-server" in line}
    assert "fall 3" in line
    assert "observe layer4" in line
    assert "on-error fastinter" in line  # hastens a check, marks nobody down by itself
    assert "monitor-uri /edge-health" in text


def test_the_limit_is_the_plans_and_spares_the_gateway_through_which_a_racks_load_comes() -> None:
    rack, nation = hosts("rack")["primary-edge-01"], hosts("national")["primary-edge-01"]
    limit = sample.national().edge_limits.calls_per_10_s
    assert rack["edge_rate_limit"] == nation["edge_rate_limit"] == limit
    assert rack["edge_rate_exempt"] == ["10.94.0.1"]
    assert nation["edge_rate_exempt"] == []
    assert "track-sc0 src unless exempt" in rendered("edge", "haproxy.cfg.j2", rack)
    assert f"gt {limit}" in rendered("edge", "haproxy.cfg.j2", nation)


def test_a_server_asks_its_own_site_first_for_names_and_time() -> None:
    host = hosts("national")["drc-worker-01"]
    assert host["base_resolvers"][:3] == ["10.21.2.21", "10.21.2.22", "10.21.2.23"]
    assert host["base_time_servers"] == ["10.21.2.241", "10.21.2.242", "10.20.2.241", "10.20.2.242"]
    resolver = rendered("base", "resolv.conf.j2", host)
    assert resolver.count("nameserver ") == 3
    clock = hosts("national")["primary-ops-01"]
    assert clock["base_time_servers"] == list(sample.national().time.sources)  # type: ignore[union-attr]
    served = rendered("base", "chrony.conf.j2", clock)
    assert "allow 10.20.2.0/24\nallow 10.21.2.0/24\n" in served
    assert "port 0" in rendered("base", "chrony.conf.j2", host)


def test_pods_ask_the_name_servers_of_their_own_cluster() -> None:
    assert hosts("national")["drc-worker-01"]["kubernetes_cluster_dns"] == ["10.21.2.21", "10.21.2.22", "10.21.2.23"]
    assert hosts("rack")["primary-worker-01"]["kubernetes_cluster_dns"] == ["10.94.2.21", "10.94.2.22", "10.94.2.23"]


def test_a_name_server_answers_for_the_domain_its_addresses_and_its_cluster() -> None:
    host = hosts("national")["primary-control-01"]
    text = rendered("nameserver", "Corefile.j2", host)
    for zone in ("oss.internal {", "20.10.in-addr.arpa {", "21.10.in-addr.arpa {", "cluster.local 172.23.0.0/16 {"):
        assert f"\n{zone}" in text
    assert "\n. {" not in text  # nobody to ask the rest: it is refused
    assert "forward . 10.0.0.53" in rendered(
        "nameserver", "Corefile.j2", host | {"nameserver_forwarders": ["10.0.0.53"]}
    )


def test_a_real_server_bundles_its_cards_and_has_one_default_route_and_a_rack_keeps_its_one_interface() -> None:
    assert hosts("rack")["primary-edge-01"]["base_links"] == []
    assert as_network_files([]) == []
    for name, gateway in (("primary-edge-01", "10.20.4.1"), ("primary-worker-02", "10.20.2.1")):
        files = {
            f["path"].rsplit("/", 1)[1]: f["content"] for f in as_network_files(hosts("national")[name]["base_links"])
        }
        assert "Mode=802.3ad\nLACPTransmitRate=fast" in files["05-bond0.netdev"]
        assert files["05-bond0.network"].count("VLAN=bond0.") == 4  # all but the BMC's
        routes = [line for text in files.values() for line in text.splitlines() if line.startswith("Gateway=")]
        assert routes == [f"Gateway={gateway}"]
    assert files["05-bond0.102.network"].startswith("[Match]\nName=bond0.102\n\n[Network]\nAddress=10.20.2.32/24\n")
