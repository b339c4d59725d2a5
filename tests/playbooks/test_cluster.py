"""The whole fleet on a rack: a cluster, a database and an edge from five plain servers, and again without a change."""

from __future__ import annotations

import os
import pickle
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.config import load_kube_config

from capacity.documents import REPOSITORY
from capacity.faults import StepFailed
from capacity.leaseplan import FirewallRule
from capacity.progress import Silent
from infra.paths import state_dir
from infra.pki.fleet import kubeconfig_file, services_ca
from infra.playbooks import Choice
from infra.playbooks.mirror import mirror
from infra.rack.server import power_off, power_on
from tests.infra.watching import command_lines
from tests.playbooks.conftest import Lab

pytestmark = [pytest.mark.rack, pytest.mark.toolchain]

PATIENCE_S = 180.0
CLUSTER_IP = "172.23.9.9"
WORKERS = ("primary-worker-01", "primary-worker-02")


def wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.3)


def core(lab: Lab) -> Any:
    return client.CoreV1Api(api(lab))


def api(lab: Lab) -> Any:
    configuration: Any = client.Configuration()
    load: Callable[..., None] = load_kube_config
    load(str(kubeconfig_file(lab.outputs.environment)), client_configuration=configuration)
    configuration.no_proxy = "*"
    return client.ApiClient(configuration)


def ready_nodes(lab: Lab) -> set[str]:
    nodes = core(lab).list_node().items
    return {n.metadata.name for n in nodes for c in n.status.conditions if (c.type, c.status) == ("Ready", "True")}


def status(lab: Lab, name: str, url: str) -> str:
    """HTTP status that a server gets from a URL; 000 for none."""
    return lab.ssh(name, f"curl --silent --max-time 3 --output /dev/null --write-out '%{{http_code}}' {url}")


def hello(image: str) -> dict[str, Any]:
    container = {
        "name": "hello",
        "image": image,
        "imagePullPolicy": "Never",
        "env": [{"name": "OSS_SERVICE", "value": "registry"}],
        "ports": [{"containerPort": 8000}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8000}, "periodSeconds": 1},
        "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "hello"}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "topologySpreadConstraints": [spread],
        "containers": [container],
    }
    return {
        "metadata": {"name": "hello"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "hello"}},
            "template": {"metadata": {"labels": {"app": "hello"}}, "spec": pod},
        },
    }


SERVICE = {
    "metadata": {"name": "hello"},
    "spec": {
        "type": "NodePort",
        "clusterIP": CLUSTER_IP,
        "selector": {"app": "hello"},
        "ports": [{"port": 8000, "nodePort": 30080}],
    },
}


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """The lab, configured, with two pods that answer on a service and a node port."""
    with command_lines() as lines:
        result = lab.configure()
    assert lines.showing([value.get_secret_value() for _, value in lab.outputs.secrets]) == []
    assert set(result.changed) == {s.name for s in lab.outputs.servers}
    assert ready_nodes(lab) == set(WORKERS)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core(lab).create_namespace({"metadata": {"name": "hello", "labels": labels}})
    apps: Any = client.AppsV1Api(api(lab))
    apps.create_namespaced_deployment("hello", hello(mirror(Silent()).permit.reference))
    core(lab).create_namespaced_service("hello", SERVICE)
    wait("two pods", lambda: apps.read_namespaced_deployment("hello", "hello").status.ready_replicas == 2)
    return lab


def test_a_second_run_changes_nothing_and_shows_no_secret_on_a_command_line(cluster: Lab) -> None:
    with command_lines() as lines:
        assert cluster.configure().changed == {}
    assert any(b"ansible-playbook" in line for line in lines.seen)
    assert lines.showing([value.get_secret_value() for _, value in cluster.outputs.secrets]) == []
    checked = cluster.configure(Choice(check=True))
    assert checked.changed == {}


def test_pods_stand_on_both_workers_and_are_reached_from_each_by_service_and_by_every_node_port(cluster: Lab) -> None:
    pods = core(cluster).list_namespaced_pod("hello").items
    assert {pod.spec.node_name for pod in pods} == set(WORKERS)
    addresses = [cluster.outputs.server(name).address for name in WORKERS]
    urls = [f"http://{CLUSTER_IP}:8000/healthz", *(f"http://{address}:30080/healthz" for address in addresses)]
    for _ in range(6):  # each connection goes to either pod: one that cannot be reached from here would show
        for name in WORKERS:
            assert [status(cluster, name, url) for url in urls] == ["200", "200", "200"]
        assert [status(cluster, "primary-edge-01", url) for url in urls[1:]] == ["200", "200"]


def test_what_the_firewall_does_not_name_is_closed(cluster: Lab) -> None:
    node_port = f"http://{cluster.outputs.server(WORKERS[0]).address}:30080/healthz"
    pod = core(cluster).list_namespaced_pod("hello").items[0].status.pod_ip
    assert status(cluster, "primary-control-01", node_port) == "000"
    assert status(cluster, "primary-control-01", f"http://{pod}:8000/healthz") == "000"
    database = cluster.outputs.with_role("database")[0].address
    probe = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{database}/5432' && echo open || echo closed"
    assert cluster.ssh(WORKERS[0], probe).endswith("open")
    assert cluster.ssh("primary-edge-01", probe).endswith("closed")


def test_the_edge_ends_tls_with_a_certificate_of_ours_redirects_and_hides_metrics(cluster: Lab) -> None:
    host = cluster.outputs.with_role("edge")[0].ssh_host
    context = ssl.create_default_context(cafile=str(services_ca(cluster.outputs.environment)))

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), Stay()
    )

    def get(url: str) -> tuple[int, str]:
        try:
            with direct.open(url, timeout=10) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers.get("Location", "")

    wait("the portal behind the edge", lambda: get(f"https://{host}:8443/healthz")[0] == 200)
    assert get(f"http://{host}:8080/a?b=c") == (308, f"https://{host}:8443/a?b=c")
    assert get(f"https://{host}:8443/metrics")[0] == 404
    assert get(f"https://{host}:8443/satgas/")[0] == 503


def test_names_of_the_fleet_of_the_cluster_and_of_addresses_are_answered_and_others_refused(cluster: Lab) -> None:
    worker, database = WORKERS[0], cluster.outputs.with_role("database")[0].address
    (moving,) = cluster.outputs.virtual

    def found(name: str) -> list[str]:
        return cluster.ssh(worker, f"getent hosts {name}").split()

    assert found("portal.oss.internal")[0] == moving.address
    assert found("database.primary")[:1] == [database]  # by the domain that servers look names up in
    cluster.ssh(worker, "sed -i '/primary-database/d' /etc/hosts")  # the next run writes it again
    assert found(database) == [database, "primary-database-01.oss.internal"]
    wait("the cluster's names", lambda: found("hello.hello.svc.cluster.local")[:1] == [CLUSTER_IP])
    assert found("elsewhere.example") == []
    control = cluster.outputs.with_role("control")[0].address
    folder = "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes"
    pods = cluster.ssh(worker, f"cat {folder}/*/resolv.conf")
    assert f"nameserver {control}" in pods
    assert "search hello.svc.cluster.local" in pods
    assert set(cluster.configure().changed) == {worker}


def test_the_virtual_address_is_on_the_edge_while_its_proxy_runs_and_tells_whether_the_site_serves(
    cluster: Lab,
) -> None:
    (moving,) = cluster.outputs.virtual
    edge, worker = "primary-edge-01", WORKERS[0]

    def health() -> str:
        return status(cluster, worker, f"--insecure https://{moving.address}/edge-health")

    wait("the site to serve", lambda: health() == "200")
    cluster.ssh(edge, "systemctl stop haproxy")
    wait("the address to go", lambda: moving.address not in cluster.ssh(edge, "ip -brief address show dev eth0"))
    cluster.ssh(edge, "systemctl start haproxy")
    wait("the address to come back", lambda: health() == "200")
    for name in WORKERS:
        cluster.ssh(name, "nft insert rule inet oss to_pods drop")
    wait("the edge to see that no worker takes connections", lambda: health() == "503")
    for name in WORKERS:
        cluster.ssh(name, "nft -f /etc/nftables.conf")
    wait("the site to serve again", lambda: health() == "200")
    assert cluster.configure().changed == {}


def test_secrets_are_not_readable_in_the_store_of_the_cluster(cluster: Lab) -> None:
    core(cluster).create_namespaced_secret("hello", {"metadata": {"name": "s"}, "stringData": {"k": "find-me"}})
    found = cluster.ssh("primary-control-01", "grep -rlac find-me /var/lib/etcd || echo none")
    assert found == "none"


def test_logs_of_a_pod_come_through_the_api_server(cluster: Lab) -> None:
    pod = core(cluster).list_namespaced_pod("hello").items[0].metadata.name
    assert core(cluster).read_namespaced_pod_log(pod, "hello") is not None


def test_keys_belong_to_those_who_use_them(cluster: Lab) -> None:
    found = cluster.ssh("primary-control-01", "find /etc/kubernetes/pki -type f -printf '%u %m %f\\n'").splitlines()
    assert {line.split()[1] for line in found} == {"400"}
    assert {line.split()[0] for line in found} == {"etcd", "kubernetes"}


def test_drift_is_said_by_check_and_mended_by_a_run_and_nothing_else_is_touched(cluster: Lab) -> None:
    worker = WORKERS[0]
    cluster.ssh(worker, "systemctl stop kube-proxy; echo '# drift' >>/etc/containerd/config.toml")
    wanted = {worker: ["/etc/containerd/config.toml", "restart containerd.service", "restart kube-proxy.service"]}
    said = cluster.configure(Choice(check=True)).changed
    assert cluster.ssh(worker, "systemctl is-active kube-proxy") == "inactive"
    done = cluster.configure().changed
    for changes in (said, done):
        assert set(changes) == {worker}
    assert all(word in " ".join(done[worker]) for word in wanted[worker])
    assert "restart kube-proxy.service" in " ".join(said[worker])
    assert cluster.configure().changed == {}


def test_a_worker_that_loses_its_power_comes_back_by_itself(cluster: Lab) -> None:
    name, spec = WORKERS[1], cluster.handle.spec
    power_off(spec.name, name, "force")
    wait("the loss to be seen", lambda: name not in ready_nodes(cluster))
    power_on(spec, spec.server(name))
    wait("the node", lambda: name in ready_nodes(cluster))
    url = f"http://{CLUSTER_IP}:8000/healthz"
    wait("the service", lambda: all(status(cluster, worker, url) == "200" for worker in WORKERS for _ in range(4)))


def test_a_failed_task_names_server_role_and_task_and_says_what_the_program_said(cluster: Lab) -> None:
    broken = FirewallRule(to_role="edge", source="any", protocol="tcp", ports=(443,), purpose='unfinished"')
    network = cluster.plan.network.model_copy(update={"firewall": (*cluster.plan.network.firewall, broken)})
    before = cluster.ssh("primary-edge-01", "nft list table inet oss | grep -c accept")
    with pytest.raises(StepFailed) as caught:
        cluster.configure(Choice(limit="edge"), cluster.plan.model_copy(update={"network": network}))
    assert "primary-edge-01: base: Write the settings" in caught.value.message
    assert "refused by /usr/sbin/nft" in caught.value.message
    assert caught.value.remedy
    assert cluster.ssh("primary-edge-01", "nft list table inet oss | grep -c accept") == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_cut_off_leaves_nothing_behind_that_the_next_does_not_clear(
    cluster: Lab, kill_script: Path, tmp_path: Path, how: signal.Signals
) -> None:
    parts = tmp_path / "parts"
    parts.write_bytes(pickle.dumps((cluster.outputs, cluster.plan)))
    note = state_dir(cluster.outputs.environment) / "ansible-run"
    process = subprocess.Popen([sys.executable, str(kill_script), str(parts)], cwd=REPOSITORY, start_new_session=True)
    wait("the run to work", lambda: note.exists() and any((Path(note.read_text().strip()) / "ssh").glob("*")))
    private = Path(note.read_text().strip())
    os.kill(process.pid, how)
    process.wait(60)
    assert private.exists() == (how == signal.SIGKILL)
    assert cluster.configure().changed == {}
    assert not private.exists()
    assert not note.exists()
    left = [line for line in processes() if str(private) in line]
    assert left == []


def processes() -> list[str]:
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue
    return lines
