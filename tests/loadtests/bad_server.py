"""A server that misbehaves in one chosen way: `python -m tests.loadtests.bad_server MODE PORT [CERT KEY]`.

Only callbacks are misanswered; every GET gets a plain answer, so that a run begins. Modes: slow (half a second),
silent (never), reset, cut (closes within the answer), wrong (another event), garbage (not HTTP), refuse (503), good.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import sys


async def serve(mode: str, port: int, tls: ssl.SSLContext | None) -> None:
    """Listen until the process is ended."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    writer.write(answer(200, {}))
                elif not await misbehave(mode, writer, body):
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls)
    async with server:
        await server.serve_forever()


async def misbehave(mode: str, writer: asyncio.StreamWriter, body: bytes) -> bool:
    """Answer one callback in the chosen way; False when the connection is done for."""
    event = json.loads(body).get("event_id", "") if body else ""
    if mode == "slow":
        await asyncio.sleep(0.5)
    if mode == "silent":
        await asyncio.sleep(3600)
    if mode == "reset":
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
    if mode == "garbage":
        writer.write(b"this is no HTTP\r\n\r\n")
        await writer.drain()
        return False
    whole = answer(
        503 if mode == "refuse" else 202, {"event_id": "other" if mode == "wrong" else event, "duplicate": False}
    )
    writer.write(whole[:-5] if mode == "cut" else whole)
    return mode != "cut"


def answer(status: int, value: object) -> bytes:
    """A JSON answer."""
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), context))
