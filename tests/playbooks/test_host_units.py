"""The module `host_units`: what it decides. That it really starts units is seen on the rack."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from capacity.documents import REPOSITORY

SPEC = importlib.util.spec_from_file_location("host_units", REPOSITORY / "playbooks" / "library" / "host_units.py")
assert SPEC is not None
assert SPEC.loader is not None
host_units: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(host_units)

LONG_AGO = "Tue 2018-05-01 09:00:00.000000 UTC"
LATER = "Fri 2199-05-03 09:00:00.000000 UTC"


def state(**known: str) -> dict[str, str]:
    everything = dict.fromkeys(host_units._PROPERTIES, "")
    return everything | {"ActiveState": "active", "InactiveExitTimestamp": LATER, "StateChangeTimestamp": LATER} | known


def unit(files: list[str], action: str = "restart") -> dict[str, Any]:
    return {"name": "x.service", "files": files, "action": action, "enabled": True}


@pytest.mark.parametrize("active", ["inactive", "failed", "activating"])
def test_a_unit_that_is_not_up_is_started(active: str) -> None:
    assert host_units._needed(unit([]), state(ActiveState=active)) == "restart"


@pytest.mark.parametrize(
    ("action", "stamp"), [("restart", "InactiveExitTimestamp"), ("reload", "StateChangeTimestamp")]
)
def test_a_unit_takes_up_files_that_changed_after_it_read_them(tmp_path: Path, action: str, stamp: str) -> None:
    (tmp_path / "a.conf").write_text("1")
    files = [str(tmp_path / "*.conf")]
    assert host_units._needed(unit(files, action), state()) == ""
    assert host_units._needed(unit(files, action), state(**{stamp: LONG_AGO})) == action


def test_a_changed_unit_file_asks_for_a_restart(tmp_path: Path) -> None:
    (tmp_path / "x.service").write_text("[Service]")
    known = state(InactiveExitTimestamp=LONG_AGO, FragmentPath=str(tmp_path / "x.service"))
    assert host_units._needed(unit([]), known) == "restart"
    assert host_units._needed(unit([]), state(FragmentPath=str(tmp_path / "x.service"))) == ""


def test_a_changed_mode_or_link_counts_and_missing_files_do_not(tmp_path: Path) -> None:
    os.symlink("/nowhere", tmp_path / "program")
    assert host_units._newest([str(tmp_path / "program")]) > 0
    assert host_units._newest([str(tmp_path / "missing")]) == 0


def test_a_unit_that_never_ran_has_no_time() -> None:
    assert host_units._seconds("") == host_units._seconds("n/a") == 0
    assert host_units._seconds("Thu 1970-01-01 00:00:01.500000 UTC") == 1.5
