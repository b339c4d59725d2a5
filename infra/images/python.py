"""Images of Python programs, made without a registry or a daemon: three layers, each cached by content hash.

1. Python and the libraries it needs, as Debian packages from the machine's own apt sources. They are unpacked, not
   installed: no shell, no package manager, nothing to log into.
2. The program's dependencies, the pinned and hashed subset of requirements.lock.
3. The program's code.

Modules are compiled in all layers, as a pod's file system is read-only and every start would compile anew.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from capacity.documents import REPOSITORY
from capacity.faults import MachineLacks, StepFailed
from capacity.progress import Progress, Silent
from infra.images.archive import (
    ImageArchive,
    ImageConfig,
    LayerEntry,
    read_archive,
    tree_entries,
    write_archive,
    write_layer,
)
from infra.images.pause import images_dir
from infra.paths import cache_dir
from infra.rack.machine import find_program, run
from infra.rack.sources import codename, kept_settings, machine_sources
from infra.toolchain.store import digest, locked

USER = "10001:10001"
PYTHON = "python3.11"
DEBIAN_PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "tzdata")
# Part of the base layer's hash, as all of this file: raise it to take in Debian's updates since the layer was built.
BASE_EDITION = 1

_LOCK = REPOSITORY / "requirements.lock"
_BUILD_S = 1200.0
_SITE = "opt/oss/lib"
_APP = "opt/oss/app"
# Unpacked with the packages, and of no use to a service.
_UNUSED = re.compile(
    r"^(boot|dev|home|media|mnt|proc|run|sbin|srv|sys|var|usr/(games|include|sbin|src|local))(/|$)"
    r"|^etc/(apt|alternatives|cron\.daily|dpkg|logrotate\.d|init\.d|default|systemd|fstab|hostname)(/|$)"
    r"|^(usr/)?bin/(?!python3)"
    r"|^usr/lib/(apt|dpkg|systemd|tmpfiles\.d|sysusers\.d)(/|$)"
    r"|^usr/share/(?!zoneinfo/)"
    r"|^usr/lib/python3[^/]*/(ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo|distutils)(/|$)"
    r"|/gconv(/|$)|/perl|/libdb-5"
)


@dataclass(frozen=True, slots=True)
class PythonImage:
    """What one image holds. `name` is that of its files and reference; `sources` are files and folders of here."""

    name: str
    entrypoint: tuple[str, ...]
    dependencies: tuple[str, ...]
    sources: tuple[str, ...]
    debian_packages: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """All Debian packages of the base layer."""
        return (*DEBIAN_PACKAGES, *self.debian_packages)

    def files(self) -> list[Path]:
        """The code, in a stable order."""
        found: list[Path] = []
        for name in self.sources:
            path = REPOSITORY / name
            found += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        return [path for path in found if "__pycache__" not in path.parts]


def build(image: PythonImage, progress: Progress | None = None) -> ImageArchive:
    """The image's archive in the cache, built on first use.

    Raises MachineLacks without mmdebstrap, uv or root, and StepFailed when a package cannot be fetched.
    """
    shown = progress or Silent()
    requirements = locked_requirements(_LOCK.read_text(encoding="utf-8"), closure(image.dependencies))
    made_of = digest([Path(__file__)], [codename(), *image.packages])
    base = _layer("base", made_of, lambda root: _base(root, image), shown)
    libraries = _layer(
        "libraries", digest([], [base.name, requirements]), lambda root: _libraries(root, base, requirements), shown
    )
    files = image.files()
    settings = [*image.entrypoint, *(f"{k}={v}" for k, v in image.environment.items())]
    version = digest(files, [libraries.name, USER, *settings, *(str(f.relative_to(REPOSITORY)) for f in files)])
    path = images_dir() / f"oss-{image.name}-{version}.tar"
    if path.exists():
        return read_archive(path)
    code = _layer(f"{image.name}-code", version, lambda root: _code(root, base, files), shown)
    config = ImageConfig(
        entrypoint=[f"/usr/bin/{PYTHON}", *image.entrypoint],
        environment={
            "PYTHONPATH": f"/{_APP}:/{_SITE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **image.environment,
        },
        working_dir=f"/{_APP}",
        user=USER,
        exposed_ports=list(image.ports),
    )
    archive = write_archive(path, f"localhost/oss-{image.name}:{version}", [base, libraries, code], config)
    shown.note(f"{image.name} image {archive.reference}, {path.stat().st_size / 1e6:.0f} MB")
    return archive


def closure(names: tuple[str, ...]) -> list[str]:
    """The canonical names of these distributions and of all that they need, as installed here, in order."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(needed.name))
    return sorted(found)


def locked_requirements(lock: str, names: list[str]) -> str:
    """The entries of a hashed requirements lock for these names. Raises StepFailed naming those it lacks."""
    entries = re.findall(r"^(([A-Za-z0-9._-]+)==\S+(?: ;[^\\\n]*)? \\\n(?:    --hash=\S+(?: \\)?\n)+)", lock, re.M)
    by_name: dict[str, str] = {canonicalize_name(name): entry for entry, name in entries}
    if missing := [name for name in names if name not in by_name]:
        raise StepFailed(
            f"requirements.lock lacks {', '.join(missing)}", "Add it to pyproject.toml and make the lock anew."
        )
    return "".join(by_name[name] for name in names)


def _layer(name: str, hash12: str, fill: Callable[[Path], None], progress: Progress) -> Path:
    """The layer's tar in the cache; `fill(root)` lays its files out when there is none."""
    path = cache_dir() / "images" / "layers" / f"{name}-{hash12}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / f"{name}.lock", "the image is being built by another process", progress):
        if not path.exists():
            progress.update(f"building an image: {name}")
            with tempfile.TemporaryDirectory(prefix="oss-image-") as folder:
                root = Path(folder, "root")
                root.mkdir()
                fill(root)
                write_layer(path, _entries(root, keep_all=name != "base"))
    return path


def _entries(root: Path, keep_all: bool) -> Iterator[LayerEntry]:
    for entry in tree_entries(root, "/", exclude=()):
        if keep_all or not _UNUSED.search(entry.path.strip("/")):
            yield entry
    if not keep_all:
        yield LayerEntry("tmp", mode=0o1777)
        yield from (LayerEntry(mount) for mount in ("dev", "proc", "sys", "run"))
        yield LayerEntry("etc/passwd", f"oss:x:{USER}::/tmp:/none\n".encode())
        yield LayerEntry("etc/group", f"oss:x:{USER.split(':')[1]}:\n".encode())


def _base(root: Path, image: PythonImage) -> None:
    if find_program("mmdebstrap") is None:
        raise MachineLacks("mmdebstrap is not installed", "apt-get install mmdebstrap")
    sources = root.parent / "build.sources"
    stanzas = [s.stanza().replace(s.plain_uri, s.uri, 1) for s in machine_sources()]
    sources.write_text("\n".join(stanzas), encoding="utf-8")
    try:
        run(
            "mmdebstrap",
            "--variant=extract",
            f"--include={','.join(image.packages)}",
            '--aptopt=APT::Install-Recommends "false"',
            *[f"--aptopt={line}" for line in kept_settings().splitlines()],
            "--format=directory",
            codename(),
            root,
            sources,
            timeout=_BUILD_S,
            doing="unpacking Python for an image",
        )
    except StepFailed as failure:
        raise StepFailed(
            failure.message, "check that `apt-get update` works on this machine, then run it again"
        ) from None
    _compile(root, f"/usr/lib/{PYTHON}")


def _libraries(root: Path, base: Path, requirements: str) -> None:
    wanted = root.parent / "requirements.txt"
    wanted.write_text(requirements, encoding="utf-8")
    run(
        _uv(),
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.11",
        "--python-platform=x86_64-manylinux_2_36",
        "--link-mode=copy",
        f"--target={root / _SITE}",
        "-r",
        wanted,
        timeout=_BUILD_S,
        doing="fetching an image's dependencies",
    )
    shutil.rmtree(root / _SITE / "bin", ignore_errors=True)
    (root / _SITE / ".lock").unlink(missing_ok=True)
    _compile_over(base, root, _SITE)


def _code(root: Path, base: Path, files: list[Path]) -> None:
    for path in files:
        target = root / _APP / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _compile_over(base, root, _APP)


def _compile_over(base: Path, root: Path, folder: str) -> None:
    """Compile with the image's own Python, so that the compiled modules are those that it reads."""
    with tempfile.TemporaryDirectory(prefix="oss-image-python-") as system:
        run("tar", "-xf", base, "-C", system, doing="laying the base out")
        shutil.copytree(root / folder, Path(system, folder))
        _compile(Path(system), f"/{folder}")
        for compiled in Path(system, folder).rglob("*.pyc"):
            target = root / folder / compiled.relative_to(Path(system, folder))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(compiled, target)


def _compile(system: Path, folder: str) -> None:
    # Unchecked hashes instead of times: the same source gives the same bytes.
    run(
        "chroot",
        system,
        f"/usr/bin/{PYTHON}",
        "-m",
        "compileall",
        "-q",
        "-f",
        "--invalidation-mode=unchecked-hash",
        folder,
        timeout=300,
        doing="compiling Python modules",
        check=False,  # a few test files of packages are not meant to compile
    )


def _uv() -> Path:
    version = (REPOSITORY / "tools" / "uv.lock").read_text(encoding="utf-8").split()[0].removeprefix("uv==")
    place = cache_dir() / f"uv-{version}" / "bin" / "uv"
    if place.exists():
        return place
    if found := find_program("uv"):
        return Path(found)
    raise MachineLacks("uv is not where set-up puts it", "Run tools/setup_python.sh.")
