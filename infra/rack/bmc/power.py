"""Power of the rack's servers, as their controllers switch and report it.

`ContainerPower` moves real containers and believes podman and the kernel alone. `PaperPower` serves controllers of
servers that exist on paper, by the hundred, for tests of fleets.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Protocol

import gevent
from gevent import socket as gsocket
from gevent.lock import RLock

from capacity.faults import OssError, StepFailed
from infra.rack import server as servers
from infra.rack.bmc.store import Store
from infra.rack.daemons import start_time
from infra.rack.state import read_spec

log = logging.getLogger("bmc")

REFRESH_SECONDS = 1.0
ERASING_SECONDS = 0.5  # on paper
FIRST_DRIVE = "0"
SETTLE_SECONDS = 30.0


class Power(Protocol):
    """What a controller needs of a server's power. Systems are named by id."""

    def state(self, system: str) -> str:
        """`On`, `Off`, `PoweringOn` or `PoweringOff`."""

    def reset(self, system: str, kind: str) -> None:
        """Carry out a reset (see `inventory.RESET_TYPES`). Raises OssError when the server does not obey."""

    def progress(self, system: str) -> str:
        """How far it started (ComputerSystem, BootProgress.LastState): `None` while it has no power."""

    def erase(self, system: str, drive: str) -> None:
        """Erase a drive of a server that is off. Raises OssError when it cannot be."""

    def reload(self) -> None:
        """Read the rack's spec again."""


class PaperPower:
    """Power that is only written down. `latency_s` passes before a change shows."""

    def __init__(self, store: Store, latency_s: float = 0.0) -> None:
        self._store = store
        self._latency_s = latency_s
        self._changing: dict[str, str] = {}

    def state(self, system: str) -> str:
        """As it was last set."""
        return self._changing.get(system) or str(self._store.get(system)["power"])

    def reset(self, system: str, kind: str) -> None:
        """Write the new state down, now or after the latency."""
        if self._latency_s:
            self._changing[system] = "PoweringOff" if kind in ("ForceOff", "GracefulShutdown") else "PoweringOn"
            gevent.spawn_later(self._latency_s, self._settle, system, kind)
        else:
            self._settle(system, kind)

    def progress(self, system: str) -> str:
        """A paper server runs as soon as it has power."""
        return "OSRunning" if self._store.get(system)["power"] == "On" else "None"

    def erase(self, system: str, drive: str) -> None:
        """Note it."""
        self._store.erased(system, drive)

    def reload(self) -> None:
        """Nothing to read."""

    def _settle(self, system: str, kind: str) -> None:
        was = self._store.get(system)["power"]
        self._changing.pop(system, None)
        if kind in ("ForceOff", "GracefulShutdown"):
            self._store.update(system, power="Off")
        elif was == "Off" or "Restart" in kind:
            self._store.booted(system)
            self._erase_by_image(system)

    def _erase_by_image(self, system: str) -> None:
        """What an image named `eraser…` does once it was booted from the CD: erase all there is, and switch off."""
        settings = self._store.get(system)
        cd = settings["media"].get("Cd", {})
        if settings["last_boot"] == "Cd" and str(cd.get("ImageName", "")).startswith("eraser"):
            self._store.erased(system, "all")
            gevent.spawn_later(ERASING_SECONDS, self._store.update, system, power="Off")


class ContainerPower:
    """Power of containers. A server that reboots itself is started again, as a machine's own reset would do."""

    def __init__(self, spec_file: Path, store: Store) -> None:
        self._spec_file = spec_file
        self._store = store
        self._locks: defaultdict[str, RLock] = defaultdict(RLock)
        self._refreshing = RLock()
        self._read_at = 0.0
        self._seen: dict[str, servers.Container] = {}
        self._watched: dict[str, int] = {}  # server → pid of the init whose end is waited for
        self._stopping: set[str] = set()
        self.reload()
        for name, container in self._seen.items():
            if container.exit_code == servers.REBOOT_EXIT_CODE and name in self._ids:
                gevent.spawn(self._ended, name)  # it rebooted while no controller was there to see it

    def reload(self) -> None:
        """Read the spec and see which servers are on now."""
        spec = read_spec(self._spec_file)
        if spec is None:
            raise StepFailed(f"{self._spec_file} cannot be read", "run `oss rack up` again")
        self._spec = spec
        self._ids = {server.name: spec.bmc_id(server) for server in spec.servers}
        self._names = {system: name for name, system in self._ids.items()}
        self._refresh()

    def state(self, system: str) -> str:
        """What podman and the kernel say: the init process of an `On` server is alive."""
        name = self._names[system]
        if name in self._stopping:
            return "PoweringOff"
        if name in self._watched:  # power stays on while a server reboots itself
            return "On"
        if time.monotonic() - self._read_at > REFRESH_SECONDS:
            self._refresh()
        return "On" if name in self._watched else "Off"

    def progress(self, system: str) -> str:
        """A container's init runs as soon as it has power."""
        return "OSRunning" if self.state(system) in ("On", "PoweringOff") else "None"

    def erase(self, system: str, drive: str) -> None:
        """Make the server anew with empty disks. All its data are on its first drive, so the others hold none."""
        name = self._names[system]
        if drive == FIRST_DRIVE:
            with self._locks[name]:
                servers.renew(self._spec, self._spec.server(name), self._spec_file.parent.parent)
                self._refresh()
        self._store.erased(system, drive)

    def reset(self, system: str, kind: str) -> None:
        """Power on, cut and force are done when this returns; a graceful change goes on behind it."""
        name = self._names[system]
        if kind in ("GracefulShutdown", "GracefulRestart"):
            self._stopping.add(name)
            gevent.spawn(self._gracefully, name, kind == "GracefulRestart")
            return
        with self._locks[name]:
            if kind in ("ForceOff", "ForceRestart"):
                self._off(name, force=True)
            if kind != "ForceOff":
                self._on(name)

    def _gracefully(self, name: str, restart: bool) -> None:
        try:
            with self._locks[name]:
                self._off(name, force=False)
                self._stopping.discard(name)
                if restart:
                    self._on(name)
        except OssError as error:
            log.error("%s: %s", name, error)
        finally:
            self._stopping.discard(name)

    def _off(self, name: str, force: bool) -> None:
        self._store.update(self._ids[name], power="Off")
        servers.power_off(self._spec.name, name, "force" if force else "graceful")
        self._watched.pop(name, None)
        self._refresh()

    def _on(self, name: str) -> None:
        self._refresh()
        if (found := self._seen.get(name)) and found.on:
            return
        servers.power_on(self._spec, self._spec.server(name))
        self._store.booted(self._ids[name])
        self._refresh()

    def _refresh(self) -> None:
        with self._refreshing:
            self._seen = servers.containers(self._spec.name)
            self._read_at = time.monotonic()
        for name, container in self._seen.items():
            if name in self._ids and container.on and name not in self._watched and start_time(container.pid):
                self._watched[name] = container.pid
                gevent.spawn(self._watch, name, container.pid)

    def _watch(self, name: str, pid: int) -> None:
        """Wait for the end of a server's init, and for podman to have noticed it."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            descriptor = -1
        if descriptor >= 0:
            try:
                gsocket.wait_read(descriptor)
            finally:
                os.close(descriptor)
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._watched.get(name) == pid and time.monotonic() < deadline:
            self._refresh()
            found = self._seen.get(name)
            if found is None or found.pid != pid or not found.on:
                self._ended(name, pid)
                return
            gevent.sleep(0.1)
        if self._watched.get(name) == pid:
            del self._watched[name]

    def _ended(self, name: str, pid: int = 0) -> None:
        """A server's init ended by itself: after reboot(2) it is switched on again, else it stays off."""
        with self._locks[name]:  # an action that is under way ends first: it may be what ended the process
            if pid and self._watched.get(name) != pid:
                return
            self._watched.pop(name, None)
            found = self._seen.get(name)
            if found is None or found.on or self._store.get(self._ids[name])["power"] == "Off":
                return
            if found.exit_code != servers.REBOOT_EXIT_CODE:
                log.info("%s is off: its init ended with code %d", name, found.exit_code)
                return
            log.info("%s reboots itself", name)
            self._watched[name] = 0  # still powered, as seen from outside
            try:
                self._on(name)
            except OssError as error:
                log.error("%s: %s", name, error)
            finally:
                if self._watched.get(name) == 0:
                    del self._watched[name]
                    self._refresh()
