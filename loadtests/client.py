"""HTTP for one visitor: connections of its own, as real visitors have, over geventhttpclient's pool and parser.

Nothing is retried in silence, but for one case that every browser treats so: a kept-alive connection that the server
closed before it read the request. What goes wrong on the way becomes one of a few stable messages, fit for counting;
none carries what was sent.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
import gevent.monkey
import gevent.ssl
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.header import Headers
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPSocketPoolResponse

from capacity.faults import BadInput, Fault

CONNECT_S = 5.0
ANSWER_S = 15.0
AGENT = "oss-loadtest"
BLOCK = 16384  # of larger ones the allocator asks the system for each anew
# So soon after an answer a connection is used without a look at whether it still lives.
FRESH_S = 0.5


_poll = gevent.monkey.get_original("select", "poll")


class _Kept(ConnectionPool):
    """Knows which connections carried an answer before, and whether an idle one still lives.

    That is asked by one poll: the library's select would yield to other visitors before every call, and cannot see
    descriptors above 1023. A connection that was busy just now is not asked.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._idle_since: dict[int, float] = {}
        super().__init__(*args, **kwargs)

    def kept(self, sock: Any) -> bool:
        """Whether the connection has carried an answer."""
        return sock.fileno() in self._idle_since

    def return_socket(self, sock: Any) -> None:
        self._idle_since[sock.fileno()] = time.perf_counter()
        super().return_socket(sock)

    def _create_socket(self) -> Any:
        sock = super()._create_socket()
        # As browsers and apps do: else an upload's end waits 40 ms for an acknowledgement that the peer puts off.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The system gives the number of a closed connection to the next one.
        self._idle_since.pop(sock.fileno(), None)
        return sock

    def _is_socket_alive(self, sock: Any) -> bool:
        number = sock.fileno() if sock is not None else -1
        if number < 0:
            return False
        if time.perf_counter() - self._idle_since.get(number, 0.0) < FRESH_S:
            return True
        asking = _poll()
        asking.register(number, select.POLLIN)
        return not asking.poll(0)


class _TlsKept(_Kept, SSLConnectionPool):
    pass


class Answer:
    """Status, headers and body of an answer."""

    __slots__ = ("_headers", "body", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.body = body
        self._headers = headers

    def header(self, name: str) -> str:
        """A header's value (the first one's, if it came several times), or an empty string."""
        value = self._headers.get(name)
        return value[0] if isinstance(value, list) else value or ""

    def json(self) -> Any:
        """The body as JSON; ValueError when it is not."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Failed(Exception):
    """A call without an answer: the message names the cause, never an address or a secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes, and how its certificate is verified."""

    scheme: str
    host: str
    port: int
    tls: Any = None
    answer_s: float = ANSWER_S

    @property
    def base(self) -> str:
        """Address without user name, password, path or query, for the evidence."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def pool(self, connections: int = 1) -> _Kept:
        """Connections that are opened when first used, at most so many at a time."""
        if self.tls is None:
            return _Kept(
                self.host,
                self.port,
                self.host,
                self.port,
                size=connections,
                connection_timeout=CONNECT_S,
                network_timeout=self.answer_s,
            )
        return _TlsKept(
            self.host,
            self.port,
            self.host,
            self.port,
            ssl_options={"server_hostname": self.host},
            ssl_context_factory=self._context,
            size=connections,
            connection_timeout=CONNECT_S,
            network_timeout=self.answer_s,
        )

    def _context(self, cafile: str | None = None) -> Any:
        # One context for all visitors: reading the CA for each would cost more than the handshake.
        return self.tls


def target(host: str, ca_file: Path | None = None, answer_s: float = ANSWER_S) -> Target:
    """The target at an http or https address. With `ca_file` only certificates of that authority are accepted.

    Within a call, no step (connecting, sending, each part of the answer) may take longer than `answer_s` seconds.

    Raises BadInput when the address or the file is unusable.
    """
    parts = urlsplit(host)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.path.strip("/"):
        shown = f"{parts.scheme}://{parts.hostname or ''}" if parts.scheme else host
        raise BadInput([Fault("--host", "", shown, "is no base address", "Use https://HOST or https://HOST:PORT.")])
    if parts.scheme == "http":
        return Target("http", parts.hostname, port, None, answer_s)
    try:
        context = gevent.ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        remedy = "Give a PEM file with the authority's certificate."
        raise BadInput(
            [Fault("--ca", "", str(ca_file), f"cannot be used: {error.strerror or error}", remedy)]
        ) from None
    return Target("https", parts.hostname, port, context, answer_s)


class _Stale(ConnectionError):
    """A kept-alive connection turned out to be closed before the request was read."""


class Connection:
    """Sends requests to a target over its own connections."""

    __slots__ = ("_head", "_pool")

    def __init__(self, where: Target, connections: int = 1, agent: str = AGENT) -> None:
        self._pool = where.pool(connections)
        self._head = f"Host: {where.host}:{where.port}\r\nUser-Agent: {agent}\r\n"

    def send(self, method: str, path: str, body: bytes, headers: str) -> Answer:
        """Send a request and read the whole answer; `headers` are whole lines. Raises Failed."""
        length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
        request = f"{method} {path} HTTP/1.1\r\n{self._head}{headers}{length}\r\n".encode("latin-1") + body
        try:
            try:
                return self._exchange(method, request)
            except _Stale:
                return self._exchange(method, request)
        except gevent.Timeout:
            raise Failed("no answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"certificate not valid: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Failed(f"TLS failed: {error.reason or 'unknown'}") from None
        except socket.gaierror:
            raise Failed("host name not found") from None
        except TimeoutError:
            raise Failed("no answer in time") from None
        except ConnectionRefusedError:
            raise Failed("connection refused") from None
        except (ConnectionError, HTTPConnectionClosed):
            raise Failed("connection reset") from None
        except HTTPParseError:
            raise Failed("answer is not HTTP") from None
        except OSError as error:
            raise Failed(f"network: {error.strerror or type(error).__name__}") from None

    def _exchange(self, method: str, request: bytes) -> Answer:
        sock = self._pool.get_socket()
        kept = self._pool.kept(sock)
        try:
            try:
                # Most requests leave whole; the library's sendall would ask for the buffer's size first.
                if (sent := sock.send(request)) < len(request):
                    sock.sendall(request[sent:])
            except BaseException:
                self._pool.release_socket(sock)
                raise
            # From here the response gives the connection back, or closes it.
            response = HTTPSocketPoolResponse(sock, self._pool, block_size=BLOCK, method=method)
        except (BrokenPipeError, ConnectionResetError, HTTPConnectionClosed):
            if kept:
                raise _Stale from None
            raise
        try:
            body = response.read()
        except HTTPParseError:
            raise Failed("connection closed within the answer") from None
        if not response.message_complete:
            raise Failed("connection closed within the answer")
        return Answer(response.status_code, response.info(), body)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
