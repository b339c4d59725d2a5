"""What a rack's servers find under `/srv/mirror`: the Kubernetes programs and the image archives of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capacity.progress import Progress
from infra.images import generator as generator_image
from infra.images import permit as permit_image
from infra.images.archive import ImageArchive
from infra.images.pause import images_dir, pause_archive
from infra.rack.spec import Mount
from infra.toolchain.toolchain import ensure

PROGRAMS = Path("/srv/mirror/kubernetes")
IMAGES = Path("/srv/mirror/images")
NAMES = Path("/srv/mirror/names")


@dataclass(frozen=True, slots=True)
class Mirror:
    """The archives that workers import; `pause` is the image of the process that holds a pod's namespaces.

    `generator`: the load generator's, where one is wanted.
    """

    pause: ImageArchive
    permit: ImageArchive
    generator: ImageArchive | None = None

    @property
    def archives(self) -> tuple[ImageArchive, ...]:
        """All archives."""
        return (self.pause, self.permit, *([self.generator] if self.generator else []))


def mounts(progress: Progress) -> tuple[Mount, ...]:
    """The folders of this machine that a rack's servers see. Builds the programs on first use."""
    images_dir().mkdir(parents=True, exist_ok=True)
    made = ensure(["kubernetes", "coredns"], progress)
    return (
        Mount(source=made.folder("kubelet"), target=PROGRAMS),
        Mount(source=images_dir(), target=IMAGES),
        Mount(source=made.folder("coredns"), target=NAMES),
    )


def mirror(progress: Progress, with_generator: bool = False) -> Mirror:
    """Build the archives that are missing."""
    generator = generator_image.build(progress) if with_generator else None
    return Mirror(pause_archive(progress), permit_image.build(progress), generator)


def on_server(archive: ImageArchive) -> str:
    """Where a server finds an archive."""
    return str(IMAGES / archive.path.name)
