"""A real Kubernetes control plane on loopback: etcd, API server, controllers and scheduler. No node runs anything.

For trying manifests and providers against the real thing, and for asking the real scheduler where pods would go. Ready
in seconds, about 400 MB. It lives as long as the `with` block; its processes end with this one, however that ends.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from capacity.faults import MachineLacks, StepFailed
from infra.cluster import SERVICE_RANGE
from infra.pki.certificates import Leaf, Pair, Usage
from infra.pki.kubeconfig import Access, kubeconfig
from infra.pki.store import Store, write_private
from infra.toolchain.toolchain import Toolchain

READY_TIMEOUT_SECONDS = 120.0
_GRACE_SECONDS = 15.0
_LAST_LINES = 10


@dataclass(frozen=True, slots=True)
class LoopbackCluster:
    """A running control plane: the administrator's kubeconfig, and the folder of its files and logs."""

    kubeconfig: Path
    folder: Path
    url: str


@contextmanager
def control_plane(toolchain: Toolchain, *, pretends: bool = False) -> Iterator[LoopbackCluster]:
    """Start a control plane and end it with the block.

    `pretends`: with KWOK, which reports every Node object as ready and every pod on it as running (`toolchain` must
    have been asked for "kwok"). Raises StepFailed, with the last words of the program that did not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oss-control-plane-")))
        ports = _free_ports(3)
        files = _Files(folder, f"https://127.0.0.1:{ports[2]}")
        commands = [("etcd", _etcd(files, ports)), ("kube-apiserver", _api_server(files, ports))]
        for name, arguments in commands:
            stack.enter_context(_running(toolchain.binary(name), arguments, folder))
        _await_ready(files)
        commands = [("kube-controller-manager", _controllers(files)), ("kube-scheduler", _scheduler(files))]
        if pretends:
            commands.append(("kwok", _pretender(files)))
        for name, arguments in commands:
            stack.enter_context(_running(toolchain.binary(name), arguments, folder))
        yield LoopbackCluster(files.path("admin.kubeconfig"), folder, files.url)


class _Files:
    """Certificates, keys and kubeconfigs of one control plane, all new."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        store = Store(folder / "pki")
        self.ca = store.authority("kubernetes", "loopback kubernetes")
        store.authority("etcd", "loopback etcd")
        tokens = store.signing_key("kubernetes", "tokens")
        write_private(folder / "pki" / "kubernetes" / "tokens.pub", tokens.certificate)
        local = ("localhost", "127.0.0.1")
        names = ("kubernetes", "kubernetes.default.svc", *local, str(SERVICE_RANGE.network_address + 1))
        store.leaf("kubernetes", Leaf("apiserver", "kube-apiserver", Usage.SERVER, names))
        store.leaf("etcd", Leaf("etcd", "etcd", Usage.PEER, local))
        store.leaf("etcd", Leaf("client", "kube-apiserver", Usage.CLIENT))
        self._config("admin", store.leaf("kubernetes", Leaf("admin", "admin", Usage.CLIENT, (), "system:masters")))
        for name in ("controller-manager", "scheduler"):
            self._config(name, store.leaf("kubernetes", Leaf(name, f"system:kube-{name}", Usage.CLIENT)))

    def path(self, name: str) -> Path:
        return self.folder / name

    def pki(self, name: str) -> str:
        return str(self.folder / "pki" / name)

    def _config(self, name: str, user: Pair) -> None:
        access = Access("loopback", self.url, self.ca.certificate, user)
        write_private(self.path(f"{name}.kubeconfig"), kubeconfig([access]).encode())


def _etcd(files: _Files, ports: Sequence[int]) -> list[str]:
    clients, peers = (f"https://127.0.0.1:{port}" for port in ports[:2])
    return [
        f"--data-dir={files.path('etcd')}",
        "--unsafe-no-fsync",  # its data ends with the block
        *(f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}"),
        *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
        f"--initial-cluster=default={peers}",
        *("--client-cert-auth", "--peer-client-cert-auth", "--log-level=warn"),
        *(f"--{who}trusted-ca-file={files.pki('etcd/ca.crt')}" for who in ("", "peer-")),
        *(f"--{who}cert-file={files.pki('etcd/etcd.crt')}" for who in ("", "peer-")),
        *(f"--{who}key-file={files.pki('etcd/etcd.key')}" for who in ("", "peer-")),
    ]


def _api_server(files: _Files, ports: Sequence[int]) -> list[str]:
    return [
        *("--bind-address=127.0.0.1", f"--secure-port={ports[2]}", "--endpoint-reconciler-type=none"),
        f"--etcd-servers=https://127.0.0.1:{ports[0]}",
        f"--etcd-cafile={files.pki('etcd/ca.crt')}",
        f"--etcd-certfile={files.pki('etcd/client.crt')}",
        f"--etcd-keyfile={files.pki('etcd/client.key')}",
        f"--client-ca-file={files.pki('kubernetes/ca.crt')}",
        f"--tls-cert-file={files.pki('kubernetes/apiserver.crt')}",
        f"--tls-private-key-file={files.pki('kubernetes/apiserver.key')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.pki('kubernetes/tokens.pub')}",
        f"--service-account-signing-key-file={files.pki('kubernetes/tokens.key')}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--profiling=false"),
    ]


def _controllers(files: _Files) -> list[str]:
    config = files.path("controller-manager.kubeconfig")
    return [
        *(f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}"),
        *("--secure-port=0", "--leader-elect=false", "--use-service-account-credentials", "--profiling=false"),
        f"--service-account-private-key-file={files.pki('kubernetes/tokens.key')}",
        f"--root-ca-file={files.pki('kubernetes/ca.crt')}",
        *("--kube-api-qps=300", "--kube-api-burst=600"),
    ]


def _scheduler(files: _Files) -> list[str]:
    return [
        f"--kubeconfig={files.path('scheduler.kubeconfig')}",
        *("--secure-port=0", "--leader-elect=false", "--profiling=false"),
        *("--kube-api-qps=300", "--kube-api-burst=600"),
    ]


def _pretender(files: _Files) -> list[str]:
    config = files.path("admin.kubeconfig")  # it writes the status of every node and pod of this throw-away cluster
    return [f"--kubeconfig={config}", f"--config={Path(__file__).with_name('kwok.yaml')}"]


@contextmanager
def _running(program: Path, arguments: Sequence[str], folder: Path) -> Iterator[None]:
    """Run a program until the block ends; raises StepFailed with its last words when it ended before."""
    log = folder / f"{program.name}.log"
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise MachineLacks("setpriv is missing; it ties the control plane's life to this process", "install util-linux")
    with log.open("w") as output:
        process = subprocess.Popen(
            [setpriv, "--pdeathsig", "KILL", str(program), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    except StepFailed as error:
        if process.poll() is None:
            raise
        words = "\n".join(f"    {line}" for line in log.read_text().splitlines()[-_LAST_LINES:])
        raise StepFailed(f"{program.name} ended with exit code {process.returncode}:\n{words}") from error
    finally:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(files: _Files) -> None:
    trust = ssl.create_default_context(cafile=files.pki("kubernetes/ca.crt"))
    trust.load_cert_chain(files.pki("kubernetes/admin.crt"), files.pki("kubernetes/admin.key"))
    end = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < end:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(f"{files.url}/readyz", timeout=5, context=trust),  # noqa: S310 - https, ours
        ):
            return
        time.sleep(0.1)
    raise StepFailed(f"the API server on loopback was not ready after {READY_TIMEOUT_SECONDS:.0f} s")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
