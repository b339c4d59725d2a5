"""The image of the process that holds a pod's namespaces open, made of our own program: no registry is asked."""

from __future__ import annotations

from pathlib import Path

from capacity.progress import Progress, Silent
from infra.images.archive import ImageArchive, ImageConfig, LayerEntry, layer_bytes, read_archive, write_archive
from infra.paths import cache_dir
from infra.toolchain.toolchain import ensure

REPOSITORY_NAME = "localhost/oss-pause"
_USER = "65535:65535"


def images_dir() -> Path:
    """Where image archives are kept, named `<name>-<hash>.tar`; a rack's servers see it as `/srv/mirror/images`."""
    return cache_dir() / "images"


def pause_archive(progress: Progress | None = None) -> ImageArchive:
    """The archive of the pause image in the cache, built on first use. Raises MachineLacks without a Go compiler."""
    program = ensure(["pause"], progress or Silent()).binary("pause")
    # The program's folder carries the hash of its source, flags and compiler.
    version = program.parent.parent.name.removeprefix("pause-")
    path = images_dir() / f"oss-pause-{version}.tar"
    if path.exists():
        return read_archive(path)
    layer = layer_bytes([LayerEntry("pause", program, mode=0o755)])
    return write_archive(path, f"{REPOSITORY_NAME}:{version}", [layer], ImageConfig(entrypoint=["/pause"], user=_USER))
