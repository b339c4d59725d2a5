"""Network namespaces by name, and opening sockets inside one of them from a process that stays outside."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def rack_namespace(rack: str) -> str:
    """The namespace that holds the rack's bridge. Rack names have no dash, so no server's name can equal it."""
    return f"oss-{rack}"


def server_namespace(rack: str, server: str) -> str:
    """The namespace of one server."""
    return f"oss-{rack}-{server}"


def namespace_path(name: str) -> Path:
    """Where the kernel shows a named namespace."""
    return FOLDER / name


def names(rack: str) -> list[str]:
    """The namespaces that the rack has now: the bridge's first, then its servers'."""
    own = rack_namespace(rack)
    found = sorted(p.name for p in FOLDER.iterdir()) if FOLDER.is_dir() else []
    return [name for name in found if name == own or name.startswith(f"{own}-")]


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Let the calling thread work in a namespace. Sockets opened there stay there. Raises OSError when it is gone."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(here)
    finally:
        os.close(here)


def listening_socket(address: str, port: int, namespace: str = "", backlog: int = 4096) -> socket.socket:
    """A TCP socket that listens on `address`: inside `namespace`, or in the machine's own when that is empty."""
    if namespace:
        with inside(namespace):
            return listening_socket(address, port, backlog=backlog)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(backlog)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def outgoing_socket(namespace: str) -> socket.socket:
    """A non-blocking TCP socket that connects from inside a namespace, or from the machine's own when that is empty."""
    with inside(namespace) if namespace else nullcontext():
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
