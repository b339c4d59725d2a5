"""Connections to controllers: what they take for an answer, what they keep open, and what ends them."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.lease.redfish import pool
from infra.lease.retry import Patience
from infra.rack.keys import bmc_access
from infra.rack.spec import RackSpec
from tests.infra.paper import free_supernet

HEAD = b"HTTP/1.1 200 OK\r\n"
SIZED = HEAD + b"Content-Length: 2\r\n\r\n{}"
Work = Callable[[httpx.AsyncClient, str], Coroutine[Any, Any, None]]


def served(folder: Path, answers: list[bytes], work: Work, closes: bool = False) -> int:
    """Answer each request with the next of `answers`; returns how many connections were made."""
    spec = RackSpec(name="wire", supernet=ipaddress.IPv4Network(free_supernet()), servers=())
    access = bmc_access(folder, spec)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(access.certificate, access.key)
    made = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        while answers and await reader.readuntil(b"\r\n\r\n"):
            writer.write(answers.pop(0))
            await writer.drain()
            if closes:
                break
        writer.close()

    async def run() -> None:
        username, password = access.read()
        server = await asyncio.start_server(serve, spec.bmc_address, 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server, pool(username, password, str(access.ca), Patience(answer_s=5, connect_s=5)) as http:
            await work(http, f"https://{spec.bmc_address}:{port}/redfish/v1")

    asyncio.run(run())
    return made


def test_answers_of_every_framing_over_one_connection(tmp_path: Path) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    later = b"HTTP/1.1 102 Processing\r\n\r\n" + SIZED
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"

    async def work(http: httpx.AsyncClient, url: str) -> None:
        assert [(await http.get(url)).text for _ in range(4)] == ["{}", "{}", "{}", ""]

    assert served(tmp_path, [SIZED, chunked, later, empty], work) == 1


def test_an_answer_without_length_ends_with_its_connection(tmp_path: Path) -> None:
    async def work(http: httpx.AsyncClient, url: str) -> None:
        assert (await http.get(url)).json() == {}

    assert served(tmp_path, [HEAD + b"\r\n{}"], work, closes=True) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HEAD + b"Content-Length: 9\r\n\r\n{", httpx.ReadError),  # and then nothing
        (b"", httpx.ReadError),
        (b"220 mail.example ESMTP\r\n", httpx.RemoteProtocolError),
    ],
)
def test_what_is_no_answer_ends_the_connection_and_the_next_has_its_own(
    tmp_path: Path, answer: bytes, error: type[Exception]
) -> None:
    async def work(http: httpx.AsyncClient, url: str) -> None:
        with pytest.raises(error):
            await http.get(url)
        assert (await http.get(url)).json() == {}

    assert served(tmp_path, [answer, SIZED], work, closes=True) == 2


def test_only_verified_tls_is_spoken(tmp_path: Path) -> None:
    async def work(http: httpx.AsyncClient, url: str) -> None:
        with pytest.raises(httpx.UnsupportedProtocol):
            await http.get(url.replace("https", "http"))
        async with pool("a", "b", "", Patience()) as trusting_others:
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await trusting_others.get(url)

    served(tmp_path, [SIZED], work)
