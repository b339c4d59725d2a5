"""Compiling pinned modules: what is built, and what is said when it cannot be."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from capacity.faults import MachineLacks
from infra.toolchain import gobuild, modules
from infra.toolchain.modules import MODULES, GoModule, pinned
from tests.infra.toolchain.notes import Notes

SOURCE = """package main

import "fmt"

var version = "none"

func main() { fmt.Println(version) }
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoModule:
    """A module of its own, small enough to compile in a second."""
    folder = tmp_path / "tools" / "tiny"
    folder.mkdir(parents=True)
    (folder / "main.go").write_text(SOURCE)
    (folder / "go.mod").write_text(
        "module example.org/tiny\n\ngo 1.26\n\nrequire example.org/other v1.2.3 // indirect\n"
    )
    (folder / "go.sum").write_text("")
    monkeypatch.setattr(modules, "REPOSITORY", tmp_path)
    monkeypatch.setenv("OSS_CACHE", str(tmp_path / "cache"))
    return GoModule("tiny", "", ".", "tiny", "example.org/other", ("main.version={version}",), links=("also",))


@pytest.mark.toolchain
def test_a_module_is_compiled_into_the_store_once(module: GoModule) -> None:
    notes = Notes()
    folder = gobuild.ensure(module, notes)
    said = subprocess.run([folder / "bin" / "also"], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout == "v1.2.3\n"
    assert gobuild.is_built(module)
    assert any("compiled tiny v1.2.3" in line for line in notes.lines)
    assert gobuild.ensure(module, Notes()) == folder


@pytest.mark.toolchain
def test_another_source_is_another_build(module: GoModule) -> None:
    before = gobuild.hash_of(module)
    (module.folder / "main.go").write_text(SOURCE.replace("none", "some"))
    assert gobuild.hash_of(module) != before
    assert not gobuild.is_built(module)


@pytest.mark.toolchain
def test_what_does_not_compile_is_quoted(module: GoModule) -> None:
    (module.folder / "main.go").write_text(SOURCE.replace("Println", "Printline"))
    with pytest.raises(MachineLacks, match=r"Printline") as caught:
        gobuild.ensure(module, Notes())
    assert caught.value.remedy
    assert not gobuild.is_built(module)


def test_without_go_the_remedy_names_it(module: GoModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MachineLacks, match="Go is missing") as caught:
        gobuild.ensure(module, Notes())
    assert caught.value.remedy == gobuild.GO_REMEDY


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("write /tmp/x: no space left on device", "disk"),
        ("link: signal: killed", "memory"),
        ("dial tcp: lookup proxy.example: no such host", "GOPROXY"),
        ("verifying module: checksum mismatch", "hash"),
        ("something else", "go build"),
    ],
)
def test_the_remedy_follows_from_the_last_words(words: str, remedy: str) -> None:
    assert remedy in gobuild.remedy_for(words)


def test_pins_are_read_from_go_mod(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("require (\n\texample.org/a v1.0.0\n\texample.org/ab v2.0.0 // indirect\n)\n")
    assert pinned(tmp_path / "go.mod", "example.org/ab") == "v2.0.0"
    with pytest.raises(LookupError):
        pinned(tmp_path / "go.mod", "example.org/abc")


def test_engine_and_python_sdk_are_of_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert f"pulumi=={MODULES['pulumi'].version.removeprefix('v')}" in project["dependencies"]


@pytest.mark.parametrize("module", MODULES.values(), ids=lambda module: module.name)
def test_every_module_is_pinned_by_hash_and_told_its_version(module: GoModule) -> None:
    requires = "require" in (module.folder / "go.mod").read_text()
    assert bool((module.folder / "go.sum").read_text()) == requires
    assert module.version.startswith("v")
    assert all("{" not in flag for flag in module.build_flags)
