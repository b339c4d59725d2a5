"""The forwarder carries bytes whole, both ways, whoever closes first."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest
import uvloop

from infra.rack.forward import Inbound
from infra.rack.spec import PortMap

SIZES = (0, 1, 1000, 100_000, 5_000_000)
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def forwarded(handler: object, port: int) -> tuple[asyncio.Server, asyncio.Server, int]:
    """A server with `handler`, and a forwarder before it; returns both and the forwarder's port."""
    target = await asyncio.start_server(handler, "127.0.0.1", port)  # type: ignore[arg-type]
    port_map = PortMap(address=target.sockets[0].getsockname()[0], port=port, loopback_port=1)
    dialling: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    forwarder = await loop.create_server(lambda: Inbound("", port_map, dialling), "127.0.0.1", 0)
    return target, forwarder, forwarder.sockets[0].getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-server\r\n")
    await echo(reader, writer)


@pytest.mark.parametrize("size", SIZES)
def test_everything_arrives_in_order_after_a_half_close(size: int) -> None:
    async def main() -> None:
        target, forwarder, port = await forwarded(echo, free_port())
        sent = os.urandom(size)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send() -> None:
            writer.write(sent)
            writer.write_eof()
            await writer.drain()

        sending = asyncio.create_task(send())
        assert await asyncio.wait_for(reader.read(-1), PATIENCE_S) == sent
        await sending
        forwarder.close()
        target.close()

    uvloop.run(main())


def test_a_server_that_speaks_first_is_heard() -> None:
    async def main() -> None:
        target, forwarder, port = await forwarded(speak_first, free_port())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"SSH-2.0-server\r\n"
        writer.write(b"client\n")
        assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"client\n"
        writer.close()
        forwarder.close()
        target.close()

    uvloop.run(main())


def test_a_slow_reader_slows_the_sender_down() -> None:
    """What the client does not read stays in the kernel and in bounded buffers, not in the forwarder's memory."""
    total = 200_000_000
    written = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while written < total:
            writer.write(b"x" * (1 << 16))
            await writer.drain()
            written += 1 << 16

    async def main() -> None:
        target, forwarder, port = await forwarded(pour, free_port())
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
        await reader.read(1)
        before = -1
        while written != before:  # until nothing moves any more
            before = written
            for _ in range(50):
                await asyncio.sleep(0.001)
        assert written < total / 4
        writer.transport.abort()
        forwarder.close()
        target.close()

    uvloop.run(main())


def test_a_closed_port_ends_the_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        port_map = PortMap(address="127.0.0.1", port=free_port(), loopback_port=1)
        dialling: set[asyncio.Task[None]] = set()
        forwarder = await loop.create_server(lambda: Inbound("", port_map, dialling), "127.0.0.1", 0)
        reader, _ = await asyncio.open_connection("127.0.0.1", forwarder.sockets[0].getsockname()[1])
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        forwarder.close()

    uvloop.run(main())
