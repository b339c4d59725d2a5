"""Container image archives without a registry or a daemon: layers and configuration in, one tar file out.

The archive is an OCI image layout that carries Docker's `manifest.json` too, so `ctr images import`, `podman load`
and `docker load` read it. It is deterministic: the same layers and configuration give the same bytes and digest, and
that digest is the one containerd shows after the import: a node can be asked whether it has the image already.

Format: OCI image specification 1.0 (layout, manifest, configuration); Docker image specification 1.2 (`manifest.json`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from capacity.faults import BadInput, Fault

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

Layer = Path | bytes


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container of the image runs. `user` is `uid[:gid]`; a numeric one lets runAsNonRoot be checked."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    user: str = "65534:65534"
    exposed_ports: Sequence[int] = ()
    stop_signal: str = "SIGTERM"
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """An archive on disk. `digest` is the manifest's (`sha256:…`), as `ctr images ls` shows it after an import."""

    path: Path
    reference: str
    digest: str

    @property
    def short(self) -> str:
        """The first twelve hexadecimal digits of the digest, for names."""
        return self.digest.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """One entry of a layer: a file with `content` (bytes, or a file to copy), a symbolic link, or a directory.

    `mode` is 0644 for a file and 0755 for a directory where none is given.
    """

    path: str
    content: Layer | None = None
    link: str | None = None
    mode: int | None = None
    uid: int = 0
    gid: int = 0


def write_archive(out: Path, reference: str, layers: Sequence[Layer], config: ImageConfig) -> ImageArchive:
    """Write the image `reference` (`localhost/name:tag`) to `out`, whole or not at all.

    `layers` are uncompressed tar files, lowest first, as paths or bytes; see `write_layer`. Big layers are streamed.
    """
    if not layers:
        raise ValueError("an image needs at least one layer")
    measured = [_measure(layer) for layer in layers]
    config_blob = _json(_config(config, [digest for digest, _ in measured]))
    manifest_blob = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, config_blob),
            "layers": [{"mediaType": LAYER_TYPE, "digest": d, "size": size} for d, size in measured],
        }
    )
    manifest = _descriptor(MANIFEST_TYPE, manifest_blob)
    annotations = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [manifest | {"annotations": annotations}]}
    config_digest = _digest(config_blob)
    docker = [
        {
            "Config": _blob_path(config_digest),
            "RepoTags": [reference],
            "Layers": [_blob_path(digest) for digest, _ in measured],
        }
    ]
    with _whole_file(out) as handle, tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
        # The small files come first: reading the digest of a large archive then costs one block.
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json(index))
        _add(tar, "manifest.json", _json(docker))
        _add(tar, _blob_path(_digest(manifest_blob)), manifest_blob)
        _add(tar, _blob_path(config_digest), config_blob)
        written: set[str] = set()
        for layer, (digest, _) in zip(layers, measured, strict=True):
            if digest not in written:
                _add(tar, _blob_path(digest), layer)
                written.add(digest)
    return ImageArchive(out, reference, str(manifest["digest"]))


def read_archive(path: Path) -> ImageArchive:
    """Reference and digest of an archive that `write_archive` made. Raises BadInput when it is not one."""
    try:
        with tarfile.open(path, mode="r|") as tar:
            for member in tar:
                if member.name == "index.json" and (content := tar.extractfile(member)) is not None:
                    manifest = json.load(content)["manifests"][0]
                    reference = manifest["annotations"]["io.containerd.image.name"]
                    return ImageArchive(path, str(reference), str(manifest["digest"]))
    except (OSError, tarfile.TarError, ValueError, LookupError) as error:
        problem = f"not an image archive ({error})"
    else:
        problem = "not an image archive (no index.json)"
    raise BadInput([Fault(str(path), "", "", problem, "Remove the file; it is built again on the next run.")])


def write_layer(out: Path, entries: Iterable[LayerEntry]) -> Path:
    """A deterministic layer tar at `out`: entries sorted by path, parents added, no times, no names of owners."""
    with _whole_file(out) as handle:
        _write_entries(handle, entries)
    return out


def layer_bytes(entries: Iterable[LayerEntry]) -> bytes:
    """As `write_layer`, in memory, for small layers."""
    buffer = io.BytesIO()
    _write_entries(buffer, entries)
    return buffer.getvalue()


def tree_entries(root: Path, at: str, exclude: Sequence[str] = ("__pycache__",)) -> Iterator[LayerEntry]:
    """Everything below `root` as entries below `at`; links stay links, modes become 0755 or 0644.

    `exclude` are names of files or directories that are left out wherever they are.
    """
    for folder, directories, files in os.walk(root):
        directories[:] = sorted(d for d in directories if d not in exclude)
        for name in sorted([*files, *directories]):
            source = Path(folder, name)
            target = str(Path(at, source.relative_to(root)))
            if source.is_symlink():
                yield LayerEntry(target, link=os.readlink(source), mode=0o777)
            elif source.is_file() and name not in exclude:
                yield LayerEntry(target, source, mode=0o755 if source.stat().st_mode & 0o100 else 0o644)


def _write_entries(handle: IO[bytes], entries: Iterable[LayerEntry]) -> None:
    by_path = {entry.path.strip("/"): entry for entry in entries}
    for path in list(by_path):
        for parent in Path(path).parents:
            if str(parent) != ".":
                by_path.setdefault(str(parent), LayerEntry(str(parent)))
    with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted(by_path.items()):
            _add(tar, path, entry.content, entry)


def _add(tar: tarfile.TarFile, name: str, content: Layer | None, entry: LayerEntry | None = None) -> None:
    info = tarfile.TarInfo(name)
    if entry is not None:
        directory = entry.content is None and entry.link is None
        info.mode = entry.mode if entry.mode is not None else 0o755 if directory else 0o644
        info.uid, info.gid = entry.uid, entry.gid
    if entry is not None and entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif content is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif isinstance(content, bytes):
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    else:
        with content.open("rb") as source:
            info.size = os.fstat(source.fileno()).st_size
            tar.addfile(info, source)


def _config(config: ImageConfig, diff_ids: list[str]) -> dict[str, Any]:
    run: dict[str, Any] = {"WorkingDir": config.working_dir, "User": config.user, "StopSignal": config.stop_signal}
    if config.entrypoint:
        run["Entrypoint"] = list(config.entrypoint)
    if config.command:
        run["Cmd"] = list(config.command)
    if config.environment:
        run["Env"] = [f"{name}={value}" for name, value in sorted(config.environment.items())]
    if config.exposed_ports:
        run["ExposedPorts"] = {f"{port}/tcp": {} for port in config.exposed_ports}
    if config.labels:
        run["Labels"] = dict(config.labels)
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return {"architecture": config.architecture, "os": "linux", "config": run, "rootfs": rootfs}


def _measure(layer: Layer) -> tuple[str, int]:
    if isinstance(layer, bytes):
        return _digest(layer), len(layer)
    with layer.open("rb") as source:
        return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}", source.tell()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()


@contextmanager
def _whole_file(out: Path) -> Iterator[IO[bytes]]:
    """Written beside `out`, then renamed: a reader never sees half an archive, an interruption leaves nothing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as handle:
        try:
            yield handle
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.replace(handle.name, out)
        except BaseException:
            Path(handle.name).unlink(missing_ok=True)
            raise
