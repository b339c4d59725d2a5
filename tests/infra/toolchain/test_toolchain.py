"""Official programs come first, ours last; and every plugin ends with the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capacity.faults import MachineLacks
from infra.toolchain import Toolchain, official, plugins
from infra.toolchain.toolchain import OFFLINE

TOOLS = Toolchain((Path("/ours/a"), Path("/ours/b")), {"kubectl": Path("/ours/b/kubectl")})


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_our_programs_come_last_on_path_and_the_virtual_environment_first() -> None:
    made = TOOLS.environment({"PATH": "/usr/bin:/bin", "OTHER": "kept"})
    assert made["PATH"].split(os.pathsep) == [
        str(Path(sys.executable).parent),
        "/usr/bin",
        "/bin",
        "/ours/a",
        "/ours/b",
    ]
    assert made["OTHER"] == "kept"
    assert made.items() >= OFFLINE.items()
    assert TOOLS.environment(made) == made


def test_a_program_that_was_not_asked_for_is_named() -> None:
    assert TOOLS.folder("kubectl") == Path("/ours/b")
    with pytest.raises(MachineLacks, match="kubelet"):
        TOOLS.binary("kubelet")


@pytest.mark.parametrize(
    ("version", "used"), [("v3.259.0", True), ("v3.300.1", True), ("v3.100.0", False), ("v4.0.0", False)]
)
def test_the_official_engine_is_used_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, used: bool
) -> None:
    path = program(tmp_path / "bin", "pulumi", f"#!/bin/sh\necho {version}\n")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert official.pulumi("v3.259.0") == (path if used else None)


def test_what_is_ours_is_not_taken_for_official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_CACHE", str(tmp_path))
    built = tmp_path / "toolchain"
    built.mkdir()
    program(built / "pulumi-1", "pulumi", "#!/bin/sh\necho v3.259.0\n")
    program(tmp_path / "stand-ins", official.LANGUAGE_HOST, f"#!/bin/sh\n{official.STAND_IN_MARK}\n")
    monkeypatch.setenv("PATH", f"{built / 'pulumi-1'}:{tmp_path / 'stand-ins'}")
    assert official.pulumi("v3.0.0") is None
    assert official.language_host() is None


def test_an_installed_official_plugin_replaces_the_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "FOLDER", tmp_path / "bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    runner = tmp_path / plugins.LANGUAGE_EXEC
    everything = {plugins.LEASE_PLUGIN, official.LANGUAGE_HOST, official.KUBERNETES_PLUGIN}
    assert {path.name for path in plugins.write(runner).iterdir()} == everything
    version = plugins.kubernetes_sdk_version()
    home = tmp_path / "home" / "plugins"
    home.mkdir(parents=True)
    program(home / f"resource-kubernetes-v{version}", official.KUBERNETES_PLUGIN, "#!/bin/sh\n")
    assert {path.name for path in plugins.write(runner).iterdir()} == everything - {official.KUBERNETES_PLUGIN}
    assert {path.name for path in plugins.write(None).iterdir()} == {plugins.LEASE_PLUGIN}


@pytest.mark.parametrize("name", [official.LANGUAGE_HOST, official.KUBERNETES_PLUGIN, plugins.LEASE_PLUGIN])
def test_a_plugin_prints_its_port_and_ends_with_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(plugins, "FOLDER", tmp_path / "bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    path = plugins.write(tmp_path / plugins.LANGUAGE_EXEC) / name
    (tmp_path / "infra.py").write_text("raise SystemExit('the working directory must not shadow our modules')")
    with subprocess.Popen(
        [path, "127.0.0.1:9"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert 0 < int(process.stdout.readline()) < 65536
        assert process.poll() is None
        process.stdin.close()  # as the kernel does when the engine dies
        assert process.wait(30) == 0
