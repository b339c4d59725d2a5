"""One controller on the wire, byte by byte: a TLS server of the rack's own authority that answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from infra.lease.model import BmcPlace
from infra.lease.redfish import Bmc, pool
from infra.lease.retry import Patience
from infra.rack.keys import BmcAccess, bmc_access
from infra.rack.spec import RackSpec
from tests.infra.paper import free_supernet

ONCE = Patience(answer_s=5, connect_s=5, request_s=0)
Answers = Callable[[str, str], bytes | None]
"""(method, path) → the bytes of an answer; None: the connection ends."""


def reply(status: int, data: Any = None, **headers: str) -> bytes:
    """An answer with JSON in it."""
    body = b"" if data is None else json.dumps(data).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Wire:
    """`place` of the one controller; `made` connections and `heard` requests so far."""

    place: BmcPlace
    access: BmcAccess
    made: int = 0
    heard: list[str] = field(default_factory=list)

    def pool(self) -> aiohttp.ClientSession:
        """Connections with the right credentials and trust."""
        username, password = self.access.read()
        return pool(username, password, str(self.access.ca), ONCE)


@contextlib.asynccontextmanager
async def wire(folder: Path, answers: Answers, closes: bool = False) -> AsyncIterator[Wire]:
    """The controller while it runs; with `closes` it ends each connection after an answer."""
    spec = RackSpec(name="wire", supernet=ipaddress.IPv4Network(free_supernet()), servers=())
    access = bmc_access(folder, spec)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(access.certificate, access.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at.made += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.lower().split("\r\n")
                length = next((line.split(":")[1] for line in lines if line.startswith("content-length:")), "0")
                await reader.readexactly(int(length))
                method, path, _ = head.split(" ", 2)
                at.heard.append(f"{method} {path}")
                answer = answers(method, path)
                writer.write(answer or b"")
                await writer.drain()
                if answer is None or closes:
                    break
        writer.close()

    server = await asyncio.start_server(serve, spec.bmc_address, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    at = Wire(BmcPlace(url=f"https://{spec.bmc_address}:{port}", system="1"), access)
    async with server:
        yield at


def bmc(http: aiohttp.ClientSession, place: BmcPlace, patience: Patience = ONCE) -> Bmc:
    """Our client of that controller."""
    return Bmc(http, asyncio.Semaphore(4), "server-1", place, patience, lambda _: None)
