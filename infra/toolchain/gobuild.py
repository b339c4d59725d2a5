"""Compiling a pinned Go module into the store, with progress and with errors that say what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from capacity.faults import MachineLacks
from capacity.progress import Progress
from infra.toolchain import store
from infra.toolchain.modules import GoModule

BUILD_TIMEOUT_SECONDS = 3600.0
GO_REMEDY = "install Go 1.26 or newer (https://go.dev/dl/), put its bin folder on PATH, and run the same command again"
_LAST_LINES = 15
_TICK_SECONDS = 0.5

_CAUSES = (
    # what the compiler's last words say, what to do about it
    (r"no space left on device", "free some disk space: a cold build needs about 9 GB for the Go caches"),
    (r"signal: killed|cannot allocate memory|out of memory", "free some memory: linking needs about 3 GB"),
    (
        r"dial tcp|no such host|i/o timeout|connection refused|forbidden|bad gateway|tls:|proxyconnect",
        "let this machine reach a Go module proxy: set GOPROXY (go help goproxy), then run the same command again",
    ),
    (r"checksum mismatch|security error", "a module differs from its recorded hash: check what GOPROXY points to"),
)


def go_environment() -> dict[str, str]:
    """The environment of every Go command here: the user's own proxies and caches, but no flags or workspaces."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


def go_version(folder: Path) -> str:
    """What compiles the module in `folder`, e.g. `go1.26.8 linux/amd64`. Raises MachineLacks without such a Go."""
    if not shutil.which("go"):
        raise MachineLacks("Go is missing; it compiles the pinned infrastructure programs", GO_REMEDY)
    answer = subprocess.run(
        ["go", "env", "GOVERSION", "GOOS", "GOARCH"],
        cwd=folder,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # an older Go may fetch the toolchain that go.mod asks for
    )
    words = answer.stdout.split()
    if answer.returncode or len(words) != 3:
        raise MachineLacks(f"this Go cannot compile {folder.name}: {answer.stderr.strip()}", GO_REMEDY)
    return f"{words[0]} {words[1]}/{words[2]}"


def hash_of(module: GoModule) -> str:
    """The hash that names the module's build: its sources, its flags, its links and the Go that compiles it."""
    return store.digest(module.sources, [*module.build_flags, *module.links, go_version(module.folder)])


def ensure(module: GoModule, progress: Progress) -> Path:
    """The folder with `bin/<executable>`, compiled now if the store has none. Raises MachineLacks."""
    return store.ensure(module.name, hash_of(module), lambda folder: _build(module, folder, progress), progress)


def is_built(module: GoModule) -> bool:
    """Whether the store has the module's program. Raises MachineLacks without Go."""
    return store.place_of(module.name, hash_of(module)).is_dir()


def _build(module: GoModule, folder: Path, progress: Progress) -> None:
    start = time.monotonic()
    title = f"{module.name} {module.version}"
    target = folder / "bin" / module.executable

    def fetching(seen: Words) -> None:
        progress.update(f"fetching the modules of {title}: {seen.downloads} new")

    def compiling(seen: Words) -> None:
        # The compiler names a package only when the build cache lacks it, so `total` is an upper bound.
        if seen.packages:
            progress.update(f"compiling {title}, packages", seen.packages, total)
        else:
            progress.update(f"compiling {title}: reading the build cache")

    listing = _go(["list", "-deps", f"-tags={','.join(module.tags)}", module.package], module.folder, fetching)
    total = len(listing.split())
    _go(["build", "-v", *module.build_flags, "-o", str(target), module.package], module.folder, compiling)
    for name in module.links:
        (folder / "bin" / name).symlink_to(module.executable)
    progress.note(f"compiled {title} in {time.monotonic() - start:.0f} s")


def remedy_for(last_words: str) -> str:
    """What to do about a failed compilation, from its last words."""
    for pattern, remedy in _CAUSES:
        if re.search(pattern, last_words, re.IGNORECASE):
            return remedy
    return "check that `go build` works on this machine, then run the same command again"


class Words:
    """What a Go command has said so far: downloads, compiled packages (`-v`), and its last other lines."""

    def __init__(self) -> None:
        self.downloads = 0
        self.packages = 0
        self.last: deque[str] = deque(maxlen=_LAST_LINES)

    def hear(self, line: str) -> None:
        if line.startswith("go: downloading "):
            self.downloads += 1
        elif re.fullmatch(r"[\w./~\-]+", line):
            self.packages += 1
        else:
            self.last.append(f"    {line}")


def _go(arguments: list[str], folder: Path, show: Callable[[Words], None]) -> str:
    """Run a Go command and return what it wrote to standard output. Raises MachineLacks with its last words."""
    words = Words()
    end = time.monotonic() + BUILD_TIMEOUT_SECONDS
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            [*_end_with_us(), "go", *arguments],
            cwd=folder,
            env=go_environment(),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        listener = threading.Thread(target=_listen, args=(process.stderr, words), daemon=True)
        listener.start()
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    raise MachineLacks(
                        f"go {arguments[0]} in {folder} was not done after an hour",
                        "run it again: it continues from the build cache",
                    )
                show(words)
                listener.join(_TICK_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
        listener.join(_TICK_SECONDS)
        if process.returncode:
            last = "\n".join(words.last)
            raise MachineLacks(f"go {arguments[0]} failed in {folder}:\n{last}", remedy_for(last))
        output.seek(0)
        return output.read()


def _end_with_us() -> list[str]:
    """The words before a command that tie its life to ours, so that a killed set-up leaves no compiler running."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _listen(stream: IO[str], words: Words) -> None:
    for line in stream:
        words.hear(line.rstrip())
