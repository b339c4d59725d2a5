"""Image archives: deterministic, complete, and readable by anything that knows OCI layouts or Docker archives."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import BadInput
from infra.images.archive import (
    ImageConfig,
    LayerEntry,
    layer_bytes,
    read_archive,
    tree_entries,
    write_archive,
    write_layer,
)

CONFIG = ImageConfig(entrypoint=["/hello"], environment={"B": "2", "A": "1"}, exposed_ports=[8000], user="65534")
names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True)


def members(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member)
            found[member.name] = content.read() if content else b""
    return found


def test_every_descriptor_in_the_archive_names_the_blob_it_describes(tmp_path: Path) -> None:
    low = write_layer(tmp_path / "low.tar", [LayerEntry("hello", b"\x7fELF", mode=0o755)])
    archive = write_archive(tmp_path / "image.tar", "localhost/hello:1", [low, layer_bytes([])], CONFIG)
    blobs = members(archive.path)
    for name, content in blobs.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(content).hexdigest() == name.removeprefix("blobs/sha256/")
    manifest = json.loads(blobs[f"blobs/{archive.digest.replace(':', '/')}"])
    for described in [manifest["config"], *manifest["layers"]]:
        assert len(blobs[f"blobs/{described['digest'].replace(':', '/')}"]) == described["size"]
    docker = json.loads(blobs["manifest.json"])[0]
    assert docker["RepoTags"] == ["localhost/hello:1"]
    assert set(docker["Layers"]) | {docker["Config"]} <= set(blobs)
    config = json.loads(blobs[docker["Config"]])
    assert config["config"]["Env"] == ["A=1", "B=2"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]


@given(st.dictionaries(names, st.binary(max_size=64), min_size=1, max_size=6))
def test_the_same_content_gives_the_same_layer_in_any_order(content: dict[str, bytes]) -> None:
    paths = set(content)
    kept = {p: c for p, c in content.items() if not any(o.startswith(p + "/") for o in paths)}
    entries = [LayerEntry(path, data) for path, data in kept.items()]
    assert layer_bytes(entries) == layer_bytes(reversed(entries))
    with tarfile.open(fileobj=io.BytesIO(layer_bytes(entries))) as tar:
        files = {m.name for m in tar if m.isfile()}
        folders = {m.name for m in tar if m.isdir()}
    assert files == set(kept)
    assert folders == {str(p) for path in kept for p in Path(path).parents if str(p) != "."}


def test_the_digest_follows_content_and_not_the_clock_or_the_file_name(tmp_path: Path) -> None:
    layer = layer_bytes([LayerEntry("a", b"1")])
    one = write_archive(tmp_path / "one.tar", "localhost/a:1", [layer], CONFIG)
    two = write_archive(tmp_path / "two.tar", "localhost/a:1", [layer], CONFIG)
    other = write_archive(tmp_path / "three.tar", "localhost/a:1", [layer_bytes([LayerEntry("a", b"2")])], CONFIG)
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.digest == two.digest != other.digest
    assert read_archive(one.path) == one


def test_a_tree_keeps_links_and_execute_bits_and_leaves_out_what_is_excluded(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/run").write_text("#!")
    (tmp_path / "bin/run").chmod(0o700)
    (tmp_path / "bin/link").symlink_to("run")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.pyc").write_text("")
    found = {entry.path: entry for entry in tree_entries(tmp_path, "/app")}
    assert set(found) == {"/app/bin/run", "/app/bin/link"}
    assert found["/app/bin/run"].mode == 0o755
    assert found["/app/bin/link"].link == "run"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "image.tar", "localhost/a:1", [tmp_path / "missing.tar"], CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_bad_input_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"not a tar")
    with pytest.raises(BadInput, match="not an image archive") as caught:
        read_archive(tmp_path / "image.tar")
    assert caught.value.faults[0].remedy
