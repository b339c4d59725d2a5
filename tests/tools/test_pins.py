"""What set-up installs is pinned by version and hash, and says nothing of where it comes from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY

LOCKS = (REPOSITORY / "requirements.lock", REPOSITORY / "tools" / "uv.lock")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_has_a_version_and_a_hash_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    packages = re.findall(r"^([a-z0-9][\w.-]*)(.*)$", text, re.MULTILINE)
    assert packages
    for name, rest in packages:
        assert re.match(r"(\[[\w,-]+\])?==\S+ ", rest), name
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_covers_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(item for group in project["optional-dependencies"].values() for item in group)]
    locked = set(re.findall(r"^([a-z0-9][\w.-]*)", LOCKS[0].read_text(), re.MULTILINE))
    names = {re.split(r"[\[<>=!~; ]", item)[0].lower().replace("_", "-") for item in asked}
    assert names - locked == set()
    assert "setuptools" in locked  # the editable install builds without isolation


def test_no_go_module_is_replaced_by_a_place() -> None:
    for go_mod in (REPOSITORY / "tools").glob("*/go.mod"):
        targets = re.findall(r"=> (\S+) (\S+)?", go_mod.read_text())
        assert all(not target.startswith((".", "/")) and version for target, version in targets), go_mod
