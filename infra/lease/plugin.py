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
from google.protobuf import empty_pb2, struct_pb2
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from capacity.faults import OssError
from infra.lease.model import PASSWORD_TYPE, SERVER_TYPE
from infra.lease.password import SECRET_OUTPUTS
from infra.lease.provider import SERVER_OUTPUTS, LeaseProvider, kind
from infra.lease.schema import VERSION
from infra.properties import UNKNOWN, has_unknown, plain_map, property_map, to_struct

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

    _provider: LeaseProvider

    @_shown
    async def Configure(self, request: Any, context: Any) -> Any:
        self._provider.set_up(plain_map(request.args))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_shown
    async def Check(self, request: Any, context: Any) -> Any:
        inputs = plain_map(request.news)
        if has_unknown(inputs) or inputs.get("imported"):
            return provider_pb2.CheckResponse(inputs=request.news)
        whole, faults = self._provider.checked(request.urn, inputs)
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in faults]
        return provider_pb2.CheckResponse(inputs=property_map(whole), failures=failures)

    @_shown
    async def Diff(self, request: Any, context: Any) -> Any:
        state, new = plain_map(request.olds), plain_map(request.news)
        found = self._provider.compared(request.urn, state, new, list(request.ignoreChanges))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=found.replaces,
            deleteBeforeReplace=bool(found.delete_before_replace),
            diffs=found.diffs,
            detailedDiff={
                path: provider_pb2.PropertyDiff(
                    kind=provider_pb2.PropertyDiff.Kind.Value(diff.kind.name), inputDiff=diff.input_diff
                )
                for path, diff in (found.detailed_diff or {}).items()
            },
            hasDetailedDiff=True,
        )

    @_shown
    async def Create(self, request: Any, context: Any) -> Any:
        inputs = plain_map(request.properties)
        if request.preview or has_unknown(inputs):
            return provider_pb2.CreateResponse(properties=_foreseen(request.urn, request.properties))
        identity, state = await self._provider.made(request.urn, inputs, request.timeout)
        return provider_pb2.CreateResponse(id=identity, properties=property_map(state, SECRET_OUTPUTS))

    @_shown
    async def Read(self, request: Any, context: Any) -> Any:
        if kind(request.urn) == PASSWORD_TYPE:
            return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        known = plain_map(request.inputs), plain_map(request.properties)
        found = await self._provider.seen(request.urn, request.id, *known)
        if found is None:
            return provider_pb2.ReadResponse()
        inputs, state = found
        return provider_pb2.ReadResponse(id=request.id, properties=property_map(state), inputs=property_map(inputs))

    @_shown
    async def Update(self, request: Any, context: Any) -> Any:
        new = plain_map(request.news)
        if request.preview or has_unknown(new):
            return provider_pb2.UpdateResponse(properties=_foreseen(request.urn, request.news))
        state = await self._provider.changed(request.urn, plain_map(request.olds), new, request.timeout)
        return provider_pb2.UpdateResponse(properties=property_map(state))

    @_shown
    async def Delete(self, request: Any, context: Any) -> Any:
        await self._provider.removed(request.urn, plain_map(request.properties), request.timeout)
        return empty_pb2.Empty()

    async def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


def _foreseen(urn: str, inputs: struct_pb2.Struct) -> struct_pb2.Struct:
    """The state that inputs will come to, as far as it is known beforehand."""
    made = struct_pb2.Struct()
    made.CopyFrom(inputs)
    outputs = SERVER_OUTPUTS if kind(urn) == SERVER_TYPE else SECRET_OUTPUTS
    made.MergeFrom(to_struct(dict.fromkeys(outputs, UNKNOWN)))
    return made


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
