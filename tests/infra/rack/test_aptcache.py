"""The apt cache against a real archive server: what is kept, what is asked for again, what is refused."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.rack.daemons import Daemon
from infra.rack.services import listening


class Archive(ThreadingHTTPServer):
    """An archive that counts what it is asked, and may fall silent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {"/debian/pool/a_1.deb": b"package" * 100_000, "/debian/dists/x/InRelease": b"release 1"}
        self.asked: list[str] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Archive)
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
        elif self.headers.get("If-Modified-Since"):
            self.send_response(304)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Fri, 01 Jun 2018 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive() -> Iterator[Archive]:
    served = Archive()
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Cache:
    """A running cache process over `folder`."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.port = free_port()
        self._daemon = Daemon(f"apt{self.port}", "apt-cache", "infra.rack.aptcache", folder / "run")
        self._arguments = ["--cache", str(folder / "cache"), "--archive", f"{archive.host}=http"]
        self._arguments += ["--listen", f"127.0.0.1:{self.port}"]

    def __enter__(self) -> Cache:
        self._daemon.start(self._arguments, lambda: listening({("127.0.0.1", self.port)}))
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def get(self, url: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_packages_are_fetched_once_and_outlive_the_archive(archive: Archive, tmp_path: Path) -> None:
    package, release = f"http://{archive.host}/debian/pool/a_1.deb", f"http://{archive.host}/debian/dists/x/InRelease"
    with Cache(archive, tmp_path) as cache:
        assert cache.get(package) == (200, archive.files["/debian/pool/a_1.deb"])
        assert cache.get(package)[0] == 200
        assert cache.get(release) == (200, b"release 1")
        assert cache.get(release, If_Modified_Since="Fri, 01 Jun 2018 00:00:00 GMT") == (304, b"")
        assert cache.get(f"http://{archive.host}/debian/pool/gone.deb")[0] == 404
    assert archive.asked.count("/debian/pool/a_1.deb") == 1
    archive.shutdown()
    archive.server_close()
    with Cache(archive, tmp_path) as cache:  # another process: it asks again, in vain, and serves what it has
        assert cache.get(release) == (200, b"release 1")
        assert cache.get(package)[0] == 200
        assert cache.get(f"http://{archive.host}/debian/pool/never.deb")[0] == 502


def test_pipelined_requests_are_answered_in_order(archive: Archive, tmp_path: Path) -> None:
    with Cache(archive, tmp_path) as cache, socket.create_connection(("127.0.0.1", cache.port), timeout=30) as client:
        urls = [f"http://{archive.host}{path}" for path in ("/debian/dists/x/InRelease", "/debian/pool/a_1.deb")]
        client.sendall(b"".join(f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for url in urls))
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
    first, second = answer.index(b"release 1"), answer.index(b"package")
    assert first < second
    assert answer.endswith(b"package")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://elsewhere.example/debian/pool/a_1.deb", 403),
        ("https://{host}/debian/pool/a_1.deb", 403),
        ("http://{host}/debian/../../etc/passwd", 403),
        ("http://{host}/debian/%2e%2e/%2e%2e/etc/passwd", 403),
        ("http://{host}/debian/pool/a_1.deb?x=1", 403),
        ("http://{host}/debian/", 403),
        ("/debian/pool/a_1.deb", 403),
    ],
)
def test_nothing_but_files_of_the_archives(archive: Archive, tmp_path: Path, url: str, status: int) -> None:
    with Cache(archive, tmp_path) as cache:
        assert cache.get(url.format(host=archive.host))[0] == status
    assert archive.asked == []
