"""The plugin process: serves the provider to the engine, and turns our errors into what the engine shows, no traceback.

Run as `python -m infra.lease.plugin ENGINE_ADDRESS`; prints the port it listens on, on loopback, as plugins do.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from capacity.faults import OssError
from infra.lease.provider import LeaseProvider
from infra.lease.schema import VERSION

_MESSAGE_BYTES = 400 * 1024 * 1024  # what Pulumi's own plugins allow


class EngineLog:
    """Passing lines beside a resource in the engine's display. Losing one is no failure."""

    def __init__(self, address: str) -> None:
        self._engine: Any = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(address)) if address else None
        self._pending: set[asyncio.Task[None]] = set()

    def __call__(self, urn: str, text: str) -> None:
        if self._engine is None:
            return
        task = asyncio.get_running_loop().create_task(self._send(urn, text))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _send(self, urn: str, text: str) -> None:
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=True)
        with contextlib.suppress(grpc.RpcError):
            await self._engine.Log(request, timeout=5)


CallT = TypeVar("CallT", bound=Callable[..., Awaitable[Any]])


def _shown(call: CallT) -> CallT:
    @functools.wraps(call)
    async def wrapped(self: Any, request: Any, context: Any) -> Any:
        try:
            return await call(self, request, context)
        except OssError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return cast(CallT, wrapped)


class Servicer(ProviderServicer):
    """Pulumi's servicer with our errors said plainly, and attachable to a running engine (PULUMI_DEBUG_PROVIDERS)."""

    Configure = _shown(ProviderServicer.Configure)
    Check = _shown(ProviderServicer.Check)
    Create = _shown(ProviderServicer.Create)
    Read = _shown(ProviderServicer.Read)
    Update = _shown(ProviderServicer.Update)
    Delete = _shown(ProviderServicer.Delete)

    async def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


async def serve(engine_address: str) -> None:
    """Listen on a free loopback port, print it, and serve until the process ends."""
    limits = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.aio.server(options=limits)
    servicer = Servicer([], VERSION, LeaseProvider(EngineLog(engine_address)), engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main() -> None:
    """The plugin's entry point; the engine's address is the last plain argument."""
    plain = [word for word in sys.argv[1:] if not word.startswith("-")]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(plain[-1] if plain else ""))


if __name__ == "__main__":
    main()
