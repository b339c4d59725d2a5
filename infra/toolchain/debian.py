"""The Debian packages behind the programs that a rehearsal runs, and installing what is missing of them.

Installing changes nothing but packages: no service of theirs is started, no recommended package comes along.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from capacity.faults import MachineLacks
from capacity.progress import Progress
from infra.rack import machine

INSTALL_TIMEOUT_SECONDS = 1800.0
_TICK_SECONDS = 0.5
_LAST_LINES = 12
_LISTS = Path("/var/lib/apt/lists")
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: exit code 101 forbids the start of a service.
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_MARK = "# forbids service starts while packages are installed; made by oss, which removes it again"
_POLICY_TEXT = f"#!/bin/sh\n{_POLICY_MARK}\nexit 101\n"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the Debian package that brings it, and the part that runs it."""

    name: str
    package: str
    needed_by: str

    @property
    def path(self) -> str | None:
        """Where it is, or None."""
        return machine.find_program(self.name)


@dataclass(frozen=True, slots=True)
class Part(Program):
    """A library or font, known by its file; `pattern` is relative to /usr."""

    pattern: str

    @property
    def path(self) -> str | None:
        """Where it is, or None."""
        return next((str(found) for found in sorted(Path("/usr").glob(self.pattern))), None)


_PDF = "report as PDF"
PROGRAMS: tuple[Program, ...] = (
    *(Program(name, package, "rack") for name, package in machine.REQUIRED_PROGRAMS.items()),
    Program("setpriv", "util-linux", "control plane on loopback"),
    Part("Pango", "libpango-1.0-0", _PDF, "lib/*/libpango-1.0.so.0"),
    Part("Pango for fonts", "libpangoft2-1.0-0", _PDF, "lib/*/libpangoft2-1.0.so.0"),
    Part("HarfBuzz subsetting", "libharfbuzz-subset0", _PDF, "lib/*/libharfbuzz-subset.so.0"),
    Part("DejaVu fonts", "fonts-dejavu-core", _PDF, "share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Program("chromium", "chromium", "browser tests of the pages"),
    Program("nft", "nftables", "tests of the firewall's rules"),
)


def missing() -> list[Program]:
    """The programs that this machine lacks."""
    return [program for program in PROGRAMS if program.path is None]


def command(programs: Sequence[Program]) -> str:
    """The command by which a person would install these programs."""
    return f"apt-get install --no-install-recommends {' '.join(_packages(programs))}"


def ensure(progress: Progress) -> list[str]:
    """Install the packages of missing programs; their names, empty when nothing was missing.

    Raises MachineLacks naming them where this process may not install, or where apt fails.
    """
    lacking = missing()
    if not lacking:
        return []
    names = ", ".join(program.name for program in lacking)
    if not shutil.which("apt-get"):
        raise MachineLacks(f"missing: {names}; this is no Debian", "install these programs with your package manager")
    if os.geteuid() != 0:
        raise MachineLacks(f"missing: {names}", f"sudo {command(lacking)}")
    packages = _packages(lacking)
    with _no_service_starts():
        if not any(_LISTS.glob("*_Packages*")):
            _apt(["update"], "reading the package lists", progress)
        try:
            _install(packages, progress)
        except MachineLacks:  # the lists may be older than the archive
            _apt(["update"], "reading the package lists", progress)
            _install(packages, progress)
    progress.note(f"installed {', '.join(packages)}")
    return packages


def _packages(programs: Sequence[Program]) -> list[str]:
    return sorted({program.package for program in programs})


def _install(packages: Sequence[str], progress: Progress) -> None:
    _apt(["install", "--yes", "--no-install-recommends", *packages], f"installing {', '.join(packages)}", progress)


def _apt(arguments: Sequence[str], title: str, progress: Progress) -> None:
    last: list[str] = []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C.UTF-8"}
    end = time.monotonic() + INSTALL_TIMEOUT_SECONDS
    with subprocess.Popen(
        ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=_keep_last, args=(process.stdout, last), daemon=True)
        reader.start()
        while process.poll() is None:
            if time.monotonic() > end:
                process.terminate()
                break
            progress.update(f"{title}: {last[-1]}" if last else title)
            reader.join(_TICK_SECONDS)
        reader.join(_TICK_SECONDS)
    if process.returncode:
        words = "\n".join(f"    {line}" for line in last)
        raise MachineLacks(
            f"{title} failed:\n{words}",
            f"see that `apt-get {' '.join(arguments)}` works, then run the same command again",
        )


def _keep_last(stream: IO[str], last: list[str]) -> None:
    for line in stream:
        if text := line.strip():
            last.append(text)
            del last[:-_LAST_LINES]


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Forbid packages to start their services for the time of the block; a policy that stands already is kept."""
    ours = not _POLICY.exists() or _POLICY_MARK in _POLICY.read_text(errors="replace")  # left by a killed run
    try:
        if ours:
            _POLICY.write_text(_POLICY_TEXT)
            _POLICY.chmod(0o755)
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
