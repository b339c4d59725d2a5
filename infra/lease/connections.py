"""Connections to management controllers: httpx's transport, over asyncio and the parser of Node.js (`httptools`).

httpx's own transport looks at every open connection at each request, which for a hundred controllers takes longer
than asking one of them; this one knows the idle connections of each controller, and costs a third of the CPU.
HTTP/1.1 over verified TLS alone (RFC 9112). Failures are httpx's exceptions, so that callers know no difference.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict

import httptools
import httpx

LIMIT = 128
"""Connections in use at once, over all controllers."""

IDLE_S = 30.0
LARGEST_ANSWER = 64 * 2**20
"""Bytes: more than any Redfish resource, less than what would fill a machine's memory."""


class Connections(httpx.AsyncBaseTransport):
    """Keeps connections for `IDLE_S` after an answer. A request that fails or is cancelled ends its connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._idle: defaultdict[tuple[str, int], list[_Connection]] = defaultdict(list)
        self._in_use = asyncio.Semaphore(LIMIT)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request and its whole answer. Raises httpx.TransportError."""
        if request.url.scheme != "https":
            raise httpx.UnsupportedProtocol(f"{request.url.scheme} is not spoken with controllers", request=request)
        limits = request.extensions.get("timeout", {})
        body = await request.aread()
        place = (request.url.host, request.url.port or 443)
        async with self._in_use:
            connection = self._kept(place) or await self._open(request, place, limits.get("connect"))
            try:
                async with asyncio.timeout(limits.get("read")):
                    answer = await connection.exchange(request, body)
            except TimeoutError:
                raise httpx.ReadTimeout("no whole answer in time", request=request) from None
            except OSError as error:
                raise httpx.ReadError(str(error), request=request) from error
            except httptools.HttpParserError as error:
                raise httpx.RemoteProtocolError(str(error), request=request) from error
            finally:
                if connection.reusable:
                    connection.idle_since = time.monotonic()
                    self._idle[place].append(connection)
                else:
                    connection.close()
        return answer

    async def aclose(self) -> None:
        """End all idle connections."""
        for kept in self._idle.values():
            while kept:
                kept.pop().close()

    def _kept(self, place: tuple[str, int]) -> _Connection | None:
        kept = self._idle[place]
        while kept:
            connection = kept.pop()
            if connection.reusable and time.monotonic() - connection.idle_since < IDLE_S:
                return connection
            connection.close()
        return None

    async def _open(self, request: httpx.Request, place: tuple[str, int], limit_s: float | None) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                _, connection = await loop.create_connection(_Connection, *place, ssl=self._context)
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time", request=request) from None
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.reusable = False
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    async def exchange(self, request: httpx.Request, body: bytes) -> httpx.Response:
        """Send the request and wait for its answer. Raises OSError when the connection ends first."""
        self.reusable = False
        if self._transport is None or self._lost:
            raise self._lost or ConnectionResetError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._start()
        target = request.url.raw_path
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), target)]
        lines += [b"%b: %b" % header for header in request.headers.raw]
        self._transport.write(b"\r\n".join([*lines, b"", body]))
        return await self._answer

    def close(self) -> None:
        """End the connection; without ceremony, since its peer may not answer any more."""
        if self._transport:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # nobody asked
            self.reusable = False
            self.close()
            return
        self._received += len(data)
        try:
            if self._received > LARGEST_ANSWER:
                raise httptools.HttpParserError(f"an answer of more than {LARGEST_ANSWER} bytes")
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(error)

    def eof_received(self) -> None:
        self.reusable = False

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        self._lost = error if isinstance(error, OSError) else ConnectionResetError("the connection was closed")
        if self._answer and not self._answer.done() and self._until_closed:
            self._finish()  # an answer without a length ends with its connection
        self._end(self._lost)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        lengths = {b"content-length", b"transfer-encoding"}
        self._until_closed = not any(name.lower() in lengths for name, _ in self._headers)

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # the answer is still to come
            self._headers, self._body = [], []
            return
        self.reusable = self._parser.should_keep_alive()
        self._finish()

    def _start(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body = [], []
        self._received = 0
        self._until_closed = False

    def _finish(self) -> None:
        if self._answer and not self._answer.done():
            status, content = self._parser.get_status_code(), b"".join(self._body)
            try:
                self._answer.set_result(httpx.Response(status, headers=self._headers, content=content))
            except httpx.DecodingError as error:
                self._end(httptools.HttpParserError(str(error)))

    def _end(self, error: Exception) -> None:
        self.reusable = False
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)
