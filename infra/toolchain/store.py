"""A content-addressed store of built things: `<cache>/toolchain/<name>-<hash>/`, complete or absent.

A thing is built beside its place and renamed into it, so a reader never meets half of it, and one builder
at a time holds the lock of a name, so two checkouts never compile the same program at once. The lock is
the kernel's (`flock`): it ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.paths import cache_dir

LOCK_TIMEOUT_SECONDS = 3600.0
_POLL_SECONDS = 0.5


def digest(files: Iterable[Path], words: Iterable[str]) -> str:
    """Twelve hexadecimal digits over the names and contents of `files` and over `words`, in their order."""
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"{path.name}\0{len(content)}\0".encode())
        total.update(content)
    for word in words:
        total.update(f"\0{len(word)}\0{word}".encode())
    return total.hexdigest()[:12]


def place_of(name: str, hash12: str) -> Path:
    """Where the thing `name` with this hash is, or will be."""
    return cache_dir() / "toolchain" / f"{name}-{hash12}"


def ensure(name: str, hash12: str, build: Callable[[Path], None], progress: Progress) -> Path:
    """The folder of a built thing; `build(folder)` fills it when the store has none.

    Raises what `build` raises; the folder is then gone. Raises StepFailed when another process holds the
    lock for longer than an hour.
    """
    place = place_of(name, hash12)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.parent / f"{name}.lock", f"{name} is being built by another process", progress):
        if place.is_dir():
            return place
        for stale in place.parent.glob(f"{name}-*.part"):  # left by a killed builder: we hold its lock
            shutil.rmtree(stale, ignore_errors=True)
        part = place.with_name(place.name + ".part")
        part.mkdir()
        try:
            build(part)
            part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return place


@contextmanager
def locked(path: Path, holder: str, progress: Progress) -> Iterator[None]:
    """Hold the lock file `path`; while another process has it, tell `progress` who (`holder`) and for how long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    start = time.monotonic()
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - start > LOCK_TIMEOUT_SECONDS:
                    raise StepFailed(
                        f"{holder} for more than an hour", f"find the process that holds {path}, or end it"
                    ) from None
                progress.update(f"waiting: {holder}")
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
