"""Reading the machine's apt sources: only the release's main archive, both formats, nothing disabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.faults import MachineLacks
from infra.rack.sources import codename, machine_sources

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://archive.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://vendor.example/apt
Suites: bookworm-vendor nodistro
Components: main
"""


def apt(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".d/").replace("_", ".")).write_text(text)
    return folder


def test_deb822(tmp_path: Path) -> None:
    found = machine_sources(apt(tmp_path, sources_list__debian_sources=DEB822), "bookworm")
    assert [(s.uri, s.suites) for s in found] == [
        ("http://archive.example/debian", ("bookworm", "bookworm-updates")),
        ("https://archive.example/debian-security", ("bookworm-security",)),
    ]
    assert found[0].keyring == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert found[1].plain_uri == "http://archive.example/debian-security", "servers speak plain HTTP to the cache"
    assert (found[1].host, found[1].scheme) == ("archive.example", "https")


def test_one_line_format(tmp_path: Path) -> None:
    text = """
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://archive.example/debian bookworm main # trailing
deb http://archive.example/debian bookworm-updates main
# deb http://off.example/debian bookworm main
deb http://user:secret@private.example/debian bookworm main
deb-src http://archive.example/debian bookworm main
deb file:/srv/local bookworm main
"""
    (found,) = machine_sources(apt(tmp_path, sources_list=text), "bookworm")
    assert found.uri == "http://archive.example/debian"
    assert found.suites == ("bookworm", "bookworm-updates")
    assert found.keyring == "/usr/share/keyrings/k.gpg"


def test_a_machine_without_the_archive_lacks_it(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="no bookworm main"):
        machine_sources(apt(tmp_path, sources_list="deb http://vendor.example/apt stable main\n"), "bookworm")


def test_another_distribution_is_named(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=fedora\nVERSION_CODENAME=""\n')
    with pytest.raises(MachineLacks, match="this machine is fedora"):
        codename(release)
    release.write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n')
    assert codename(release) == "bookworm"
