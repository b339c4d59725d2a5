"""The forwarder: publishes addresses of the rack on loopback. `127.N.x.y:port` leads to `10.N.x.y:port` inside.

The listening sockets belong to the machine's network namespace, the outgoing ones to the rack's. The table is the
rack's own spec. SIGHUP reads it again, opens what is new and closes what is gone; standing connections stay.

    python -m infra.rack.forward --spec FILE --rack NAME
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
from pathlib import Path
from typing import cast

import uvloop

from capacity.faults import StepFailed
from infra.rack.namespace import listening_socket, outgoing_socket, rack_namespace
from infra.rack.spec import PortMap
from infra.rack.state import read_spec

CONNECT_SECONDS = 10.0

log = logging.getLogger("forward")


class Pipe(asyncio.Protocol):
    """One side of a forwarded connection: hands what it reads to its peer, and reads no faster than the peer writes."""

    def __init__(self, peer: Pipe | None = None) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has its methods, not its base

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.peer and self.peer.transport:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        """Our buffer is full: the peer stops reading."""
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Our buffer drained: the peer reads on."""
        if self.peer and self.peer.transport:
            self.peer.transport.resume_reading()

    def eof_received(self) -> bool:
        """Pass a half-close on; the other direction stays open."""
        if self.peer and self.peer.transport and self.peer.transport.can_write_eof():
            self.peer.transport.write_eof()
            return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """End the other side: after its buffer when this side ended well, at once when it broke."""
        if self.peer and self.peer.transport:
            if error:
                self.peer.transport.abort()
            else:
                self.peer.transport.close()
        self.transport = None


class Inbound(Pipe):
    """The accepted side: dials its target inside the rack, and keeps what the client sends before that answers."""

    def __init__(self, namespace: str, target: PortMap, dialling: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._namespace = namespace
        self._target = target
        self._dialling = dialling
        self._early: list[bytes] = []
        self._early_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Dial the target."""
        super().connection_made(transport)
        task = asyncio.get_running_loop().create_task(self._dial())
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep them (uvloop reads once even when told to pause before it has begun)."""
        if self.peer:
            super().data_received(data)
        elif self.transport:
            self._early.append(data)
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Pass a half-close on, or note it."""
        if self.peer:
            return super().eof_received()
        self._early_end = True
        return True

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        outward = Pipe(self)
        try:
            made = outgoing_socket(self._namespace)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await loop.sock_connect(made, (str(self._target.address), self._target.port))
                    await loop.create_connection(lambda: outward, sock=made)
            except BaseException:
                made.close()
                raise
        except (OSError, TimeoutError) as error:
            log.debug("%s:%d does not answer: %s", self._target.address, self._target.port, error)
            if self.transport:
                self.transport.abort()
            return
        if self.transport is None or self.transport.is_closing():
            assert outward.transport is not None
            outward.transport.abort()
            return
        self.peer = outward
        assert outward.transport is not None
        outward.transport.writelines(self._early)
        self._early.clear()
        if self._early_end:
            outward.transport.write_eof()
        else:
            self.transport.resume_reading()


class Forwarder:
    """The servers of one rack's table, by the loopback place they listen on."""

    def __init__(self, rack: str, spec_file: Path) -> None:
        self._spec_file = spec_file
        self._servers: dict[tuple[str, int], tuple[PortMap, asyncio.Server]] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        self._namespace = rack_namespace(rack)

    async def apply(self) -> None:
        """Make the open ports equal to the table. A port that cannot be opened is logged; the others stay."""
        spec = read_spec(self._spec_file)
        if spec is None:
            raise StepFailed(f"{self._spec_file} cannot be read", "run `oss rack up` again")
        wanted = {(m.loopback, m.loopback_port): m for m in spec.port_maps}
        for place, (port_map, server) in list(self._servers.items()):
            if wanted.get(place) != port_map:
                server.close()
                del self._servers[place]
        for place, port_map in wanted.items():
            if place not in self._servers:
                try:
                    self._servers[place] = (port_map, await self._listen(place, port_map))
                except OSError as error:
                    log.error("%s:%d cannot be opened: %s", *place, error)
        log.info("%d ports published", len(self._servers))

    async def _listen(self, place: tuple[str, int], port_map: PortMap) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        made = listening_socket(*place)
        return await loop.create_server(lambda: Inbound(self._namespace, port_map, self._dialling), sock=made)


async def _main(rack: str, spec_file: Path) -> None:
    forwarder = Forwarder(rack, spec_file)
    loop = asyncio.get_running_loop()
    changed, ended = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, changed.set)

    def end() -> None:
        ended.set()
        changed.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await forwarder.apply()
    while True:
        await changed.wait()
        changed.clear()
        if ended.is_set():
            return
        await forwarder.apply()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.rack.forward", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the rack's spec file")
    parser.add_argument("--rack", required=True, help="whose process this is; shown in the process list")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_main(options.rack, options.spec))


if __name__ == "__main__":
    main()
